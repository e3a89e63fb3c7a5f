"""One customer decided now: what the last run gave, or, where something has happened since, a decision of its own.

1. Whoever the last run gave an offer keeps it until the next run, and whoever it held out or drew by lot stays so:
   asking again must not draw the lot again.
2. Whoever it left alone because nothing gained is looked at again once something new is known, and so is whoever is
   new: gain = effect · value at stake − cost, less the run's prices of what the offer uses up; the best eligible
   offer that still fits the limits; arm and propensity by a lot of their own. This decision is logged and stays
   until the next run, too.

So at most one new decision per customer and run is made, no limit is broken, and every logged row can be analysed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, Final

import numpy as np
import pandas as pd

from features.errors import NotEnoughData
from serving.decision_log import DecisionLog
from serving.decision_terms import Terms, TermsStore, Used
from strategies.arms import Menu, customer_keys, decision_ids, draw_arms, offer_chances
from strategies.chances import write_chances
from strategies.offer_problem import Floats, Limits, limit_rows
from strategies.offers import LEAVE_ALONE

__all__ = ["LiveDecider", "LiveDecision"]

_LIVE: Final = "live-"
_LABELS: Final = ("lifecycle_stage", "satisfaction_loyalty", "risk", "churn_probability", "clv")
Row = Mapping[str, Any]


@dataclass(frozen=True)
class LiveDecision:
    """A decision and where it comes from.

    Parameters
    ----------
    row : mapping
        As it stands in the log: ``decision_id, customer_id, as_of, strategy, offer, channel, cost, arm, propensity,
        expected_gain, effect_source, due_date, owner, policy_version`` and more.
    made : str
        ``run`` when the last run made it, ``now`` when it was made for this or an earlier question since.
    texts : mapping of str to str
        ``text_en, text_zh, script_en, script_zh`` of the offer.
    touches_price : bool
        The offer speaks of a price.
    """

    row: Row
    made: str
    texts: Mapping[str, str]
    touches_price: bool


class LiveDecider:
    """Decides single customers by the terms of the last run.

    Parameters
    ----------
    url : str
        SQLAlchemy address of the state database.
    """

    def __init__(self, url: str) -> None:
        self._log, self._terms = DecisionLog(url), TermsStore(url)

    def decide(self, customer_id: str, current: Callable[[], Row], *, news: bool) -> LiveDecision:
        """The decision for one customer; made and logged now when there is none that stands.

        Parameters
        ----------
        customer_id : str
            Somebody who may be contacted.
        current : callable
            Gives the customer's row of the list as of now, with ``last_campaign_days`` (None: never contacted);
            asked only when a new decision is made.
        news : bool
            Something happened since the list was made.

        Raises
        ------
        NotEnoughData
            No decision run has left its terms yet.
        """
        terms = self._terms.latest()
        if terms is None:
            raise NotEnoughData("no decisions have been made yet; run `retain decide` first")
        of_run = self._log.find(_id(terms.run_id, customer_id, terms))
        if of_run is not None and (_stands(of_run) or not news):
            return _told(of_run, "run", terms)
        live_run = _LIVE + terms.run_id
        name = _id(live_run, customer_id, terms)
        made = self._log.find(name)
        if made is None:
            row = dict(current())

            def decided(used: Used) -> pd.DataFrame:
                return _decided(customer_id, row, terms, used).assign(decision_id=name, run_id=live_run)

            made = self._log.once(name, live_run, decided)
        return _told(made, "now", terms)

    def close(self) -> None:
        """Let go of the database."""
        self._log.close()
        self._terms.close()


def _id(run_id: str, customer_id: str, terms: Terms) -> str:
    return str(decision_ids(run_id, [customer_id], terms.policy_version)[0])


def _stands(row: Row) -> bool:
    """Whether only a new run may change it: an offer was made, or a lot decided."""
    return row["offer"] != LEAVE_ALONE or row["arm"] != "treat"


def _told(row: Row, made: str, terms: Terms) -> LiveDecision:
    offer = terms.catalogue.offer(row["offer"])
    texts = {name: getattr(offer, name) for name in ("text_en", "text_zh", "script_en", "script_zh")}
    return LiveDecision(row, made, texts, offer.touches_price)


def _decided(customer_id: str, row: Row, terms: Terms, used: Used) -> pd.DataFrame:
    """The row of the log for a decision made now, as `serving.decide.decide` makes them."""
    catalogue, left = terms.catalogue, terms.left(used)
    person = pd.DataFrame([{**row, "customer_id": customer_id, "opted_out": False}])
    stopped = np.array([belief.stop for belief in terms.beliefs], dtype=bool)
    may = catalogue.eligible(person) & ~stopped & _fits(terms, left)
    effect = np.array([belief.effect for belief in terms.beliefs], dtype=np.float64)
    stake = float(row["value_at_stake"] or 0.0)
    gain = effect * stake - catalogue.costs
    planned = _best(gain, gain - _charged(terms), may[0])
    menu = Menu(catalogue.costs, [o.channel for o in catalogue.offers], left, catalogue.codes)
    # The lot of each customer is a seed of its own: nobody else's question changes it.
    seed = f"{terms.seed} {_LIVE}{terms.run_id} {int(customer_keys([customer_id], terms.seed)[0])}"
    plan = np.array([planned])
    drawn = draw_arms(
        [customer_id], [row["value_class"]], plan, may, terms.experiment, seed=seed, menu=menu
    ).iloc[0]
    chances = offer_chances(plan, may, terms.experiment, menu=menu)
    given = int(drawn["offer"])
    as_of = date.fromisoformat(str(row["as_of"]))
    return pd.DataFrame(
        [
            {
                "customer_id": customer_id,
                "as_of": as_of,
                "policy_version": terms.policy_version,
                "strategy": row["strategy"],
                "planned_offer": catalogue.codes[planned] if planned >= 0 else LEAVE_ALONE,
                "arm": drawn["arm"],
                "propensity": float(drawn["propensity"]),
                "chances": write_chances(chances, catalogue.codes)[0],
                "value_at_stake": stake,
                "value_class": row["value_class"],
                "status": row["status"],
                **{name: row[name] for name in _LABELS if name in row},
                **_given(terms, given, gain, effect, as_of),
            }
        ]
    )


def _given(terms: Terms, given: int, gain: Floats, effect: Floats, as_of: date) -> dict[str, Any]:
    """What is said of the offer that the customer gets; −1 is leave alone."""
    if given < 0:
        alone: dict[str, Any] = {"offer": LEAVE_ALONE, "channel": "", "cost": 0.0, "expected_gain": 0.0}
        return {**alone, "effect": 0.0, "effect_source": "assumed", "due_date": None, "owner": ""}
    offer = terms.offers[given]
    return {
        "offer": offer.code,
        "channel": offer.channel,
        "cost": offer.total_cost,
        "expected_gain": float(gain[given]),
        "effect": float(effect[given]),
        "effect_source": terms.beliefs[given].source,
        "due_date": as_of + timedelta(days=offer.due_days),
        "owner": offer.owner,
    }


def _best(gain: Floats, net: Floats, may: np.ndarray[Any, np.dtype[np.bool_]]) -> int:
    """The eligible offer that gains most after prices; −1 where none gains, before and after them."""
    worth = np.where(may & (gain > 0), net, -np.inf)
    best = int(np.argmax(worth)) if len(worth) else -1
    return best if best >= 0 and worth[best] > 0 else -1


def _fits(terms: Terms, left: Limits) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """For each offer, whether one more of it breaks no limit."""
    catalogue = terms.catalogue
    uses, room, _ = limit_rows(left, [offer.channel for offer in catalogue.offers], list(catalogue.codes))
    places = np.all((uses == 0) | (room[:, None] >= 1), axis=0)
    return np.asarray(places & (catalogue.costs <= room[0]))


def _charged(terms: Terms) -> Floats:
    """What each offer is charged for the limits it uses up, in money."""
    prices = {(price.kind, price.name): price.price for price in terms.prices}
    charged = prices.get(("budget", ""), 0.0) * terms.catalogue.costs + prices.get(("contacts", ""), 0.0)
    own = [prices.get(("channel", o.channel), 0.0) + prices.get(("offer", o.code), 0.0) for o in terms.offers]
    return np.asarray(charged + np.array(own), dtype=np.float64)
