"""The tables of a back-test: figures by model, ours less the peers, decay by age, worth of history."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.table import Table

    from training.backtest import CutOff
    from training.history_curve import HistoryCurve
    from training.metrics import Interval
    from training.staying_power import StayingPower

__all__ = ["difference_table", "history_table", "metric_table", "staying_table"]

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


def difference_table(differences: dict[str, dict[str, Interval]]) -> Table:
    """Ours less each peer with 95 % intervals; figures by row."""
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, title="Ours less the peer, mean over the days, with 95 % interval")
    table.add_column("figure")
    for peer in differences:
        table.add_column(peer, justify="right")
    for name in dict.fromkeys(name for found in differences.values() for name in found):
        cells = [_range(found.get(name)) for found in differences.values()]
        table.add_row(_short(name), *cells)
    return table


def staying_table(found: StayingPower) -> Table:
    """A model's figures by age, and how far they lie from a fresh model's."""
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, title="Staying power: not trained again, less trained that day")
    for name in ("age", "days"):
        table.add_column(name, justify="right")
    names = list(found.ages[0].figures)
    for name in names:
        table.add_column(_short(name), justify="right")
    for age in found.ages:
        cells = [_of(age.figures[name]) for name in names]
        table.add_row(f"{age.age_days} d", str(len(age.days)), *cells)
    return table


def history_table(found: HistoryCurve) -> Table:
    """Figures by length of history, each with its difference to the whole."""
    from rich import box
    from rich.table import Table

    title = (
        f"Length of history, {found.customers:,} customers on {found.day.isoformat()}, less the whole history"
    )
    table = Table(box=box.SIMPLE_HEAD, title=title)
    for name in ("months", "evidence"):
        table.add_column(name)
    names = list(found.lengths[-1].figures)
    for name in names:
        table.add_column(_short(name), justify="right")
    for length in found.lengths[:-1]:
        cells = [_of(length.figures[name]) for name in names]
        table.add_row(str(length.months), length.evidence, *cells)
    whole = found.lengths[-1]
    table.add_row(f"all {whole.days} d", whole.evidence, *(_cell(whole.figures[n]["value"]) for n in names))
    return table


def _short(name: str) -> str:
    """The name of a figure as the columns of the metric table have it."""
    *of, metric = name.split()
    known = {**_CHURN, **_VALUE, "rmse": "RMSE", "level_error": "level"}
    return " ".join([*(word for word in of if word != "churn"), known.get(metric, metric)])


def _of(figure: dict[str, float]) -> str:
    from training.metrics import Interval

    return _range(Interval(figure["difference"], figure["low"], figure["high"]))


def _range(found: Interval | None) -> str:
    if found is None or found.difference != found.difference:
        return "–"
    form = "+.1f" if max(abs(found.low), abs(found.high)) >= 10 else "+.4f"
    return f"{found.difference:{form}} [{found.low:{form}}, {found.high:{form}}]"


def _cell(value: Any, *, signed: bool = False) -> str:
    if value is None or value != value:
        return "–"
    if signed:
        return f"{value:+.1%}"
    return f"{value:,.1f}" if abs(value) >= 100 else f"{value:.4f}"
