"""What the amounts and the months of a table say, from one statement that the engine runs.

Another unit in one part, single giants, no purchases, a month without any line: the findings of
`features.quality.check_amounts`, from sums by month, channel and way of writing instead of the rows.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Any

import ibis
import ibis.expr.types as ir
import pandas as pd
import pyarrow as pa

from features.exact import MONEY, to_units
from features.findings import Ledger
from features.unit_shift import Part, shift_of_parts

__all__ = ["check_amounts", "check_sense", "month_sums", "note_never_bought"]

_OUTLIER_RATIO = 1e6
_SUSPICIOUS_RATIO = 1e4
"""No amount this many times the geometric mean: then none is a million times the median."""

_SENSELESS = (
    ("off_scale", "score", "score", lambda t: ~t.score.between(0, 10)),
    ("off_scale", "expected", "expected", lambda t: ~t.expected.between(0, 10)),
    ("off_scale", "recommend", "recommend", lambda t: ~t.recommend.between(0, 10)),
    ("ends_first", "end", "start", lambda t: t.end < t.start),
    ("ends_first", "cancelled_at", "start", lambda t: t.cancelled_at < t.start),
)


def month_sums(good: ir.Table, fetch: Callable[[Any], pa.Table]) -> pd.DataFrame:
    """Sums by month, by channel where there is one, and by whether the amount is whole.

    Parameters
    ----------
    good : ir.Table
        Typed order lines with ``day`` and ``amount``.
    fetch : callable
        Runs an expression in the engine and gives its rows.

    Returns
    -------
    DataFrame
        ``month`` (date of its first day), ``channel``, ``whole``; ``rows``, ``bought``, ``returned``, ``units``
        (money in 1/10,000), ``logs`` (sum of log₁₀ |amount| of amounts that are not 0) and ``largest`` (of
        |amount|), ``highest`` (of amount).
    """
    amount = good.amount
    other = amount != 0
    size = ibis.ifelse(other, amount.abs(), 1.0)
    parts = good.select(
        month=good.day.truncate("M"),
        channel=good.channel.fill_null("") if "channel" in good.columns else ibis.literal(""),
        whole=amount == amount.round(),
        bought=(amount > 0).ifelse(1, 0),
        returned=(amount < 0).ifelse(1, 0),
        units=to_units(amount),
        log=size.log10(),
        size=size,
        amount=amount,
    )
    sums = parts.group_by(["month", "channel", "whole"]).aggregate(
        rows=parts.count(),
        bought=parts.bought.cast("int64").sum(),
        returned=parts.returned.cast("int64").sum(),
        units=parts.units.sum().cast("float64"),
        logs=parts.log.sum(),
        largest=parts.size.max(),
        highest=parts.amount.max(),
    )
    found: pd.DataFrame = fetch(sums).to_pandas(date_as_object=True)
    found["month"] = pd.to_datetime(found["month"]).dt.date
    return found.sort_values(["month", "channel", "whole"], ignore_index=True)


def check_amounts(
    sums: pd.DataFrame, good: ir.Table, fetch: Callable[[Any], pa.Table], ledger: Ledger
) -> None:
    """Warns of amounts in another unit in a part of the data, of single giants, and where purchases are lacking.

    Notes
    -----
    Parts are compared by their geometric means, where the reading of files takes medians: sums of logarithms add
    up over parts. The median that giants are measured against is only asked for when the largest amount is more
    than 10,000 times the geometric mean.
    """
    if sums.empty:
        return
    other = sums.assign(rows=sums["bought"] + sums["returned"])
    by = [_parts(other, name) for name in ("month", "channel", "whole")]
    shift = shift_of_parts(by[0], by[1] if "channel" in good.columns else [], by[2])
    if shift is not None:
        ledger.note(
            "maybe_cents", "warning", shift.rows, column="amount", detail=shift.where, example=shift.example
        )
    rows, bought, returned = (int(sums[name].sum()) for name in ("rows", "bought", "returned"))
    total = float(sums["units"].sum()) / MONEY
    if not bought:
        first = f"{float(sums['highest'].max()):,.6g}"
        ledger.note("no_purchases", "warning", rows, column="amount", example=first)
    elif total < 0:
        ledger.note("returns_exceed", "warning", returned, column="amount", example=f"{total:,.6g}")
    _note_giants(other, good, fetch, ledger)


def check_sense(good: ir.Table, fetch: Callable[[Any], pa.Table], ledger: Ledger) -> None:
    """Warns of survey scores off their scale and of contracts that end before they start."""
    for rule, column, other, senseless in _SENSELESS:
        if not {column, other} <= set(good.columns):
            continue
        bad = good.filter(senseless(good))
        row = fetch(bad.aggregate(rows=bad.count(), text=bad[column].cast("string").min())).to_pylist()[0]
        if row["rows"]:
            ledger.note(rule, "warning", row["rows"], column=column, example=str(row["text"]))


def note_never_bought(good: ir.Table, fetch: Callable[[Any], pa.Table], ledger: Ledger) -> None:
    """Warns of customers who never paid anything, where anybody did."""
    most = good.group_by("customer_id").aggregate(most=good.amount.max())
    row = fetch(most.aggregate(never=(most.most <= 0).ifelse(1, 0).sum(), all=most.count())).to_pylist()[0]
    if row["never"] and row["never"] < row["all"]:
        ledger.note("never_bought", "warning", row["never"], column="customer_id")


def _parts(sums: pd.DataFrame, kind: str) -> list[Part]:
    found = sums[sums["channel"] != ""] if kind == "channel" else sums
    by = found.groupby(kind, sort=True)[["rows", "logs"]].sum()
    by = by[by["rows"] > 0]
    return [
        Part(_shown(name), int(rows), float(logs / rows))
        for name, rows, logs in zip(by.index, by["rows"], by["logs"], strict=True)
    ]


def _shown(name: Any) -> str:
    if isinstance(name, date):
        return f"{name:%Y-%m}"
    return name if isinstance(name, str) else str(bool(name)).lower()


def _note_giants(
    sums: pd.DataFrame, good: ir.Table, fetch: Callable[[Any], pa.Table], ledger: Ledger
) -> None:
    rows, logs, largest = int(sums["rows"].sum()), float(sums["logs"].sum()), float(sums["largest"].max())
    if not rows or largest <= _SUSPICIOUS_RATIO * 10 ** (logs / rows):
        return
    other = good.filter(good.amount != 0)
    typical = fetch(other.aggregate(typical=other.amount.abs().median())).to_pylist()[0]["typical"]
    giants = other.filter(other.amount.abs() > float(typical) * _OUTLIER_RATIO)
    count = int(fetch(giants.aggregate(rows=giants.count())).to_pylist()[0]["rows"])
    if count:
        ledger.note("outlier_amount", "warning", count, column="amount", example=f"{largest:,.6g}")
