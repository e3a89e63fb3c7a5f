from __future__ import annotations

from datetime import date, timedelta

import pandas as pd
import pytest

from features.errors import ConfigError
from features.frames import tables_from_frames
from features.labels import labels
from tests.features.feature_runs import table

DAY = date(2024, 2, 29)


def ahead(*rows, as_of=(DAY,), horizons=(30, 90), columns="customer_id time amount"):
    tables = tables_from_frames({"orders": table(columns, *rows)})
    found = tables.con.to_pyarrow(labels(tables, as_of, horizons)).to_pandas()
    return found.sort_values(["as_of", "customer_id"]).set_index("customer_id").drop(columns="as_of")


def at(days, amount=1.0, customer="a"):
    return (customer, str(DAY + timedelta(days=days)), amount)


@pytest.mark.parametrize(("day", "inside"), [(-1, 0), (0, 1), (29, 1), (30, 0)])
def test_a_horizon_starts_on_the_day_and_ends_before_its_end(day, inside):
    found = ahead(at(-400), at(day, 5.0))
    assert found["orders_30d"].tolist() == [inside]
    assert found["value_30d"].tolist() == [5.0 * inside]


def test_horizons_of_h_and_one_more_day():
    found = ahead(at(-1), at(30, 5.0), horizons=(30, 31, 365, 366))
    assert found.loc["a"].tolist() == [0, 0.0, 1, 5.0, 1, 5.0, 1, 5.0]
    assert list(found.columns[:2]) == ["orders_30d", "value_30d"]


def test_who_did_nothing_has_zeros_and_who_came_later_is_not_there():
    found = ahead(at(-1), at(3, 5.0, "b"), at(-1, 2.0, "c"), at(500, 2.0, "c"))
    assert found.index.tolist() == ["a", "c"]
    assert found.eq(0).all(axis=None)
    assert found["value_30d"].dtype == "float64"


def test_value_is_net_and_may_be_negative():
    found = ahead(at(-1), at(1, 5.0), at(2, -7.5), at(-1, 1.0, "b"), at(1, -3.0, "b"))
    assert found["value_30d"].tolist() == [-2.5, -3.0]
    assert found["orders_30d"].tolist() == [1, 0]


def test_returns_alone_make_a_customer():
    found = ahead(at(-1, -4.0), at(1, -3.0))
    assert found.loc["a"].tolist() == [0, -3.0, 0, -3.0]


def test_orders_are_distinct_and_arrive_whenever_they_do():
    late = str(DAY + timedelta(days=300))
    columns = "customer_id time amount order_id known_at"
    rows = [(*at(-1), "1", None), (*at(1), "2", None), (*at(1), "2", late), (*at(1), "3", late)]
    found = ahead(*rows, columns=columns)
    assert (found["orders_30d"].tolist(), found["value_30d"].tolist()) == ([2], [3.0])


def test_a_customer_is_known_only_when_a_row_had_arrived():
    columns = "customer_id time amount known_at"
    rows = [("a", str(DAY - timedelta(days=5)), 1.0, str(DAY)), ("a", str(DAY), 2.0, None)]
    assert ahead(*rows, columns=columns).empty


def test_many_days_at_once_equal_each_alone():
    rows = [at(-3), at(1), at(40, -2.0), at(5, 3.0, "b"), at(70, 9.0, "b")]
    days = [DAY + timedelta(days=k) for k in (0, 10, 60)]
    together = ahead(*rows, as_of=days)
    alone = pd.concat([ahead(*rows, as_of=[d]) for d in days])
    assert together.equals(alone)


@pytest.mark.parametrize("horizons", [(), (0,), (30, -1)])
def test_horizons_must_be_a_day_or_more(horizons):
    with pytest.raises(ConfigError, match="1 day or more"):
        ahead(at(-1), horizons=horizons)
