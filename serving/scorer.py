"""From tables to the list: features, predictions, labels, strategy and reasons, one row per customer.

The nightly list and the endpoint call the same object, and every figure of a row depends on that customer and on
what was frozen at training only: the same customer on the same day gets the same bits in either.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import date
from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from features.errors import InputError, NotEnoughData
from features.pipeline import FEATURES
from features.plan import fetch_features
from features.rfm import buyers
from features.tables import Tables
from serving.explain import WEIGHTS, group_weights, sentences
from serving.explained import Explained, Scored
from serving.reason_texts import QUOTED
from serving.row_columns import DaysLater, RowColumn, as_frame, as_rows, as_texts
from strategies.columns import Columns, Numbers
from strategies.frameworks import FrameworkSettings
from strategies.life_cycle import GONE, life_cycle
from strategies.rfm_scores import RFM_COLUMNS, RfmEdges, rfm_labels
from strategies.satisfaction import perceived
from strategies.satisfaction_loyalty import satisfaction_loyalty_labels
from strategies.settings import StrategySettings
from strategies.status import risk_labels, status_labels
from strategies.strategy_table import StrategyTable
from strategies.value_at_stake import stake
from strategies.value_class import ValueCuts, growth, value_labels, year_margin
from training.models.bundle import Bundle
from training.models.rows import Rows, matrix_of

__all__ = ["CHUNK", "Scorer", "together"]

CHUNK = 50_000
"""Customers scored at a time."""

_ORDER = {"value_at_stake": False, "customer_id": True}
_PLAIN = FrameworkSettings()
_CURVE = re.compile(r"expected_(margin_[0-9]+d|(orders|value)_[0-9]+d(_p10|_p90)?)|clv(_p10|_p90)?")


class Scorer:
    """Scores customers with one bundle and one strategy table.

    Parameters
    ----------
    bundle : Bundle
        The model.
    settings : StrategySettings
        Cuts for status and risk, and the file of a strategy table; without one it is the textbook's.
    currency : str
        Shown in reasons.
    frameworks : FrameworkSettings
        Thresholds of life cycle, satisfaction and loyalty.

    Raises
    ------
    ConfigError
        The strategy table cannot be used.
    ModelError
        The bundle lacks the figures frozen at training.
    """

    def __init__(
        self,
        bundle: Bundle,
        settings: StrategySettings,
        *,
        currency: str = "",
        frameworks: FrameworkSettings = _PLAIN,
    ) -> None:
        self.bundle = bundle
        self.settings = settings
        self.frameworks = frameworks
        self.table = StrategyTable.default() if settings.table is None else StrategyTable.load(settings.table)
        self.currency = currency
        self._edges = RfmEdges.from_dict(bundle.reference["rfm_edges"])
        self._cuts = ValueCuts.from_dict(bundle.reference["value_cuts"])

    @property
    def settings_hash(self) -> str:
        """SHA-256 of all that a row depends on besides the model, the features and the day."""
        settings = self.settings.model_dump_json(exclude={"table", "offers"})
        said = [settings, self.frameworks.model_dump_json(), self.table.version, self.currency]
        return hashlib.sha256("\n".join(said).encode()).hexdigest()

    def score(self, tables: Tables, as_of: date) -> pd.DataFrame:
        """One row per customer with an order before `as_of`, highest value at stake first; see `explained`."""
        return self.explained(tables, as_of).rows

    def explained(self, tables: Tables, as_of: date, *, earlier: Bundle | None = None) -> Scored:
        """The list of a day, and what stands behind every score of it.

        Parameters
        ----------
        tables : Tables
            Loaded tables.
        as_of : date
            Everything before this day is past.
        earlier : Bundle, optional
            The model of the run before, when it is another one: it is asked about the same customers.

        Returns
        -------
        Scored
            The list (see the guide for retention teams for its columns), the explanations, and those of the
            earlier model.

        Raises
        ------
        NotEnoughData
            There is no such customer.
        """
        return self.listed(self.known(tables, as_of), as_of, earlier=earlier)

    def known(self, tables: Tables, as_of: date) -> pa.Table:
        """Features of everybody with an order line known before `as_of`, one row each, by ``customer_id``.

        The tables are not needed any more once these are there.
        """
        return fetch_features(tables, [as_of]).sort_by("customer_id")

    def listed(
        self,
        known: pa.Table,
        as_of: date,
        *,
        earlier: Bundle | None = None,
        left_out: Collection[str] = frozenset(),
    ) -> Scored:
        """`explained` from the features of `known`, some customers at a time, without those `left_out`."""
        chunks = (known.slice(start, CHUNK) for start in range(0, known.num_rows, CHUNK))
        return together(self.parts(chunks, as_of, earlier=earlier, left_out=left_out), as_of)

    def parts(
        self,
        known: Iterable[pa.Table | pa.RecordBatch],
        as_of: date,
        *,
        earlier: Bundle | None = None,
        left_out: Collection[str] = frozenset(),
    ) -> Iterator[Scored]:
        """`listed`, a part for each lot of customers that has any, rows in the order given."""
        for some in known:
            chunk = buyers(some.to_pandas())
            chunk = chunk[~chunk["customer_id"].isin(left_out)]
            if chunk.empty:
                continue
            rows, groups = self._told(chunk, as_of)
            ids = pd.Index(chunk["customer_id"].astype(object), name="customer_id")
            quoted = chunk[list(QUOTED)].astype(np.float64).set_axis(ids)
            replayed = None if earlier is None else _groups(earlier, chunk, as_of).set_axis(ids)
            yield Scored(rows, Explained(groups.set_axis(ids), quoted), replayed)

    def rows(self, known: pd.DataFrame, as_of: date, *, explain: bool = True) -> pd.DataFrame:
        """The list's rows for customers whose features are ready, in the order given.

        Parameters
        ----------
        known : pandas.DataFrame
            ``customer_id`` and all features, one row per customer.
        as_of : date
            The day the features describe.
        explain : bool
            Give the reasons, which take about as long again as the score.

        Returns
        -------
        pandas.DataFrame
            As `score` has it, without ``reasons`` and ``reasons_zh`` when not asked to explain.
        """
        features = Rows(FEATURES, matrix_of(known, FEATURES))
        return as_frame(known["customer_id"], self.columns(features, as_of, explain=explain))

    def _told(self, known: pd.DataFrame, as_of: date) -> tuple[pd.DataFrame, pd.DataFrame]:
        """`rows`, and the contributions to the churn log-odds by group, of the same customers."""
        features = Rows(FEATURES, matrix_of(known, FEATURES))
        found, weights = self._weighed(features, as_of)
        rows = as_frame(known["customer_id"], found | self._reasons(features, weights))
        return rows, pd.DataFrame(weights, columns=list(WEIGHTS), index=known.index)

    def answer_rows(
        self, features: Rows | Numbers, customer_ids: Sequence[str], as_of: date, *, explain: bool = False
    ) -> list[dict[str, Any]]:
        """The list's rows as plain values, exactly as the stored list has them, in the order given.

        Parameters
        ----------
        features : Rows, or array of shape (customers, features)
            Columns in the order of `features.pipeline.FEATURES`, missing as NaN.
        customer_ids : sequence of str
            One per row.
        as_of : date
            The day the features describe.
        explain : bool
            Give the reasons.

        Returns
        -------
        list of dict
            Column to text, number or None; days as ISO text.

        Raises
        ------
        InputError
            The matrix has another shape.
        """
        return as_rows(
            customer_ids, self.columns(_checked(features, len(customer_ids)), as_of, explain=explain)
        )

    def answer_texts(
        self, features: Rows | Numbers, customer_ids: Sequence[str], as_of: date, *, explain: bool = False
    ) -> list[str]:
        """`answer_rows` as JSON text, one object per customer, in half the time it takes to write those."""
        return as_texts(
            customer_ids, self.columns(_checked(features, len(customer_ids)), as_of, explain=explain)
        )

    def risk_texts(self, features: Rows | Numbers, customer_ids: Sequence[str], as_of: date) -> list[str]:
        """`answer_texts` of the risk alone: ``as_of, model_version, churn_probability, churn_percentile``."""
        rows = _checked(features, len(customer_ids))
        named: dict[str, RowColumn] = {"as_of": as_of, "model_version": self.bundle.version}
        return as_texts(customer_ids, named | self.bundle.risk(rows, as_of))

    def columns(self, features: Rows, as_of: date, *, explain: bool = False) -> dict[str, RowColumn]:
        """The list's columns behind the id, by name, for customers in the order of `features`."""
        if not explain:
            return self._columns(features, as_of, self.bundle.answers(features, as_of))
        found, weights = self._weighed(features, as_of)
        return found | self._reasons(features, weights)

    def _weighed(self, features: Rows, as_of: date) -> tuple[dict[str, RowColumn], Numbers]:
        """The columns, and what the reasons are told from."""
        predicted, parts = self.bundle.explained(features, as_of)
        return self._columns(features, as_of, predicted), group_weights(parts.names, parts.matrix)

    def _columns(self, features: Rows, as_of: date, predicted: Mapping[str, Numbers]) -> dict[str, RowColumn]:
        """Every column of the list between the id and the reasons."""
        people = _people(features)
        found: dict[str, RowColumn] = {
            "as_of": as_of,
            "model_version": self.bundle.version,
            "evidence": self.bundle.rung("churn"),
            "evidence_value": self.bundle.rung("value", self.bundle.curve.horizons_days[-1]),
            "status": status_labels(people["days_since_last"], self.bundle.window_days, self.settings),
            "churn_probability": predicted["churn_probability"],
            "churn_percentile": predicted["churn_percentile"],
            "expected_next_order_date": DaysLater(as_of, predicted["expected_next_order_days"]),
            "overdue_ratio": people["overdue_ratio"],
        }
        found |= {name: predicted[name] for name in _curve(tuple(predicted))}
        found |= self._worth(people, predicted)
        found["rfm_score"] = rfm_labels([people[name] for name in RFM_COLUMNS], self._edges)
        return found | self._decided(people, found)

    def _worth(self, people: Columns, predicted: Mapping[str, Numbers]) -> dict[str, RowColumn]:
        """Current value, value at stake and value class; all in margin."""
        curve = self.bundle.curve
        now = year_margin(people["margin_365d"], people["value_365d"], margin_rate=curve.margin_rate)
        more = growth(predicted["expected_margin_year"], now)
        margin = predicted[f"expected_margin_{max(curve.horizons_days)}d"]
        return {
            "current_value": now,
            "growth_potential": more,
            "value_at_stake": stake(predicted["churn_probability"], margin),
            "value_class": value_labels(now, more, self._cuts),
        }

    def _decided(self, people: Columns, found: Mapping[str, Any]) -> dict[str, RowColumn]:
        """Risk, stage, satisfaction and loyalty, and the strategy of their cell of the table.

        By the customer alone: neither the customer base nor an earlier list has a say.
        """
        settings, state = self.frameworks, found["status"]
        content = perceived(people["satisfaction_last"], people["satisfaction_gap"])
        labels = {
            "risk": risk_labels(found["churn_probability"], self.settings),
            "lifecycle_stage": life_cycle(people, state.among(*GONE), settings.life_cycle).stage,
            "satisfaction_loyalty": satisfaction_loyalty_labels(
                content, people["loyalty"], settings.satisfaction_loyalty
            ),
        }
        chosen = self.table.assigned({**labels, "value_class": found["value_class"], "status": state})
        return {**labels, **{name: chosen[name] for name in chosen if name != "strategy_reason"}}

    def _reasons(self, features: Rows, weights: Numbers) -> dict[str, RowColumn]:
        told = sentences(_people(features), weights, ("en", "zh"), currency=self.currency)
        return {"reasons": told["en"], "reasons_zh": told["zh"]}


def together(parts: Iterable[Scored], as_of: date) -> Scored:
    """A list from its parts, highest value at stake first; the parts are used up.

    Raises
    ------
    NotEnoughData
        There is nobody in them.
    """
    found = list(parts)
    if not found:
        raise NotEnoughData(
            f"orders: no order before {as_of.isoformat()}, so there is nobody to score; choose a later "
            "--as-of, or check the time column with `retain check`"
        )
    replayed = [part.replayed for part in found if part.replayed is not None]
    explained = Explained.together([part.explained for part in found])
    rows = _in_order([part.rows for part in found])
    return Scored(rows, explained, pd.concat(replayed) if replayed else None)


def _in_order(parts: list[pd.DataFrame]) -> pd.DataFrame:
    """The rows of all parts in the order of the list, put together column by column: whole they would be there twice."""
    keys = pd.concat([part[list(_ORDER)] for part in parts], ignore_index=True)
    order = keys.sort_values(list(_ORDER), ascending=list(_ORDER.values())).index.to_numpy()
    columns = {}
    for name in list(parts[0].columns):
        whole = pd.concat([part.pop(name) for part in parts], ignore_index=True)
        columns[name] = whole.array.take(order)
    return pd.DataFrame(columns, copy=False)


def _checked(features: Rows | Numbers, customers: int) -> Rows:
    rows = features if isinstance(features, Rows) else Rows(FEATURES, np.asarray(features, np.float64))
    if rows.names != FEATURES or rows.matrix.shape != (customers, len(FEATURES)):
        raise InputError(
            f"features: {customers} customers and a matrix of {rows.matrix.shape}; expected a row per "
            f"customer with the {len(FEATURES)} columns of features.pipeline.FEATURES in their order."
        )
    return rows


def _people(features: Rows) -> Columns:
    return Columns(dict(zip(features.names, features.matrix.T, strict=True)), len(features.matrix))


@lru_cache(maxsize=16)
def _curve(predicted: tuple[str, ...]) -> tuple[str, ...]:
    """The predictions that are columns of the list by their own name."""
    return tuple(name for name in predicted if _CURVE.fullmatch(name))


def _groups(bundle: Bundle, known: pd.DataFrame, as_of: date) -> pd.DataFrame:
    weights = _weights(bundle, Rows(FEATURES, matrix_of(known, FEATURES)), as_of)
    return pd.DataFrame(weights, columns=list(WEIGHTS), index=known.index)


def _weights(bundle: Bundle, features: Rows, as_of: date) -> Numbers:
    parts = bundle.parts(features, as_of)
    return group_weights(parts.names, parts.matrix)
