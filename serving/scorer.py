"""From tables to the list: features, predictions, labels, strategy and reasons, one row per customer.

The nightly list and the endpoint call the same object, and every figure of a row depends on that customer and on
what was frozen at training only: the same customer on the same day gets the same bits in either.
"""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import pandas as pd

from features.pipeline import FEATURES, customer_features
from features.tables import Tables
from serving.explain import reasons, rule_reasons
from strategies.rfm_scores import RfmEdges, scores
from strategies.settings import StrategySettings
from strategies.status import risk, status
from strategies.strategy_table import StrategyTable, assign
from strategies.value_at_stake import value_at_stake
from strategies.value_class import ValueCuts, value_axes, value_class
from training.models.bundle import Bundle

__all__ = ["Scorer"]

_CHUNK = 50_000


class Scorer:
    """Scores customers with one bundle and one strategy table.

    Parameters
    ----------
    bundle : Bundle
        The model.
    settings : StrategySettings
        Cuts for status and risk.
    table : StrategyTable, optional
        The editable table; the textbook's when not given.
    currency : str
        Shown in reasons.
    """

    def __init__(
        self,
        bundle: Bundle,
        settings: StrategySettings,
        *,
        table: StrategyTable | None = None,
        currency: str = "",
    ) -> None:
        self.bundle = bundle
        self.settings = settings
        self.table = table or StrategyTable.default()
        self.currency = currency
        self._edges = RfmEdges.from_dict(bundle.reference["rfm_edges"])
        self._cuts = ValueCuts.from_dict(bundle.reference["value_cuts"])

    def score(self, tables: Tables, as_of: date) -> pd.DataFrame:
        """One row per customer with an order before `as_of`, highest value at stake first.

        Parameters
        ----------
        tables : Tables
            Loaded tables.
        as_of : date
            Everything before this day is past.

        Returns
        -------
        pandas.DataFrame
            The list; see the guide for retention teams for its columns.
        """
        known = customer_features(tables, [as_of])
        rows = tables.con.to_pyarrow(known).to_pandas().sort_values("customer_id", ignore_index=True)
        parts = [self.rows(rows.iloc[i : i + _CHUNK], as_of) for i in range(0, max(len(rows), 1), _CHUNK)]
        found = pd.concat(parts, ignore_index=True)
        return found.sort_values(
            ["value_at_stake", "customer_id"], ascending=[False, True], ignore_index=True
        )

    def rows(self, known: pd.DataFrame, as_of: date) -> pd.DataFrame:
        """The list's rows for customers whose features are ready, in the order given."""
        features = known[list(FEATURES)].astype(np.float64)
        predicted = self.bundle.predict(features, as_of)
        found = pd.DataFrame({"customer_id": known["customer_id"]}, index=known.index)
        found["as_of"] = as_of
        found["model_version"] = self.bundle.version
        found["evidence"] = predicted["evidence"]
        found["status"] = status(features["days_since_last"], self.bundle.window_days, self.settings)
        found["churn_probability"] = predicted["churn_probability"]
        found["churn_percentile"] = predicted["churn_percentile"]
        found["expected_next_order_date"] = _days_later(as_of, predicted["expected_next_order_days"])
        found["overdue_ratio"] = features["overdue_ratio"]
        found = found.join(predicted.filter(regex="^expected_(orders|value)_[0-9]+d$"))
        found["clv"] = predicted["clv"]
        found = found.join(self._worth(features, predicted))
        found = found.join(scores(features, self._edges)[["rfm_score"]])
        return found.join(self._decided(found)).join(self._explained(features, as_of))

    def _worth(self, features: pd.DataFrame, predicted: pd.DataFrame) -> pd.DataFrame:
        """Current value, value at stake and value class; all in margin."""
        curve = self.bundle.curve
        found = value_axes(
            features, predicted, horizons_days=curve.horizons_days, margin_rate=curve.margin_rate
        )
        margin = predicted[f"expected_value_{max(curve.horizons_days)}d"] * curve.margin_rate
        found["value_at_stake"] = value_at_stake(predicted["churn_probability"], margin)
        found["value_class"] = value_class(found, self._cuts)
        return found

    def _decided(self, found: pd.DataFrame) -> pd.DataFrame:
        labels = found[["value_class", "status"]].copy()
        labels["risk"] = risk(found["churn_probability"], self.settings)
        chosen = assign(labels, self.table)
        return labels[["risk"]].join(chosen.drop(columns="strategy_reason"))

    def _explained(self, features: pd.DataFrame, as_of: date) -> pd.DataFrame:
        if self.bundle.evidence != "ml":
            en = rule_reasons(features, lang="en", currency=self.currency)
            zh = rule_reasons(features, lang="zh", currency=self.currency)
        else:
            parts = self.bundle.contributions(features, as_of)
            en = reasons(features, parts, lang="en", currency=self.currency)
            zh = reasons(features, parts, lang="zh", currency=self.currency)
        return pd.DataFrame({"reasons": en, "reasons_zh": zh}, index=features.index)


def _days_later(as_of: date, days: pd.Series) -> pd.Series:
    """Dates as `date`; missing beyond the longest horizon."""
    dates = [None if np.isnan(d) else as_of + timedelta(days=int(d)) for d in days]
    return pd.Series(dates, index=days.index, dtype=object)
