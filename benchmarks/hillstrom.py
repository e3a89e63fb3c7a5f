"""Effects measured on a real randomised trial: ours beside T-, S-learners and *everybody gets the best*.

::

    python benchmarks/hillstrom.py --out docs/benchmark_hillstrom.md

The e-mail trial of Hillstrom (2008): 64,000 customers, men's mail, women's mail or none, drawn with equal chances.
Ten splits into 70 % to learn and 30 % to judge, stratified by arm. Ours chooses every strength inside the 70 %.
"""

from __future__ import annotations

import argparse
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.model_selection import train_test_split

from training.effects.doubly_robust import expect_outcomes
from training.effects.measure import measure_effects
from training.effects.plain_learners import s_learner, t_learner
from training.effects.safe_policy import policy_value
from training.effects.trial_log import TrialLog
from training.effects.uplift_curve import auuc, qini
from training.models.effect import EffectModel

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
DATA = Path(__file__).resolve().parents[1].parent / "shared" / "data" / "hillstrom.parquet"
ARMS = ("No E-Mail", "Mens E-Mail", "Womens E-Mail")
FEATURES = ["recency", "history", "mens", "womens", "zip_code", "newbie", "channel"]
OUTCOMES = ("visit", "conversion", "spend")
WOMENS = 2
OURS = "retain"
EVERYBODY = "everybody gets the best"
SINGLE = {"Nobody": 0, "Mens to all": 1, "Womens to all": 2}
SAFE = "retain, safe policy"
BOUNDS = (("floor", 0.063), ("goal", 0.068))
STRATA = {"arm": ["segment"], "arm and visit": ["segment", "visit"]}


@dataclass(frozen=True)
class Split:
    """One split: what is learnt from, and what judges."""

    seed: int
    learn: pd.DataFrame
    judge: pd.DataFrame

    @classmethod
    def of(cls, data: pd.DataFrame, seed: int, strata: list[str]) -> Split:
        """70 / 30, drawn from the seed within strata."""
        cell = data.groupby(strata).ngroup()
        learn, judge = train_test_split(data, test_size=0.3, random_state=seed, stratify=cell)
        return cls(seed, learn.reset_index(drop=True), judge.reset_index(drop=True))


def trial(rows: pd.DataFrame, outcome: str) -> TrialLog:
    """The rows as a log; each arm had a chance of one in three."""
    given = rows["segment"].map({arm: place for place, arm in enumerate(ARMS)}).to_numpy(np.int64)
    return TrialLog(
        rows[FEATURES],
        ARMS[1:],
        given,
        np.full((len(rows), len(ARMS)), 1 / len(ARMS)),
        rows[outcome].to_numpy(np.float64),
        "money" if outcome == "spend" else "binary",
        outcome,
    )


def learners(model: EffectModel, log: TrialLog, features: pd.DataFrame) -> dict[str, Floats]:
    """Effects of the arms for the judging rows, shape (m, 3), by every learner."""
    against = {
        "T-LightGBM, default": t_learner(log, features, "lightgbm"),
        "T-linear": t_learner(log, features, "linear"),
        "S-LightGBM, default": s_learner(log, features),
    }
    found = {name: expected - expected[:, [0]] for name, expected in against.items()}
    none = np.zeros((len(features), 1))
    found[OURS] = np.hstack([none, model.predict(features)])
    average = [0.0, *(effect.average for effect in model.offers)]
    found[EVERYBODY] = np.tile(average, (len(features), 1))
    return found


def run_split(split: Split, outcome: str) -> tuple[list[dict[str, object]], list[dict[str, object]]]:
    """Qini per learner and mail; value per policy."""
    log, judge = trial(split.learn, outcome), trial(split.judge, outcome)
    started = time.process_time()
    model = measure_effects(log)
    seconds = time.process_time() - started
    found = learners(model, log, judge.features)
    ranked = [row for arm in (1, WOMENS) for row in _ranked(found, judge, arm)]
    chosen = {name: np.full(judge.rows, arm, dtype=np.int64) for name, arm in SINGLE.items()}
    chosen |= {
        f"argmax of {name}": effects.argmax(axis=1) for name, effects in found.items() if name != EVERYBODY
    }
    chosen[SAFE] = model.choose(judge.features)
    # Outcome models for the judging rows know the learning rows only; the same for all policies.
    expected = expect_outcomes(log, judge.features)
    valued = []
    for name, arms in chosen.items():
        value = policy_value(judge, arms, expected)
        valued.append(
            {"policy": name, "ips": value.ips.value, "dr": value.dr.value, "low": value.dr.low(0.95)}
        )
    about = {"seed": split.seed, "outcome": outcome, "seconds": seconds}
    told = {f"differs {e.offer}": e.heterogeneous for e in model.offers}
    share = float((chosen[SAFE] != model.policy.best).mean())
    return [about | told | row for row in ranked], [
        about | {"deviate": share, "best": model.policy.best} | row for row in valued
    ]


def run_splits(data: pd.DataFrame, strata: str, splits: int, jobs: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """All splits of one kind: what `run_split` tells of each."""
    ranked, valued = [], []
    with ProcessPoolExecutor(jobs) as pool:
        drawn = [Split.of(data, seed, STRATA[strata]) for seed in range(splits)]
        waiting = [pool.submit(run_split, split, outcome) for split in drawn for outcome in OUTCOMES]
        for done in waiting:
            more_ranked, more_valued = done.result()
            ranked += more_ranked
            valued += more_valued
    return pd.DataFrame(ranked), pd.DataFrame(valued)


def _ranked(found: dict[str, Floats], judge: TrialLog, arm: int) -> list[dict[str, object]]:
    rows = (judge.given == 0) | (judge.given == arm)
    y, t = judge.outcome[rows], (judge.given[rows] == arm).astype(np.float64)
    return [
        {
            "learner": name,
            "mail": ARMS[arm],
            "qini": qini(effects[rows, arm], y, t),
            "auuc": auuc(effects[rows, arm], y, t),
        }
        for name, effects in found.items()
    ]


def report(found: dict[str, tuple[pd.DataFrame, pd.DataFrame]], command: str) -> str:
    """The page: the first kind of splits in full, of the others who is put first."""
    strata, *others = found
    ranked, valued = found[strata]
    again = [line for other in others for line in _again(other, found[other][0])]
    splits = ranked["seed"].nunique()
    return "\n".join(
        [
            "# Effects on a real randomised trial",
            "",
            "The e-mail trial of Hillstrom: 64,000 customers, an e-mail with men's goods, one with women's goods, or none,",
            f"drawn with equal chances. {splits} splits into 70 % to learn and 30 % to judge, stratified by {strata}.",
            "`retain` chooses every strength inside the 70 %; the others run with the defaults of their libraries.",
            "`T-linear` is logistic for visit and conversion and ridge for spend.",
            "",
            *_qini_part(ranked),
            "",
            *again,
            *_found_part(ranked),
            "",
            *_value_part(valued),
            "",
            "Made by",
            "",
            "```bash",
            command,
            "```",
            "",
        ]
    )


def _qini_part(ranked: pd.DataFrame) -> list[str]:
    lines = [
        "## Who is put first",
        "",
        "Qini of the women's e-mail on visit, judged on its customers and those without an e-mail: area between the",
        "Qini curve and the random line as a share of that area for the perfect order, which puts treated visitors",
        "first and untreated visitors last. (Other Qinis in use differ by constant factors: against a perfect order",
        "without negative effects the same figures are about five times as large. This one gives .03 to .04 for the",
        "T-learner on default LightGBM and .06 to .07 for the one on logistic regressions, as is commonly reported.)",
        "",
        *_qini_table(ranked),
        "",
    ]
    lines += ["Mean Qini of both e-mails on all outcomes:", ""]
    table = ranked.pivot_table(index="learner", columns=["outcome", "mail"], values="qini", sort=False)
    lines += ["| learner | " + " | ".join(f"{o}, {m.split()[0]}" for o, m in table.columns) + " |"]
    lines += ["|---|" + "--:|" * table.shape[1]]
    lines += [
        f"| {n} | " + " | ".join(f"{v:.4f}" for v in row) + " |"
        for n, row in zip(table.index, table.to_numpy(), strict=True)
    ]
    return lines


def _qini_table(ranked: pd.DataFrame) -> list[str]:
    first = ranked[(ranked["outcome"] == "visit") & (ranked["mail"] == ARMS[WOMENS])]
    by = first.groupby("learner", sort=False)
    lines = [
        "| learner | mean | sd over splits | lowest | highest | incremental visits per treated, area |",
        "|---|--:|--:|--:|--:|--:|",
    ]
    for name, rows in by:
        q = rows["qini"]
        shown = f"**{name}**" if name == OURS else name
        lines.append(
            f"| {shown} | {q.mean():.4f} | {q.std():.4f} | {q.min():.4f} | {q.max():.4f} | {rows['auuc'].mean():.5f} |"
        )
    ours = by["qini"].mean()[OURS]
    said = [
        f"{word} {bound:g} {'met' if round(ours, 4) >= bound else '**missed**'}" for word, bound in BOUNDS
    ]
    apart = first.pivot_table(index="seed", columns="learner", values="qini")
    wins = {name: int((apart[OURS] > apart[name]).sum()) for name in apart.columns if name != OURS}
    told = ", ".join(f"{name} in {n}" for name, n in wins.items())
    lines += ["", f"{'; '.join(said)}. Of {len(apart)} splits, `retain` is ahead of {told}."]
    return lines


def _again(strata: str, ranked: pd.DataFrame) -> list[str]:
    return [
        f"### The same, splits stratified by {strata}",
        "",
        "Other splits of the same customers move the figures by more than most learners lie apart.",
        "",
        *_qini_table(ranked),
        "",
    ]


def _found_part(ranked: pd.DataFrame) -> list[str]:
    ours = ranked[(ranked["learner"] == OURS) & (ranked["mail"] == ARMS[WOMENS])]
    lines = [
        "## Where a difference between customers is found",
        "",
        "Share of splits in which the cross-fitted test says that the effect differs by customer; elsewhere `retain`",
        "gives everybody the average, and its Qini there is 0 by design.",
        "",
        "| outcome | " + " | ".join(ARMS[1:]) + " | seconds to measure |",
        "|---|--:|--:|--:|",
    ]
    for outcome, rows in ours.groupby("outcome", sort=False):
        shares = " | ".join(f"{rows[f'differs {arm}'].mean():.0%}" for arm in ARMS[1:])
        lines.append(f"| {outcome} | {shares} | {rows['seconds'].median():.1f} |")
    return lines


def _value_part(valued: pd.DataFrame) -> list[str]:
    lines = [
        "## What policies are worth",
        "",
        "Outcome per customer of the judging part, by inverse propensities (by doubly robust scores in brackets), mean",
        "over splits. *Below* counts the splits in which a policy is worth less than the single arm that was best on",
        "the learning part, and less than the one that turned out best on the judging part. *Argmax* gives each",
        "customer the arm with the greatest predicted outcome. *Safe* is what is shipped: the best single arm, and",
        "another only for whom a lower bound of 90 % supports it.",
    ]
    for outcome, rows in valued.groupby("outcome", sort=False):
        lines += _outcome_table(str(outcome), rows)
    return lines


def _outcome_table(outcome: str, rows: pd.DataFrame) -> list[str]:
    ips = rows.pivot_table(index="seed", columns="policy", values="ips")
    dr = rows.pivot_table(index="seed", columns="policy", values="dr")
    single = ips[list(SINGLE)]
    best = single.mean().idxmax()
    learnt = rows[rows["policy"] == SAFE].set_index("seed")["best"].map({at: n for n, at in SINGLE.items()})
    planned = pd.Series([single.loc[seed, name] for seed, name in learnt.items()], index=learnt.index)
    lines = [
        "",
        f"### {outcome}",
        "",
        "| policy | worth | below, best learnt | below, best in hindsight |",
        "|---|--:|--:|--:|",
    ]
    for name in rows["policy"].unique():
        below = int((ips[name] < planned - 1e-12).sum()), int((ips[name] < single.max(axis=1) - 1e-12).sum())
        shown = f"**{name}**" if name == SAFE else name
        lines.append(
            f"| {shown} | {ips[name].mean():.4f} ({dr[name].mean():.4f}) | {below[0]} | {below[1]} |"
        )
    gain = ips[SAFE].mean() / ips[best].mean() - 1
    kept = "never below" if gain >= -1e-12 else "**below**"
    share = rows[rows["policy"] == SAFE]["deviate"]
    told = f"On average {kept} the best single arm ({best}): {gain:+.1%}. "
    return [*lines, "", told + f"It deviates in {int((share > 0).sum())} of {len(ips)} splits."]


def main() -> None:
    """Run all splits and write the page."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--splits", type=int, default=10)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--strata", choices=list(STRATA), nargs="+", default=list(STRATA))
    parser.add_argument("--out", type=Path, default=Path("docs/benchmark_hillstrom.md"))
    asked = parser.parse_args()
    data = pd.read_parquet(asked.data)
    found = {name: run_splits(data, name, asked.splits, asked.jobs) for name in asked.strata}
    asked.out.write_text(
        report(found, f"python benchmarks/hillstrom.py --splits {asked.splits}"), encoding="utf-8"
    )


if __name__ == "__main__":
    main()
