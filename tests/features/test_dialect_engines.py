"""What a feature of one's own may be made of says the same on PostgreSQL and Spark as on DuckDB."""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import date, datetime
from typing import Any

import ibis
import ibis.expr.types as ir
import pyarrow as pa
import pytest

from features.address import connect_backend
from features.dialect import portable
from features.frames import connect


def days(text: str) -> list[date | None]:
    return [None if day == "-" else date.fromisoformat(day) for day in text.split()]


def times(text: str) -> pa.Array:
    moments = [None if at == "-" else datetime.fromisoformat(at) for at in text.split()]
    return pa.array(moments, pa.timestamp("us"))


ROWS = pa.table(
    {
        "k": range(8),
        "x": [0.5, 1.5, 2.5, -0.5, -2.5, 0.0, None, 1e6 + 0.5],
        "y": [0.0, 2.0, -2.0, 0.3, 1e-5, 0.0, 3.0, 7.0],
        "n": pa.array([7, -7, 0, 3, None, 100, -1, 8], pa.int64()),
        "m": pa.array([2, 2, 0, -2, 3, 7, 4, 3], pa.int64()),
        "d": days("2024-02-29 2021-01-03 2020-12-31 2024-12-30 2023-01-01 - 2024-03-31 1970-01-01"),
        "e": days("2024-03-01 2020-01-03 2024-12-31 2024-01-30 2023-01-01 - 2024-03-31 1970-01-01"),
        "t": times(
            "2024-02-29T23:59:59.999999 2021-01-03T01:00 2020-12-31T12:30 2024-12-30T00:00:00.000001 2023-01-01T00:00 "
            "- 2024-03-31T02:30 1970-01-01T00:00"
        ),
        "u": times(
            "2024-03-01T00:00:01 2021-01-14T00:01 2021-12-31T12:29 2024-12-31T01:00 2023-01-01T00:00 "
            "- 2024-03-31T04:30 1970-01-01T00:00"
        ),
        "s": ["Web", " 2.5", "-1e3", "", None, "7", "1,5", "x1"],
    }
)
UNITS = ("day", "week", "month", "quarter", "year")
OF_A_ROW: dict[str, Callable[[ir.Table], Any]] = {
    "by_zero": lambda t: t.x / t.y,
    "whole_by_zero": lambda t: t.n / t.m,
    "rest_by_zero": lambda t: t.n % t.m,
    "places": lambda t: (t.y * 1.005).round(2),
    "hundreds": lambda t: (t.n * 1.5).round(-2),
    "whole": lambda t: t.x.cast("int64"),
    "share": lambda t: t.n * 0.1 >= 0.3,
    "text_number": lambda t: t.s.try_cast("float64"),
    "text_whole": lambda t: t.s.try_cast("int64"),
    "week_year": lambda t: t.d.iso_year(),
    "week": lambda t: t.d.week_of_year(),
    "second": lambda t: t.t.second(),
    "is_nan": lambda t: t.x.isnan(),
    "is_infinite": lambda t: (t.x / t.y).isinf().fill_null(False),
    **{f"{unit}s_of_days": lambda t, unit=unit: t.e.delta(t.d, unit=unit) for unit in UNITS},
    **{
        f"{unit}s": lambda t, unit=unit: t.u.delta(t.t, unit=unit)
        for unit in (*UNITS, "hour", "minute", "second")
    },
}
OF_ALL: dict[str, Callable[[ir.Table], Any]] = {
    "mean": lambda t: t.n.mean(),
    "quarter_of_sum": lambda t: t.n.sum() * 0.25,
    "median": lambda t: t.n.median(),
    "first": lambda t: t.x.first(order_by=[t.d, t.k]),
    "first_down": lambda t: t.x.first(order_by=[ibis.desc(t.d), ibis.desc(t.k)]),
    "first_both": lambda t: t.k.first(order_by=[ibis.desc(t.d), t.n]),
    "first_where": lambda t: t.y.first(order_by=t.s, where=t.k > 2),
    "last": lambda t: t.x.last(order_by=[t.d, t.k]),
    "last_both": lambda t: t.k.last(order_by=[t.d, ibis.desc(t.n)]),
    "last_day": lambda t: t.d.last(order_by=ibis.desc(t.k)).year(),
}


def asked(table: ir.Table, con: Any) -> list[dict[str, Any]]:
    """Both kinds in one answer each, put twice as an expression within another would be."""
    row = table.select("k", **{name: of(table) for name, of in OF_A_ROW.items()})
    all_rows = table.aggregate(**{name: of(table) for name, of in OF_ALL.items()})
    found = [con.to_pyarrow(portable(portable(e, con), con)) for e in (row, all_rows)]
    return [*found[0].sort_by("k").to_pylist(), *found[1].to_pylist()]


def same(one: Any, other: Any) -> bool:
    """Equal to 1e-9; what is no number is missing on the way from Spark."""
    if one is None or other is None or one != one or other != other:
        return (one is None or one != one) and (other is None or other != other)
    return one == other or math.isclose(float(one), float(other), rel_tol=1e-9, abs_tol=1e-12)


def differing(con: Any, table: ir.Table) -> dict[str, list[tuple[Any, Any]]]:
    duck = connect()
    duck.con.register("numbers", ROWS)
    both = zip(asked(duck.table("numbers"), duck), asked(table, con), strict=True)
    found: dict[str, list[tuple[Any, Any]]] = {}
    for mine, theirs in both:
        for name, value in mine.items():
            if not same(value, theirs[name]):
                found.setdefault(name, []).append((value, theirs[name]))
    return found


def test_on_postgresql(postgres_url: str) -> None:
    con = connect_backend(postgres_url)
    con.create_table("numbers", ROWS, temp=True)
    assert differing(con, con.table("numbers")) == {}
    con.disconnect()


@pytest.mark.spark
@pytest.mark.filterwarnings("ignore")  # of the libraries beneath
def test_on_spark(spark: Any, spark_session: Any) -> None:
    spark_session.createDataFrame(ROWS).createOrReplaceTempView("numbers")
    assert differing(spark, spark.table("numbers")) == {}


def test_the_comparison_sees_other_values() -> None:
    duck = connect()
    duck.con.register("other", ROWS.set_column(1, "x", pa.array([9.5] * 8)))
    assert {"by_zero", "first", "last", "whole"} <= set(differing(duck, duck.table("other")))
