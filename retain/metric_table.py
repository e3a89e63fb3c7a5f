"""The table of a back-test's figures: one row per model, churn beside value."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.table import Table

    from training.backtest import CutOff

__all__ = ["metric_table"]

_CHURN = {
    "roc_auc": "AUC",
    "pr_auc": "PR-AUC",
    "log_loss": "log loss",
    "brier": "Brier",
    "calibration_error": "ECE",
    "top_decile_lift": "lift",
}
_VALUE = {"mae": "MAE", "spearman": "Spearman", "normalised_gini": "Gini", "total_bias": "bias"}


def metric_table(cut_off: CutOff) -> Table:
    """Figures of every model at one cut-off; value figures at the longest horizon judged."""
    from rich import box
    from rich.table import Table

    horizons = sorted(next(iter(cut_off.models.values()))["value"])
    title = f"{cut_off.customers:,} customers on {cut_off.day.isoformat()}"
    if horizons:
        title += f", value over {horizons[-1]} days"
    table = Table(box=box.SIMPLE_HEAD, title=title)
    table.add_column("model")
    for name in (*_CHURN.values(), *(_VALUE.values() if horizons else ())):
        table.add_column(name, justify="right")
    for model, found in cut_off.models.items():
        cells = [_cell(found.get("churn", {}).get(key)) for key in _CHURN]
        if horizons:
            value = found["value"].get(horizons[-1], {})
            cells += [_cell(value.get(key), signed=key == "total_bias") for key in _VALUE]
        table.add_row(model, *cells)
    return table


def _cell(value: Any, *, signed: bool = False) -> str:
    if value is None or value != value:
        return "–"
    if signed:
        return f"{value:+.1%}"
    return f"{value:,.1f}" if abs(value) >= 100 else f"{value:.4f}"
