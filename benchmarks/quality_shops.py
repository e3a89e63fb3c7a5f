"""Ours and the peers on simulated shops of every kind, whose future is drawn and then met.

::

    python benchmarks/quality_shops.py                                    # all shops, seeds 1 and 2
    python benchmarks/quality_shops.py --only groceries regular --seeds 1 2 3
    python benchmarks/quality_shops.py --seeds 1000 1001 1002             # for judging only

Seeds 1 to 99 are for development: look at them as often as you like. Seeds from 1000 on are for judging: run
them to report, never to decide anything. A seed also moves the cut-off through the year, so that no season of
one date is learnt by heart.

Every shop is cut one horizon before its end. Each line is a model, averaged over the seeds; ``*`` marks a
figure in which the peer is better than ours beyond the 95 % interval of the paired bootstrap over customers.
One comparison in forty is marked by chance alone.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from quality_figures import COMPARED, FIGURES, Judgement, coverage, judge_meetings, own_customers
from quality_peers import IN_PROCESS, hold_meeting, know, settings_for
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from features.load import tables_from_frames
from retain.shop import ShopSettings, simulate
from training.meeting import Meeting

__all__ = ["SHOPS", "Case", "Judged", "judge", "report", "summary"]

PEERS = ("recency rule", "carry forward", "BG/NBD, ours", "Pareto/NBD, ours", "LightGBM default")


@dataclass(frozen=True)
class Case:
    """A kind of shop.

    Parameters
    ----------
    what : str
        In words, for the table.
    horizon : int
        Churn window and value horizon, days.
    days : int
        History before the cut-off.
    shop : dict
        Settings of `retain.shop.ShopSettings`.
    columns : tuple of str
        Columns of the order lines that the shop has; all when empty.
    counts_only : bool
        Every line is worth 1.
    all_tables : bool
        Contracts, campaigns, surveys and the rest are there too.
    long : bool
        Only with ``--full``.
    """

    what: str
    horizon: int = 90
    days: int = 730
    shop: dict[str, Any] = field(default_factory=dict)
    columns: tuple[str, ...] = ()
    counts_only: bool = False
    all_tables: bool = False
    long: bool = False


def _regular(**others: Any) -> dict[str, Any]:
    return {"timing": "regular", "seasonality": 0.0} | others


_LEAN = ("customer_id", "time", "amount")
_GROCERIES = _regular(customers=800, orders_per_year=52, lifetime_days=500, lines_per_order=1, rate_shape=4.0)
_DONATIONS = _regular(
    customers=2_000, orders_per_year=1, lifetime_days=2_500, lines_per_order=1, rate_shape=6.0
)

SHOPS: dict[str, Case] = {
    "irregular": Case("irregular timing, no season", shop={"seasonality": 0.0}),
    "regular": Case("regular timing, no season", shop=_regular()),
    "seasonal": Case("irregular timing, strong season", days=1_095, shop={"seasonality": 1.2}),
    "seasonal regular": Case("regular timing, season", days=1_095, shop={"timing": "regular"}),
    "first season": Case("strong season, first year", days=330, shop={"seasonality": 1.2}),
    "growing": Case("more customers and more orders each year", shop={"growth": 1.0, "order_growth": 0.4}),
    "shrinking": Case(
        "fewer customers and fewer orders each year", shop={"growth": -0.5, "order_growth": -0.35}
    ),
    "one-time buyers": Case("most buy once, a few often", shop={"rate_shape": 0.3, "orders_per_year": 2.5}),
    "brief": Case("customers leave after half a year", shop={"lifetime_days": 180, "orders_per_year": 8}),
    "fifty": Case("50 customers", shop={"customers": 50}),
    "two hundred": Case("200 customers", shop={"customers": 200}),
    "groceries": Case("weekly groceries", 28, 400, _GROCERIES, _LEAN),
    "groceries, two weeks": Case("weekly groceries, next 14 days", 14, 300, _GROCERIES, _LEAN),
    "donations": Case("yearly donations, eleven years", 365, 4_015, _DONATIONS, _LEAN),
    "few months": Case("five months of history, next 30 days", 30, 150),
    "no past": Case("four months of history, next 120 days", 120, 120),
    "half a year": Case("next 180 days", 180, 900),
    "counts only": Case("no amounts, no products", columns=_LEAN, counts_only=True),
    "campaigns": Case("campaigns that work, all tables", shop={"campaign_effect": 1.0}, all_tables=True),
    "twenty thousand": Case("20,000 customers", shop={"customers": 20_000}, long=True),
    "two hundred thousand": Case("200,000 customers", shop={"customers": 200_000}, long=True),
}


@dataclass(frozen=True)
class Judged:
    """One kind of shop over some seeds, judged.

    Parameters
    ----------
    name : str
        Key of `SHOPS`.
    seeds : list of int
        Seeds of the shops.
    customers : int
        Customers predicted, all seeds together.
    evidence : list of str
        Rung of our bundle by seed.
    seconds : float
        All models together.
    found : Judgement
        Figures averaged over the seeds.
    covered : dict
        Level of our value intervals to the share of outcomes within.
    absent : dict
        Peer to why it could not run.
    """

    name: str
    seeds: list[int]
    customers: int
    evidence: list[str]
    seconds: float
    found: Judgement
    covered: dict[str, float]
    absent: dict[str, str]

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        own = {name: value for name, value in vars(self).items() if name != "found"}
        return own | self.found.to_json()


def shop_of(case: Case, seed: int) -> tuple[ShopSettings, date]:
    """Settings of the shop of a seed, and its cut-off day."""
    given = {"customers": 2_000, "campaign_effect": 0.0} | case.shop
    start = date(2015, 1, 1) + timedelta(days=seed * 61 % 365)
    settings = ShopSettings(start=start, days=case.days + case.horizon, seed=seed, **given)
    return settings, start + timedelta(days=case.days)


def meet_shop(name: str, seed: int) -> tuple[Meeting, dict[str, str]]:
    """Draw the shop of a seed, and let all models forecast its last stretch."""
    case = SHOPS[name]
    settings, day = shop_of(case, seed)
    drawn = simulate(settings).tables
    frames = dict(drawn) if case.all_tables else {"orders": drawn["orders"]}
    if case.columns:
        frames["orders"] = frames["orders"].select(case.columns)
    if case.counts_only:
        ones = pa.array(np.ones(frames["orders"].num_rows))
        frames["orders"] = frames["orders"].drop_columns("amount").append_column("amount", ones)
    tables = tables_from_frames(frames, timezone=settings.timezone, currency=settings.currency)
    known = know(tables, day, settings_for(case.horizon, (case.horizon,)))
    return hold_meeting(tables, known, {p: IN_PROCESS[p] for p in PEERS}, (case.horizon,))


# On busy cores the threads of a linear algebra wait for each other more than they work.
@threadpool_limits.wrap(limits=1)
def judge(name: str, seeds: Sequence[int], *, draws: int = 400) -> Judged:
    """Figures and paired intervals of one kind of shop."""
    began = time.perf_counter()
    found = [meet_shop(name, seed) for seed in seeds]
    meetings = own_customers([m for m, _ in found])
    absent = {peer: why for _, lacking in found for peer, why in lacking.items()}
    # A peer that refuses one seed is not averaged over the others: it would be compared on easier shops.
    present = [p for p in PEERS if p not in absent]
    return Judged(
        name=name,
        seeds=list(seeds),
        customers=sum(len(m.customer) for m in meetings),
        evidence=[m.evidence for m in meetings],
        found=judge_meetings(meetings, present, SHOPS[name].horizon, draws=draws),
        covered=coverage(meetings, SHOPS[name].horizon),
        absent=absent,
        seconds=time.perf_counter() - began,
    )


def report(found: Judged) -> str:
    """Lines for the screen: the shop, then a model each."""
    seeds, rungs = " ".join(map(str, found.seeds)), " ".join(found.evidence)
    head = f"{found.name}: {SHOPS[found.name].what}; {found.customers:,} customers, seeds {seeds}"
    head += f", evidence {rungs}, {found.seconds:.0f} s"
    head += "".join(f", {level} interval holds {share:.0%}" for level, share in found.covered.items())
    lines = [head, f"  {'':<18}" + "".join(f"{name:>10}" for name in FIGURES)]
    for model, values in found.found.models.items():
        lost = found.found.lost(model)
        cells = (f"{values[n]:.4g}" + ("*" if n in lost else " ") for n in FIGURES)
        lines.append(f"  {model:<18}" + "".join(f"{c:>10}" for c in cells))
    lines += [f"  {peer:<18} could not run: {why}" for peer, why in found.absent.items()]
    return "\n".join(lines)


def summary(found: Sequence[Judged]) -> str:
    """How often a peer is better beyond the noise, and where."""
    pairs = [(j, peer) for j in found for peer in j.found.intervals]
    lost = {f"{j.name}, {peer}": j.found.lost(peer) for j, peer in pairs if j.found.lost(peer)}
    count, cells = sum(map(len, lost.values())), len(pairs) * len(COMPARED)
    head = f"a peer is better beyond the noise in {count} of {cells} comparisons ({cells / 40:.0f} by chance)"
    return "\n".join([head, *(f"  {where}: {', '.join(names)}" for where, names in lost.items())])


def asked(arguments: Sequence[str]) -> argparse.Namespace:
    """What the command line asks for."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--only", nargs="+", choices=list(SHOPS), metavar="NAME", help=", ".join(SHOPS))
    parser.add_argument("--seeds", nargs="+", type=int, default=[1, 2])
    parser.add_argument("--full", action="store_true", help="the shops of 20,000 and 200,000 customers too")
    parser.add_argument("--jobs", type=int, default=1, help="processes")
    parser.add_argument("--draws", type=int, default=400, help="of the bootstrap")
    parser.add_argument("--json", type=Path, help="all figures as JSON")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str]) -> int:
    """Judge, print, and count where a peer was better."""
    options = asked(arguments)
    names = options.only or [name for name, case in SHOPS.items() if options.full or not case.long]
    with ProcessPoolExecutor(options.jobs) as pool:
        jobs = [pool.submit(judge, name, options.seeds, draws=options.draws) for name in names]
        found = []
        for job in jobs:
            found.append(job.result())
            print(report(found[-1]), flush=True)
    print("\n" + summary(found))
    if options.json:
        options.json.write_text(json.dumps([j.to_json() for j in found], indent=1), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
