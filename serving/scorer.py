"""From tables to the list: features, predictions, labels, strategy and reasons, one row per customer.

The nightly list and the endpoint call the same object, and every figure of a row depends on that customer and on
what was frozen at training only: the same customer on the same day gets the same bits in either.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from datetime import date, timedelta
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from features.errors import NotEnoughData
from features.pipeline import FEATURES
from features.plan import fetch_features
from features.rfm import buyers
from features.tables import Tables
from serving.explain import group_contributions, reasons
from serving.explained import Explained, Scored
from serving.reason_texts import QUOTED
from strategies.frameworks import FrameworkSettings
from strategies.life_cycle import LIFE_CYCLE
from strategies.rfm_scores import RfmEdges, scores
from strategies.satisfaction import SATISFACTION
from strategies.satisfaction_loyalty import SATISFACTION_LOYALTY
from strategies.settings import StrategySettings
from strategies.status import risk, status
from strategies.strategy_table import StrategyTable, assign
from strategies.value_at_stake import value_at_stake
from strategies.value_class import ValueCuts, value_axes, value_class
from training.models.bundle import Bundle

__all__ = ["Scorer"]

_CHUNK = 50_000
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
        parts, people, told, quoted, replayed = [], [], [], [], []
        for start in range(0, known.num_rows, _CHUNK):
            chunk = buyers(known.slice(start, _CHUNK).to_pandas())
            chunk = chunk[~chunk["customer_id"].isin(left_out)]
            if chunk.empty:
                continue
            told.append(self.groups(chunk, as_of))
            parts.append(self.rows(chunk, as_of, groups=told[-1]))
            people.append(chunk["customer_id"])
            quoted.append(chunk[list(QUOTED)].astype(np.float64))
            if earlier is not None:
                replayed.append(_groups(earlier, chunk, as_of))
        if not parts:
            raise NotEnoughData(
                f"orders: no order before {as_of.isoformat()}, so there is nobody to score; choose a later "
                "--as-of, or check the time column with `retain check`"
            )
        found = pd.concat(parts, ignore_index=True)
        parts.clear()
        ids = pd.Index(pd.concat(people).astype(object), name="customer_id")
        return Scored(
            found.sort_values(["value_at_stake", "customer_id"], ascending=[False, True], ignore_index=True),
            Explained(pd.concat(told).set_axis(ids), pd.concat(quoted).set_axis(ids)),
            pd.concat(replayed).set_axis(ids) if replayed else None,
        )

    def groups(self, known: pd.DataFrame, as_of: date) -> pd.DataFrame:
        """Contributions to the churn log-odds by group, for customers as `rows` takes them."""
        return _groups(self.bundle, known, as_of)

    def rows(
        self, known: pd.DataFrame, as_of: date, *, explain: bool = True, groups: pd.DataFrame | None = None
    ) -> pd.DataFrame:
        """The list's rows for customers whose features are ready, in the order given.

        Parameters
        ----------
        known : pandas.DataFrame
            ``customer_id`` and all features, one row per customer.
        as_of : date
            The day the features describe.
        explain : bool
            Give the reasons; the trees' contributions take about 2 ms a row.
        groups : pandas.DataFrame, optional
            Their `groups`, when they are known already.

        Returns
        -------
        pandas.DataFrame
            As `score` has it, without ``reasons`` and ``reasons_zh`` when not asked to explain.
        """
        features = known[list(FEATURES)].astype(np.float64)
        predicted = self.bundle.predict(features, as_of)
        found: dict[str, Any] = {
            "customer_id": known["customer_id"],
            "as_of": as_of,
            "model_version": self.bundle.version,
            "evidence": predicted["evidence"],
            "evidence_value": predicted["evidence_value"],
            "status": status(features["days_since_last"], self.bundle.window_days, self.settings),
            "churn_probability": predicted["churn_probability"],
            "churn_percentile": predicted["churn_percentile"],
            "expected_next_order_date": _days_later(as_of, predicted["expected_next_order_days"]),
            "overdue_ratio": features["overdue_ratio"],
        }
        found |= {str(name): predicted[name] for name in predicted if _CURVE.fullmatch(str(name))}
        found |= self._worth(features, predicted)
        found["rfm_score"] = scores(features, self._edges)["rfm_score"]
        found |= self._decided(features, found)
        if explain:
            found |= self._reasons(features, self.groups(known, as_of) if groups is None else groups)
        return pd.DataFrame(found, index=known.index)

    def _worth(self, features: pd.DataFrame, predicted: pd.DataFrame) -> dict[str, pd.Series]:
        """Current value, value at stake and value class; all in margin."""
        curve = self.bundle.curve
        axes = value_axes(features, predicted, margin_rate=curve.margin_rate)
        margin = predicted[f"expected_margin_{max(curve.horizons_days)}d"]
        stake = value_at_stake(predicted["churn_probability"], margin)
        return {**_columns(axes), "value_at_stake": stake, "value_class": value_class(axes, self._cuts)}

    def _decided(self, features: pd.DataFrame, found: dict[str, Any]) -> dict[str, pd.Series]:
        """Stage, satisfaction and loyalty, risk, and the strategy of their cell of the table."""
        labels = {
            "risk": risk(found["churn_probability"], self.settings),
            **self._stage_and_loyalty(features, found),
        }
        known = {name: found[name] for name in ("value_class", "status")}
        chosen = assign(pd.DataFrame(labels | known), self.table).drop(columns="strategy_reason")
        return {**labels, **_columns(chosen)}

    def _stage_and_loyalty(self, features: pd.DataFrame, found: dict[str, Any]) -> dict[str, pd.Series]:
        """By the customer alone: neither the customer base nor an earlier list has a say."""
        people = features.assign(customer_id=found["customer_id"], status=found["status"])
        thresholds = self.frameworks
        content = SATISFACTION.label(people, {}, thresholds.satisfaction, None).columns["satisfaction"]
        people = people.assign(satisfaction=content)
        stage = LIFE_CYCLE.label(people, {}, thresholds.life_cycle, None)
        cell = SATISFACTION_LOYALTY.label(people, {}, thresholds.satisfaction_loyalty, None)
        return {
            "lifecycle_stage": stage.columns["lifecycle_stage"],
            "satisfaction_loyalty": cell.columns["satisfaction_loyalty"],
        }

    def _reasons(self, features: pd.DataFrame, groups: pd.DataFrame) -> dict[str, pd.Series]:
        tell = partial(reasons, features, groups, currency=self.currency)
        return {"reasons": tell(lang="en"), "reasons_zh": tell(lang="zh")}


def _groups(bundle: Bundle, known: pd.DataFrame, as_of: date) -> pd.DataFrame:
    return group_contributions(bundle.contributions(known[list(FEATURES)].astype(np.float64), as_of))


def _columns(frame: pd.DataFrame) -> dict[str, pd.Series]:
    return {str(name): column for name, column in frame.items()}


def _days_later(as_of: date, days: pd.Series) -> pd.Series:
    """Dates as `date`; missing beyond the longest horizon."""
    dates = [None if np.isnan(d) else as_of + timedelta(days=int(d)) for d in days]
    return pd.Series(dates, index=days.index, dtype=object)
