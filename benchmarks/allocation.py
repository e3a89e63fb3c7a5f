"""How much of the possible gain an allocation reaches, beside filling by value, by return and by risk.

::

    python benchmarks/allocation.py --out docs/benchmark_allocation.md

Customers have a value at stake with a long tail; six offers differ in cost, channel and effect, which differs
between customers and may be negative; one pair in seven is not eligible. Limits are a budget, places on the phone,
places for visits and contacts in all. Every share is of the bound that no allocation can pass. Where the whole
linear program is not too big, it is solved by HiGHS for comparison.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.optimize import linprog
from scipy.sparse import csr_array, eye_array, kron, vstack

from strategies.allocation import Limits, allocate
from strategies.offer_problem import OfferProblem
from strategies.plain_allocation import fill_by_return, fill_in_order

Floats = npt.NDArray[np.float64]
COST = np.array([0.05, 0.5, 2.0, 6.0, 12.0, 25.0])
CHANNEL = ("mail", "mail", "message", "phone", "phone", "visit")
STRENGTH = np.array([0.02, 0.04, 0.07, 0.13, 0.18, 0.30])
PLAIN = ("value", "return", "return, all pairs", "risk")
Answer = TypeVar("Answer")


@dataclass(frozen=True)
class Case:
    """One generated shop: what each offer gains, and what the customer alone tells."""

    gain: Floats
    stake: Floats
    churn: Floats
    eligible: npt.NDArray[np.bool_]
    key: npt.NDArray[np.int64]

    @classmethod
    def of(cls, customers: int, seed: int) -> Case:
        """Draw it."""
        draw = np.random.default_rng(seed)
        churn = draw.beta(1.5, 2.5, customers)
        margin = draw.lognormal(4.5, 1.1, customers) * (1 - churn)
        stake = churn * margin
        # The riskiest are lost causes: nothing that is done for them changes much.
        swayed = (1 - churn[:, None]) * draw.gamma(2.0, 0.7, (customers, 6)) - 0.15
        gain = STRENGTH * swayed * stake[:, None] - COST
        return cls(gain, stake, churn, draw.random((customers, 6)) < 6 / 7, draw.permutation(customers))

    def limits(self, tight: float) -> Limits:
        """A share of what everybody's favourite offer would take."""
        may = np.where(self.eligible, self.gain, -np.inf)
        favourite = may.argmax(axis=1)[may.max(axis=1) > 0]
        counts = np.bincount(favourite, minlength=6)
        return Limits(
            budget=float(tight * COST[favourite].sum()),
            per_channel={"phone": int(tight * counts[3:5].sum() / 2)},
            per_offer={"5": int(tight * counts[5] / 2)},
            contacts=int(max(0.3, tight) * len(favourite)),
        )


def timed(work: Callable[[], Answer]) -> tuple[Answer, float, float]:
    """The answer, seconds on the wall and seconds of processor."""
    wall, cpu = time.perf_counter(), time.process_time()
    return work(), time.perf_counter() - wall, time.process_time() - cpu


def run(customers: int, seed: int, tight: float, *, lp_up_to: int) -> dict[str, object]:
    """One row of the table."""
    case = Case.of(customers, seed)
    limits = case.limits(tight)
    rest: dict[str, Any] = {"eligible": case.eligible, "key": case.key}
    ours, wall, cpu = timed(lambda: allocate(case.gain, COST, channel=CHANNEL, limits=limits, **rest))
    problem = OfferProblem.of(case.gain, COST, channel=CHANNEL, limits=limits, **rest)
    plain = {
        "value": fill_in_order(problem, case.stake),
        "return": fill_by_return(problem, favourites=True),
        "return, all pairs": fill_by_return(problem),
        "risk": fill_in_order(problem, case.churn),
    }
    row: dict[str, object] = {"customers": customers, "seed": seed, "tight": tight, "wall": wall, "cpu": cpu}
    row["ours"] = ours.total_gain / ours.bound
    row |= {name: _total(case.gain, offer) / ours.bound for name, offer in plain.items()}
    if customers <= lp_up_to:
        value, _, lp = timed(lambda: whole_program(case, limits))
        row |= {"lp_cpu": lp, "bound_over_lp": ours.bound / value}
    return row


def _total(gain: Floats, offer: npt.NDArray[np.int64]) -> float:
    at = np.flatnonzero(offer >= 0)
    return float(gain[at, offer[at]].sum())


def whole_program(case: Case, limits: Limits) -> float:
    """The value of the linear program over all pairs at once."""
    n = len(case.gain)
    rows = [np.ones(6), COST] + [np.array([float(c == name) for c in CHANNEL]) for name in limits.per_channel]
    rows += [np.eye(6)[int(o)] for o in limits.per_offer]
    room = [limits.contacts, limits.budget, *limits.per_channel.values(), *limits.per_offer.values()]
    once = kron(eye_array(n), csr_array(np.ones((1, 6))))
    shared = csr_array(np.tile(np.array(rows), n))
    upper = (case.eligible & (case.gain > 0)).ravel().astype(np.float64)
    answer = linprog(
        -case.gain.ravel(),
        A_ub=vstack([once, shared]),
        b_ub=np.concatenate([np.ones(n), np.array(room, dtype=np.float64)]),
        bounds=np.column_stack([np.zeros(6 * n), upper]),
        method="highs",
    )
    return float(-answer.fun)


def report(found: pd.DataFrame, command: str) -> str:
    """The page: worst and best over seeds."""
    lines = [
        "# How much of the possible gain an allocation reaches",
        "",
        f"`{command}`: generated shops, six offers, {found['seed'].nunique()} seeds each; means over seeds, for",
        "ours the worst seed. Limits: a budget, places on the phone, places for visits, contacts in all; *limits*",
        "says what share of the wishes they grant. Shares are of the bound that no allocation can pass. The others",
        "fill until nothing fits: customers by value at stake; customers by gain per money spent on the offer that",
        "gains most with them; all pairs by gain per money spent; customers by churn probability. In these shops",
        "the riskiest are lost causes.",
        "",
        "| Customers | Limits | Ours (worst) | Value | Return | Return, all pairs | Risk "
        "| Seconds, wall (processor) | HiGHS on all pairs |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for (customers, tight), rows in found.groupby(["customers", "tight"], sort=True):
        plain = " | ".join(f"{rows[name].mean():.1%}" for name in PLAIN)
        lp = "–"
        if rows["lp_cpu"].notna().all():
            lp = f"{rows['lp_cpu'].mean():.1f} s, {rows['lp_cpu'].mean() / rows['cpu'].mean():.0f}×"
        lines.append(
            f"| {customers:,} | {tight:.0%} | {rows['ours'].min():.4%} | {plain} "
            f"| {rows['wall'].mean():.2f} ({rows['cpu'].mean():.2f}) | {lp} |"
        )
    over = (found["bound_over_lp"].dropna() - 1).abs().max()
    ranges = ", ".join(f"by {name} {found[name].min():.0%}–{found[name].max():.0%}" for name in PLAIN)
    lines += [
        "",
        f"Over all {len(found)} shops: ours {found['ours'].min():.4%} or more, {ranges}.",
        f"Where HiGHS solved the whole program, our bound differs from its value by at most {over:.0e} of it.",
        "HiGHS: seconds of processor, and how many times ours. One thread; wall time grows with what else the",
        "machine has to do, processor time hardly.",
    ]
    return "\n".join([*lines, ""])


def main() -> None:
    """Run all cases and write the page."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--customers", type=int, nargs="+", default=[1_000, 20_000, 1_000_000])
    parser.add_argument("--limits", type=float, nargs="+", default=[0.02, 0.1, 0.3, 0.7])
    parser.add_argument("--lp-up-to", type=int, default=20_000)
    parser.add_argument("--out", type=Path, default=Path("docs/benchmark_allocation.md"))
    asked = parser.parse_args()
    found = [
        run(customers, seed, tight, lp_up_to=asked.lp_up_to)
        for customers in asked.customers
        for tight in asked.limits
        for seed in asked.seeds
    ]
    page = report(pd.DataFrame(found), "python benchmarks/allocation.py")
    asked.out.write_text(page, encoding="utf-8")


if __name__ == "__main__":
    main()
