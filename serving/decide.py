"""From segments to decisions: strategy, offer, arm and propensity for every customer, within budget and limits.

1. The strategy table gives each customer one strategy; the catalogue says who may be made which offer.
2. The effect of an offer is what the catalogue assumes, drawn towards what randomised runs have shown; an offer
   measured to do harm is stopped. Where effects by customer were learnt and choose better than the average, each
   customer has their own. gain = effect · value at stake − cost.
3. The allocation maximises the sum of the gains under budget, capacities and the number of contacts.
4. A part is held out by lot and a little explores; every row has its propensity, and goes into the decision log.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from serving.effect_learning import STAKE, customer_effects
from serving.segments import Segments
from strategies.allocation import Allocation, Limits, allocate_problem
from strategies.arms import Menu, customer_keys, decision_ids, draw_arms, offer_chances
from strategies.chances import write_chances
from strategies.columns import as_numbers
from strategies.decision_settings import DecisionSettings
from strategies.effects import believed_effects
from strategies.marginal import MarginalCurve, marginal_curve
from strategies.offer_problem import OfferProblem
from strategies.offers import LEAVE_ALONE, Offer, OfferCatalogue
from strategies.plain_allocation import fill_by_return, fill_in_order
from strategies.regain import regain_or_not
from strategies.strategy_table import StrategyTable, assign
from strategies.value_at_stake import value_at_stake
from training.models.effect import EffectModel
from training.models.effect_columns import EFFECT_LABELS, EFFECT_NUMBERS

__all__ = ["Decided", "Policy", "decide", "work_queue"]

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
_KNOWN: Final = tuple(dict.fromkeys((*_LABELS, *EFFECT_NUMBERS, *EFFECT_LABELS)))


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
    segments: Segments,
    policy: Policy,
    *,
    run_id: str,
    seed: int,
    results: pd.DataFrame | None = None,
    learnt: Mapping[str, EffectModel] | None = None,
    window_days: int | None = None,
    budgets: Sequence[float] | None = None,
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
        From `serving.effect_learning.measured_effects`; without it all effects are assumed.
    learnt : mapping of str to EffectModel, optional
        By offer, effects that differ by customer, where a lower bound says that choosing by them earns more.
        An offer that does harm on average is then made only to those whom it helps.
    window_days : int, optional
        Days after which the outcome is read. Where they are a horizon of the forecast, what is at stake in them is
        logged beside the value at stake, so that results are compared with what they can show.
    budgets : sequence of float, optional
        Of the marginal curve; without it a grid up to the best campaign size.

    Raises
    ------
    InputError
        When results belong to offers that the catalogue does not have.
    ModelError
        When a column that an effect is learnt from is missing.
    """
    people = segments.found.people.reset_index(drop=True).assign(opted_out=False)
    chosen = _strategies(people, policy.table)
    people = people.assign(strategy=chosen["strategy"])
    catalogue = policy.catalogue
    beliefs = believed_effects({offer.code: offer for offer in catalogue.offers}, results)
    effect = customer_effects(people, catalogue, beliefs, learnt)
    own = np.array([code in (learnt or {}) for code in catalogue.codes], dtype=bool)
    may = catalogue.eligible(people) & (~beliefs["stop"].to_numpy(bool) | (own & (effect > 0)))
    stake = np.nan_to_num(as_numbers(people["value_at_stake"]))
    gain = stake[:, None] * effect - catalogue.costs
    source = beliefs["effect_source"].mask(own, "measured")
    beliefs = beliefs.assign(by_customer=own, effect_source=source, stop=beliefs["stop"] & ~own)
    asked: dict[str, Any] = {
        "channel": policy.channels,
        "limits": policy.limits,
        "eligible": may,
        "key": customer_keys(people["customer_id"], f"{seed} {run_id}"),
        "offers": catalogue.codes,
    }
    problem = OfferProblem.of(gain, catalogue.costs, **asked)
    found = allocate_problem(problem)
    drawn = _drawn(people, policy, found.offer, may, f"{seed} {run_id}")
    rows = _rows(people, policy, beliefs, found.offer, drawn, effect)
    rows.insert(0, "decision_id", decision_ids(run_id, people["customer_id"], policy.version))
    rows = rows.assign(run_id=run_id, as_of=segments.as_of, policy_version=policy.version)
    rows["due_date"] = _due(rows["offer"], catalogue, segments.as_of)
    rows = rows.join(people[[c for c in _KNOWN if c in people and c not in rows]])
    rows = rows.join(chosen[["strategy_reason_en", "strategy_reason_zh"]])
    rows[STAKE] = _stake_in_window(people, window_days)
    curve = marginal_curve(gain, catalogue.costs, budgets=budgets, **asked)
    return Decided(rows, found, curve, beliefs, _simpler(problem, gain, people))


def _drawn(
    people: pd.DataFrame,
    policy: Policy,
    planned: npt.NDArray[np.int64],
    may: npt.NDArray[np.bool_],
    seed: str,
) -> pd.DataFrame:
    """Arm, offer and its propensity of every customer, and the chances of all offers."""
    catalogue, experiment = policy.catalogue, policy.settings.experiment
    menu = Menu(catalogue.costs, policy.channels, policy.limits, catalogue.codes)
    strata = people["value_class"]
    drawn = draw_arms(people["customer_id"], strata, planned, may, experiment, seed=seed, menu=menu)
    chances = offer_chances(planned, may, experiment, menu=menu)
    return drawn.assign(chances=write_chances(chances, catalogue.codes))


def _strategies(people: pd.DataFrame, table: StrategyTable) -> pd.DataFrame:
    chosen = assign(people, table)
    if "second_lifetime_value" in people:
        queue = people.get("regain_queue")
        regained = regain_or_not(chosen["strategy"], people["second_lifetime_value"], queue=queue)
        chosen = chosen.assign(strategy=regained["strategy"], regain_reason=regained["regain_reason"])
    return chosen


def _rows(
    people: pd.DataFrame,
    policy: Policy,
    beliefs: pd.DataFrame,
    planned: npt.NDArray[np.int64],
    drawn: pd.DataFrame,
    effect: Floats,
) -> pd.DataFrame:
    """One row per customer; place −1 of an offer, leave alone, stands last in every array of figures."""
    catalogue, given = policy.catalogue, drawn["offer"].to_numpy(np.int64)

    def of(values: Any, last: Any, at: npt.NDArray[np.int64]) -> npt.NDArray[Any]:
        return np.array([*values, last], dtype=object if isinstance(last, str) else np.float64)[at]

    share = np.where(given < 0, 0.0, effect[np.arange(len(people)), given])
    stake, cost = np.nan_to_num(as_numbers(people["value_at_stake"])), of(catalogue.costs, 0.0, given)
    return pd.DataFrame(
        {
            "customer_id": people["customer_id"],
            "strategy": people["strategy"],
            "planned_offer": of(catalogue.codes, LEAVE_ALONE, planned),
            "offer": of(catalogue.codes, LEAVE_ALONE, given),
            "channel": of(policy.channels, "", given),
            "cost": cost,
            "arm": drawn["arm"],
            "propensity": drawn["propensity"],
            "chances": drawn["chances"],
            "expected_gain": share * stake - cost,
            "effect": share,
            "effect_source": of(beliefs["effect_source"], "assumed", given),
            "value_at_stake": people["value_at_stake"],
            "value_class": people["value_class"],
            "owner": of((offer.owner for offer in catalogue.offers), "", given),
        },
        index=people.index,
    )


def _stake_in_window(people: pd.DataFrame, days: int | None) -> pd.Series:
    """What is at stake until the outcome is read; the value at stake where the forecast does not say."""
    revenue = f"expected_value_{days}d"
    if revenue not in people or "margin_rate" not in people:
        return people["value_at_stake"]
    margin = as_numbers(people[revenue]) * as_numbers(people["margin_rate"])
    return value_at_stake(people["churn_probability"], margin)


def _due(offer: pd.Series, catalogue: OfferCatalogue, as_of: date) -> pd.Series:
    days = {o.code: as_of + timedelta(days=o.due_days) for o in catalogue.offers}
    return offer.map(days).astype(object).where(offer != LEAVE_ALONE, None)


def _simpler(problem: OfferProblem, gain: Floats, people: pd.DataFrame) -> dict[str, float]:
    """What simpler rules would earn within the same limits, filling until nothing fits."""
    stake, churn = (np.nan_to_num(as_numbers(people[c])) for c in ("value_at_stake", "churn_probability"))
    chosen = {
        "value": fill_in_order(problem, stake),
        "return": fill_by_return(problem, favourites=True),
        "risk": fill_in_order(problem, churn),
    }
    each = np.arange(len(gain))
    return {name: float(gain[each, at][at >= 0].sum()) for name, at in chosen.items()}


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
