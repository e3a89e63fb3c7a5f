from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.errors import InputError
from training.models.hazard import LifeTable, kaplan_meier

# Remission of 21 patients on 6-MP: Freireich et al. (1963), the table of every textbook.
WEEKS = [6, 6, 6, 6, 7, 9, 10, 10, 11, 13, 16, 17, 19, 20, 22, 23, 25, 32, 32, 34, 35]
ENDED = [1, 1, 1, 0, 1, 0, 1, 0, 0, 1, 1, 0, 0, 0, 1, 1, 0, 0, 0, 0, 0]


def test_kaplan_meier_and_greenwood_of_the_printed_table() -> None:
    found = kaplan_meier(WEEKS, np.array(ENDED) > 0)
    assert found.days.tolist() == [6, 7, 10, 13, 16, 22, 23]
    assert found.at_risk.tolist() == [21, 17, 15, 12, 11, 7, 6]
    assert found.ended.tolist() == [3, 1, 1, 1, 1, 1, 1]
    assert found.survival.round(4).tolist() == [0.8571, 0.8067, 0.7529, 0.6902, 0.6275, 0.5378, 0.4482]
    assert found.standard_error.round(4).tolist() == [0.0764, 0.0869, 0.0963, 0.1068, 0.1141, 0.1282, 0.1346]


def test_nobody_left_to_end_is_no_fault() -> None:
    found = kaplan_meier([1, 2], [True, True])
    assert found.survival.tolist() == [0.5, 0.0]
    assert np.isfinite(found.standard_error).all()
    assert kaplan_meier([], []).survival.size == 0


def test_negative_durations_are_refused() -> None:
    with pytest.raises(InputError, match="negative"):
        kaplan_meier([-1], [True])


def test_one_plan_of_many_contracts_is_the_product_limit() -> None:
    """40 contracts: 10 end on day 30, 6 of the 30 left on day 60, the others run for 90 days."""
    duration, ended = [30] * 10 + [60] * 6 + [90] * 24, [True] * 16 + [False] * 24
    table = LifeTable.fit(duration, ended, ["a"] * 40)
    assert table.survival(["a"] * 4, [0] * 4, [30, 31, 60, 61]) == pytest.approx([1.0, 0.75, 0.75, 0.6])
    assert table.survival(["a"], [31], 30) == pytest.approx([0.8])
    low, high = table.interval(["a"], [0], 61, level=0.95)
    error = kaplan_meier(duration, ended).standard_error[1] / (0.6 * abs(np.log(0.6)))
    assert (low[0], high[0]) == pytest.approx(
        (0.6 ** np.exp(1.95996 * error), 0.6 ** np.exp(-1.95996 * error)), rel=1e-4
    )


def test_a_plan_is_shrunk_to_all_as_if_25_had_been_seen_besides() -> None:
    """Plan a: 20 of 20 end on day 10; plan b: none of 80. All: 0.2, so a: (20 + 25 x 0.2) / 45, b: 5 / 105."""
    table = LifeTable.fit([10] * 100, [True] * 20 + [False] * 80, ["a"] * 20 + ["b"] * 80)
    expected = [1 - 25 / 45, 1 - 5 / 105, 0.8]
    assert table.survival(["a", "b", "never seen"], [0] * 3, 11) == pytest.approx(expected)


def test_beyond_the_table_the_last_term_is_repeated() -> None:
    """All renewals fall on day 30 of a term; half are not renewed. Nobody ran for longer than 45 days."""
    table = LifeTable.fit([30] * 20 + [45] * 20, [True] * 20 + [False] * 20, ["a"] * 40, term_days=30)
    assert table.survival(["a"] * 3, [0] * 3, [45, 61, 91]) == pytest.approx([0.5, 0.25, 0.125])
    assert table.survival(["a"], [3000], 30) == pytest.approx([0.5])


@pytest.mark.parametrize(("ends", "contracts"), [(0, 50), (4, 50), (1, 1), (0, 1), (5, 6)])
def test_too_little_gives_one_rate_and_a_wide_interval(ends: int, contracts: int) -> None:
    ended = np.arange(contracts) < ends
    table = LifeTable.fit([100] * contracts, ended, ["a"] * contracts)
    rate = (ends + 0.5) / (101 * contracts + 182)
    assert table.flat
    assert table.survival(["a"], [7], 90) == pytest.approx([(1 - rate) ** 90])
    low, high = table.interval(["a"], [7], 90)
    assert 0 <= low[0] < (1 - rate) ** 90 < high[0] <= 1


@pytest.mark.parametrize("contracts", [1, 2, 4])
def test_a_tiny_exposure_never_makes_churn_certain(contracts: int) -> None:
    """All there is ended on its first day: ends + 1/2 in as many days and half a year besides."""
    table = LifeTable.fit([0] * contracts, [True] * contracts, ["a"] * contracts)
    assert table.rate == (contracts + 0.5) / (contracts + 182)
    assert 0.2 < table.survival(["a"], [0], 30)[0] < 0.85
    low, high = table.interval(["a"], [0], 30)
    assert low[0] < 0.7 * high[0]


def test_a_day_of_twenty_contracts_is_no_life_table() -> None:
    """20 contract-days are no half year: one rate holds for all days, however many ended on the one day seen."""
    table = LifeTable.fit([0] * 20, [True] * 15 + [False] * 5, ["a"] * 20)
    assert table.flat
    assert table.survival(["a"], [0], 7) == pytest.approx([(1 - 15.5 / 202) ** 7])


def test_the_table_is_the_same_after_json() -> None:
    rng = np.random.default_rng(1)
    table = LifeTable.fit(
        rng.integers(1, 400, 300), rng.random(300) < 0.5, rng.choice(["a", "b"], 300), term_days=365
    )
    again = LifeTable.from_json(json.loads(json.dumps(table.to_json())))
    where = (["a", "b", "c"], [0, 100, 900], [365, 30, 90])
    assert again.survival(*where).tolist() == table.survival(*where).tolist()
    assert again.interval(*where)[0].tolist() == table.interval(*where)[0].tolist()


def test_a_known_hazard_is_recovered_within_its_interval() -> None:
    """Hazard 0.002 a day, and 30 % leave at each renewal on day 180 of the term."""
    rng = np.random.default_rng(4)
    early = rng.geometric(0.002, 6000)
    renewals = 180 * rng.geometric(0.3, 6000)
    seen = rng.integers(1, 900, 6000)
    stop = np.minimum(early, renewals)
    table = LifeTable.fit(np.minimum(stop, seen), stop < seen, ["a"] * 6000, term_days=180)
    horizons = np.array([90, 181, 365, 600])
    truth = 0.998 ** (horizons - 1) * 0.7 ** ((horizons - 1) // 180)
    low, high = table.interval(["a"] * 4, [0] * 4, horizons, level=0.99)
    assert (low < truth).all()
    assert (truth < high).all()
    assert table.survival(["a"] * 4, [0] * 4, horizons) == pytest.approx(truth, abs=0.03)


@given(
    st.lists(st.tuples(st.integers(0, 500), st.booleans(), st.sampled_from("ab")), min_size=1, max_size=60),
    st.integers(0, 2000),
)
def test_survival_falls_with_the_horizon_and_stays_within_its_interval(
    contracts: list[tuple[int, bool, str]], tenure: int
) -> None:
    duration, ended, plan = zip(*contracts, strict=True)
    table = LifeTable.fit(duration, ended, plan, term_days=30)
    horizons = [0, 1, 30, 90, 365, 5000]
    survival = table.survival(["a"] * 6, [tenure] * 6, horizons)
    low, high = table.interval(["a"] * 6, [tenure] * 6, horizons)
    assert survival[0] == 1.0
    assert (np.diff(survival) <= 1e-12).all()
    assert ((low <= survival + 1e-9) & (survival <= high + 1e-9) & (low >= 0) & (high <= 1)).all()
