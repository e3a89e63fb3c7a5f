"""Marginal curve: concave, honest about the next money, and flat from the best size on."""

from __future__ import annotations

import numpy as np
import pytest

from features.errors import InputError
from strategies.allocation import Limits
from strategies.marginal import MarginalCurve, marginal_curve


def curve(n: int = 3000, *, limits: Limits | None = None, seed: int = 0) -> MarginalCurve:
    draw = np.random.default_rng(seed)
    cost = np.array([0.5, 6.0])
    gain = draw.lognormal(3, 1, (n, 1)) * draw.beta(2, 8, (n, 2)) - cost
    return marginal_curve(gain, cost, channel=["mail", "phone"], limits=limits, key=draw.permutation(n))


def test_one_offer_by_hand() -> None:
    found = marginal_curve([[9.0], [4.0], [1.0], [-0.5]], [2.0], channel=["mail"], budgets=[8, 2, 4])
    assert found.points["budget"].tolist() == [2.0, 4.0, 8.0]
    assert found.points["contacted"].tolist() == [1, 2, 3]
    assert found.points["marginal_return"].between([2, 0.5, 0], [4.5, 2, 0]).all()
    assert found.best_budget == 6.0
    assert found.best.total_gain == 14.0


@pytest.mark.parametrize("limits", [None, Limits(per_channel={"phone": 60}, contacts=900)])
def test_the_curve_rises_ever_more_slowly_up_to_the_best_size(limits: Limits | None) -> None:
    found = curve(limits=limits)
    points = found.points
    assert (points["spent"] <= points["budget"]).all()
    assert (points["net_gain"] >= 0.995 * points["bound"]).all()
    slope = points["bound"].diff() / points["budget"].diff()
    assert (slope.iloc[1:].to_numpy() <= points["marginal_return"].iloc[:-1].to_numpy() * (1 + 1e-6)).all()
    assert (slope.iloc[1:].to_numpy() >= points["marginal_return"].iloc[1:].to_numpy() * (1 - 1e-6)).all()
    assert points["marginal_return"].is_monotonic_decreasing
    assert points["marginal_return"].iloc[-1] == 0
    assert points["spent"].iloc[-1] == found.best_budget


def test_more_than_the_best_size_is_not_spent() -> None:
    found = curve()
    gain = found.best.total_gain
    assert found.next_money(found.best_budget) == 0
    assert found.points["net_gain"].max() <= gain * (1 + 1e-9)
    first = found.points.iloc[0]
    ahead = found.points.iloc[1]
    step = ahead["budget"] - first["budget"]
    assert found.next_money(first["budget"], step) >= ahead["net_gain"] - first["bound"] > 0


def test_nothing_to_gain_and_wrong_budgets() -> None:
    empty = marginal_curve([[-1.0]], [2.0], channel=["mail"], budgets=[0, 10])
    assert empty.points["net_gain"].tolist() == [0, 0]
    assert empty.best_budget == 0
    with pytest.raises(InputError, match="a budget is 0 or more"):
        marginal_curve([[1.0]], [2.0], channel=["mail"], budgets=[-1])
    with pytest.raises(InputError, match="no budget 5"):
        empty.next_money(5.0)
