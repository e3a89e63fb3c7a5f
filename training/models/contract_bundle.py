"""A trained model of contracts: the life table, what covariates add to it, and one consistent curve from both."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from training.models.golden import check_golden, golden_of, made_up_rows
from training.models.hazard import LifeTable
from training.models.head import logit
from training.models.snapshot_model import SnapshotModel
from training.models.text_files import json_text, parsing, read_kind, write_texts

__all__ = ["KIND", "LIFE_TABLE", "POINTER", "ContractBundle"]

Floats = npt.NDArray[np.float64]
KIND = "contract"
POINTER = "champion-contract"
LIFE_TABLE = "life_table"
_DAYS_PER_MONTH = 30.4375
_STEP = 30
_TINY = 1e-9
_LONGEST = 6900
# Golden rows: no multiple of usual terms, so that tenures stand at many places of a term.
_GOLDEN_STEP = 47


@dataclass(frozen=True)
class _Course:
    """The curve of each relationship: the life table's hazards times a factor, and an even hazard besides."""

    table: LifeTable
    plan: pd.Series
    tenure: pd.Series
    factor: Floats
    extra: Floats

    def survival(self, horizon: Any) -> Floats:
        return self.table.survival(self.plan, self.tenure, horizon) ** self.factor * self._evenly(horizon)

    def interval(self, horizon: int) -> tuple[Floats, Floats]:
        low, high = self.table.interval(self.plan, self.tenure, horizon)
        evenly = self._evenly(horizon)
        return low**self.factor * evenly, high**self.factor * evenly

    def median(self) -> Floats:
        """Days until survival is a half, by halving the span; NaN beyond `_LONGEST`."""
        low, high = np.zeros(len(self.factor), dtype=np.int64), np.full(len(self.factor), _LONGEST)
        within = self.survival(_LONGEST) <= 0.5
        for _ in range(int(np.ceil(np.log2(_LONGEST))) + 1):
            middle = (low + high) // 2
            done = self.survival(middle) <= 0.5
            low, high = np.where(done, low, middle), np.where(done, middle, high)
        return np.where(within, high, np.nan).astype(np.float64)

    def _evenly(self, horizon: Any) -> Floats:
        return np.exp(-self.extra * np.asarray(horizon, dtype=np.float64))


@dataclass(frozen=True)
class ContractBundle:
    """A model of contracts.

    Parameters
    ----------
    table : LifeTable
    model : SnapshotModel or None
        P(ends within the window) from covariates; it sees the life table's log-odds as ``life_table``.
    trained_as_of : date
        Nothing known at or after this day was used.
    window_days : int
        Churn window.
    horizons_days : tuple of int
        Horizons of the curve.
    margin_rate, discount_rate : float
        Share of the charge that is margin; yearly discount.
    lifetime_days : int
        How far remaining value is counted.
    grid : tuple of float
        101 quantiles of P(ends within the window) over the running contracts of the training day.
    card : dict
        How it was trained and judged.
    golden : dict
        Made-up rows and what they must give, from `training.models.golden`.
    version : str
        Hash of its files.
    """

    table: LifeTable
    model: SnapshotModel | None
    trained_as_of: date
    window_days: int
    horizons_days: tuple[int, ...]
    margin_rate: float
    discount_rate: float
    lifetime_days: int
    grid: tuple[float, ...] = ()
    card: dict[str, Any] = field(default_factory=dict)
    golden: dict[str, Any] = field(default_factory=dict)
    version: str = "unsaved"

    @property
    def evidence(self) -> str:
        """``life_table``, or ``life_table+`` and the rung of the covariates."""
        return LIFE_TABLE if self.model is None else f"{LIFE_TABLE}+{self.model.evidence}"

    def churn_probability(self, running: pd.DataFrame) -> Floats:
        """P(ends within the window) of running relationships, in [0, 1]."""
        if self.model is None:
            return 1.0 - self.table.survival(running["plan"], running["tenure_days"], self.window_days)
        return self.model.predict(self.model.read(self.with_table(running)))

    def predict(self, running: pd.DataFrame) -> pd.DataFrame:
        """The curve and the value of running relationships.

        Parameters
        ----------
        running : pandas.DataFrame
            From `training.contracts.contract_panel.ContractPanel.running`.

        Returns
        -------
        pandas.DataFrame
            Same index: ``churn_probability``, ``churn_percentile``, for each horizon h ``survival_{h}d`` with
            ``_low`` and ``_high`` (90 %), ``median_remaining_days`` (missing beyond 19 years),
            ``renewal_probability`` (missing without an agreed end), ``expected_remaining_value`` (discounted
            margin, currency; missing without a charge), ``value_at_stake``, ``evidence``.

        Notes
        -----
        Covariates move the whole curve, not the window alone: ``S(h) = S_table(h)^θ exp(-γ h)``. The factor θ on the
        table's hazards (proportional hazards; Cox 1972) is held back where the table expects hardly anything within
        the window, so that a later renewal date is not blown up; γ makes up for it evenly, so that the window's
        probability is met exactly.
        """
        probability = self.churn_probability(running)
        course = self._course(running, probability)
        found = pd.DataFrame({"churn_probability": probability}, index=running.index)
        found["churn_percentile"] = np.minimum(np.searchsorted(self.grid, probability, side="left"), 100.0)
        for h in self.horizons_days:
            found[f"survival_{h}d"] = course.survival(h)
            found[f"survival_{h}d_low"], found[f"survival_{h}d_high"] = course.interval(h)
        found["median_remaining_days"] = course.median()
        left = running["days_left"].to_numpy(np.float64)
        due = np.where(left >= 0, left, 0.0).astype(np.int64) + 1
        found["renewal_probability"] = np.where(left >= 0, course.survival(due), np.nan)
        found["expected_remaining_value"] = self._value(running, course)
        found["value_at_stake"] = found["expected_remaining_value"] * probability
        return found.assign(evidence=self.evidence)

    def contributions(self, running: pd.DataFrame) -> pd.DataFrame:
        """What each column adds to the log-odds of ending within the window; rows add up to them."""
        if self.model is not None:
            return self.model.contributions(self.model.read(self.with_table(running)))
        own = self._log_odds(running["plan"], running["tenure_days"])
        pooled = self._log_odds(np.full(len(running), ""), running["tenure_days"])
        base = float(np.mean(pooled)) if len(pooled) else 0.0
        parts = {"plan": own - pooled, "tenure_days": pooled - base, "base": base}
        return pd.DataFrame(parts, index=running.index)

    def with_table(self, running: pd.DataFrame) -> pd.DataFrame:
        """Running relationships with the life table's log-odds."""
        return running.assign(**{LIFE_TABLE: self._log_odds(running["plan"], running["tenure_days"])})

    def save(self, folder: Path) -> ContractBundle:
        """Writes the bundle to ``folder/<version>`` whole or not at all, and returns it with its version."""
        model, texts = (None, {}) if self.model is None else self.model.to_json()
        values = {
            "table": self.table.to_json(),
            "model": model,
            "trained_as_of": self.trained_as_of.isoformat(),
            "window_days": self.window_days,
            "horizons_days": self.horizons_days,
            "margin_rate": self.margin_rate,
            "discount_rate": self.discount_rate,
            "lifetime_days": self.lifetime_days,
            "grid": self.grid,
        }
        golden = golden_of(self._made_up(), self.predict)
        plain = {"model.json": values, "card.json": self.card, "golden.json": golden}
        files = {**{name: json_text(value) for name, value in plain.items()}, **texts}
        return replace(self, golden=golden, version=write_texts(folder, files, {"kind": KIND}))

    @classmethod
    def load(cls, path: Path) -> ContractBundle:
        """Reads a bundle after checking every hash, and what it predicts for the golden rows.

        Raises
        ------
        ModelError
            Files are missing, changed, or not what this code writes, or this machine's libraries do not reproduce the
            model.
        """
        files = read_kind(path, KIND)
        with parsing(path.name):
            values = json.loads(files["model.json"])
            model = values.pop("model")
            values |= {
                "table": LifeTable.from_json(values["table"]),
                "trained_as_of": date.fromisoformat(values["trained_as_of"]),
                "horizons_days": tuple(values["horizons_days"]),
                "grid": tuple(values["grid"]),
                "model": None if model is None else SnapshotModel.from_json(model, files),
            }
            card, golden = (dict(json.loads(files[name])) for name in ("card.json", "golden.json"))
            found = cls(**values, card=card, golden=golden, version=path.name)
        check_golden(golden, found.predict, found.version)
        return found

    def _made_up(self) -> pd.DataFrame:
        """Running relationships of every plan and age, beside what covariates look at."""
        rows = made_up_rows(() if self.model is None else self.model.columns)
        number = np.arange(len(rows), dtype=np.float64)
        plans = [*self.table.plans, ""]
        return rows.assign(
            plan=[plans[row % len(plans)] for row in range(len(rows))],
            tenure_days=number * _GOLDEN_STEP,
            days_left=np.where(number % 4 == 3, np.nan, number * _STEP - 1),
            monthly_charge=np.where(number % 5 == 4, np.nan, number + 1),
        )

    def _log_odds(self, plan: Any, tenure: Any) -> Floats:
        ends = 1.0 - self.table.survival(plan, tenure, self.window_days)
        return logit(np.clip(ends, 1e-4, 1.0 - 1e-4))

    def _course(self, running: pd.DataFrame, probability: Floats) -> _Course:
        """How each relationship differs from the life table, so that the window's probability is met."""
        table = self.table.survival(running["plan"], running["tenure_days"], self.window_days)
        usual = -np.log(np.clip(table, _TINY, 1.0 - _TINY))
        own = -np.log(np.clip(1.0 - probability, _TINY, 1.0 - _TINY)) if self.model is not None else usual
        some = self.table.rate * self.window_days
        factor = np.where(own > usual, (own + some) / (usual + some), own / usual)
        extra = np.maximum(own - factor * usual, 0.0) / self.window_days
        return _Course(self.table, running["plan"], running["tenure_days"], factor, extra)

    def _value(self, running: pd.DataFrame, course: _Course) -> Floats:
        """Margin of the charges still to come, by months of 30 days, each weighted by survival to its middle."""
        charge = running["monthly_charge"].to_numpy(np.float64) / _DAYS_PER_MONTH * self.margin_rate
        total = np.zeros(len(running))
        for start in range(0, self.lifetime_days, _STEP):
            length = min(_STEP, self.lifetime_days - start)
            middle = start + length // 2
            discount = (1 + self.discount_rate) ** (-middle / 365)
            total += course.survival(middle) * length * discount
        return charge * total
