"""The value curve: monotone, finite, and its money rules by hand."""

from __future__ import annotations

from datetime import date

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from training.models.curve import ValueCurve
from training.models.head import Head
from training.models.level import LevelCurve

AS_OF = date(2026, 1, 1)


class Steady:
    """A closed form that expects orders in proportion to the horizon."""

    def __init__(self, per_day: float) -> None:
        self.per_day = per_day

    def expected_orders(self, rows: pd.DataFrame, horizon_days: int) -> np.ndarray:
        return np.full(len(rows), self.per_day * horizon_days)


def closed(**by_horizon: tuple[float, float]) -> pd.DataFrame:
    """One customer's closed form: h10=(orders, value)."""
    found = {}
    for name, (orders, value) in by_horizon.items():
        found |= {f"btyd_orders_{name[1:]}": [orders], f"btyd_value_{name[1:]}": [value]}
    return pd.DataFrame(found)


def raised(by: float) -> Head:
    return Head(level=LevelCurve(base=float(np.log(by))))


def test_clv_by_hand():
    curve = ValueCurve((73, 365), margin_rate=0.3, discount_rate=0.1, lifetime_days=730)
    rows = closed(h73=(1.0, 20.0), h365=(5.0, 80.0))
    found = curve.predict(Steady(5 / 365), rows, AS_OF).iloc[0]
    # 20 at day 36.5, 60 at day 219; in the second year as many orders again, worth 80, at day 547.5.
    expected = 0.3 * (20 / 1.1**0.1 + 60 / 1.1**0.6 + 80 / 1.1**1.5)
    assert found["clv"] == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(
    ("lifetime", "expected"), [(30, 20 * 30 / 73), (73, 20.0), (219, 20 + 60 / 2), (365, 80.0), (438, 96.0)]
)
def test_clv_ends_with_the_lifetime(lifetime, expected):
    curve = ValueCurve((73, 365), margin_rate=1.0, discount_rate=0.0, lifetime_days=lifetime)
    rows = closed(h73=(1.0, 20.0), h365=(5.0, 80.0))
    assert curve.predict(Steady(5 / 365), rows, AS_OF)["clv"].iloc[0] == pytest.approx(expected)


@pytest.mark.parametrize(
    ("ten", "thirty", "expected"), [(0.5, 0.9, 20.0), (2.0, 3.0, 4.0), (0.1, 0.6, np.nan), (0.0, 800.0, 11.0)]
)
def test_next_order_by_hand(ten, thirty, expected):
    # ln 2 = 0.693: from 0.5 at day 10 to 0.9 at day 30 it is reached on day 19.7.
    curve = ValueCurve((10, 30), 0.3, 0.1, 365)
    found = curve.predict(Steady(0.01), closed(h10=(ten, 1.0), h30=(thirty, 2.0)), AS_OF)
    assert found["expected_next_order_days"].iloc[0] == pytest.approx(expected, nan_ok=True)


def test_an_untaught_horizon_takes_the_ratio_of_the_closed_form():
    curve = ValueCurve((30, 90, 365), 0.3, 0.1, 365, orders={90: raised(2.0)}, value={30: raised(3.0)})
    rows = closed(h30=(1.0, 10.0), h90=(2.0, 20.0), h365=(8.0, 50.0))
    found = curve.predict(Steady(0.03), rows, AS_OF).iloc[0]
    assert [found[f"expected_orders_{h}d"] for h in (30, 90, 365)] == pytest.approx([1.0, 4.0, 16.0])
    assert [found[f"expected_value_{h}d"] for h in (30, 90, 365)] == pytest.approx([30.0, 60.0, 150.0])


def test_heads_that_cross_are_held_to_a_rising_curve():
    curve = ValueCurve((30, 90), 0.3, 0.0, 365, value={30: raised(3.0), 90: raised(0.5)})
    found = curve.predict(Steady(0.03), closed(h30=(1.0, 10.0), h90=(2.0, 20.0)), AS_OF).iloc[0]
    assert found["expected_value_30d"] == found["expected_value_90d"] == pytest.approx(30.0)


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.floats(1e-12, 1e9), min_size=4, max_size=4),
    st.dictionaries(st.sampled_from([7, 30, 180, 365]), st.floats(0.01, 100.0)),
    st.floats(0.0, 0.99),
    st.integers(30, 7300),
)
def test_every_curve_rises_and_clv_lies_between_its_bounds(sizes, factors, rate, lifetime):
    horizons = (7, 30, 180, 365)
    steps = np.cumsum(sizes)
    rows = closed(**{f"h{h}": (s, 2.0 * s) for h, s in zip(horizons, steps, strict=True)})
    heads = {h: raised(f) for h, f in factors.items()}
    curve = ValueCurve(horizons, 0.3, rate, lifetime, orders=heads, value=heads)
    found = curve.predict(Steady(steps[-1] / 365), rows, AS_OF)
    for kind in ("orders", "value"):
        values = found[[f"expected_{kind}_{h}d" for h in horizons]].to_numpy()[0]
        assert np.isfinite(values).all()
        assert (np.diff(values) >= 0).all()
    total = values[-1] * max(1.0, lifetime / 365)
    clv = found["clv"].iloc[0]
    assert 0 <= clv <= 0.3 * total * (1 + 1e-9)
    if lifetime >= 365:
        assert clv >= 0.3 * total * (1 + rate) ** (-lifetime / 365) * (1 - 1e-9)


def test_nobody_to_score():
    curve = ValueCurve((10, 30), 0.3, 0.1, 365)
    found = curve.predict(Steady(0.01), closed(h10=(1.0, 1.0), h30=(2.0, 2.0)).iloc[:0], AS_OF)
    assert found.shape == (0, 6)
