"""Whether decisions earn more: a simulated world with known effects, decided, measured and decided again.

::

    python benchmarks/decisions.py --seeds 20 --out docs/benchmark_decisions.md

In this world the riskiest are lost causes, some customers are woken up by a call, and what an offer does depends
on who gets it. Nobody knows that but the oracle. Every decision is made by `serving.decide.decide`, every effect
measured by `serving.effect_learning` and `training.effects`; only customers and what they do are simulated.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from datetime import date, timedelta
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd
from decisions_page import Found, picture, report
from decisions_world import EXPERIMENT, OFFERS, Day, Ints

from serving.decide import Decided, Policy, decide
from serving.effect_learning import STAKE, customer_effects, measured_effects
from serving.segments import Segments
from strategies.allocation import allocate, allocate_problem
from strategies.decision_settings import DecisionSettings
from strategies.frameworks import Segmented
from strategies.offer_problem import OfferProblem
from strategies.offers import OfferCatalogue
from strategies.plain_allocation import fill_by_return, fill_in_order
from strategies.strategy_table import StrategyTable
from training.effects.learn import learn_effects
from training.models.effect import EffectModel

LOOPS: Final = ("learnt", "average")

# Seeds below were looked at while the world was made; these judge.
JUDGING = 1_000


def policy_of(budget: float) -> Policy:
    """One strategy for all, so that nothing but the effects decides."""
    table = StrategyTable.parse("strategy,reason,en,zh\nkeep,all,everybody,所有客户\n", source="one.csv")
    settings = DecisionSettings(budget=budget, experiment=EXPERIMENT)
    return Policy(table, OfferCatalogue.of(OFFERS), settings, "benchmark")


def run_seed(seed: int, customers: int, campaigns: int, budget: float) -> list[dict[str, object]]:
    """All loops through the same days, beside the oracle and those who believe the catalogue for ever."""
    policy = policy_of(budget)
    rng = np.random.default_rng([seed, 20260])
    days = [Day.draw(rng, customers, at) for at in range(campaigns)]
    costs, assumed = policy.catalogue.costs, [offer.assumed_effect for offer in OFFERS.values()]
    rows = []
    for at, day in enumerate(days, 1):
        believed = day.people["value_at_stake"].to_numpy()[:, None] * np.array(assumed) - costs
        for loop, gain in (("oracle", day.gain), ("assumed", believed)):
            given = allocate(gain, costs, channel=policy.channels, limits=policy.limits, offers=list(OFFERS))
            rows.append(_row(day, given.offer, seed=seed, loop=loop, campaign=at, rule="planned"))
    return rows + [row for loop in LOOPS for row in run_loop(loop, days, policy, seed)]


def run_loop(loop: str, days: Sequence[Day], policy: Policy, seed: int) -> list[dict[str, object]]:
    """Decide, see what comes, measure, and decide again."""
    learnt = dict[str, EffectModel]()
    costs = dict(zip(policy.catalogue.codes, policy.catalogue.costs.tolist(), strict=True))
    logs: list[pd.DataFrame] = []
    results: list[pd.DataFrame] = []
    rows: list[dict[str, object]] = []
    for at, day in enumerate(days):
        when = date(2026, 1, 1) + timedelta(days=90 * at)
        segments = Segments(when, Segmented(day.people, {}), None, pd.DataFrame(), 0)
        known = pd.concat(results, ignore_index=True) if results else None
        decided = decide(
            segments, policy, run_id=f"c{at:02}", seed=seed, results=known, learnt=learnt, budgets=[]
        )
        drawn = _places(decided.rows["offer"], policy)
        found = {"planned": decided.allocation.offer, "drawn": drawn}
        if at in (0, len(days) - 1) and loop == "learnt":
            found |= _rules(day, decided, policy, learnt)
        rows += [
            _row(day, offer, seed=seed, loop=loop, campaign=at + 1, rule=rule) | {"by_customer": len(learnt)}
            for rule, offer in found.items()
        ]
        logs.append(_log(decided, day, drawn))
        results.append(measured_effects(logs[-1]))
        if loop == "learnt":
            learnt = learn_effects(pd.concat(logs, ignore_index=True), costs, stake=STAKE, seed=seed).models
    return rows


def _row(day: Day, offer: Ints, **about: object) -> dict[str, object]:
    return about | {"expected": day.expected(offer), "realised": day.realised(offer)}


def _places(offers: pd.Series, policy: Policy) -> Ints:
    return pd.Index(policy.catalogue.codes).get_indexer(pd.Index(offers)).astype(np.int64)


def _rules(day: Day, decided: Decided, policy: Policy, learnt: Mapping[str, EffectModel]) -> dict[str, Ints]:
    """Ours and what others do with the same budget and the same beliefs, without hold-out."""
    people, catalogue = day.people, policy.catalogue
    effect = customer_effects(people, catalogue, decided.beliefs, learnt)
    gain = people["value_at_stake"].to_numpy()[:, None] * effect - catalogue.costs
    may = np.tile(~decided.beliefs["stop"].to_numpy(bool), (len(people), 1))
    menu: dict[str, Any] = {
        "channel": policy.channels,
        "limits": policy.limits,
        "eligible": may,
        "offers": catalogue.codes,
    }
    problem = OfferProblem.of(gain, catalogue.costs, **menu)
    # Every offer counts by its strength alone, so that the riskiest get the strongest.
    strength = np.tile(np.maximum(decided.beliefs["effect"].to_numpy(np.float64), 1e-9), (len(people), 1))
    blunt = OfferProblem.of(strength, catalogue.costs, **menu)
    churn = people["churn_probability"].to_numpy()
    return {
        "ours": allocate_problem(problem).offer,
        "value": fill_in_order(problem, people["value_at_stake"].to_numpy()),
        "return": fill_by_return(problem, favourites=True),
        "risk": fill_in_order(problem, churn),
        "riskiest": fill_in_order(blunt, churn),
        "nobody": np.full(len(people), -1, dtype=np.int64),
    }


def _log(decided: Decided, day: Day, offer: Ints) -> pd.DataFrame:
    """The decisions with what came of them, as `serving.campaign_results.outcomes_of` gives them."""
    margin, churn = day.outcome(offer)
    known = decided.rows.assign(margin=margin, churn=churn, cost_paid=decided.rows["cost"])
    return known.assign(net_margin=margin - known["cost_paid"])


def main() -> None:
    """Run all seeds, draw the picture and write the page."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--customers", type=int, default=10_000)
    parser.add_argument("--campaigns", type=int, default=12)
    parser.add_argument("--budget", type=float, default=10_000.0)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--out", type=Path, default=Path("docs/benchmark_decisions.md"))
    asked = parser.parse_args()
    rows: list[dict[str, object]] = []
    with ProcessPoolExecutor(asked.jobs) as pool:
        about = (asked.customers, asked.campaigns, asked.budget)
        for done in [pool.submit(run_seed, int(seed), *about) for seed in JUDGING + np.arange(asked.seeds)]:
            rows += done.result()
    found = Found(pd.DataFrame(rows))
    image = asked.out.with_suffix(".svg")
    image.write_text(picture(found), encoding="utf-8")
    page = report(
        found,
        customers=asked.customers,
        budget=asked.budget,
        command=f"python benchmarks/decisions.py --seeds {asked.seeds} --out {asked.out}",
        picture_name=image.name,
    )
    asked.out.write_text(page, encoding="utf-8")


if __name__ == "__main__":
    main()
