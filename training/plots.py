"""Three pictures of a back-test: are probabilities right, does the ranking pay, are totals right."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from training.metrics import (
    calibration_error,
    decile_calibration_error,
    roc_auc,
    top_decile_lift,
    total_bias,
)
from training.ranking import equal_count_bins

__all__ = ["calibration_figure", "decile_figure", "gains_figure", "save_all"]

BLUE, ORANGE, GREY = "#1f5fa8", "#d9822b", "#8a8a8a"


def calibration_figure(y: ArrayLike, p: ArrayLike) -> Figure:
    """Churn rate against mean probability in ten equal-count bins; a right forecast lies on the diagonal.

    Parameters
    ----------
    y : outcomes, 0 or 1
    p : churn probabilities, in [0, 1]

    Examples
    --------
    >>> len(calibration_figure([0, 1, 1], [0.2, 0.6, 0.7]).axes)
    1
    """
    bins = equal_count_bins(y, p)
    some = bins.size > 0
    size = bins.size[some]
    rate, mean = bins.actual[some] / size, bins.predicted[some] / size
    # Two binomial standard errors: what chance alone would do to a bin of this size.
    slack = 2 * np.sqrt(mean * (1 - mean) / size)
    figure, axes = _blank("Calibration of churn probabilities")
    axes.plot([0, 1], [0, 1], color=GREY, linestyle="--", linewidth=1, label="right on average")
    label = f"ten bins, error {_text(calibration_error(y, p), '.3f')} (bars: two standard errors)"
    axes.errorbar(mean, rate, yerr=slack, color=BLUE, marker="o", capsize=2, linewidth=1.2, label=label)
    axes.set(xlabel="mean predicted probability", ylabel="share that churned", xlim=(0, 1), ylim=(0, 1))
    axes.set_aspect("equal")
    axes.legend(loc="upper left", frameon=False)
    return figure


def gains_figure(y: ArrayLike, p: ArrayLike) -> Figure:
    """Share of all churners found among the customers with the highest probabilities.

    Parameters
    ----------
    y : outcomes, 0 or 1
    p : churn probabilities; only their order matters
    """
    count = max(1, np.size(y))
    bins = equal_count_bins(y, p, bins=min(100, count))
    reached = np.append(0.0, bins.size.cumsum()) / count
    churners = max(1.0, float(bins.actual.sum()))
    found = np.append(0.0, bins.actual.cumsum()) / churners
    base = float(bins.actual.sum()) / count
    figure, axes = _blank("Churners found")
    auc, lift = _text(roc_auc(y, p), ".3f"), _text(top_decile_lift(y, p), ".2f")
    label = f"by churn probability (AUC {auc}, top-tenth lift {lift})"
    axes.plot(reached, found, color=BLUE, linewidth=1.8, label=label)
    axes.plot([0, base, 1], [0, 1, 1], color=ORANGE, linestyle=":", label="perfect order")
    axes.plot([0, 1], [0, 1], color=GREY, linestyle="--", linewidth=1, label="random order")
    axes.set(
        xlabel="share of customers contacted", ylabel="share of churners found", xlim=(0, 1), ylim=(0, 1.02)
    )
    axes.legend(loc="lower right", frameon=False)
    return figure


def decile_figure(v_actual: ArrayLike, v_pred: ArrayLike) -> Figure:
    """Predicted and actual value of each tenth of customers, highest predictions first.

    Parameters
    ----------
    v_actual : what customers spent in the horizon, money
    v_pred : what was expected, money
    """
    bins = equal_count_bins(v_actual, v_pred)
    tenths = np.arange(1, bins.size.size + 1)
    figure, axes = _blank("Value by tenth of customers")
    axes.bar(tenths - 0.2, bins.predicted, width=0.4, color=BLUE, label="predicted")
    axes.bar(tenths + 0.2, bins.actual, width=0.4, color=ORANGE, label="actual")
    error = _text(decile_calibration_error(v_actual, v_pred), ".3f")
    bias = _text(total_bias(v_actual, v_pred), "+.1%")
    axes.set(xlabel="tenth of customers by predicted value", ylabel="total value", xticks=tenths)
    axes.legend(title=f"decile error {error}, total bias {bias}", frameon=False)
    axes.yaxis.set_major_formatter("{x:,.10g}")
    return figure


def save_all(folder: Path, y: ArrayLike, p: ArrayLike, v_actual: ArrayLike, v_pred: ArrayLike) -> list[Path]:
    """Write calibration.png, gains.png and deciles.png into ``folder``, which is created if missing.

    Returns
    -------
    list of the paths written. The same numbers give the same bytes.
    """
    folder.mkdir(parents=True, exist_ok=True)
    figures = {
        "calibration.png": calibration_figure(y, p),
        "gains.png": gains_figure(y, p),
        "deciles.png": decile_figure(v_actual, v_pred),
    }
    for name, figure in figures.items():
        figure.savefig(folder / name, dpi=120, metadata={"Software": None})
    return [folder / name for name in figures]


def _text(value: float, form: str) -> str:
    return "undefined" if math.isnan(value) else format(value, form)


def _blank(title: str) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(6.4, 4.8), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    axes.set_title(title, loc="left", fontsize=12)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(color="#e5e5e5", linewidth=0.6)
    axes.set_axisbelow(True)
    return figure, axes
