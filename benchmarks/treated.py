"""What a model learns after campaigns that saved the riskiest: a naive retrain beside one that knows the contacts.

::

    python benchmarks/treated.py --seeds 11 12 13 --out docs/benchmark_treated.md

Each shop is drawn once without campaigns, and once more with win-back campaigns held on it: the longest silent
are contacted and nearly all of them order once more. Three models are trained as of the same day: on the shop
without campaigns, on the shop with them as if nobody had been contacted (naive), and as Retain does. All three
score the customers of the shop without campaigns, and are judged by what these truly do when left alone.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.special import expit
from scipy.stats import rankdata

from features.load import tables_from_frames
from features.tables import Tables
from retain.shop import Shop, ShopSettings, future_truth, simulate
from retain.shop.win_back import WinBack, win_back
from training.fit import anchored, fit_head
from training.head_kind import HeadKind
from training.models.anchor import Anchor
from training.panel import Panel, build_panel
from training.settings import TrainingSettings

Floats = npt.NDArray[np.float64]
HORIZON = 90
KIND = HeadKind("churn", HORIZON)


@dataclass(frozen=True)
class Case:
    """When campaigns are held, in days before the day of training, and how."""

    name: str
    days_before: tuple[int, ...]
    plan: WinBack


CASES = (
    Case("one campaign, 20 % hold-out", (100,), WinBack(share=0.4, hold_out=0.2)),
    Case("one campaign, no hold-out", (100,), WinBack(share=0.4)),
    Case("every 60 days, 20 % hold-out", tuple(range(425, 60, -60)), WinBack(share=0.4, hold_out=0.2)),
    Case("every 60 days, no hold-out", tuple(range(425, 60, -60)), WinBack(share=0.4)),
)


@dataclass(frozen=True)
class Ground:
    """A shop without campaigns: its customers on the day of training, what they truly do, and its model's row."""

    shop: Shop
    rows: pd.DataFrame
    churn: Floats
    judged: dict[str, float]

    @classmethod
    def of(cls, seed: int, customers: int) -> Ground:
        """Draw the shop and train on it."""
        settings = ShopSettings(
            customers=customers,
            days=500 + HORIZON,
            seed=seed,
            campaign_every_weeks=520,
            orders_per_year=12,
            lifetime_days=400,
        )
        as_of = settings.end - timedelta(days=HORIZON)
        shop = simulate(settings)
        panel = build_panel(_tables(shop), as_of, [HORIZON])
        truth = future_truth(settings, as_of, HORIZON).to_pandas().set_index("customer_id")
        rows = panel.at(as_of)
        rows = rows[rows["customer_id"].isin(truth.index)].reset_index(drop=True)
        churn = truth["churn_probability"].reindex(rows["customer_id"]).to_numpy(np.float64)
        return cls(shop, rows, churn, _judged(_score(panel, rows), churn))


def run_case(case: Case, ground: Ground) -> list[dict[str, object]]:
    """One row per model: AUC and log loss against the true probability of no order when left alone."""
    held, seed = ground.shop, ground.shop.settings.seed
    as_of = held.settings.end - timedelta(days=HORIZON)
    for back in case.days_before:
        held = win_back(held, as_of - timedelta(days=back), case.plan)
    ours = build_panel(_tables(held), as_of, [HORIZON])
    weights = ours.frame.get(f"weight_{HORIZON}", pd.Series(1.0, index=ours.frame.index))
    naive = replace(ours, frame=ours.frame.drop(columns=f"weight_{HORIZON}", errors="ignore"))
    models = {"without campaigns": ground.judged}
    models |= {
        name: _judged(_score(panel, ground.rows), ground.churn)
        for name, panel in (("naive", naive), ("retain", ours))
    }
    out = {"retain": float((weights == 0).mean())}
    return [
        {"case": case.name, "seed": seed, "model": name, "out": out.get(name, 0.0), **judged}
        for name, judged in models.items()
    ]


def _tables(shop: Shop) -> Tables:
    frames = {name: shop.tables[name] for name in ("orders", "campaigns")}
    return tables_from_frames(frames, timezone=shop.settings.timezone)


def _score(panel: Panel, rows: pd.DataFrame) -> Floats:
    """Churn probability of the rows by a model trained on the panel."""
    head = fit_head(anchored(panel), KIND, TrainingSettings(num_threads=1))
    columns = rows.join(Anchor.fit(panel.at(panel.as_of)).columns(rows, (HORIZON,)))
    closed = KIND.closed_form(columns)
    return expit(closed if head is None else head.raw(closed, columns, panel.as_of))


def _judged(predicted: Floats, churn: Floats) -> dict[str, float]:
    """AUC with every customer churned and not, each with his true probability; log loss of the same."""
    ranks = rankdata(predicted)
    order = np.argsort(predicted, kind="stable")
    stayed = np.cumsum((1 - churn)[order])
    below = np.empty(len(churn))
    below[order] = stayed - (1 - churn)[order]
    ties = pd.Series(1 - churn).groupby(ranks).transform("sum").to_numpy()
    first = pd.Series(below).groupby(ranks).transform("min").to_numpy()
    auc = float((churn * (first + ties / 2)).sum() / (churn.sum() * (1 - churn).sum()))
    p = np.clip(predicted, 1e-9, 1 - 1e-9)
    loss = float(-(churn * np.log(p) + (1 - churn) * np.log1p(-p)).mean())
    return {"auc": auc, "log_loss": loss, "level": float(predicted.mean() - churn.mean())}


def report(found: pd.DataFrame, customers: int) -> str:
    """The page: means over seeds, the worst seed beside the AUC."""
    seeds = found["seed"].nunique()
    lines = [
        "# After campaigns that save the riskiest",
        "",
        f"`python benchmarks/treated.py`: {seeds} simulated shops of {customers:,} customers, 500 days of history,",
        f"horizon {HORIZON} days. The longest silent 40 % are contacted, nine tenths of them order once more. Three",
        "models score the same customers as they are without any campaign, and are judged by what these truly do",
        "when left alone. AUC: mean over shops (worst shop). Level: mean prediction less the truth.",
        "",
        "| Campaigns | Model | AUC | Log loss | Level | Rows left out |",
        "|---|---|---|---|---|---|",
    ]
    for (case, model), rows in found.groupby(["case", "model"], sort=False):
        auc = f"{rows['auc'].mean():.3f} ({rows['auc'].min():.3f})"
        lines.append(
            f"| {case} | {model} | {auc} | {rows['log_loss'].mean():.3f} | {rows['level'].mean():+.3f} "
            f"| {rows['out'].mean():.0%} |"
        )
    return "\n".join([*lines, ""])


def main() -> None:
    """Run all cases and write the page."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", type=int, nargs="+", default=[11, 12, 13])
    parser.add_argument("--customers", type=int, default=1000)
    parser.add_argument("--out", type=Path, default=Path("docs/benchmark_treated.md"))
    asked = parser.parse_args()
    grounds = [Ground.of(seed, asked.customers) for seed in asked.seeds]
    found = [row for case in CASES for ground in grounds for row in run_case(case, ground)]
    asked.out.write_text(report(pd.DataFrame(found), asked.customers), encoding="utf-8")


if __name__ == "__main__":
    main()
