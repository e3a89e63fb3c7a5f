"""Bounds of the value: by hand, ordered, honest on days not seen, and wide where little is known."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm

from features.pipeline import FEATURES
from tests.training import small_shops
from tests.training.small_shops import day, drawn, shop
from training.build import build_bundle
from training.fit import anchored
from training.intervals import coverage, fit_intervals
from training.models.anchor import Anchor
from training.models.intervals import LEVELS, Calibration, Intervals, Outlook, bound_names, rising
from training.panel import Panel, build_panel

NEW = pd.DataFrame({"purchase_days": [1.0], "value_mean": [10.0]})
PLAIN = Intervals(order_shape=4.0, mean_shape=3.0, reach_days=1000)


def outlook(value: float, purchases: float, none: float) -> Outlook:
    """Of one horizon and one customer."""
    return Outlook(np.array([[value]]), np.array([[purchases]]), np.array([[none]]))


def test_bounds_by_hand():
    # One purchase if any: c² = 1/4 + 1/(4·1 + 3 − 1) = 5/12; the unchecked level adds 0.25².
    bounds = PLAIN.bounds(NEW, (30,), outlook(10.0, 0.5, 0.5))[:, 0, 0]
    square = np.log1p(5 / 12)
    place, scale = np.log(10 / 0.5) - square / 2, np.sqrt(square + 0.25**2)
    expected = [0.0, 0.0, *np.exp(place + scale * norm.ppf([0.8, 0.9]))]
    assert bounds == pytest.approx(expected)


def test_what_came_is_read_back_at_its_own_level():
    seen = outlook(10.0, 1.4, 0.3)
    place, scale = PLAIN.shape(NEW, seen)
    at_90 = np.exp(place + scale * norm.ppf((0.9 - 0.3) / 0.7))
    assert PLAIN.reached(NEW, seen, at_90)[0] == pytest.approx([0.9])
    assert PLAIN.reached(NEW, seen, np.array([0.0]))[0] == pytest.approx([0.0])


@settings(max_examples=150, deadline=None)
@given(
    st.lists(
        st.tuples(st.floats(1e-9, 1e12), st.floats(1e-9, 1e6), st.floats(1e-9, 1 - 1e-9)),
        min_size=3,
        max_size=3,
    ),
    st.tuples(st.floats(0, 1e6), st.one_of(st.none(), st.floats(0, 1e9))),
    st.tuples(st.floats(1e-5, 1e5), st.floats(1.0001, 1e5)),
    st.lists(st.floats(0, 1), min_size=4, max_size=4),
)
def test_bounds_are_finite_and_rise_with_level_and_horizon(sizes, known, shapes, read):
    levels = (tuple(sorted(read)),)
    intervals = Intervals(*shapes, 100, {90: Calibration((), levels, 0.3, 0.4, 2.0)})
    features = pd.DataFrame({"purchase_days": [known[0]], "value_mean": [known[1]]}, dtype=np.float64)
    steps = np.maximum.accumulate(np.array(sizes)[:, 0])
    _, purchases, none = np.array(sizes).T[:, :, None]
    found = rising(intervals.bounds(features, (30, 90, 365), Outlook(steps[:, None], purchases, none)))
    assert found.shape == (4, 3, 1)
    assert np.isfinite(found).all()
    assert (found >= 0).all()
    assert (np.diff(found, axis=0) >= 0).all()
    assert (np.diff(found, axis=1) >= 0).all()


def test_customers_alone_and_together_have_the_same_bounds():
    rng = np.random.default_rng(3)
    features = pd.DataFrame({"purchase_days": rng.integers(1, 30, 99), "value_mean": rng.gamma(2, 30, 99)})
    parts = rng.gamma(1.0, 50, 99), rng.gamma(1.0, 2, 99), rng.uniform(0.01, 0.99, 99)
    intervals = Intervals(
        2.0, 3.0, 500, {30: Calibration((20.0, 60.0), (LEVELS, (0, 0.2, 0.8, 0.9), LEVELS))}
    )
    both = [np.stack([p, p]) for p in parts]
    together = intervals.bounds(features, (30, 90), Outlook(*both))
    for i in range(99):
        one = Outlook(*(p[:, i : i + 1] for p in both))
        alone = intervals.bounds(features.iloc[i : i + 1], (30, 90), one)
        assert (alone[:, :, 0] == together[:, :, i]).all()


def test_a_horizon_answers_the_same_beside_others_with_more_groups():
    calibrations = {
        30: Calibration((20.0, 60.0), (LEVELS, (0, 0.2, 0.8, 0.9), (0.1, 0.2, 0.9, 0.99))),
        90: Calibration((), ((0.0, 0.1, 0.8, 0.9),)),
    }
    intervals = Intervals(2.0, 3.0, 500, calibrations)
    seen = pd.DataFrame({"purchase_days": [4.0] * 4, "value_mean": [50.0] * 4})
    value = np.array([[19.0, 20.0, 60.0, 99.0]] * 2)
    outlook = Outlook(value, np.full_like(value, 2.0), np.full_like(value, 0.1))
    together = intervals.bounds(seen, (30, 90), outlook)
    for place, h in enumerate((30, 90)):
        one = Outlook(*(p[place : place + 1] for p in (outlook.value, outlook.purchases, outlook.none)))
        assert (intervals.bounds(seen, (h,), one)[:, 0] == together[:, place]).all()


def test_a_horizon_beyond_the_data_borrows_the_next_shorter_one_and_widens():
    known = {
        30: Calibration((5.0,), (LEVELS, LEVELS), 0.1, 0.2, 3.0),
        90: Calibration((), (LEVELS,), 0.3, 0.4, 1.0),
    }
    intervals = Intervals(2.0, 3.0, 120, known, {30: known[30]})
    assert intervals.calibration(60, "orders").shared == pytest.approx(np.hypot(0.1, 0.25))
    assert intervals.calibration(90) is known[90]
    assert intervals.calibration(60).cuts == (10.0,)
    assert intervals.calibration(360).shared == pytest.approx(np.hypot(0.3, 0.5))
    assert intervals.calibration(7) is known[30]
    assert Intervals(2.0, 3.0, 120).calibration(480).total == pytest.approx(np.hypot(0.25, 0.5))
    assert Intervals(2.0, 3.0, 120).calibration(60).total == 0.25


def test_a_total_is_surer_the_more_often_it_was_met():
    once, often = (Intervals(2.0, 3.0, 900, {90: Calibration(total=0.2, back_tests=n)}) for n in (0.0, 30.0))
    # Student's t with one degree of freedom at 0.9 is tan(0.4π).
    assert once.total_factors(90, 0.8)[1] == pytest.approx(np.exp(0.2 * np.tan(0.4 * np.pi)))
    low, high = often.total_factors(90, 0.8)
    assert 1 < high < once.total_factors(90, 0.8)[1]
    assert low * high == pytest.approx(1.0)


def test_intervals_survive_json_and_damaged_ones_are_refused():
    known = {30: Calibration((5.0,), (LEVELS, LEVELS), 0.1, 0.2, 3.0)}
    intervals = Intervals(2.0, 3.0, 120, known, {30: Calibration((), (LEVELS,), 0.2, 0.3, 1.0)})
    values = json.loads(json.dumps(intervals.to_json()))
    assert Intervals.from_json(values) == intervals
    values["calibrations"]["30"]["cuts"] = []
    with pytest.raises(ValueError, match="2 rows of levels for 0 cuts"):
        Intervals.from_json(values)


def test_coverage_by_hand():
    bounds = {0.05: [0.0, 1, 1, 0], 0.10: [0.0, 2, 2, 0], 0.90: [5.0, 8, 8, 3], 0.95: [6.0, 9, 9, 4]}
    found = coverage(
        np.array([-3.0, 8.5, 1.5, 7.0]),
        {q: np.array(b) for q, b in bounds.items()},
        np.array(["gold", "gold", "lead", "lead"]),
    ).set_index("value_class")
    assert found.index.tolist() == ["all", "gold", "lead"]
    assert found["customers"].tolist() == [4, 2, 2]
    assert found["covered_80"].tolist() == [0.25, 0.5, 0.0]
    assert found["covered_90"].tolist() == [0.75, 1.0, 0.5]
    assert found["claimed_80"].tolist() == pytest.approx([0.85, 0.85, 0.85])
    assert found.loc["all", ["width_90", "above_p95", "below_p05"]].tolist() == [6.5, 0.25, 0.0]


def test_bounds_of_orders_by_hand():
    # One purchase day seen: the further orders are two geometric numbers of mean 1/2 each, (n + 1)·(2/3)²·3⁻ⁿ.
    plain = Intervals(4.0, 3.0, 1000, {}, {30: Calibration(shared=0.0)})
    bounds = plain.order_bounds(NEW, (30,), np.array([[1.0]]), np.array([[0.5]]))[:, 0, 0]
    # P(N ≤ n) from none on: 0.5, 0.722, 0.870, 0.944, 0.977.
    assert bounds.tolist() == [0.0, 0.0, 3.0, 4.0]


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.tuples(st.floats(0, 1e5), st.floats(1e-9, 1 - 1e-9)), min_size=3, max_size=3),
    st.floats(0, 1e6),
    st.lists(st.floats(0, 1), min_size=4, max_size=4),
)
def test_bounds_of_orders_are_whole_and_rise_with_level_and_horizon(sizes, seen, read):
    calibration = Calibration((), (tuple(sorted(read)),), 0.3, 0.4, 2.0)
    intervals = Intervals(2.0, 3.0, 100, {}, {90: calibration})
    features = pd.DataFrame({"purchase_days": [seen]})
    further, none = np.array(sizes).T[:, :, None]
    found = rising(intervals.order_bounds(features, (30, 90, 365), 1.0 - none + further, none))
    assert found.shape == (4, 3, 1)
    assert (found == np.floor(found)).all()
    assert (found >= 0).all()
    assert (np.diff(found, axis=0) >= 0).all()
    assert (np.diff(found, axis=1) >= 0).all()


@pytest.fixture(scope="module")
def later() -> pd.DataFrame:
    """Coverage of three shops of frequent buyers, 90 days after the last order their models knew."""
    parts = []
    for seed in (1, 2, 3):
        panel = anchored(build_panel(shop(drawn(300, 540, seed=seed, gap=20.0)), day(540), (30, 90)))
        cut = max(d for d in panel.days if d <= day(450))
        bundle = build_bundle(panel.before(cut), small_shops.settings(60, 30, 90), evidence="btyd")
        now = panel.at(cut)
        found = bundle.predict(now[list(FEATURES)], cut)
        half = np.where(found["expected_value_90d"] > found["expected_value_90d"].median(), "upper", "lower")
        for h in (30, 90):
            bounds = {q: found[name].to_numpy() for q, name in bound_names(h).items()}
            part = coverage(now[f"value_ahead_{h}"].to_numpy(), bounds, half.astype(np.str_))
            came = now[f"orders_ahead_{h}"].to_numpy()
            held = {f"most_{q}": (came <= found[n]).mean() for q, n in bound_names(h, "orders").items()}
            held |= {f"less_{q}": (came < found[n]).mean() for q, n in bound_names(h, "orders").items()}
            parts.append(part.assign(horizon=h, seed=seed, **held))
    return pd.concat(parts, ignore_index=True)


def test_bounds_hold_on_a_later_day(later):
    everyone = later[later["value_class"] == "all"]
    for percent, room in ((80, 0.07), (90, 0.05)):
        assert (everyone[f"covered_{percent}"] - everyone[f"claimed_{percent}"]).abs().max() < room
    assert everyone["above_p95"].mean() == pytest.approx(0.05, abs=0.03)


def test_bounds_hold_for_small_and_large_customers(later):
    halves = later[later["value_class"] != "all"]
    assert (halves["covered_90"] > 0.84).all()
    assert halves.groupby("value_class")["covered_90"].mean().gt(0.88).all()


@pytest.mark.parametrize("level", LEVELS)
def test_bounds_of_orders_hold_on_a_later_day(later, level):
    """No tighter than they claim, and no wider: one order fewer would have been too few."""
    everyone = later[later["value_class"] == "all"]
    assert (everyone[f"most_{level}"] > level - 0.05).all()
    assert everyone[f"most_{level}"].mean() > level - 0.02
    assert (everyone[f"less_{level}"] < level + 0.05).all()
    assert everyone[f"less_{level}"].mean() < level + 0.02


@pytest.fixture(scope="module")
def frequent() -> Panel:
    panel = anchored(build_panel(shop(drawn(150, 400, seed=4, gap=20.0)), day(400), (30,)))
    return replace(panel, frame=panel.frame.copy())


def test_customers_of_weight_nothing_are_not_looked_at(frequent):
    anchor = Anchor.fit(frequent.at(day(400)))
    left = frequent.frame["customer_id"].str[-1] == "7"
    without = fit_intervals(replace(frequent, frame=frequent.frame[~left]), anchor, (30,))
    wild = frequent.frame.assign(weight_30=np.where(left, 0.0, 1.0))
    wild.loc[left, ["value_ahead_30", "orders_ahead_30"]] = [1e6, 90.0]
    assert fit_intervals(replace(frequent, frame=wild), anchor, (30,)) == without
    unweighted = fit_intervals(replace(frequent, frame=wild.drop(columns="weight_30")), anchor, (30,))
    assert unweighted.calibration(30) != without.calibration(30)


def test_equal_weights_change_nothing(frequent):
    anchor = Anchor.fit(frequent.at(day(400)))
    twice = fit_intervals(replace(frequent, frame=frequent.frame.assign(weight_30=2.0)), anchor, (30,))
    once = fit_intervals(frequent, anchor, (30,))
    for quantity in ("value", "orders"):
        a, b = twice.calibration(30, quantity), once.calibration(30, quantity)
        assert np.allclose(a.levels, b.levels)
        assert a.shared == pytest.approx(b.shared)


def test_a_panel_without_anyone_left_alone_has_no_calibration(frequent):
    nobody = replace(frequent, frame=frequent.frame.assign(weight_30=0.0))
    found = fit_intervals(nobody, Anchor.fit(frequent.at(day(400))), (30,))
    assert found.calibrations == found.order_calibrations == {}


def test_a_short_history_gives_wider_bounds():
    panel = anchored(build_panel(shop(drawn(150, 400, seed=4, gap=20.0)), day(400), (30, 365)))
    anchor = Anchor.fit(panel.at(day(400)))
    intervals = fit_intervals(panel, anchor, (30, 365))
    assert set(intervals.calibrations) == {30}
    assert intervals.calibration(365).shared > intervals.calibration(30).shared + 0.3
    assert all(0 < c.shared <= c.total < 1 for c in intervals.calibrations.values())


def test_nobody_buys_and_one_customer():
    quiet = anchored(build_panel(shop([("a", 0, 5.0), ("b", 1, 7.0)]), day(200), (30,)))
    anchor = Anchor.fit(quiet.at(day(200)), ridge=1.0)
    assert fit_intervals(quiet, anchor, (30,)).calibrations == {}
    single = anchored(build_panel(shop([("a", n, 5.0) for n in range(0, 190, 7)]), day(200), (30,)))
    found = fit_intervals(single, Anchor.fit(single.at(day(200)), ridge=1.0), (30,))
    assert found.calibrations[30].levels == (LEVELS,)


def test_customers_all_alike_are_known_no_better_than_their_level():
    # Everybody at one level of the shape on the day met: the levels alone would set all bounds to one value.
    alike = replace(PLAIN, calibrations={30: Calibration((), ((0.6,) * 4,), shared=0.3, back_tests=1.0)})
    bounds = alike.bounds(NEW, (30,), outlook(100.0, 9.0, 0.001))[:, 0, 0]
    wide = 100.0 * np.exp(0.3 * norm.ppf(LEVELS))
    assert (bounds[:2] <= wide[:2]).all()
    assert (bounds[2:] >= wide[2:]).all()
    never = alike.bounds(NEW, (30,), outlook(1.0, 0.1, 0.9))[:, 0, 0]
    assert never.tolist() == [0.0] * 4


def test_orders_of_customers_all_alike_are_known_no_better_than_their_level():
    alike = replace(
        PLAIN, order_calibrations={30: Calibration((), ((0.6,) * 4,), shared=0.3, back_tests=1.0)}
    )
    low, _, high, _ = alike.order_bounds(NEW, (30,), np.array([[20.0]]), np.array([[0.001]]))[:, 0, 0]
    # 20 · exp(±1.645 · 0.3) = 12.2, and 20 · exp(1.282 · 0.3) = 29.4
    assert low <= 13
    assert high >= 29


def test_no_bound_passes_what_the_mean_allows():
    # A past day on which everybody passed every level: 1 customer in 10 (20) at most can have 10 (20) times the mean.
    wild = replace(PLAIN, calibrations={30: Calibration((), ((0.0, 0.0, 1.0, 1.0),), shared=2.0)})
    bounds = wild.bounds(NEW, (30,), outlook(10.0, 0.5, 0.5))[:, 0, 0]
    assert bounds == pytest.approx(
        [0.0, 0.0, *(np.array([100.0, 200.0]) * np.exp(2.0 * norm.ppf([0.9, 0.95])))]
    )


@pytest.mark.parametrize("before", [120, 200, 290])
def test_one_absurd_amount_leaves_the_bounds_of_others_below_all_measure(before):
    rows = drawn(120, 300, seed=5)
    giant = max(n for n, row in enumerate(rows) if row[1] < before)
    rows[giant] = (*rows[giant][:2], 9.9e10)
    panel = anchored(build_panel(shop(rows), day(300), (30,)))
    bundle = build_bundle(panel, small_shops.settings(30, 30), evidence="btyd")
    found = bundle.curve.intervals.calibrations[30]
    assert found.shared <= found.total <= np.hypot(np.log(100.0), 0.25)
    told = bundle.predict(panel.at(day(300))[list(FEATURES)], day(300))
    mean, p10, p90 = (told[f"expected_value_30d{end}"].to_numpy(float) for end in ("", "_p10", "_p90"))
    assert (p10 <= mean).all()
    assert (p90 <= mean * 10.0 * np.exp(1.2816 * found.shared)).all()
    assert ((p90 >= mean) | (p90 == 0.0)).all()
