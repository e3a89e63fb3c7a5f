from __future__ import annotations

from functools import cache
from types import SimpleNamespace
from typing import Any

import ibis
import ibis.expr.types as ir
import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from features.address import connect_backend
from features.dialect import kept, portable
from features.frames import connect

OTHER = SimpleNamespace(name="postgres")
HALVES = [
    0.5,
    1.5,
    2.5,
    -0.5,
    -1.5,
    -2.5,
    312.5,
    0.49999999999999994,
    -0.49999999999999994,
    4503599627370495.5,
    0.0,
]


@cache
def engine() -> Any:
    return connect()


def numbers(values: list[float | None]) -> ir.Table:
    return ibis.memtable(pa.table({"place": range(len(values)), "x": pa.array(values, pa.float64())}))


def rounded(values: list[float | None], con: Any, of: Any) -> list[int | None]:
    t = numbers(values)
    rows = con.to_pyarrow(portable(t.select("place", r=t.x.round()), of)).sort_by("place")
    found: list[int | None] = rows["r"].to_pylist()
    return found


@settings(max_examples=20)
@example([*HALVES, None])
@given(
    st.lists(
        st.floats(-9e18, 9e18) | st.integers(-(2**40), 2**40).map(lambda n: n / 2), min_size=1, max_size=50
    )
)
def test_rounding_rewritten_is_the_rounding_of_duckdb(values: list[float | None]) -> None:
    assert rounded(values, engine(), OTHER) == rounded(values, engine(), None)


def test_what_duckdb_runs_is_not_touched() -> None:
    t = numbers([1.0])
    asked = t.select(r=t.x.round())
    assert portable(asked, connect()) is asked
    assert portable(asked, None) is asked


def test_exp_of_little_is_nothing_and_the_rest_is_exp() -> None:
    t = numbers([-1e9, -701.0, -699.0, 0.0, 3.0])
    con = connect()
    rows = con.to_pyarrow(portable(t.select("place", e=t.x.exp(), plain=t.x), OTHER)).sort_by("place")
    plain = con.to_pyarrow(t.select("place", e=t.x.exp())).sort_by("place")
    assert rows["e"].to_pylist()[:2] == [0.0, 0.0]
    assert rows["e"].to_pylist()[2:] == plain["e"].to_pylist()[2:]


def test_rewriting_what_is_rewritten_changes_no_result() -> None:
    t = numbers([0.5, -2.5, None])
    asked = t.aggregate(s=t.x.round().sum(), n=(t.x > 0).cast("int64").sum(), e=t.x.exp().max())
    con = connect()
    once, twice = portable(asked, OTHER), portable(portable(asked, OTHER), OTHER)
    assert (
        con.to_pyarrow(once).to_pylist()
        == con.to_pyarrow(twice).to_pylist()
        == con.to_pyarrow(asked).to_pylist()
    )


def test_postgresql_rounds_counts_and_sums_as_duckdb_does(postgres_url: str) -> None:
    con = connect_backend(postgres_url)
    values = [*HALVES, None]
    assert rounded(values, con, con) == rounded(values, connect(), None)
    t = numbers([-1e9, 0.5, 3.0])
    asked = t.aggregate(s=t.place.sum(), n=(t.x > 0).cast("int64").sum(), e=t.x.exp().min())
    (row,) = con.to_pyarrow(asked).to_pylist()
    assert row == {"s": 3, "n": 2, "e": 0.0}
    con.disconnect()


@pytest.mark.parametrize("can", [True, False])
def test_rows_are_kept_where_the_engine_can(can: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    con = connect()
    con.con.register("lines", pa.table({"x": [1, 2]}))
    if not can:
        monkeypatch.setattr(con, "_create_cached_table", lambda *_: 1 / 0)
    total = kept(con.table("lines").aggregate(total=ibis._.x.sum()))
    con.con.register("lines", pa.table({"x": [5]}))
    assert con.to_pyarrow(total)["total"].to_pylist() == [3 if can else 5]
