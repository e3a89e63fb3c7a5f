"""Cohorts: lives by hand, and sums that are the ledger's."""

from __future__ import annotations

from datetime import date

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from strategies.cohorts import (
    NO_COHORT,
    cohort_table,
    cohorts_compared,
    one_cohort,
    step_label,
    step_months,
    usual_cohort,
    whole_base,
)
from tests.strategies.base_facts import LAST, any_facts, facts

BASE = facts(
    [
        ("old", "2025-01-10", 1, 10),
        ("a", "2025-02-10", 1, 100),
        ("a", "2025-02-20", 1, 20),
        ("a", "2025-04-01", 2, 40),
        ("b", "2025-02-28", 1, 60),
        ("b", "2025-03-01", 0, -30),
        ("r", "2025-01-31", 0, -4),
    ]
)
AS_OF = date(2025, 4, 15)


def test_the_life_of_a_cohort() -> None:
    life = one_cohort(cohort_table(BASE, AS_OF, months=1), "2025-02")
    assert life["age"].tolist() == [0, 1, 2]
    assert life["active"].tolist() == [2, 0, 1]
    assert life["active_share"].tolist() == [1.0, 0.0, 0.5]
    assert life["revenue"].tolist() == [180.0, -30.0, 40.0]
    assert life["revenue_so_far_per_customer"].tolist() == [90.0, 75.0, 95.0]
    assert life["complete"].tolist() == [True, True, False]
    assert np.isnan(life["orders_per_active"].iloc[1])


def test_who_never_bought_has_no_cohort() -> None:
    rows = cohort_table(BASE, AS_OF, months=1)
    none = rows[rows["cohort"] == NO_COHORT]
    assert none[["period", "customers", "active", "revenue"]].values.tolist() == [["2025-01", 0, 0, -4.0]]


def test_returns_before_the_first_purchase_are_kept() -> None:
    days = facts([("a", "2025-01-05", 0, -3), ("a", "2025-02-05", 1, 9)])
    rows = cohort_table(days, AS_OF, months=1)
    assert rows[rows["age"] < 0][["cohort", "period", "revenue"]].values.tolist() == [
        ["2025-02", "2025-01", -3.0]
    ]
    assert rows["revenue"].sum() == 6.0


def test_only_steps_that_are_over_are_compared() -> None:
    found = cohorts_compared(cohort_table(BASE, AS_OF, months=1))
    assert found.groupby("cohort")["age"].max().to_dict() == {"2025-01": 2, "2025-02": 1}
    assert found[found["cohort"] == "2025-02"]["revenue_per_customer"].tolist() == [90.0, -15.0]


def test_the_whole_base_is_made_of_cohorts() -> None:
    found = whole_base(cohort_table(BASE, AS_OF, months=1)).set_index("period")
    assert found.columns[:5].tolist() == ["complete", "active", "orders", "revenue", "margin"]
    assert found.loc["2025-01", ["revenue", "2025-01", "none"]].tolist() == [6.0, 10.0, -4.0]
    assert found["complete"].tolist() == [True, True, True, False]


def test_the_cohort_to_look_at_is_certainly_new() -> None:
    assert usual_cohort(cohort_table(BASE, AS_OF, months=1)) == "2025-02"
    assert usual_cohort(cohort_table(facts([("a", "2025-01-01", 1, 1)]), AS_OF, months=1)) == "2025-01"


@pytest.mark.parametrize(
    ("first", "step"), [(date(2020, 1, 1), 12), (date(2024, 7, 1), 3), (date(2025, 12, 1), 1)]
)
def test_steps_fit_the_history(first: date, step: int) -> None:
    assert step_months(first, LAST) == step


@settings(max_examples=12)
@given(any_facts(), st.sampled_from([1, 3, 12]))
def test_cohorts_hold_all_revenue_orders_and_margin(days: pd.DataFrame, months: int) -> None:
    cohorts = cohort_table(days, LAST, months=months)
    base = whole_base(cohorts)
    for table in (cohorts, base):
        assert round(table["revenue"].sum() * 10_000) == days["revenue_u"].sum()
        assert round(table["margin"].sum() * 10_000) == days["margin_u"].sum()
        assert table["orders"].sum() == days["orders"].sum()
    names = [name for name in base.columns if name in set(cohorts["cohort"])]
    assert np.allclose(base[names].sum(axis=1), base["revenue"])
    assert (cohorts["active"] <= cohorts["customers"]).all()


@given(st.integers(0, 4000 * 12), st.sampled_from([1, 3, 12]))
def test_names_of_steps_sort_like_time(step: int, months: int) -> None:
    step += 1000 * 12 // months
    assert step_label(step, months) < step_label(step + 1, months) or len(step_label(step + 1, months)) > len(
        step_label(step, months)
    )
