"""The model bundle: everything a prediction needs, as text with hashes, in one folder.

``model.json`` (parameters, level curves, reference figures), one LightGBM text per set of trees,
``golden.json`` (made-up feature rows with the predictions they must give), ``card.json`` (how it was trained
and judged) and ``manifest.json`` with the SHA-256 of each. The version is the hash of the manifest: same
data, settings and seed give the same version. Nothing in it can run code, and no customer is in it.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field, replace
from datetime import date
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from features.errors import ModelError
from features.own_features import own_record
from features.pipeline import FEATURES, OWN_FAMILIES
from training.models.anchor import Ahead, Anchor
from training.models.anchor_parts import UsualCustomer, open_anchor
from training.models.curve import ValueCurve
from training.models.golden import check_golden, golden_of
from training.models.head import Head, logit, sigmoid
from training.models.own_files import own_fault
from training.models.rows import Rows, matrix_of
from training.models.text_files import json_text, parsing, pointed, read_texts, write_texts
from training.models.trees import Trees

__all__ = ["POINTER", "Bundle", "champion_path", "schema_hash"]

Floats = npt.NDArray[np.float64]
POINTER = "champion"
_FORMAT = 2
_COLUMNS = pd.Index(FEATURES)
_OWN = tuple(name for family in OWN_FAMILIES for name in family.names)


def schema_hash() -> str:
    """Hash of the feature columns this code makes, in order, less the user's own, which have hashes of their own."""
    names = FEATURES[: len(FEATURES) - len(_OWN)]
    return hashlib.sha256("\n".join(names).encode()).hexdigest()


@dataclass(frozen=True)
class Bundle:
    """A trained model, ready to predict.

    Parameters
    ----------
    evidence : {"rule", "btyd", "ml"}
        The highest rung of any prediction: fixed rules with priors, closed forms fitted to this shop, or
        learned trees. `rung` tells it of each quantity.
    trained_as_of : date
        Nothing known at or after this day was used.
    window_days : int
        Churn window.
    anchor : Anchor
        Closed-form expectation.
    churn : Head
        Log-odds of no order within the window.
    curve : ValueCurve
        Expected orders and value by horizon, and the lifetime tail.
    reference : dict
        Frozen population figures: ``churn_grid`` (101 quantiles of churn probability), and whatever the
        strategies froze at training.
    card : dict
        How it was trained and judged.
    own : dict
        Files with the user's own features that it was trained with, of `features.own_features.own_record`.
    """

    evidence: str
    trained_as_of: date
    window_days: int
    anchor: Anchor
    churn: Head
    curve: ValueCurve
    reference: dict[str, Any] = field(default_factory=dict)
    card: dict[str, Any] = field(default_factory=dict)
    golden: dict[str, Any] = field(default_factory=dict)
    version: str = "unsaved"
    own: dict[str, Any] = field(default_factory=own_record)

    def predict(self, features: pd.DataFrame, as_of: date) -> pd.DataFrame:
        """Predictions for customers described by `features` on `as_of`.

        Parameters
        ----------
        features : pandas.DataFrame
            One row per customer with all columns of `features.pipeline.FEATURES`.
        as_of : date
            The day the features describe.

        Returns
        -------
        pandas.DataFrame
            Same index: ``churn_probability`` and ``churn_percentile`` (share of the reference customers with
            a lower probability, 0 to 100), ``expected_orders_{h}d``, ``expected_value_{h}d`` (spend less
            returns, currency), ``expected_margin_{h}d``, ``expected_margin_year`` (of the next 365 days),
            ``clv`` (discounted margin over the remaining lifetime), ``expected_value_{h}d_p05``, ``_p10``,
            ``_p90``, ``_p95``, the same of ``expected_orders_{h}d`` (whole numbers) and ``clv_p10``, ``clv_p90``
            (not exceeded with that chance),
            ``expected_next_order_days`` (median wait, missing beyond the longest horizon), ``evidence`` (rung
            of the churn probability), ``evidence_value`` (of the value at the longest horizon).

        Raises
        ------
        ModelError
            When a feature column is missing.
        """
        found = self.answers(Rows(FEATURES, self._matrix(features)), as_of)
        # One block of memory: with forty columns a frame made column by column takes longer than predicting.
        answer = pd.DataFrame(
            np.column_stack(list(found.values())), columns=list(found), index=features.index
        )
        return answer.assign(
            evidence=self.rung("churn"), evidence_value=self.rung("value", self.curve.horizons_days[-1])
        )

    def answers(self, features: Rows, as_of: date) -> dict[str, Floats]:
        """The columns of `predict` that are numbers, by name; `features` has the columns of `FEATURES`, in order."""
        ahead = self.anchor.ahead(features, self._asked)
        closed = ahead.at(self._horizons)
        return self._answers(ahead, closed, _completed(features, closed), as_of)

    def explained(self, features: Rows, as_of: date) -> tuple[dict[str, Floats], Rows]:
        """`answers` and `parts`, bit for bit, with the closed form asked once for both."""
        ahead = self.anchor.ahead(features, self._asked)
        closed = ahead.at(self._horizons)
        rows = _completed(features, closed)
        return self._answers(ahead, closed, rows, as_of), self._parts(closed, rows, as_of)

    def risk(self, features: Rows, as_of: date) -> dict[str, Floats]:
        """``churn_probability`` and ``churn_percentile`` alone, bit for bit as `answers` has them, in less time."""
        return self._risk(self.churn_probability(features, as_of))

    def churn_probability(self, features: Rows, as_of: date) -> Floats:
        """P(no order within the window) alone, bit for bit that of `predict`: without the value it is soon told."""
        closed = self.anchor.ahead(features, self._churn_days)
        return self._churn(closed, _completed(features, closed), as_of)

    def rung(self, kind: str, horizon_days: int | None = None) -> str:
        """What one quantity rests on: ``ml`` exactly where trees speak in its head.

        Parameters
        ----------
        kind : {"churn", "orders", "value"}
            Quantity.
        horizon_days : int, optional
            Horizon of orders and value.
        """
        heads = {"orders": self.curve.orders, "value": self.curve.value}
        head = self.churn if kind == "churn" else heads[kind].get(horizon_days or 0)
        if head is not None and head.learned:
            return "ml"
        return "btyd" if self.evidence == "ml" else self.evidence

    def contributions(self, features: pd.DataFrame, as_of: date) -> pd.DataFrame:
        """Contribution of each feature to the churn log-odds; rows add up to logit(churn_probability)."""
        return self.parts(Rows(FEATURES, self._matrix(features)), as_of).frame(features.index)

    def parts(self, features: Rows, as_of: date) -> Rows:
        """`contributions` as a matrix with names; `features` has the columns of `FEATURES`, in order."""
        closed = self.anchor.ahead(features, self._horizons)
        return self._parts(closed, _completed(features, closed), as_of)

    def _answers(self, ahead: Ahead, closed: Ahead, rows: Rows, as_of: date) -> dict[str, Floats]:
        probability = self._churn(closed, rows, as_of)
        return self._risk(probability) | self.curve.predict(ahead, rows, as_of, probability, self.window_days)

    def _parts(self, closed: Ahead, rows: Rows, as_of: date) -> Rows:
        parts = self.churn.contributions(self._log_odds(closed), rows, as_of)
        usual = UsualCustomer.from_json(self.reference.get("usual_customer"))
        window, weight = self.window_days, self.churn.anchor_weight
        return open_anchor(parts, rows, self.anchor, usual=usual, window_days=window, weight=weight)

    def save(self, folder: Path) -> Bundle:
        """Writes the bundle to ``folder/<version>`` whole or not at all, and returns it with its version."""
        head: dict[str, Any] = {"format": _FORMAT, "schema": schema_hash()}
        if self.own:
            head["own"] = self.own
        return replace(self, version=write_texts(folder, self._files(), head))

    @classmethod
    def load(cls, path: Path) -> Bundle:
        """Reads a bundle after checking every hash and the feature schema.

        A bundle that was trained with features of the user's own needs the same files here. Own features that came
        later say nothing to it and change none of its predictions.

        Raises
        ------
        ModelError
            When a file is missing, changed or unlisted, or the bundle was made by other feature code.
        """
        texts = read_texts(path)
        if texts.head.get("format") != _FORMAT:
            raise ModelError(f"bundle {path.name}: manifest.json is of another version; run `retain train`")
        if texts.head.get("schema") != schema_hash():
            raise ModelError(
                f"bundle {path.name}: made for other feature columns than this code's; run `retain train`"
            )
        own = texts.head.get("own", {})
        with parsing(path.name):
            fault = own_fault(own)
            if not fault:
                return replace(cls._parsed(texts.files, texts.version), own=own)
        raise ModelError(f"bundle {path.name}: {fault}")

    @classmethod
    def _parsed(cls, files: dict[str, str], version: str) -> Bundle:
        values = json.loads(files["model.json"])
        trees = {name: Trees(text) for name, text in files.items() if name.endswith(".txt")}
        return cls(
            evidence=values["evidence"],
            trained_as_of=date.fromisoformat(values["trained_as_of"]),
            window_days=int(values["window_days"]),
            anchor=Anchor.from_json(values["anchor"]),
            churn=Head.from_json("churn", values["churn"], trees),
            curve=ValueCurve.from_json(values["curve"], trees),
            reference=values["reference"],
            card=dict(json.loads(files["card.json"])),
            golden=dict(json.loads(files["golden.json"])),
            version=version,
        )

    def check_golden(self) -> None:
        """Predicts the golden rows and compares them with what was written at training.

        Raises
        ------
        ModelError
            When there are none, or a prediction differs by more than 1e-9 relative.
        """
        check_golden(self.golden, self._at_training, self.version)

    def with_golden(self, rows: pd.DataFrame) -> Bundle:
        """The bundle with golden rows (made up, never customers) and the predictions they give now."""
        return replace(self, golden=golden_of(rows, self._at_training))

    def _at_training(self, rows: pd.DataFrame) -> pd.DataFrame:
        later = [name for name in _OWN if name not in rows.columns]
        return self.predict(rows.assign(**dict.fromkeys(later, np.nan)), self.trained_as_of)

    @cached_property
    def _horizons(self) -> tuple[int, ...]:
        """Of the closed form's columns that heads and trees look at."""
        heads = (self.churn, *self.curve.orders.values(), *self.curve.value.values())
        learned = (head.learned_days for head in heads if head.learned)
        return tuple(sorted({self.window_days, *self.curve.horizons_days, *learned}))

    @cached_property
    def _churn_days(self) -> tuple[int, ...]:
        """The same for the churn probability alone."""
        return tuple(sorted({self.window_days, self.churn.learned_days or self.window_days}))

    @cached_property
    def _asked(self) -> tuple[int, ...]:
        return tuple(sorted({*self._horizons, *self.curve.asked(self.window_days)}))

    @cached_property
    def _grid(self) -> Floats:
        return np.asarray(self.reference.get("churn_grid", np.linspace(0.0, 1.0, 101)), dtype=np.float64)

    def _matrix(self, features: pd.DataFrame) -> Floats:
        if features.columns.equals(_COLUMNS):
            return np.ascontiguousarray(features.to_numpy(np.float64))
        missing = [name for name in FEATURES if name not in features.columns]
        if missing:
            raise ModelError(
                f"features: {len(missing)} of {len(FEATURES)} columns are missing, e.g. {missing[0]!r}; "
                "compute them with features.pipeline.customer_features"
            )
        return matrix_of(features, FEATURES)

    def _risk(self, probability: Floats) -> dict[str, Floats]:
        percentile = np.minimum(self._grid.searchsorted(probability, side="left"), 100)
        return {"churn_probability": probability, "churn_percentile": percentile.astype(np.float64)}

    def _churn(self, closed: Ahead, rows: Rows, as_of: date) -> Floats:
        return sigmoid(self.churn.raw(self._log_odds(closed), rows, as_of))

    def _log_odds(self, closed: Ahead) -> Floats:
        """Of no order within the window, as the closed form has them."""
        return logit(closed.no_order[closed.horizons_days.index(self.window_days)])

    def _files(self) -> dict[str, str]:
        churn, churn_files = self.churn.to_json("churn")
        curve, curve_files = self.curve.to_json()
        values = {
            "evidence": self.evidence,
            "trained_as_of": self.trained_as_of.isoformat(),
            "window_days": self.window_days,
            "anchor": self.anchor.to_json(),
            "churn": churn,
            "curve": curve,
            "reference": self.reference,
        }
        texts = {
            "model.json": json_text(values),
            "card.json": json_text(self.card),
            "golden.json": json_text(self.golden),
        }
        return {**texts, **churn_files, **curve_files}


def _completed(features: Rows, closed: Ahead) -> Rows:
    """The features and the closed form's columns."""
    columns = closed.rows()
    return Rows(_names(columns.names), np.concatenate([features.matrix, columns.matrix], axis=1))


@lru_cache(maxsize=64)
def _names(closed: tuple[str, ...]) -> tuple[str, ...]:
    """One object for ever: columns are found sooner in it."""
    return (*FEATURES, *closed)


def champion_path(models_dir: Path) -> Path:
    """Folder of the bundle that the pointer file ``champion`` names.

    Raises
    ------
    ModelError
        When no model has been trained yet.
    """
    return pointed(models_dir, POINTER, train="retain train")
