"""Whether reported effects can be believed: trials simulated with known effects, measured as real ones would be.

::

    python benchmarks/effects.py --seeds 300 --out docs/benchmark_effects.md

Worlds: offers that change nothing (A/A), offers that change the same for everybody, offers that change different
customers differently. Chances of the arms differ by stratum, a feature has gaps, another is skewed.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.special import expit

from training.effects.measure import measure_effects
from training.effects.trial_log import TrialLog

Floats = npt.NDArray[np.float64]
OFFERS = ("mail", "call")
WORLDS = ("nothing", "same for all", "different")
KINDS = ("binary", "money")
# Per offer: shift of the log-odds for everybody, and by each of x, plan and newcomer in the world "different".
_SHIFT = {"nothing": (0.0, 0.0), "same for all": (0.3, -0.25), "different": (0.3, 0.0)}
_BY_X = {"nothing": (0.0, 0.0), "same for all": (0.0, 0.0), "different": (0.8, -0.6)}
_TRUTH_ROWS, _TRUTH_SEED = 200_000, 987_654
_NOISE = 0.8
_CHUNKS = 5
_FRESH = 2000
_PLANS = np.array(["basic", "plus", "pro"])
_CHANCES = np.array([[0.4, 0.3, 0.3], [0.2, 0.5, 0.3]])


@dataclass(frozen=True)
class World:
    """Customers of a simulated trial.

    Parameters
    ----------
    name : str
        One of `WORLDS`.
    kind : str
        One of `KINDS`: kept or not, or margin, which is zero for most and skewed for the rest.
    """

    name: str
    kind: str

    def draw(self, rows: int, seed: int) -> tuple[TrialLog, Floats]:
        """A trial and the expected outcome of each row under every arm, shape (rows, 3)."""
        rng = np.random.default_rng([seed, WORLDS.index(self.name), KINDS.index(self.kind)])
        features, x = _features(rng, rows)
        expected = self._expected(features, x)
        chances = _CHANCES[(features["plan"] == "pro").to_numpy(np.int64)]
        given = (rng.random(rows)[:, None] > np.cumsum(chances, axis=1)[:, :-1]).sum(axis=1)
        mean = expected[np.arange(rows), given]
        outcome = self._outcome(rng, mean)
        kind = "binary" if self.kind == "binary" else "money"
        return TrialLog(features, OFFERS, given, chances, outcome, kind, self.name), expected

    def truth(self) -> Floats:
        """Average effect of each offer over all possible customers, from 200,000 of them."""
        features, x = _features(np.random.default_rng(_TRUTH_SEED), _TRUTH_ROWS)
        expected = self._expected(features, x)
        return (expected[:, 1:] - expected[:, [0]]).mean(axis=0)

    def _expected(self, features: pd.DataFrame, x: Floats) -> Floats:
        newcomer = features["newcomer"].to_numpy(np.float64)
        base = -0.6 + 0.5 * x + 0.5 * (features["plan"] == "pro").to_numpy() - 0.4 * newcomer
        raw = [base] + [
            base + shift + slope * x * (1 - 0.5 * newcomer)
            for shift, slope in zip(_SHIFT[self.name], _BY_X[self.name], strict=True)
        ]
        p = expit(np.column_stack(raw))
        return p if self.kind == "binary" else p * 40.0

    def _outcome(self, rng: np.random.Generator, mean: Floats) -> Floats:
        if self.kind == "binary":
            return (rng.random(len(mean)) < mean).astype(np.float64)
        buys = rng.random(len(mean)) < mean / 40.0
        return buys * 40.0 * np.exp(_NOISE * rng.normal(size=len(mean)) - _NOISE**2 / 2)


def _features(rng: np.random.Generator, rows: int) -> tuple[pd.DataFrame, Floats]:
    x = rng.normal(size=rows)
    seen = np.where(rng.random(rows) < 0.05, np.nan, x)
    table = {
        "x": seen,
        "spend": np.exp(rng.normal(size=rows) + 0.5 * x),
        "plan": _PLANS[rng.choice(3, rows, p=[0.5, 0.3, 0.2])],
        "newcomer": (rng.random(rows) < 0.3).astype(np.int64),
        "noise": rng.normal(size=rows),
    }
    return pd.DataFrame(table), x


def run(world: World, seed: int, rows: int, truth: Floats) -> list[dict[str, object]]:
    """One trial: what was reported of each offer beside the truth."""
    log, _ = world.draw(rows, seed)
    model = measure_effects(log, seed=seed)
    fresh, outcomes = world.draw(_FRESH, seed + 1_000_000)
    chosen = model.choose(fresh.features)
    value = outcomes[np.arange(len(chosen)), chosen].mean()
    best = outcomes.mean(axis=0).max()
    oracle = outcomes.max(axis=1).mean()
    naive = np.hstack([np.zeros((fresh.rows, 1)), model.predict(fresh.features)]).argmax(axis=1)
    about = {
        "world": world.name,
        "kind": world.kind,
        "seed": seed,
        "policy": value,
        "best": best,
        "oracle": oracle,
        "naive": outcomes[np.arange(len(naive)), naive].mean(),
    }
    return [
        about
        | {
            "offer": effect.offer,
            "truth": truth[at],
            "average": effect.average,
            "covered": effect.low <= truth[at] <= effect.high,
            "width": effect.high - effect.low,
            "found": effect.found,
            "heterogeneous": effect.heterogeneous,
        }
        for at, effect in enumerate(model.offers)
    ]


def run_seeds(world: World, seeds: Sequence[int], rows: int) -> list[dict[str, object]]:
    """Several trials of one world."""
    truth = world.truth()
    return [row for seed in seeds for row in run(world, seed, rows, truth)]


def summary(found: pd.DataFrame) -> pd.DataFrame:
    """A row per world and kind of outcome."""
    rows = []
    for (kind, world), part in found.groupby(["kind", "world"], sort=False):
        by_seed = part.groupby("seed")
        quiet = (by_seed["found"].agg(lambda f: (f == "none").all()), ~by_seed["heterogeneous"].any())
        one = by_seed.first()
        rows.append(
            {
                "kind": kind,
                "world": world,
                "seeds": len(one),
                "covered": part.groupby("offer", sort=False)["covered"].mean().tolist(),
                "covered_all": part["covered"].mean(),
                "no_effect": quiet[0].mean(),
                "no_heterogeneity": quiet[1].mean(),
                "neither": (quiet[0] & quiet[1]).mean(),
                **{name: one[name].mean() for name in ("policy", "best", "oracle", "naive")},
                "below_best": (one["policy"] < one["best"] - 1e-9).mean(),
            }
        )
    return pd.DataFrame(rows)


def report(found: pd.DataFrame, rows: int, command: str) -> str:
    """The page."""
    table = summary(found)
    lines = [
        "# Can reported effects be believed?",
        "",
        "Simulated trials with known effects: two offers and a hold-out, drawn with chances that differ by plan;",
        f"{rows:,} customers each, {int(table['seeds'].min())} seeds per row. *Nothing* is an A/A world: offers change",
        "nobody. *Different*: one offer helps customers with a high score and harms those with a low one, the other",
        "the reverse. *Money*: margin, zero for most and skewed for the rest.",
        "",
        "## Averages",
        "",
        "Share of seeds in which the reported 95 % interval holds the true average effect (wanted: at least 93 %),",
        f"for {' and '.join(OFFERS)}.",
        "",
        "| outcome | world | " + " | ".join(OFFERS) + " | both |",
        "|---|---|" + "--:|" * (len(OFFERS) + 1),
    ]
    for row in table.itertuples():
        each = " | ".join(f"{share:.1%}" for share in row.covered)
        lines.append(f"| {row.kind} | {row.world} | {each} | {row.covered_all:.1%} |")
    lines += [
        "",
        "## Answers",
        "",
        "Share of seeds in which no offer is said to help or harm, in which no offer is said to work differently",
        "for different customers, and in which both are so. In the A/A world these are the right answers (wanted: each",
        "of the first two in at least 95 %; the tests share 5 % of false alarms, so that *neither* lies near 95 %).",
        "Where all customers react alike on the scale of log-odds, their shares saved still differ a little.",
        "",
        "| outcome | world | no effect | no heterogeneity | neither |",
        "|---|---|--:|--:|--:|",
    ]
    lines += [
        f"| {r.kind} | {r.world} | {r.no_effect:.1%} | {r.no_heterogeneity:.1%} | {r.neither:.1%} |"
        for r in table.itertuples()
    ]
    lines += [
        "",
        "## What the policies bring",
        "",
        "True outcome per fresh customer: the best single arm for all (the truly best one), the safe policy, the",
        "greatest predicted effect for each without any bound, and the oracle that knows every effect. The last",
        "column is the share of seeds in which the safe policy ends below the best single arm.",
        "",
        "| outcome | world | best single | safe policy | argmax | oracle | safe below best |",
        "|---|---|--:|--:|--:|--:|--:|",
    ]
    lines += [
        f"| {r.kind} | {r.world} | {r.best:.4g} | {r.policy:.4g} | {r.naive:.4g} | {r.oracle:.4g} | {r.below_best:.1%} |"
        for r in table.itertuples()
    ]
    return "\n".join([*lines, "", "Made by", "", "```bash", command, "```", ""])


def main() -> None:
    """Run all worlds and write the page."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", type=int, default=300)
    parser.add_argument("--rows", type=int, default=2000)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--out", type=Path, default=Path("docs/benchmark_effects.md"))
    asked = parser.parse_args()
    worlds = [World(name, kind) for kind in KINDS for name in WORLDS]
    chunks = [range(start, asked.seeds, _CHUNKS) for start in range(min(_CHUNKS, asked.seeds))]
    found = []
    with ProcessPoolExecutor(asked.jobs) as pool:
        waiting = [pool.submit(run_seeds, w, seeds, asked.rows) for w in worlds for seeds in chunks]
        for done in waiting:
            found += done.result()
    command = f"python benchmarks/effects.py --seeds {asked.seeds} --rows {asked.rows} --out {asked.out}"
    asked.out.write_text(report(pd.DataFrame(found), asked.rows, command), encoding="utf-8")


if __name__ == "__main__":
    main()
