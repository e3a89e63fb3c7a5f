"""The pictures show the numbers of the metrics, and are files a viewer can open."""

from __future__ import annotations

import numpy as np
import pytest

from training.metrics import calibration_error
from training.plots import calibration_figure, decile_figure, gains_figure, save_all
from training.ranking import equal_count_bins

RNG = np.random.default_rng(1)
P = RNG.random(500)
Y = (RNG.random(500) < P).astype(float)
V_PRED = RNG.gamma(1, 100, 500)
V = V_PRED * RNG.gamma(2, 0.5, 500)


def legend(figure):
    return [text.get_text() for text in figure.axes[0].get_legend().get_texts()]


def test_calibration_points_are_the_bins():
    figure = calibration_figure(Y, P)
    points = figure.axes[0].containers[0].lines[0].get_xydata()
    bins = equal_count_bins(Y, P)
    assert points[:, 0] == pytest.approx(bins.predicted / bins.size)
    assert points[:, 1] == pytest.approx(bins.actual / bins.size)
    assert f"error {calibration_error(Y, P):.3f}" in legend(figure)[1]


def test_gains_curve_runs_from_nobody_to_everybody_above_chance():
    curve = gains_figure(Y, P).axes[0].lines[0].get_xydata()
    assert curve[0].tolist() == [0, 0]
    assert curve[-1] == pytest.approx([1, 1])
    assert (curve[1:-1, 1] >= curve[1:-1, 0]).all()


def test_decile_bars_add_up_to_the_totals():
    axes = decile_figure(V, V_PRED).axes[0]
    predicted, actual = ([bar.get_height() for bar in group] for group in axes.containers)
    assert len(predicted) == len(actual) == 10
    assert sum(predicted) == pytest.approx(V_PRED.sum())
    assert sum(actual) == pytest.approx(V.sum())


def test_undefined_figures_are_named_so():
    assert "AUC undefined" in legend(gains_figure([0, 0], [0.1, 0.2]))[0]
    title = decile_figure([0, 0], [1, 2]).axes[0].get_legend().get_title().get_text()
    assert title == "decile error undefined, total bias undefined"
    assert legend(calibration_figure([], []))[1].startswith("ten bins, error undefined")


def test_save_all_writes_three_pictures_with_repeatable_bytes(tmp_path):
    first = save_all(tmp_path / "new" / "a", Y, P, V, V_PRED)
    second = save_all(tmp_path / "b", Y, P, V, V_PRED)
    assert [path.name for path in first] == ["calibration.png", "gains.png", "deciles.png"]
    for one, other in zip(first, second, strict=True):
        assert one.read_bytes() == other.read_bytes()
        assert one.read_bytes().startswith(b"\x89PNG")
        assert one.stat().st_size > 5000
