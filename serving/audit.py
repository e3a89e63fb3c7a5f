"""The audit of a customer base: all tables of the five lenses, concentration, the bridge and customer equity.

Everything is computed from one set of day-level facts (`features.ledger`), and `checks` holds the sums of each part against
the ledger in whole units. The list of a model, where there is one, adds customer equity.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Any, Final

import numpy as np
import pandas as pd
import pyarrow as pa

from features.errors import NotEnoughData
from features.exact import MONEY
from features.ledger import attribute_of, breadth_of, customer_days, lines_of_file
from features.pipeline import FEATURES
from features.plan import fetch_features
from features.tables import Tables
from serving.scorer import Scorer
from strategies import equity, lenses, pareto
from strategies.bridge import PARTS, bridge, levers
from strategies.cohorts import (
    cohort_table,
    cohorts_compared,
    one_cohort,
    step_months,
    usual_cohort,
    whole_base,
)
from strategies.columns import Numbers
from strategies.lenses import Period
from training.models.bundle import Bundle

__all__ = ["NO_PURCHASE", "NO_SEGMENT", "SPLITS", "Audit", "audit"]

NO_PURCHASE: Final = "no_purchase"
"""Label of customers who only ever gave back; they have no value ahead."""

NO_SEGMENT: Final = "no_segment"
"""Label of customers who want no contact: they are valued, and in no segment."""

SPLITS: Final = ("value_class", "pyramid_tier", "lifecycle_stage", "status")
"""Labels by which equity is split, those that the customer table has."""

_CHUNK = 50_000


@dataclass(frozen=True)
class Audit:
    """The tables of an audit, and what they are about.

    Parameters
    ----------
    as_of : date
        Everything before this day was known.
    currency : str
        Of all money.
    earlier, later : Period
        The two periods compared; the later one is the period of the first lens.
    months : int
        Length of a cohort's step.
    breadth_of : str
        ``category``, ``product`` or nothing: what the breadth of an order is counted in.
    model_version : str
        The model behind equity; empty without.
    tables : dict of str to DataFrame
        By name, in the order of the page; money in the currency. ``bridge_customers`` has a row per customer.
    """

    as_of: date
    currency: str
    earlier: Period
    later: Period
    months: int
    breadth_of: str
    model_version: str
    tables: dict[str, pd.DataFrame]

    @property
    def reconciles(self) -> bool:
        """Whether every check of `tables` ``checks`` came out without a difference."""
        return bool((self.tables["checks"]["difference"] == 0).all())


def audit(
    tables: Tables,
    as_of: date,
    *,
    margin_rate: float,
    unused: pa.Table | None = None,
    scorer: Scorer | None = None,
    labels: pd.DataFrame | None = None,
) -> Audit:
    """Audit the customer base as of a day.

    Parameters
    ----------
    tables : Tables
        Loaded tables.
    as_of : date
        Everything before this day is past.
    margin_rate : float
        In (0, 1]; share of revenue kept on lines without a cost of goods.
    unused : pyarrow.Table, optional
        Lines that loading kept out (`features.load.Loaded.unused`), for the ledger.
    scorer : Scorer, optional
        The model; without one there is no equity.
    labels : DataFrame, optional
        ``customer_id`` and those labels of `SPLITS` that the list lacks, as `retain segments` gives them.

    Returns
    -------
    Audit

    Raises
    ------
    NotEnoughData
        There is no order before the day.
    """
    days = customer_days(tables, as_of, margin_rate=margin_rate)
    bought = days[days["orders"] > 0]
    if bought.empty:
        raise NotEnoughData(
            f"orders: no order before {as_of.isoformat()}, so there is no customer base to audit; choose a later "
            "--as-of, or check the data with `retain check`"
        )
    first = bought["day"].min().date()
    earlier, later = lenses.last_periods(first, as_of)
    months = step_months(first, as_of)
    ledger = lines_of_file(tables, as_of, unused)
    groups = lenses.customer_groups(days, earlier, later)
    lever = levers(groups, attribute_of(tables, as_of, "segment"))
    cohorts = cohort_table(days, as_of, months=months)
    found = {
        "ledger": _in_money(ledger, amount="amount_u"),
        "one_period": _periods(days, (earlier, later), unused),
        "tenths": _tenths(days, later),
        "order_counts": lenses.order_counts(days, later),
        "two_periods": lenses.two_periods(groups),
        "kept_movers": lenses.kept_movers(groups),
        "bridge": bridge(lever),
        "bridge_customers": _lever_money(lever),
        "one_cohort": one_cohort(cohorts, usual_cohort(cohorts)),
        "cohorts_compared": cohorts_compared(cohorts),
        "cohorts": cohorts,
        "whole_base": whole_base(cohorts),
        **_concentration(days, later),
    }
    if scorer is not None:
        found |= _equity(scorer, tables, as_of, days, labels)
    found["checks"] = _checks(found, ledger)
    version = "" if scorer is None else scorer.bundle.version
    return Audit(as_of, tables.currency, earlier, later, months, breadth_of(tables), version, found)


def _in_money(frame: pd.DataFrame, **columns: str) -> pd.DataFrame:
    """Columns of units, renamed and in the currency."""
    money = {new: frame[old] / MONEY for new, old in columns.items()}
    return frame.drop(columns=list(columns.values())).assign(**money)


def _periods(days: pd.DataFrame, periods: tuple[Period, Period], unused: pa.Table | None) -> pd.DataFrame:
    """The figures of both periods, the earlier first, beside the revenue of lines that have no customer."""
    found = pd.concat([lenses.one_period(days, period) for period in periods], ignore_index=True)
    lost = pd.DataFrame({"rule": [], "day": [], "amount_u": []}) if unused is None else unused.to_pandas()
    lost = lost[(lost["rule"] == "no_customer") & lost["day"].notna()]
    inside = [lost[(lost["day"] >= p.start) & (lost["day"] < p.end)]["amount_u"].sum() for p in periods]
    return found.assign(revenue_no_customer=[float(units) / MONEY for units in inside])


def _tenths(days: pd.DataFrame, period: Period) -> pd.DataFrame:
    measures: tuple[lenses.Measure, ...] = ("revenue", "orders", "margin")
    return _stacked("by", {by: lenses.tenths(days, period, by) for by in measures})


def _stacked(name: str, parts: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Tables of the same columns below one another, each marked in a first column."""
    found = pd.concat(parts.values(), ignore_index=True)
    found.insert(0, name, [key for key, part in parts.items() for _ in range(len(part))])
    return found


def _lever_money(lever: pd.DataFrame) -> pd.DataFrame:
    names = {
        "revenue_before": "revenue_u_before",
        "revenue_after": "revenue_u_after",
        **{p: p for p in PARTS},
    }
    money = pd.DataFrame({new: lever[old] / MONEY for new, old in names.items()})
    money.insert(0, "group", lever["group"])
    money.insert(0, "customer_id", lever.index.astype(object))
    return money.reset_index(drop=True)


def _concentration(days: pd.DataFrame, later: Period) -> dict[str, pd.DataFrame]:
    """Concentration and Lorenz curves of the later period's customers, and of all customers ever."""
    rows, curves = {}, {}
    for over, people in (("period", lenses.by_customer(days, later)), ("all", lenses.by_customer(days))):
        buyers = people[people["orders"] > 0]
        values = {name: buyers[f"{name}_u"].to_numpy(np.int64) for name in ("revenue", "margin")}
        rows[over] = pareto.concentration(values["revenue"], values["margin"])
        curves[over] = _stacked("value", {name: pareto.lorenz(units) for name, units in values.items()})
    return {"concentration": _stacked("over", rows), "lorenz": _stacked("over", curves)}


def _equity(
    scorer: Scorer, tables: Tables, as_of: date, days: pd.DataFrame, labels: pd.DataFrame | None
) -> dict[str, pd.DataFrame]:
    """Equity in all, by every label there is, and its elasticities."""
    features = fetch_features(tables, [as_of]).to_pandas().sort_values("customer_id", ignore_index=True)
    features = features[features["purchase_days"] > 0]
    chunks = [features.iloc[i : i + _CHUNK] for i in range(0, len(features), _CHUNK)]
    people = pd.concat([scorer.rows(chunk, as_of, explain=False) for chunk in chunks])
    past = lenses.by_customer(days)[["revenue_u", "margin_u"]]
    whole = _labelled(past.join(people.set_index("customer_id"), how="left"), labels)
    splits = [name for name in SPLITS if name in whole.columns]
    by = {name: equity.equity_by(whole, name).rename(columns={name: "label"}) for name in splits}
    costs = attribute_of(tables, as_of, "acquisition_cost")
    moved = _moved(scorer.bundle, people["clv"].to_numpy(np.float64), chunks, as_of) | _acquired(whole, costs)
    return {
        "equity": equity.total_equity(whole),
        "equity_by": _stacked("split", by),
        "elasticities": equity.elasticities(moved),
    }


def _labelled(whole: pd.DataFrame, labels: pd.DataFrame | None) -> pd.DataFrame:
    """The customers with the labels that the list lacks; who is valued and has none of these is in no segment."""
    if labels is not None:
        more = [name for name in SPLITS if name in labels.columns and name not in whole.columns]
        given = labels.set_index("customer_id")[more].reindex(whole.index)
        whole = whole.join(given.fillna(NO_SEGMENT))
    known = [name for name in SPLITS if name in whole.columns]
    whole[known] = whole[known].where(whole["clv"].notna(), NO_PURCHASE)
    return whole


def _moved(
    bundle: Bundle, clv: Numbers, chunks: Sequence[pd.DataFrame], as_of: date
) -> dict[str, tuple[float, float, float]]:
    """Equity as it is, and with each driver lower and higher, from the model's own curve."""
    base, step = float(np.nansum(clv)), equity.STEP
    rates = np.concatenate([bundle.curve.margin.rates(chunk) for chunk in chunks])
    low, high = (float(np.nansum(equity.shifted_margin(clv, rates, change))) for change in (-step, step))
    found = {"margin": (base, low, high)}
    for driver in ("retention", "discount"):
        sides = [equity.shifted_discount(driver, c, bundle.curve.discount_rate) for c in (-step, step)]
        low, high = (_equity_at(bundle, chunks, as_of, side) for side in sides)
        found[driver] = (base, low, high)
    return found


def _equity_at(bundle: Bundle, chunks: Sequence[pd.DataFrame], as_of: date, discount_rate: float) -> float:
    """Sum of clv at another discount rate."""
    model = replace(bundle, curve=replace(bundle.curve, discount_rate=discount_rate))
    names = list(FEATURES)
    return float(sum(model.predict(c[names].astype(np.float64), as_of)["clv"].sum() for c in chunks))


def _acquired(whole: pd.DataFrame, costs: pd.Series | None) -> dict[str, tuple[float, float, float]]:
    """Whole-life profit of the customers whose cost of acquisition is known; nothing without any."""
    if costs is None or costs.empty:
        return {}
    known = whole[whole.index.isin(costs.index)]
    margin, worth = float(known["margin_u"].sum()) / MONEY, float(known["clv"].sum())
    cost = float(costs.reindex(known.index).sum())
    return {"acquisition": equity.whole_life_profit(margin, worth, cost)}


def _checks(found: Mapping[str, pd.DataFrame], ledger: pd.DataFrame) -> pd.DataFrame:
    """The revenue of each part against that of the ledger, or of its period; differences in whole units."""
    places = ledger.set_index("place")["amount_u"]
    audited = int(places["bought"] + places["returned"])
    before, after = (_units(found["one_period"]["revenue"].iloc[[place]]) for place in (0, 1))
    steps = found["bridge"].set_index("part")["amount"]
    pairs: dict[str, tuple[int, int]] = {
        "cohorts": (audited, _units(found["cohorts"]["revenue"])),
        "whole_base": (audited, _units(found["whole_base"]["revenue"])),
        "order_counts": (after, _units(found["order_counts"]["revenue"])),
        "two_periods_before": (before, _units(found["two_periods"]["revenue_before"])),
        "two_periods_after": (after, _units(found["two_periods"]["revenue_after"])),
        "bridge": (after, _units(steps.drop("after"))),
    }
    tenths = found["tenths"]
    pairs |= {
        f"tenths_{by}": (after, _units(part["revenue"])) for by, part in tenths.groupby("by", sort=False)
    }
    if "equity" in found:
        pairs["equity"] = (audited, _units(found["equity"]["past_revenue"]))
        for split, part in found["equity_by"].groupby("split", sort=False):
            pairs[f"equity_by_{split}"] = (audited, _units(part["past_revenue"]))
    rows: list[dict[str, Any]] = [
        {"check": name, "expected": want / MONEY, "found": have / MONEY, "difference": (have - want) / MONEY}
        for name, (want, have) in pairs.items()
    ]
    return pd.DataFrame(rows)


def _units(money: pd.Series) -> int:
    """Money back in whole units: every cell is the nearest float to a whole number of them."""
    return int((money * MONEY).round().astype("int64").sum())
