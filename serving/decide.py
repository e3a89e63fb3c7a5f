"""From segments to decisions: strategy, offer, arm and propensity for every customer, within budget and limits.

1. The strategy table gives each customer one strategy; the catalogue says who may be made which offer.
2. The effect of an offer is what the catalogue assumes, drawn towards what randomised runs have shown; an offer
   measured to do harm is stopped. gain = effect · value at stake − cost.
3. The allocation maximises the sum of the gains under budget, capacities and the number of contacts.
4. A part is held out by lot and a little explores; every row has its propensity, and goes into the decision log.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from features.tables import Tables
from serving.campaign_results import outcomes_of, ripe
from serving.decision_log import DecisionLog
from serving.segments import Segments
from strategies.allocation import Allocation, Limits, allocate
from strategies.arms import Menu, customer_keys, decision_ids, draw_arms
from strategies.columns import as_numbers
from strategies.decision_settings import DecisionSettings
from strategies.effects import believed_effects, margin_estimate
from strategies.marginal import MarginalCurve, marginal_curve
from strategies.offers import LEAVE_ALONE, Offer, OfferCatalogue
from strategies.regain import regain_or_not
from strategies.results import campaign_effects
from strategies.strategy_table import StrategyTable, assign

__all__ = ["Decided", "Policy", "decide", "measured_effects", "work_queue"]

Floats = npt.NDArray[np.float64]
_LABELS: Final = (
    *(
        "value_class",
        "lifecycle_stage",
        "satisfaction_loyalty",
        "risk",
        "status",
        "pyramid_tier",
        "key_account",
    ),
    *("churn_probability", "clv"),
)


@dataclass(frozen=True)
class Policy:
    """What decides: strategy table, offer catalogue, limits and experiment, and the version of them together."""

    table: StrategyTable
    catalogue: OfferCatalogue
    settings: DecisionSettings
    version: str

    @property
    def limits(self) -> Limits:
        """Budget, contacts and capacities."""
        return Limits(
            budget=self.settings.budget,
            per_channel=self.catalogue.channel_capacities,
            per_offer=self.catalogue.offer_capacities,
            contacts=self.settings.contacts,
        )

    @property
    def channels(self) -> list[str]:
        """Channel of each offer."""
        return [offer.channel for offer in self.catalogue.offers]


@dataclass(frozen=True)
class Decided:
    """The decisions of one run.

    Parameters
    ----------
    rows : DataFrame
        One row per customer who may be contacted, leave alone included, in the order of the segments: the columns
        of the decision log, the labels of the day, ``strategy_reason_en`` and ``strategy_reason_zh``.
    allocation : Allocation
        Before the lot was drawn.
    curve : MarginalCurve
        What other budgets would earn.
    beliefs : DataFrame
        Effect of each offer, assumed or measured.
    simpler : dict of str to float
        Expected gain within the same limits by sorting on value at stake, on return per cost, and on risk.
    """

    rows: pd.DataFrame
    allocation: Allocation
    curve: MarginalCurve
    beliefs: pd.DataFrame
    simpler: dict[str, float]


def decide(
    segments: Segments, policy: Policy, *, run_id: str, seed: int, results: pd.DataFrame | None = None
) -> Decided:
    """Give every customer a strategy, an offer or none, an arm and a propensity.

    Parameters
    ----------
    segments : Segments
        Labels of the day.
    policy : Policy
        In force.
    run_id : str
        Of this run; decision ids are made of it.
    seed : int
        Of the lot; with the run id it decides who is held out and who explores.
    results : DataFrame, optional
        From `measured_effects`; without it all effects are assumed.

    Raises
    ------
    InputError
        When results belong to offers that the catalogue does not have.
    """
    people = segments.found.people.reset_index(drop=True).assign(opted_out=False)
    chosen = _strategies(people, policy.table)
    people = people.assign(strategy=chosen["strategy"])
    offers = policy.catalogue.offers
    beliefs = believed_effects({offer.code: offer for offer in offers}, results)
    may = policy.catalogue.eligible(people) & ~beliefs["stop"].to_numpy(bool)
    stake = np.nan_to_num(as_numbers(people["value_at_stake"]))
    gain = stake[:, None] * beliefs["effect"].to_numpy(np.float64) - policy.catalogue.costs
    keys = customer_keys(people["customer_id"], f"{seed} {run_id}")
    asked: dict[str, Any] = {
        "channel": policy.channels,
        "limits": policy.limits,
        "eligible": may,
        "key": keys,
        "offers": policy.catalogue.codes,
    }
    found = allocate(gain, policy.catalogue.costs, **asked)
    menu = Menu(policy.catalogue.costs, policy.channels, policy.limits, policy.catalogue.codes)
    drawn = draw_arms(
        people["customer_id"],
        people["value_class"],
        found.offer,
        may,
        policy.settings.experiment,
        seed=f"{seed} {run_id}",
        menu=menu,
    )
    rows = _rows(people, policy, beliefs, found.offer, drawn, gain)
    rows.insert(0, "decision_id", decision_ids(run_id, people["customer_id"], policy.version))
    rows = rows.assign(run_id=run_id, as_of=segments.as_of, policy_version=policy.version)
    rows["due_date"] = _due(rows["offer"], policy.catalogue, segments.as_of)
    rows = rows.join(people[[c for c in _LABELS if c in people and c not in rows]])
    rows = rows.join(chosen[["strategy_reason_en", "strategy_reason_zh"]])
    curve = marginal_curve(gain, policy.catalogue.costs, **asked)
    return Decided(rows, found, curve, beliefs, _simpler(gain, stake, people, policy, may))


def _strategies(people: pd.DataFrame, table: StrategyTable) -> pd.DataFrame:
    chosen = assign(people, table)
    if "second_lifetime_value" in people:
        regained = regain_or_not(chosen["strategy"], people["second_lifetime_value"])
        chosen = chosen.assign(strategy=regained["strategy"], regain_reason=regained["regain_reason"])
    return chosen


def _rows(
    people: pd.DataFrame,
    policy: Policy,
    beliefs: pd.DataFrame,
    planned: npt.NDArray[np.int64],
    drawn: pd.DataFrame,
    gain: Floats,
) -> pd.DataFrame:
    """One row per customer; place −1 of an offer, leave alone, stands last in every array of figures."""
    catalogue, given = policy.catalogue, drawn["offer"].to_numpy(np.int64)

    def of(values: Any, last: Any, at: npt.NDArray[np.int64]) -> npt.NDArray[Any]:
        return np.array([*values, last], dtype=object if isinstance(last, str) else np.float64)[at]

    each = np.arange(len(people))
    return pd.DataFrame(
        {
            "customer_id": people["customer_id"],
            "strategy": people["strategy"],
            "planned_offer": of(catalogue.codes, LEAVE_ALONE, planned),
            "offer": of(catalogue.codes, LEAVE_ALONE, given),
            "channel": of(policy.channels, "", given),
            "cost": of(catalogue.costs, 0.0, given),
            "arm": drawn["arm"],
            "propensity": drawn["propensity"],
            "expected_gain": np.where(given < 0, 0.0, gain[each, given]),
            "effect": of(beliefs["effect"], 0.0, given),
            "effect_source": of(beliefs["effect_source"], "assumed", given),
            "value_at_stake": people["value_at_stake"],
            "value_class": people["value_class"],
            "owner": of((offer.owner for offer in catalogue.offers), "", given),
        },
        index=people.index,
    )


def _due(offer: pd.Series, catalogue: OfferCatalogue, as_of: date) -> pd.Series:
    days = {o.code: as_of + timedelta(days=o.due_days) for o in catalogue.offers}
    return offer.map(days).astype(object).where(offer != LEAVE_ALONE, None)


def _simpler(
    gain: Floats, stake: Floats, people: pd.DataFrame, policy: Policy, may: npt.NDArray[np.bool_]
) -> dict[str, float]:
    """What simpler rules would earn: everybody's best offer, handed out in one order until the money is gone."""
    masked = np.where(may, gain, -np.inf)
    best = masked.argmax(axis=1)
    most = masked[np.arange(len(gain)), best]
    cost = policy.catalogue.costs[best]
    orders = {
        "value": -stake,
        "return": -np.where(most > 0, most / np.maximum(cost, 1e-9), -np.inf),
        "risk": -np.nan_to_num(as_numbers(people["churn_probability"])),
    }
    found = {}
    for name, order in orders.items():
        place = np.argsort(order, kind="stable")
        place = place[np.isfinite(most[place]) & ((most[place] > 0) | (name == "risk"))]
        found[name] = _filled(place, best, most, cost, policy)
    return found


def _filled(
    place: npt.NDArray[np.int64], best: npt.NDArray[np.int64], most: Floats, cost: Floats, policy: Policy
) -> float:
    """Gain of handing out best offers in the given order; a limit reached passes the customer over."""
    keep = np.ones(len(place), dtype=bool)
    codes, channels = np.array(policy.catalogue.codes), np.array(policy.channels)
    for names, limits in ((codes, policy.limits.per_offer), (channels, policy.limits.per_channel)):
        for name, room in limits.items():
            one = names[best[place]] == name
            keep &= ~one | (np.cumsum(one & keep) <= room)
    place = place[keep]
    if policy.limits.contacts is not None:
        place = place[: int(policy.limits.contacts)]
    if policy.limits.budget is not None:
        place = place[np.cumsum(cost[place]) <= policy.limits.budget]
    return float(most[place].sum())


def measured_effects(
    log: DecisionLog, tables: Tables, as_of: date, horizon_days: int, *, margin_rate: float
) -> pd.DataFrame | None:
    """Effect of each offer in each run whose time is over, as a share of the value at stake.

    Parameters
    ----------
    log : DecisionLog
        Decisions and results so far.
    tables : Tables
        Orders up to `as_of`.
    as_of : date
    horizon_days : int
        Days after a decision that count. What an offer brings later is not seen, so effects are on the low side.
    margin_rate : float
        Where the cost of goods is not known.

    Returns
    -------
    DataFrame or None
        ``offer``, ``effect``, ``error``, ``run_id``; None when no run's time is over. Runs too small to tell are
        left out.
    """
    over, _ = ripe(log.decisions(), as_of, horizon_days)
    if over.empty:
        return None
    known = outcomes_of(over, log.results(), tables, horizon_days, margin_rate=margin_rate)
    rows = []
    for run_id, run in known.groupby("run_id", sort=True):
        found = campaign_effects(run, outcomes=["margin"], dimensions=["offer"])
        stakes = run["value_at_stake"].groupby(run["planned_offer"]).mean()
        for one in found.to_dict("records"):
            stake = float(stakes.get(one["group"], 0.0))
            if np.isfinite(one["se"]) and one["se"] > 0 and stake > 0:
                share = margin_estimate(one["effect"], one["se"], stake)
                rows.append(
                    {"offer": one["group"], "effect": share.value, "error": share.error, "run_id": run_id}
                )
    return pd.DataFrame(rows, columns=["offer", "effect", "error", "run_id"])


def work_queue(decided: Decided, catalogue: OfferCatalogue, *, by_risk: bool = False) -> pd.DataFrame:
    """Who does what for whom, by when, why, worth how much: the list that goes out.

    Parameters
    ----------
    decided : Decided
        The run.
    catalogue : OfferCatalogue
        Texts, scripts, owners.
    by_risk : bool
        Order by churn probability instead of expected gain; a column says so.

    Returns
    -------
    DataFrame
        Customers who are made an offer, highest expected gain first. Which arm drew a customer is not told: who
        makes the offers must not treat them differently.
    """
    rows = decided.rows[decided.rows["offer"] != LEAVE_ALONE]
    by = "churn_probability" if by_risk else "expected_gain"
    rows = rows.sort_values([by, "customer_id"], ascending=[False, True], ignore_index=True)
    offers: Mapping[str, Offer] = {offer.code: offer for offer in catalogue.offers}
    texts = {
        name: rows["offer"].map(lambda code, part=name: getattr(offers[code], part))
        for name in ("text_en", "text_zh", "script_en", "script_zh", "touches_price")
    }
    front = ["decision_id", "customer_id", "owner", "due_date", "offer", "channel"]
    money = ["expected_gain", "cost", "value_at_stake", "effect", "effect_source"]
    why = ["strategy", "strategy_reason_en", "strategy_reason_zh"]
    labels = [c for c in _LABELS if c in rows]
    found = rows[front].assign(**texts).join(rows[[*money, *why, *labels]])
    return found.assign(ordered_by="churn_probability (risk, not gain)") if by_risk else found
