"""The ledger: what each customer brought on each day, and the money of lines that belong to nobody.

An audit must add up to the order file to the cent, so all money is whole numbers of 1/10,000 of the currency,
and every line of the file has its place: audited, not yet known on the day, without a customer, set aside,
or dropped as a copy.
"""

# ruff: noqa: S608  (identifiers in the statements are names of the contract, never texts of the user)
from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

import ibis
import ibis.expr.types as ir
import pandas as pd
import pyarrow as pa

from features.days import merge_days
from features.exact import MONEY, to_units
from features.parse_money import MAX_NUMBER
from features.snapshot import as_of_table, past
from features.tables import Tables

__all__ = [
    "UNUSED",
    "attribute_of",
    "breadth_of",
    "customer_days",
    "lines_of_file",
    "unused_lines",
    "unused_money",
    "used_money",
]

UNUSED = pa.schema(
    [
        ("rule", pa.string()),
        ("day", pa.date32()),
        ("rows", pa.int64()),
        ("readable", pa.int64()),
        ("amount_u", pa.int64()),
    ]
)
"""Lines that are not used, by the rule that kept them out and their day: how many, with how many readable
amounts in the configured currency, and the sum of these in 1/10,000."""

_SUMS = ("orders", "spend_u", "returns_u", "net_u", "margin_u")
_KEYS = ["customer_id", "day"]


def customer_days(tables: Tables, as_of: date, *, margin_rate: float) -> pd.DataFrame:
    """Revenue, orders and margin of each customer and day known before `as_of`.

    Parameters
    ----------
    tables : Tables
        Loaded tables.
    as_of : date
        Everything before this day is past.
    margin_rate : float
        In (0, 1]; share of revenue kept on lines without a cost of goods.

    Returns
    -------
    DataFrame
        One row per customer and day: ``customer_id`` (category), ``day`` (datetime64), ``orders`` (distinct, with a
        positive line), and in 1/10,000 of the currency ``spend_u`` (bought), ``returns_u`` (given back, ≥ 0),
        ``revenue_u`` (bought less given back) and ``margin_u``; ``breadth``, the number of different
        categories in each order of the day, added up (products where there is no category; absent without
        either).

    Examples
    --------
    >>> from features.frames import tables_from_frames
    >>> orders = pd.DataFrame({
    ...     "customer_id": ["a", "a"],
    ...     "time": pd.to_datetime(["2026-01-01", "2026-01-01"]),
    ...     "amount": [10.0, -2.5],
    ... })
    >>> tables = tables_from_frames({"orders": orders})
    >>> customer_days(tables, date(2026, 2, 1), margin_rate=0.4).iloc[0, 2:].to_dict()
    {'orders': 1, 'spend_u': 100000, 'returns_u': 25000, 'revenue_u': 75000, 'margin_u': 30000}
    """
    cuts = as_of_table([as_of])
    days = merge_days(past(tables.facts, cuts)).select(*_KEYS, *_SUMS)
    found = _fetched(tables, days)
    lines = past(tables.orders, cuts)
    found = found.merge(_fetched(tables, _uncosted(lines)), "left", on=_KEYS)
    thing = breadth_of(tables)
    if thing:
        found = found.merge(_fetched(tables, _breadth(lines, thing)), "left", on=_KEYS)
        found["breadth"] = found["breadth"].fillna(0).astype("int64")
    assumed = found.pop("uncosted_u").fillna(0) * margin_rate
    found["margin_u"] += assumed.round().astype("int64")
    found["customer_id"] = found["customer_id"].astype("category")
    names = {"net_u": "revenue_u"}
    return found.rename(columns=names).sort_values(_KEYS, ignore_index=True)


def breadth_of(tables: Tables) -> str:
    """What the breadth of an order is counted in: ``category``, else ``product``, else nothing."""
    return next((name for name in ("category", "product") if name in tables.orders.columns), "")


def attribute_of(tables: Tables, as_of: date, column: str) -> pd.Series | None:
    """One column of the table of customers, by customer id; None where there is no such column.

    Of several rows of a customer known before `as_of` the latest with a value counts.
    """
    customers = tables.customers
    if customers is None or column not in customers.columns:
        return None
    # An attribute has no day of its own where nobody says when the customer became known.
    dated = customers.drop_null(column).mutate(day=customers.known_day)
    known = past(dated, as_of_table([as_of]))
    latest = known.group_by("customer_id").aggregate(value=known[column].argmax(known.known_day))
    return _fetched(tables, latest).set_index("customer_id")["value"].rename(column)


def lines_of_file(tables: Tables, as_of: date, unused: pa.Table | None = None) -> pd.DataFrame:
    """Every line of the order file in its place; the sum of the places is the file.

    Parameters
    ----------
    tables : Tables
        Loaded tables.
    as_of : date
        The day of the audit.
    unused : pyarrow.Table, optional
        Lines that loading kept out, from `features.load.Loaded.unused`.

    Returns
    -------
    DataFrame
        ``place``: ``bought`` and ``returned`` (the audited lines), ``later`` (known from `as_of` on), and the rules
        that kept lines out, ``no_customer`` first; ``rows``, ``readable`` (rows whose amount could be read and added)
        and ``amount_u``, 1/10,000 of the currency.

    Notes
    -----
    Lines with an amount of 0 count as bought. Amounts that cannot be read, or are in another currency, have no
    sum; their rows are shown.
    """
    known = past(tables.orders, as_of_table([as_of]))
    found = _placed(tables, known).reindex(["bought", "returned"], fill_value=0)
    found.loc["later"] = _placed(tables, tables.orders).sum() - found.sum()
    found["readable"] = found["rows"]
    out = (UNUSED.empty_table() if unused is None else unused).to_pandas().drop(columns="day")
    rules = out.groupby("rule", sort=True).sum()
    order = sorted(rules.index, key=lambda rule: (rule != "no_customer", rule))
    whole = pd.concat([found, rules.loc[order]])[["rows", "readable", "amount_u"]].astype("int64")
    return whole.rename_axis("place").reset_index()


def unused_money(con: Any, typed: str, currency: str) -> pa.Table:
    """Rows of a cast table of orders that were set aside, with the money that can still be read of them.

    Parameters
    ----------
    con : duckdb connection
    typed : str
        From `features.cast.cast_table`.
    currency : str
        The configured one; amounts marked with another are not added.

    Returns
    -------
    pyarrow.Table
        See `UNUSED`.
    """
    columns = {row[0] for row in con.execute(f'DESCRIBE "{typed}"').fetchall()}
    day = 'CAST("time" AS DATE)' if "time" in columns else "CAST(NULL AS DATE)"
    amount = "amount" if "amount" in columns else "CAST(NULL AS DOUBLE)"
    if "currency" in columns and currency:
        amount = f"CASE WHEN currency IS NULL OR upper(currency) = $ours THEN {amount} END"
    # A number too large to be an amount is none: its unit is in doubt.
    units = f"CASE WHEN abs({amount}) <= {MAX_NUMBER:.0f} THEN CAST(round({amount} * {MONEY}) AS BIGINT) END"
    statement = (
        f"SELECT split_part(_fault, ':', 2) AS rule, {day} AS day, count(*) AS rows, count({units}) AS readable, "
        f'CAST(coalesce(sum({units}), 0) AS BIGINT) AS amount_u FROM "{typed}" '
        "WHERE _fault IS NOT NULL GROUP BY ALL ORDER BY ALL"
    )
    given = {"ours": currency.upper()} if "$ours" in statement else None
    found: pa.Table = con.execute(statement, given).to_arrow_table()
    return found.cast(UNUSED)


def used_money(con: Any, typed: str) -> tuple[int, int]:
    """Good rows of a cast table of orders, and their money in 1/10,000; without a column of amounts that is 0."""
    columns = {row[0] for row in con.execute(f'DESCRIBE "{typed}"').fetchall()}
    units = f"CAST(round(amount * {MONEY}) AS BIGINT)" if "amount" in columns else "0"
    found: tuple[int, int] = con.execute(
        f'SELECT count(*), CAST(coalesce(sum({units}), 0) AS BIGINT) FROM "{typed}" WHERE _fault IS NULL'
    ).fetchone()
    return found


def unused_lines(rule: str, rows: int, readable: int, amount_u: int) -> pa.Table:
    """Lines that one rule kept out on days that are not known, as a table like `UNUSED`; none for no rows."""
    row = {"rule": rule, "day": None, "rows": rows, "readable": readable, "amount_u": amount_u}
    return pa.Table.from_pylist([row] if rows else [], UNUSED)


def _fetched(tables: Tables, table: ir.Table) -> pd.DataFrame:
    frame: pd.DataFrame = tables.con.to_pyarrow(table).to_pandas(date_as_object=False)
    return frame


def _placed(tables: Tables, lines: ir.Table) -> pd.DataFrame:
    """Lines and money of what was bought and of what was given back."""
    lines = lines.mutate(
        place=ibis.ifelse(lines.amount < 0, "returned", "bought"), amount_u=to_units(lines.amount)
    )
    sums = lines.group_by("place").aggregate(rows=lines.count(), amount_u=lines.amount_u.sum().cast("int64"))
    return _fetched(tables, sums).set_index("place")


def _uncosted(lines: ir.Table) -> ir.Table:
    """Revenue of lines without a cost."""
    units = to_units(lines.amount)
    if "cost" in lines.columns:
        unknown = lines.cost.isnull()
        units = ibis.ifelse(unknown, units, ibis.literal(0, "int64"))
    lines = lines.mutate(uncosted=units)
    return lines.group_by(_KEYS).aggregate(uncosted_u=lines.uncosted.sum().cast("int64"))


def _breadth(lines: ir.Table, thing: str) -> ir.Table:
    """Different things in each order, added up over the orders of a day; what is not named is one thing."""
    bought = lines.filter(lines.amount > 0)
    columns: Mapping[str, Any] = {"_thing": bought[thing].fill_null("")}
    if "order_id" in lines.columns:
        columns = {**columns, "_order": bought.order_id.fill_null("")}
    pairs = bought.mutate(**columns).select(*_KEYS, *columns).distinct()
    return pairs.group_by(_KEYS).aggregate(breadth=pairs.count())
