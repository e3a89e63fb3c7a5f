"""Finance of a campaign, by hand; and figures that do not exist are said in words."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.errors import InputError
from strategies.finance import (
    finance,
    internal_rate,
    kept_customer_cost,
    npv,
    payback_days,
    return_on_cost,
)


def test_present_value_by_hand() -> None:
    # −1000 + 600/1.1 + 600/1.21
    assert npv([-1000, 600, 600], [0, 365, 730], 0.10) == pytest.approx(41.3223, abs=1e-4)
    assert npv([-1000, 600, 600], [0, 30, 60], 0.0) == 200


def test_internal_rate_by_hand() -> None:
    # −1000 + 600 q + 600 q² = 0: q = (−0.6 + √(0.36 + 2.4)) / 1.2
    q = (-0.6 + np.sqrt(2.76)) / 1.2
    assert internal_rate([-1000, 600, 600], [0, 365, 730]).value == pytest.approx(1 / q - 1, abs=1e-9)
    assert internal_rate([-100, 121], [0, 730]).value == pytest.approx(0.1, abs=1e-9)
    assert internal_rate([-100, 50], [0, 365]).value == pytest.approx(-0.5, abs=1e-9)


def test_a_short_campaign_has_a_yearly_rate() -> None:
    # 10 % in 73 days, five times a year
    assert internal_rate([-100, 110], [0, 73]).value == pytest.approx(1.1**5 - 1, rel=1e-9)


@pytest.mark.parametrize(
    ("flows", "words"),
    [
        ([0.0, 0.0], "no money moved"),
        ([10.0, 5.0], "nothing was paid out"),
        ([-10.0, -5.0], "nothing came back"),
        ([-100.0, 100.0, -100.0], "no rate above -99.99 %"),
        ([-100.0, 230.0, -132.0], "several rates fit"),
    ],
)
def test_rates_that_do_not_exist_are_said(flows: list[float], words: str) -> None:
    found = internal_rate(flows, [365.0 * i for i in range(len(flows))])
    assert found.value is None
    assert words in found.en
    assert found.zh


@given(
    st.lists(st.floats(1, 1000), min_size=1, max_size=12),
    st.floats(0.1, 1.9),
)
def test_one_change_of_sign_has_one_rate_and_it_is_right(back: list[float], share: float) -> None:
    flows, days = [-share * sum(back), *back], [0.0, *(30.0 * (i + 1) for i in range(len(back)))]
    found = internal_rate(flows, days)
    assert found.value is not None
    scale = sum(abs(f) * (1 + found.value) ** (-d / 365) for f, d in zip(flows, days, strict=True))
    assert npv(flows, days, found.value) == pytest.approx(0, abs=1e-6 * scale)


def test_payback_by_hand() -> None:
    # after 30 days 40 are missing; 80 come in over the next 30 days
    assert payback_days([-100, 60, 80], [0, 30, 60]).value == pytest.approx(45.0)
    assert payback_days([-100, 60], [0, 30]).value is None
    assert payback_days([-100, 60], [0, 30]).zh == "30天内未回本：尚缺40.00"
    assert payback_days([0, 60], [0, 30]).en == "never in debt"


def test_payback_looks_at_what_is_paid_later_too() -> None:
    # even after 15 days, in debt again from day 30 to day 90
    assert payback_days([-50, 100, -100, 100], [0, 30, 60, 90]).value == pytest.approx(75.0)


def test_return_and_price_of_a_kept_customer() -> None:
    assert return_on_cost(250.0, 100.0).value == pytest.approx(1.5)
    assert return_on_cost(-50.0, 100.0).value == pytest.approx(-1.5)
    dear = kept_customer_cost(1000.0, 10.0, -2.0, 60.0)
    assert dear.value == pytest.approx(100.0)
    assert dear.en == "dearer than winning a new one at 60.00 (it is not sure that any was kept)"
    assert "unknown" in kept_customer_cost(1000.0, 10.0, 5.0, None).en
    assert kept_customer_cost(1000.0, 0.0, -5.0, 60.0).value is None


def test_one_campaign_by_hand() -> None:
    flows = pd.DataFrame({"day": [0, 30, 60], "flow": [-100.0, 80.0, 70.0]})
    found = finance("run r1", flows, kept=(5.0, 2.0), discount_rate=0.1, acquisition_cost=30.0)
    assert (found["cost"], found["margin"], found["return_on_cost"]) == (100.0, 150.0, pytest.approx(0.5))
    assert found["npv"] == pytest.approx(-100 + 80 * 1.1 ** (-30 / 365) + 70 * 1.1 ** (-60 / 365))
    assert found["payback_days"] == pytest.approx(30 + 30 * 20 / 70)
    assert found["cost_per_kept"] == pytest.approx(20.0)
    assert found["cost_per_kept_en"] == "cheaper than winning a new one at 30.00 (at most 50.00)"


@pytest.mark.parametrize(("flows", "days"), [([], []), ([1.0], [0, 1]), ([np.nan], [0]), ([1, 2], [3, 2])])
def test_flows_that_make_no_sense_are_refused(flows: list[float], days: list[float]) -> None:
    with pytest.raises(InputError, match="cash flows"):
        npv(flows, days, 0.1)
