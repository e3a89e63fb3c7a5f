"""Whether reported effects are true: hundreds of simulated campaigns with known effects, and as many without any.

::

    python benchmarks/proof.py --seeds 300 --out docs/benchmark_proof.md

Every campaign is judged by the product's own `strategies.results.campaign_effects`, as ``retain results`` does. The
shops are simulated (`proof_world`); nothing here says how large effects are in a real shop.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
from proof_world import World

from strategies.pooled_effect import interval
from strategies.results import OUTCOMES, campaign_effects

LEVEL = 0.95
NOTHING = {"mail": 0.0, "voucher": 0.0, "call": 0.0}
FREE = {"mail": 0.0, "voucher": 0.0, "call": 0.0}


@dataclass(frozen=True)
class Case:
    """One kind of campaign; `alike` without any effect and any cost."""

    name: str
    world: World
    alike: bool = False


CASES = (
    Case("4,000 customers, 15 % held out", World()),
    Case("1,500 customers, 20 % held out", World(customers=1500, hold_out=0.2)),
    Case("two runs of 6,000, 15 % held out", World(customers=6000, runs=2)),
    Case("A/A: 4,000, 15 % held out", World(effects=NOTHING, costs=FREE), alike=True),
    Case(
        "A/A: 1,500, 20 % held out",
        World(customers=1500, hold_out=0.2, effects=NOTHING, costs=FREE),
        alike=True,
    ),
)


def judge(case: Case, seed: int) -> pd.DataFrame:
    """One row per offer and outcome: was the truth covered, by intervals that hold together and by single ones."""
    drawn = case.world.draw(seed)
    together = campaign_effects(drawn.log, dimensions=["offer"], level=LEVEL)
    low, high = interval(together, "effect", LEVEL)
    truth = pd.concat({outcome: drawn.truth(outcome) for outcome in OUTCOMES}).rename("truth")
    key = pd.MultiIndex.from_frame(together[["outcome", "group"]])
    true = truth.reindex(key).to_numpy()
    return together[["group", "outcome", "verdict"]].assign(
        case=case.name,
        seed=seed,
        alike=case.alike,
        given=together["low"].notna(),
        covered=(together["low"] <= true) & (true <= together["high"]),
        single=(low <= true) & (true <= high),
        ratio=(together["high"] - together["low"]) / (together["plain_high"] - together["plain_low"]),
        error=together["effect"] - true,
        plain_error=together["plain"] - true,
    )


def report(found: pd.DataFrame, seeds: int) -> str:
    """The page."""
    lines = [
        "# Whether reported effects are true",
        "",
        f"`python benchmarks/proof.py --seeds {seeds}`: {seeds} simulated campaigns of each kind, seeds 0 to {seeds - 1},",
        "judged as `retain results` does. Orders and baskets are skewed as in shops; offers are chosen by value class;",
        "the call adds an order to a quarter of the customers, the voucher takes one from 8 %, the mail does nothing.",
        "Both worlds of each customer are drawn, so the truth is known. These are simulations: they test the arithmetic,",
        "not how large effects are in a real shop.",
        "",
        "*Covered*: share of effects per offer whose 95 % interval holds the truth, as reported (the intervals of all",
        "offers hold together) and taken singly. *Width*: interval with adjustment for what was known before over",
        "without. *Error*: root mean square error of the effect over the unadjusted one's. Adjusting gains little here: an",
        "offer goes to one or two value classes, within which customers are alike, and afterwards their rates drift.",
        "",
        "| Campaign | Outcome | Covered | Covered singly | Width | Error |",
        "|---|---|---|---|---|---|",
    ]
    for (case, outcome), rows in found[~found["alike"]].groupby(["case", "outcome"], sort=False):
        given = rows[rows["given"]]
        error = np.sqrt((given["error"] ** 2).mean() / (given["plain_error"] ** 2).mean())
        lines.append(
            f"| {case} | {outcome} | {given['covered'].mean():.1%} | {given['single'].mean():.1%} "
            f"| {given['ratio'].mean():.2f} | {error:.2f} |"
        )
    lines += [
        "",
        "Without any effect (A/A, contacts free): how often *no effect* is said of the margin less cost of an offer, and",
        "how often of all offers of a campaign at once.",
        "",
        "| Campaign | No effect, per offer | No effect, all offers | Said to work | Stopped |",
        "|---|---|---|---|---|",
    ]
    for case, rows in found[found["alike"] & (found["outcome"] == "net_margin")].groupby("case", sort=False):
        wrong = rows["verdict"].isin(["works", "stop"])
        whole = ~wrong.groupby(rows["seed"]).any()
        lines.append(
            f"| {case} | {1 - wrong.mean():.1%} | {whole.mean():.1%} | {(rows['verdict'] == 'works').mean():.1%} "
            f"| {(rows['verdict'] == 'stop').mean():.1%} |"
        )
    lines += ["", "What is said of the offers with an effect (margin less cost):", ""]
    lines += ["| Campaign | Offer | works | open | stop | too few |", "|---|---|---|---|---|---|"]
    net = found[~found["alike"] & (found["outcome"] == "net_margin")]
    for (case, offer), rows in net.groupby(["case", "group"], sort=False):
        shares = [
            f"{(rows['verdict'] == verdict).mean():.0%}" for verdict in ("works", "open", "stop", "too_few")
        ]
        lines.append(f"| {case} | {offer} | {' | '.join(shares)} |")
    return "\n".join([*lines, ""])


def main() -> None:
    """Run all cases and write the page; exits 1 when a floor is missed."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", type=int, default=300)
    parser.add_argument(
        "--customers", type=int, default=None, help="customers of every case, for a quick look"
    )
    parser.add_argument("--out", type=Path, default=Path("docs/benchmark_proof.md"))
    asked = parser.parse_args()
    cases = [
        case
        if asked.customers is None
        else replace(case, world=replace(case.world, customers=asked.customers))
        for case in CASES
    ]
    found = pd.concat([judge(case, seed) for case in cases for seed in range(asked.seeds)], ignore_index=True)
    asked.out.write_text(report(found, asked.seeds), encoding="utf-8")
    effects = found[~found["alike"] & found["given"]]
    alike = found[found["alike"] & (found["outcome"] == "net_margin")]
    covered = effects.groupby("case")["covered"].mean().min()
    silent = (
        1 - alike["verdict"].isin(["works", "stop"]).groupby([alike["case"], alike["group"]]).mean().max()
    )
    print(f"covered at least {covered:.1%} (floor 93 %), no effect at least {silent:.1%} (floor 95 %)")
    if covered < 0.93 or silent < 0.95:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
