"""Figures of merit by hand, against scikit-learn, and their invariants."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sk

from features.errors import InputError
from training import metrics as m
from training.ranking import equal_count_bins, ranked

probabilities = st.lists(st.tuples(st.booleans(), st.floats(0, 1)), min_size=1, max_size=60)
values = st.lists(st.tuples(st.floats(-50, 1000), st.floats(0, 1000)), min_size=1, max_size=60)


def split(rows):
    y, p = zip(*rows, strict=True)
    return np.array(y, dtype=float), np.array(p, dtype=float)


def test_auc_counts_ordered_pairs_and_half_of_ties():
    # Pairs (churner, stayer): (.5,.5) tie, (.5,.1) right, (.9,.5) right, (.9,.1) right → 3.5 of 4
    assert m.roc_auc([1, 1, 0, 0], [0.5, 0.9, 0.5, 0.1]) == 0.875


def test_average_precision_by_hand():
    # Ranked: 1, 0, 1 → (1/1)·(1/2) + (2/3)·(1/2) = 5/6
    assert m.pr_auc([1, 0, 1], [0.9, 0.8, 0.1]) == pytest.approx(5 / 6)


def test_log_loss_of_certainty_is_finite():
    assert m.log_loss([1, 0], [1, 0]) == pytest.approx(0, abs=1e-14)
    assert m.log_loss([1], [0]) == pytest.approx(-math.log(1e-15))


@settings(deadline=None)
@given(probabilities)
def test_churn_figures_agree_with_scikit_learn(rows):
    y, p = split(rows)
    assert m.brier(y, p) == pytest.approx(sk.brier_score_loss(y, p, pos_label=1))
    clipped = np.clip(p, 1e-15, 1 - 1e-15)
    assert m.log_loss(y, p) == pytest.approx(sk.log_loss(y, clipped, labels=[0, 1]))
    if 0 < y.sum() < y.size:
        assert m.roc_auc(y, p) == sk.roc_auc_score(y, p)
        assert m.pr_auc(y, p) == sk.average_precision_score(y, p)


@given(values)
def test_value_errors_agree_with_scikit_learn(rows):
    y, v = split(rows)
    assert m.mae(y, v) == pytest.approx(sk.mean_absolute_error(y, v))
    assert m.rmse(y, v) == pytest.approx(sk.root_mean_squared_error(y, v))


def test_calibration_error_by_hand():
    # Twenty customers in ten bins of two; every bin predicts .5 + k/100, one of two churns in each.
    p = np.repeat(0.5 + np.arange(10) / 100, 2)
    y = np.tile([0, 1], 10)
    assert m.calibration_error(y, p) == pytest.approx(np.arange(10).mean() / 100)


def test_calibration_error_weighs_bins_by_customers():
    # Eleven customers: the first bin holds two. Nobody churns, so the error is the mean probability.
    p = np.linspace(0, 1, 11)
    assert m.calibration_error(np.zeros(11), p) == pytest.approx(0.5)


def test_lift_of_the_top_tenth_by_hand():
    # 2 of 20 customers are the tenth, 1 of them churned (50 %); overall 4 of 20 (20 %).
    y = [1, 0, 1, 1, 1] + [0] * 15
    assert m.top_decile_lift(y, np.linspace(1, 0, 20)) == pytest.approx(2.5)
    assert m.top_decile_lift(y, np.full(20, 0.3)) == pytest.approx(1.0)


def test_normalised_gini_by_hand():
    # By prediction 0,6,4: cumulative shares 0,.6,1 minus 1/3,2/3,1 = −.4; ideal 6,4,0: .6,1,1 → .6
    assert m.normalised_gini([6, 4, 0], [2, 1, 3]) == pytest.approx(-0.4 / 0.6)
    assert m.normalised_gini([6, 4, 0], [1, 1, 1]) == pytest.approx(0, abs=1e-12)


def test_normalised_gini_of_classes_is_twice_auc_minus_one():
    rng = np.random.default_rng(1)
    y, p = (rng.random(300) < 0.3).astype(float), rng.random(300).round(1)
    assert m.normalised_gini(y, p) == pytest.approx(2 * m.roc_auc(y, p) - 1)


def test_decile_error_by_hand():
    # Ten customers, one per tenth: errors +1 and −1 in turn over a total of 100, though totals agree.
    y = np.full(10, 10.0)
    v = y + np.tile([1.0, -1.0], 5) + np.linspace(0.1, -0.1, 10)
    expected = np.abs(v - y).sum() / 100
    assert m.total_bias(y, v) == pytest.approx(0, abs=1e-12)
    # Equal outcomes: sorting by prediction does not move them between tenths.
    assert m.decile_calibration_error(y, v) == pytest.approx(expected)


def test_level_figures_by_hand():
    assert m.total_bias([4, 6], [10, 5]) == pytest.approx(0.5)
    assert m.level_error([4, 6], [10, 5]) == pytest.approx(math.log(1.5))
    assert m.level_error([4, 6], [1, 1]) == pytest.approx(math.log(5))


def test_spearman_by_hand():
    # Ranks 1 2 3 4 against 2 1 4 3: 1 − 6·4/(4·15) = 0.6
    assert m.spearman([1, 2, 3, 4], [2, 1, 4, 3]) == pytest.approx(0.6)


@given(values)
def test_decile_error_is_at_least_the_bias(rows):
    y, v = split(rows)
    if y.sum() > 1e-6:
        assert m.decile_calibration_error(y, v) >= abs(m.total_bias(y, v)) - 1e-9


@settings(deadline=None)
@given(probabilities, st.randoms(use_true_random=False))
def test_row_order_does_not_change_a_figure(rows, shuffle):
    moved = list(rows)
    shuffle.shuffle(moved)
    for metrics in (m.churn_metrics, m.value_metrics):
        before, after = metrics(*split(rows)), metrics(*split(moved))
        assert list(after.values()) == pytest.approx(list(before.values()), nan_ok=True, abs=1e-9)


@given(probabilities)
def test_bins_keep_every_customer_and_total(rows):
    y, p = split(rows)
    bins = equal_count_bins(y, p)
    assert bins.size.sum() == y.size
    assert bins.size.max() - bins.size.min() <= 1
    assert bins.actual.sum() == pytest.approx(y.sum())
    assert bins.predicted.sum() == pytest.approx(p.sum())


def test_equal_predictions_share_their_outcome():
    shared, score = ranked(np.array([3.0, 0.0, 1.0]), np.array([2.0, 5.0, 2.0]))
    assert shared.tolist() == [0, 2, 2]
    assert score.tolist() == [5, 2, 2]


@pytest.mark.parametrize("y", [[0, 0, 0], [1, 1, 1]])
def test_one_class_leaves_ranking_undefined_and_errors_defined(y):
    figures = m.churn_metrics(y, [0.2, 0.5, 0.9])
    assert math.isnan(figures["roc_auc"])
    assert math.isnan(figures["pr_auc"])
    assert all(math.isfinite(figures[name]) for name in ("log_loss", "brier", "calibration_error"))


def test_no_spend_at_all_leaves_shares_undefined():
    figures = m.value_metrics([0, 0], [1, 2])
    undefined = {name for name, value in figures.items() if math.isnan(value)}
    assert undefined == {
        "spearman",
        "normalised_gini",
        "decile_calibration_error",
        "total_bias",
        "level_error",
    }
    assert figures["mae"] == 1.5


def test_no_customers_give_nan_everywhere():
    assert all(math.isnan(v) for v in m.churn_metrics([], []).values())
    assert all(math.isnan(v) for v in m.value_metrics([], []).values())


@pytest.mark.parametrize(
    ("metric", "y", "p", "message"),
    [
        (m.roc_auc, [0, 2], [0.1, 0.2], "outcomes: 1 of 2 are neither 0 nor 1, such as 2.0"),
        (m.log_loss, [0, 1], [0.1, 1.2], r"probabilities: 1 of 2 lie outside \[0, 1\], such as 1.2"),
        (m.mae, [1, 2], [1], r"shapes \(2,\) and \(1,\)"),
        (m.mae, [1, 2], [1, np.nan], "predictions: 1 of 2 are missing or infinite"),
        (m.rmse, [[1]], [[1]], "one value per customer"),
    ],
)
def test_impossible_input_is_refused(metric, y, p, message):
    with pytest.raises(InputError, match=message):
        metric(y, p)
