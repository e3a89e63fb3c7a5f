"""Orders of the coming year: the two equations hold, horizons are interpolated, impossible input is met."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.errors import InputError
from strategies.order_outlook import order_outlook


def outlook(churn: float, **orders: float) -> pd.Series:
    columns = {f"expected_orders_{name[1:]}": [value] for name, value in orders.items()}
    return order_outlook(pd.DataFrame({"churn_probability": [churn], **columns}), 90).iloc[0]


@given(st.floats(0.05, 0.99), st.floats(1.05, 20.0), st.floats(1.0, 4.0))
def test_chance_and_number_of_orders_are_those_predicted(churn: float, ratio: float, later: float) -> None:
    window = (1.0 - churn) * ratio
    found = outlook(churn, h90d=window, h365d=window * later)
    assert found["alive"] * found["orders"] == pytest.approx(window * later)
    if found["alive"] < 1.0:
        assert found["alive"] * -np.expm1(-window / found["alive"]) == pytest.approx(1.0 - churn, rel=1e-4)


def test_between_horizons_orders_are_interpolated_and_beyond_in_proportion() -> None:
    found = outlook(0.5, h30d=0.4, h180d=1.6)
    # 90 days: 0.4 + 1.2 * 60 / 150 = 0.88; a year: 1.6 * 365 / 180.
    assert found["alive"] * found["orders"] == pytest.approx(1.6 * 365 / 180)
    assert found["alive"] == pytest.approx(outlook(0.5, h90d=0.88)["alive"])


def test_fewer_orders_than_customers_who_order_leave_nobody_out() -> None:
    assert outlook(0.2, h90d=0.5, h365d=2.0).tolist() == [1.0, 2.0]
    assert outlook(1.0, h90d=0.0, h365d=0.0).tolist() == [0.0, 0.0]


def test_a_missing_forecast_is_a_missing_outlook() -> None:
    assert outlook(np.nan, h90d=1.0).isna().all()
    assert outlook(0.5, h90d=np.nan).isna().all()


def test_no_forecast_at_all_is_refused() -> None:
    with pytest.raises(InputError, match="expected_orders_"):
        order_outlook(pd.DataFrame({"churn_probability": [0.5]}), 90)
    with pytest.raises(InputError, match="outside"):
        outlook(1.5, h90d=1.0)
