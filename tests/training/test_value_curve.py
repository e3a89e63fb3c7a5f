"""The value curve: monotone, finite, and its money rules by hand."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from training.models.anchor import Ahead
from training.models.curve import ValueCurve, no_order_curve
from training.models.head import Head
from training.models.level import LevelCurve
from training.models.margin import Margin
from training.models.trees import Trees

AS_OF = date(2026, 1, 1)
NO_COST = {"margin_365d": [np.nan], "value_365d": [0.0], "purchase_days": [2.0], "value_mean": [10.0]}


def closed(**by_horizon: tuple[float, float]) -> pd.DataFrame:
    """One customer's closed form: h10=(orders, value)."""
    found = dict(NO_COST)
    for name, (orders, value) in by_horizon.items():
        h = name[1:]
        found |= {f"btyd_orders_{h}": [orders], f"btyd_value_{h}": [value]}
        found[f"btyd_no_order_{h}"] = [float(np.clip(np.exp(-orders), 1e-9, 1 - 1e-9))]
    return pd.DataFrame({"btyd_alive": [0.9], **found})


def ahead(rows: pd.DataFrame, days: tuple[int, ...], per_day: float) -> Ahead:
    """The closed form of rows from `closed`, and at other days orders in proportion to them."""

    def column(kind: str, h: int) -> np.ndarray:
        even = np.full(len(rows), np.exp(-per_day * h) if kind == "no_order" else per_day * h)
        return rows[f"btyd_{kind}_{h}"].to_numpy(float) if f"btyd_{kind}_{h}" in rows else even

    parts = (np.stack([column(kind, h) for h in days]) for kind in ("no_order", "orders", "value"))
    return Ahead(days, rows["btyd_alive"].to_numpy(float), np.ones(len(rows)), *parts)


def told(
    curve: ValueCurve, rows: pd.DataFrame, probability: list[float], per_day: float = 0.01
) -> dict[str, np.ndarray]:
    """Columns of the curve; the churn window is the longest horizon."""
    window = curve.horizons_days[-1]
    known = ahead(rows, curve.asked(window), per_day)
    return curve.predict(known, rows, AS_OF, np.array(probability), window)


def answer(curve: ValueCurve, per_day: float, rows: pd.DataFrame) -> dict[str, float]:
    """One customer's columns, the chance of no order as the closed form has it."""
    probability = rows[f"btyd_no_order_{curve.horizons_days[-1]}"].tolist()
    found = told(curve, rows, probability, per_day)
    return {name: float(column[0]) for name, column in found.items()}


def raised(by: float) -> Head:
    return Head(level=LevelCurve((AS_OF - timedelta(days=365),), (float(np.log(by)),), weight=1.0))


def test_clv_by_hand():
    curve = ValueCurve((73, 365), Margin(0.3), discount_rate=0.1, lifetime_days=730)
    found = answer(curve, 5 / 365, closed(h73=(1.0, 20.0), h365=(5.0, 80.0)))
    # 20 at day 36.5, 60 at day 219; in the second year as many orders again, worth 80, at day 547.5.
    expected = 0.3 * (20 / 1.1**0.1 + 60 / 1.1**0.6 + 80 / 1.1**1.5)
    assert found["clv"] == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(
    ("lifetime", "expected"), [(30, 20 * 30 / 73), (73, 20.0), (219, 20 + 60 / 2), (365, 80.0), (438, 96.0)]
)
def test_clv_ends_with_the_lifetime(lifetime, expected):
    curve = ValueCurve((73, 365), Margin(1.0), discount_rate=0.0, lifetime_days=lifetime)
    found = answer(curve, 5 / 365, closed(h73=(1.0, 20.0), h365=(5.0, 80.0)))
    assert found["clv"] == pytest.approx(expected)
    assert found["clv_p10"] <= found["clv_p90"]


@pytest.mark.parametrize(("alive", "orders_again"), [(0.95, True), (0.05, False)])
def test_a_life_is_longer_than_the_longest_horizon(alive, orders_again):
    curve = ValueCurve((1,), Margin(1.0), discount_rate=0.0, lifetime_days=730)
    rows = closed(h1=(0.03, 0.6)).assign(btyd_alive=alive)
    found = answer(curve, 0.03, rows)
    assert found["expected_value_1d_p90"] == 0.0
    # 0.6 a day for two years, unless the customer has left.
    assert found["clv"] == pytest.approx(0.6 * 730)
    assert (found["clv_p90"] > found["clv"]) is orders_again
    assert found["clv_p10"] == 0.0 or found["clv_p10"] < found["clv"]


@pytest.mark.parametrize(
    ("ten", "thirty", "expected"),
    [(0.5, 0.9, 20.0), (2.0, 3.0, 4.0), (0.1, 0.6, np.nan), (1e-9, 800.0, 11.0)],
)
def test_next_order_by_hand(ten, thirty, expected):
    # Half have ordered where the hazard has added up to ln 2 = 0.693: from 0.5 at day 10 to 0.9 at day 30.
    curve = ValueCurve((10, 30), Margin(0.3), 0.1, 365)
    found = answer(curve, 0.01, closed(h10=(ten, 1.0), h30=(thirty, 2.0)))
    assert found["expected_next_order_days"] == pytest.approx(expected, nan_ok=True)


def test_half_are_back_by_the_day_told_and_the_churn_probability_agrees():
    curve = ValueCurve((30, 90), Margin(0.3), 0.1, 365)
    rows = closed(h30=(0.2, 2.0), h90=(0.6, 6.0))
    found = told(curve, rows, [0.5])
    assert found["expected_next_order_days"] == pytest.approx([90.0])


def test_expected_orders_are_at_least_the_chance_of_one():
    rows = closed(h30=(0.2, 2.0), h90=(0.3, 3.0))
    found = told(ValueCurve((30, 90), Margin(0.3), 0.1, 365), rows, [0.4])
    assert found["expected_orders_90d"] == pytest.approx([0.6])
    assert found["expected_orders_30d"] >= 0.2


def test_the_hazard_lies_between_what_churn_and_orders_say_of_it():
    rows = closed(h30=(0.2, 2.0), h60=(0.4, 4.0), h90=(0.6, 6.0))
    # The churn probability says four times the closed form's hazard, the orders of 90 days as often as it.
    closed_form, orders = ahead(rows, (30, 60, 90), 0.01), np.array([[0.2], [0.6]])
    none = no_order_curve(closed_form, np.exp([-1.6]), 60, (30, 90), orders)
    assert -np.log(none[:, 0]) == pytest.approx([0.4, 1.6, 1.6])
    none = no_order_curve(closed_form, np.exp([-0.1]), 60, (30, 90), orders)
    assert -np.log(none[:, 0]) == pytest.approx([0.1, 0.1, 0.3])


def test_a_horizon_without_a_head_is_the_closed_form_and_never_below_a_shorter_one():
    heads = {"orders": {90: raised(2.0)}, "value": {30: raised(3.0)}}
    curve = ValueCurve((30, 90, 365), Margin(0.3), 0.1, 365, **heads)
    found = answer(curve, 0.03, closed(h30=(1.0, 10.0), h90=(2.0, 20.0), h365=(8.0, 50.0)))
    assert [found[f"expected_orders_{h}d"] for h in (30, 90, 365)] == pytest.approx([1.0, 4.0, 8.0])
    assert [found[f"expected_value_{h}d"] for h in (30, 90, 365)] == pytest.approx([30.0, 30.0, 50.0])


def test_each_set_of_trees_is_asked_once_for_all_horizons():
    class Counted(Trees):
        asked = 0

        def raw(self, features):
            self.asked += 1
            return np.full(1, 0.5)

    trees = Counted("tree")
    heads = {h: Head(trees, base=float(h), learned_days=30) for h in (30, 90)}
    found = answer(
        ValueCurve((30, 90), Margin(0.3), 0.1, 365, heads), 0.03, closed(h30=(1.0, 1.0), h90=(2.0, 2.0))
    )
    assert trees.asked == 1
    assert found["expected_orders_90d"] == pytest.approx(2.0 * np.exp(90.5))


def test_heads_that_cross_are_held_to_a_rising_curve():
    curve = ValueCurve((30, 90), Margin(0.3), 0.0, 365, value={30: raised(3.0), 90: raised(0.5)})
    found = answer(curve, 0.03, closed(h30=(1.0, 10.0), h90=(2.0, 20.0)))
    assert found["expected_value_30d"] == found["expected_value_90d"] == pytest.approx(30.0)


@pytest.mark.parametrize(
    ("horizons", "expected"),
    [((30, 90), 20.0 * 365 / 90), ((90, 365), 55.0), ((90, 400), 60.0), ((730,), 60.0 / 2)],
)
def test_the_next_year_is_known_whatever_the_horizons(horizons, expected):
    sizes = {30: (0.3, 10.0), 90: (0.9, 20.0), 365: (3.65, 55.0), 400: (4.0, 60.0), 730: (7.3, 60.0)}
    curve = ValueCurve(horizons, Margin(0.5), 0.1, 365)
    found = answer(curve, 0.01, closed(**{f"h{h}": sizes[h] for h in horizons}))
    assert found["expected_margin_year"] == pytest.approx(0.5 * expected)


def test_margin_follows_the_customers_own_costs():
    rows = closed(h30=(1.0, 10.0), h90=(2.0, 20.0)).assign(margin_365d=[60.0], value_365d=[100.0])
    curve = ValueCurve((30, 90), Margin(0.4, 100.0), 0.1, 365)
    found = answer(curve, 0.03, rows)
    assert [found[f"expected_margin_{h}d"] for h in (30, 90)] == pytest.approx([5.0, 10.0])


def test_the_margin_of_a_shop_blends_known_and_unknown_costs():
    people = pd.DataFrame({"margin_365d": [30.0, 50.0, np.nan], "value_365d": [100.0, 100.0, 200.0]})
    assert Margin.fit(people, 0.2) == Margin(pytest.approx((30 + 50 + 0.2 * 200) / 400), 100.0)
    assert Margin.fit(people.iloc[2:], 0.2) == Margin(0.2)
    below_cost = people.assign(margin_365d=[-500.0, 50.0, np.nan])
    rates = Margin.fit(below_cost, 0.2).rates(below_cost)
    assert rates.min() == 0.0
    assert rates.max() <= 1.0


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
    curve = ValueCurve(horizons, Margin(0.3), rate, lifetime, orders=heads, value=heads)
    found = answer(curve, steps[-1] / 365, rows)
    waited = found.pop("expected_next_order_days")
    assert np.isfinite(list(found.values())).all()
    assert np.isnan(waited) or 0 < waited <= 365
    for name in (
        "orders_{}d",
        "value_{}d",
        "margin_{}d",
        *(f"value_{{}}d_p{q}" for q in ("05", "10", "90", "95")),
    ):
        assert (np.diff([found[f"expected_{name}".format(h)] for h in horizons]) >= 0).all()
    total = found["expected_value_365d"] * max(1.0, lifetime / 365)
    assert 0 <= found["clv"] <= 0.3 * total * (1 + 1e-9)
    if lifetime >= 365:
        assert found["clv"] >= 0.3 * total * (1 + rate) ** (-lifetime / 365) * (1 - 1e-9)


def test_nobody_to_score():
    curve = ValueCurve((10, 30), Margin(0.3), 0.1, 365)
    rows = closed(h10=(1.0, 1.0), h30=(2.0, 2.0)).iloc[:0]
    found = told(curve, rows, [])
    assert {len(column) for column in found.values()} == {0}
