"""Ways to run the features in tests: on a few rows written by hand, or compiled once for many random shops."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from functools import cache
from typing import Any

import ibis.expr.operations as ops
import numpy as np
import pandas as pd
import pyarrow as pa
from hypothesis import strategies as st

from features.frames import connect
from features.pipeline import customer_features
from features.tables import Tables
from retain.shop import ShopSettings, simulate
from tests.features.sql_oracle import COLUMNS

KEYS = ["as_of", "customer_id"]
TIMES = ("time", "known_at", "resolved_at", "start", "end", "cancelled_at")


def table(columns: str, *rows: tuple[Any, ...]) -> pd.DataFrame:
    """Rows written by hand; times are ISO texts."""
    found = pd.DataFrame(list(rows), columns=columns.split())
    return found.assign(
        **{name: pd.to_datetime(found[name], format="ISO8601") for name in TIMES if name in found}
    )


def orders(*rows: tuple[Any, ...], columns: str = "customer_id time amount") -> pd.DataFrame:
    """Order lines written by hand, the columns they do not name empty, so that all share one compilation."""
    return table(columns, *rows).reindex(columns=list(COLUMNS["orders"]))


def shop(lines: pd.DataFrame, **events: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """All tables that features read, with all columns; those not named have no rows."""
    frames = {name: events.get(name, pd.DataFrame()) for name in COLUMNS} | {"orders": lines}
    return {name: frame.reindex(columns=list(COLUMNS[name])) for name, frame in frames.items()}


def run(frames: dict[str, pd.DataFrame], *as_of: str) -> pd.DataFrame:
    """Features at the days, indexed by customer (one day) or by day and customer."""
    found = features(frames, *as_of).to_pandas()
    return found.set_index("customer_id" if len(as_of) == 1 else KEYS)


@cache
def demo_shop() -> dict[str, pd.DataFrame]:
    """The tables of a small demo shop."""
    tables = simulate(ShopSettings(customers=200, days=400, seed=7)).tables
    return shop(tables["orders"].to_pandas(), **{n: t.to_pandas() for n, t in tables.items() if n in COLUMNS})


def row(frames: dict[str, pd.DataFrame], as_of: str, customer: str = "a") -> dict[str, Any]:
    """Features of one customer."""
    return run(frames, as_of).loc[customer].to_dict()


def features(frames: dict[str, pd.DataFrame], *as_of: str, threads: int = 1) -> pa.Table:
    """`customer_features` of the frames at the days, sorted by key."""
    return _compiled(tuple((n, tuple(f.columns)) for n, f in frames.items()))(frames, as_of, threads)


@cache
def _compiled(shape: tuple[tuple[str, tuple[str, ...]], ...]) -> _CompiledRun:
    return _CompiledRun(dict(shape))


class _CompiledRun:
    """`customer_features` for tables of one shape, turned into SQL once and run on any rows and days.

    The expression does not depend on rows, so what holds for the statement holds for the expression; on a
    small shop compiling takes many times longer than running.
    """

    def __init__(self, shape: dict[str, tuple[str, ...]]) -> None:
        self.con = connect()
        for name, columns in shape.items():
            kinds = ", ".join(f'"{c}" {COLUMNS[name][c]}' for c in columns)
            self.con.con.execute(f'CREATE TABLE "{name}" ({kinds}, day DATE, known_day DATE)')
        tables = Tables(con=self.con, **{name: self.con.table(name) for name in shape})
        self.expression = customer_features(tables, [date(2000, 1, 1)])
        self.schema = self.con.to_pyarrow(self.expression).schema
        self.sql = self.con.compile(self.expression)
        self.cuts = next(iter(self.expression.op().find(ops.InMemoryTable))).name

    def __call__(self, frames: dict[str, pd.DataFrame], as_of: tuple[str, ...], threads: int) -> pa.Table:
        con = self.con.con
        con.execute(f"SET threads = {threads}")
        con.register(self.cuts, pa.table({"as_of": [date.fromisoformat(d) for d in as_of]}))
        for name, frame in frames.items():
            time = "start" if name == "contracts" else "time"
            arrival = f"greatest({time}, known_at)" if "known_at" in frame else time
            fields = ", ".join(f'CAST("{c}" AS {COLUMNS[name][c]}) AS "{c}"' for c in frame.columns)
            days = f"CAST({time} AS DATE), CAST({arrival} AS DATE)"
            con.register("rows", frame)
            con.execute(f'DELETE FROM "{name}"')
            con.execute(f'INSERT INTO "{name}" SELECT *, {days} FROM (SELECT {fields} FROM rows)')
            con.unregister("rows")
        found = con.execute(self.sql).to_arrow_table().cast(self.schema)
        return found.sort_by([(k, "ascending") for k in KEYS])


def same_bits(one: pa.Table, other: pa.Table) -> bool:
    """Whether two results agree in every bit, missing values included."""
    if one.schema != other.schema or one.num_rows != other.num_rows:
        return False
    return all(one[name].combine_chunks().equals(other[name].combine_chunks()) for name in one.column_names)


def assert_close(found: pd.DataFrame, expected: pd.DataFrame, loose: dict[str, float] | None = None) -> None:
    """Equal to 1e-9 of the value in every column of `expected` that `found` has; `loose` widens by name."""
    assert found.index.tolist() == expected.index.tolist()
    for name in [c for c in expected.columns if c in found.columns]:
        ours = found[name].astype(float).to_numpy()
        theirs = expected[name].astype(float).to_numpy()
        slack = (loose or {}).get(name, 1e-8)
        np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=slack, equal_nan=True, err_msg=name)


# Smoothed sums are added up in 1/10,000 of the currency a day, logarithms in 1/1,000,000; slopes cancel.
LOOSE = {f"spend_ewma_{s}d": 1e-4 for s in (30, 90, 180)} | {"value_log_sd": 3e-6}

START = datetime(2023, 11, 20)
_ids = st.sampled_from(["1", "2", "3"])
_cents = st.one_of(st.integers(-5_000, 20_000), st.sampled_from([0, 1, 100, -100]))


def line_rows(span: int = 800) -> st.SearchStrategy[list[tuple[Any, ...]]]:
    """Random order lines of a few customers over `span` days, in the order of the contract."""
    number = st.one_of(st.none(), st.integers(0, 12))
    line = st.tuples(
        st.sampled_from("abcd"),
        st.integers(0, span * 24 - 1),
        _cents,
        st.one_of(st.none(), _ids),
        st.one_of(st.none(), st.sampled_from("PQRST")),
        st.one_of(st.none(), st.sampled_from("XYZ")),
        number,
        number,
        number,
        st.one_of(st.none(), st.integers(0, 90 * 24)),
    )
    return st.lists(line, min_size=1, max_size=60)


def lines_frame(rows: list[tuple[Any, ...]]) -> pd.DataFrame:
    """A frame of order lines from what `line_rows` draws."""
    frame = pd.DataFrame(rows, columns=list(COLUMNS["orders"]))
    hours, late = frame["time"], frame["known_at"].astype("Float64")
    frame["time"] = START + pd.to_timedelta(hours, unit="h")
    frame["known_at"] = START + pd.to_timedelta((hours + late).astype(float), unit="h")
    frame["amount"] = frame["amount"] / 100
    for name in ("quantity", "discount", "cost"):
        frame[name] = frame[name].astype(float)
    for name in ("order_id", "product", "category"):
        frame[name] = frame[name].astype(object)
    return frame


def shifted(frame: pd.DataFrame, days: int) -> pd.DataFrame:
    """The same rows `days` later."""
    step = timedelta(days=days)
    return frame.assign(time=frame["time"] + step, known_at=frame["known_at"] + step)


def random_shop(seed: int, customers: int = 400) -> pd.DataFrame:
    """Order lines of many small customers: ties, gifts, returns, missing ids, late rows."""
    rng = np.random.default_rng(seed)
    n = customers * 12

    def maybe(values: np.ndarray, share: float) -> pd.Series:
        return pd.Series(values).astype(object).mask(rng.random(n) < share, None)

    hours = rng.integers(0, 800 * 24, n) // rng.choice([1, 24 * 50], n) * rng.choice([1, 24], n) % (800 * 24)
    late = np.where(rng.random(n) < 0.3, rng.integers(0, 90 * 24, n), np.nan)
    whole = rng.integers(0, 13, (3, n)).astype(float)
    frame = pd.DataFrame(
        {
            "customer_id": rng.integers(0, customers, n).astype(str),
            "time": START + pd.to_timedelta(hours, unit="h"),
            "amount": np.round(rng.gamma(1.5, 40, n) * rng.choice([1, 1, 1, 0, -1], n), 2),
            "order_id": maybe(rng.integers(0, 4, n).astype(str), 0.2),
            "product": maybe(rng.choice(list("PQRST"), n), 0.2),
            "category": maybe(rng.choice(list("XYZ"), n), 0.2),
        }
    )
    for name, values in zip(("quantity", "discount", "cost"), whole, strict=True):
        frame[name] = np.where(rng.random(n) < 0.3, np.nan, values)
    return frame.assign(known_at=START + pd.to_timedelta(hours + late, unit="h"))


def random_events(seed: int, customers: int = 400) -> dict[str, pd.DataFrame]:
    """Contacts, answers, campaign contacts, referrals and contracts of many customers, with holes."""
    rng = np.random.default_rng(seed)
    n = customers * 3

    def times(share: float) -> pd.Series:
        found = pd.Series(START + pd.to_timedelta(rng.integers(0, 800 * 24, n), unit="h"))
        return found.mask(rng.random(n) < share)

    def numbers() -> np.ndarray:
        return np.where(rng.random(n) < 0.3, np.nan, rng.integers(0, 11, n))

    who = {"customer_id": rng.integers(0, customers, n).astype(str)}
    when = who | {"time": times(0), "known_at": times(0.8)}
    kinds = rng.choice(["complaint", "COMPLAINT", "contact", None], n)
    arms = rng.choice(["treat", "hold-out", "Control", None], n)
    terms = {"start": times(0), "end": times(0.5), "cancelled_at": times(0.5)}
    frames = {
        "interactions": when | {"kind": kinds, "resolved_at": times(0.5)},
        "surveys": when
        | {"score": rng.integers(0, 11, n) / 1.0, "expected": numbers(), "recommend": numbers()},
        "campaigns": when | {"arm": arms},
        "referrals": when,
        "contracts": who | terms | {"monthly_charge": numbers(), "known_at": times(0.8)},
    }
    return {name: pd.DataFrame(columns)[list(COLUMNS[name])] for name, columns in frames.items()}
