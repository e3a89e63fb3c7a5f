"""The table of a cross-validation's figures: one row per model."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.table import Table

    from training.contracts.snapshot_judge import Judged

__all__ = ["FIGURES", "flat_table"]

FIGURES = {
    "roc_auc": "AUC",
    "pr_auc": "PR-AUC",
    "log_loss": "log loss",
    "brier": "Brier",
    "calibration_error": "ECE",
    "top_decile_lift": "lift",
}


def flat_table(judged: Judged) -> Table:
    """Figures of every model, and how far our log loss is below each other one."""
    from rich import box
    from rich.table import Table

    title = f"{judged.rows:,} rows, {judged.repeats} x {judged.folds}-fold cross-validation"
    table = Table(box=box.SIMPLE_HEAD, title=title)
    table.add_column("model")
    for name in (*FIGURES.values(), "ours - its log loss (95 %)"):
        table.add_column(name, justify="right")
    for model, figures in judged.models.items():
        gain = judged.against.get(model, {}).get("log_loss")
        last = "" if gain is None else f"{gain.difference:+.4f} [{gain.low:+.4f}, {gain.high:+.4f}]"
        table.add_row(model, *(_shown(figures[name]) for name in FIGURES), last)
    return table


def _shown(figure: float) -> str:
    """Four digits; a dash where the figure has no meaning, as an AUC of one outcome."""
    return f"{figure:.4f}" if math.isfinite(figure) else "–"
