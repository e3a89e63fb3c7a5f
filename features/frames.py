"""Tables straight from frames that already follow the contract: the way of the endpoint, the tests, the demo.

Nothing is repaired or set aside here: a frame that does not fit the contract is refused.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date
from typing import Any

import ibis
import ibis.expr.types as ir
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from features.contract import TABLES, Column, Kind, TableContract
from features.errors import InputError
from features.local_time import to_local
from features.parse_money import MAX_NUMBER
from features.public_holidays import CALENDAR, calendar_rows
from features.tables import Tables

__all__ = [
    "ALWAYS_KNOWN",
    "connect",
    "empty_table",
    "holiday_calendar",
    "tables_from_frames",
    "typed_frames",
]

ALWAYS_KNOWN = date(1970, 1, 1)
"""``known_day`` of customer attributes that carry no date: known at every cut-off."""

_ARROW: dict[Kind, pa.DataType] = {
    "id": pa.string(),
    "text": pa.string(),
    "time": pa.timestamp("us"),
    "money": pa.float64(),
    "number": pa.float64(),
    "flag": pa.bool_(),
}


def connect() -> Any:
    """A fresh in-memory DuckDB behind ibis, in UTC, without progress bars."""
    con = ibis.duckdb.connect()
    con.raw_sql("SET TimeZone = 'UTC'")
    # In a notebook without ipywidgets there is none already, and DuckDB refuses even to switch it off.
    if con.con.execute("SELECT current_setting('enable_progress_bar')").fetchone() == (True,):
        con.raw_sql("SET enable_progress_bar = false")
    return con


def tables_from_frames(
    frames: Mapping[str, pd.DataFrame | pa.Table],
    *,
    timezone: str = "UTC",
    currency: str = "",
    country: str = "",
) -> Tables:
    """`Tables` from frames whose columns carry the contract's names.

    Parameters
    ----------
    frames : mapping of table name to pandas.DataFrame or pyarrow.Table
        ``orders`` may be missing (then it is empty); columns must be known to the contract. Zoned times are
        turned into business-local ones, naive ones are taken as business-local.
    timezone : str
        IANA name of the business zone.
    currency : str
        Currency of all money.
    country : str
        ISO 3166 code of the country whose public holidays count; empty for none.

    Returns
    -------
    Tables
        Typed tables with ``day`` and ``known_day``.

    Raises
    ------
    InputError
        Unknown tables or columns, missing required columns or values, wrong types, amounts that are not
        finite: all of them in one message.

    Examples
    --------
    >>> time = [pd.Timestamp("2026-01-05 10:00")]
    >>> orders = pd.DataFrame({"customer_id": ["007"], "time": time, "amount": [9.5]})
    >>> tables = tables_from_frames({"orders": orders})
    >>> tables.con.to_pyarrow(tables.orders.select("customer_id", "day", "amount")).to_pylist()
    [{'customer_id': '007', 'day': datetime.date(2026, 1, 5), 'amount': 9.5}]
    """
    typed = typed_frames(frames, timezone=timezone)
    typed.setdefault("orders", empty_table(TABLES["orders"]))
    con = connect()
    for name, table in typed.items():
        con.con.register(name, table)
    lazy = {name: con.table(name) for name in typed}
    calendar = holiday_calendar(con, country)
    return Tables(con=con, timezone=timezone, currency=currency, calendar=calendar, **lazy)


def holiday_calendar(con: Any, country: str) -> ir.Table | None:
    """The calendar of a country as a table of the engine; None without a country.

    Raises
    ------
    ConfigError
        The country is unknown.
    """
    if not country:
        return None
    con.con.register(CALENDAR, calendar_rows(country))
    return con.table(CALENDAR)


def typed_frames(
    frames: Mapping[str, pd.DataFrame | pa.Table], *, timezone: str = "UTC"
) -> dict[str, pa.Table]:
    """The frames in the types of the contract, with ``day`` and ``known_day``; see `tables_from_frames`.

    Raises
    ------
    InputError
        All that does not fit, in one message.
    """
    faults = [
        f"table {name!r} is unknown; the contract has {', '.join(TABLES)}"
        for name in frames
        if name not in TABLES
    ]
    known = {name: frame for name, frame in frames.items() if name in TABLES}
    typed = {name: _typed(TABLES[name], frame, timezone, faults) for name, frame in known.items()}
    if faults:
        raise InputError("\n".join(faults))
    return typed


def empty_table(contract: TableContract, *, whole: bool = False) -> pa.Table:
    """A table of `contract` without rows: its required columns, or all when `whole`, and both days."""
    fields = [(c.name, _ARROW[c.kind]) for c in contract.columns if whole or c.required]
    return pa.schema([*fields, ("day", pa.date32()), ("known_day", pa.date32())]).empty_table()


def _typed(
    contract: TableContract, frame: pd.DataFrame | pa.Table, timezone: str, faults: list[str]
) -> pa.Table:
    table = _arrow(frame, contract.name, faults)
    names = table.column_names
    before = len(faults)
    faults += [f"{contract.name}: unknown column {n!r}" for n in names if n not in contract.names]
    faults += [f"{contract.name}: column {n!r} is missing" for n in contract.required if n not in names]
    columns: dict[str, pa.Array] = {}
    for column in contract.columns:
        if column.name in names:
            try:
                columns[column.name] = _cast(column, table.column(column.name), timezone)
            except InputError as error:
                faults.append(f"{contract.name}.{column.name}: {error}")
    if len(faults) > before:
        return empty_table(contract)
    return pa.table(_with_days(contract, _signed(columns)))


def _arrow(frame: pd.DataFrame | pa.Table, name: str, faults: list[str]) -> pa.Table:
    if isinstance(frame, pa.Table):
        return frame
    zoned = [str(n) for n in frame.columns if isinstance(frame[n].dtype, pd.DatetimeTZDtype)]
    try:
        table = pa.Table.from_pandas(
            frame.assign(**{n: _utc_clock(frame[n]) for n in zoned}), preserve_index=False
        )
    except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
        faults.append(f"{name}: a column holds values of different types ({str(error).splitlines()[-1]})")
        return pa.table({})
    for n in zoned:
        at = table.schema.get_field_index(n)
        table = table.set_column(at, n, table.column(n).cast(pa.timestamp("us", "UTC"), safe=False))
    return table


def _utc_clock(zoned: pd.Series) -> pd.Series:
    return zoned.dt.tz_convert("UTC").dt.tz_localize(None)


def _cast(column: Column, values: pa.ChunkedArray, timezone: str) -> pa.Array:
    array = values.combine_chunks()
    if isinstance(array, pa.ChunkedArray):
        array = pa.concat_arrays(array.chunks)
    if pa.types.is_dictionary(array.type):
        array = array.dictionary_decode()
    missing = array.null_count
    if column.required and missing:
        raise InputError(f"{missing} of {len(array)} values are missing; it is required in every row")
    if pa.types.is_null(array.type):
        return pa.nulls(len(array), _ARROW[column.kind])
    return _CASTS[column.kind](array, timezone)


def _to_text(array: pa.Array, timezone: str) -> pa.Array:
    kind = array.type
    if not (_is_text(kind) or pa.types.is_integer(kind)):
        raise InputError(f"text expected, found {kind}; ids are text, always")
    return array.cast(pa.string())


def _to_time(array: pa.Array, timezone: str) -> pa.Array:
    kind = array.type
    if _is_text(kind):
        array = _parse_iso(array)
        kind = array.type
    if not (pa.types.is_timestamp(kind) or pa.types.is_date(kind)):
        raise InputError(f"date or time expected, found {kind}")
    if pa.types.is_timestamp(kind) and kind.tz is not None:
        return to_local(array, timezone)
    return array.cast(pa.timestamp("us"), safe=False)


def _parse_iso(array: pa.Array) -> pa.Array:
    for kind in (pa.timestamp("us"), pa.timestamp("us", "UTC")):
        try:
            return array.cast(pa.string()).cast(kind)
        except pa.ArrowInvalid:
            continue
    raise InputError("ISO 8601 times expected, such as 2026-01-31T10:00:00, all with a zone or all without")


def _to_float(array: pa.Array, timezone: str) -> pa.Array:
    kind = array.type
    if not (pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)):
        raise InputError(f"number expected, found {kind}")
    numbers = array.cast(pa.float64(), safe=False)
    wrong = len(numbers) - numbers.null_count - (pc.sum(pc.is_finite(numbers)).as_py() or 0)
    if wrong:
        raise InputError(f"{wrong} of {len(numbers)} values are not finite numbers")
    large = pc.sum(pc.greater(pc.abs(numbers), MAX_NUMBER)).as_py() or 0
    if large:
        raise InputError(
            f"{large} of {len(numbers)} values are larger than {MAX_NUMBER:,.0f}; check the unit"
        )
    return numbers


def _to_flag(array: pa.Array, timezone: str) -> pa.Array:
    if not pa.types.is_boolean(array.type):
        raise InputError(f"true or false expected, found {array.type}")
    return array


_CASTS: dict[Kind, Callable[[pa.Array, str], pa.Array]] = {
    "id": _to_text,
    "text": _to_text,
    "time": _to_time,
    "money": _to_float,
    "number": _to_float,
    "flag": _to_flag,
}


def _is_text(kind: pa.DataType) -> bool:
    return pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)


def _signed(columns: dict[str, pa.Array]) -> dict[str, pa.Array]:
    """A line marked as returned takes money back, however its amount was signed."""
    if "returned" in columns and "amount" in columns:
        amount, returned = columns["amount"], pc.fill_null(columns["returned"], False)
        columns["amount"] = pc.if_else(returned, pc.negate(pc.abs(amount)), amount)
    return columns


def _with_days(contract: TableContract, columns: dict[str, pa.Array]) -> dict[str, pa.Array]:
    known = [columns[n].cast(pa.date32(), safe=False) for n in (contract.time, "known_at") if n in columns]
    if contract.time in columns:
        columns["day"] = columns[contract.time].cast(pa.date32(), safe=False)
    if contract.name == "customers":
        known.append(pa.array([ALWAYS_KNOWN] * len(columns["customer_id"]), pa.date32()))
    columns["known_day"] = pc.max_element_wise(*known)
    return columns
