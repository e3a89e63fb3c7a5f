"""What an expression of a feature of your own must hold to, looked at whenever it becomes part of a statement.

An expression is given rows that were cut to the past, one ``as_of`` day and customer at a time, and may look at
nothing else: no other table, no clock, no dice, no other customer. Its sums run over whole numbers, so that they do
not depend on the order of rows. All of that is seen in the expression, before anything runs.
"""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import ibis
import ibis.expr.operations as ops
import ibis.expr.types as ir

from features.contract import TABLES
from features.errors import ConfigError, RetainError
from features.family import Expressions, Family
from features.snapshot import past
from features.tables import Tables

__all__ = ["guarded", "merged", "with_own_events"]

_KEYS = ("as_of", "customer_id")
_KINDS = {"id": "string", "text": "string", "money": "float64", "number": "float64", "flag": "boolean"}
_CHANCE = (
    "RandomScalar", "RandomUUID", "TimestampNow", "DateNow", "TimeNow", "ApproxCountDistinct", "ApproxMedian",
    "ApproxQuantile", "ApproxMultiQuantile", "Arbitrary", "Mode",
)  # fmt: skip
_BY_PLACE = ("First", "Last", "ArrayCollect", "GroupConcat")
_ACROSS = (ops.Reduction, ops.Analytic, ops.WindowFunction)
_ADDED_UP = ("Sum", "Mean")
_SPREAD = ("Variance", "StandardDev", "Correlation", "Covariance")


def guarded(family: Family, place: str) -> Family:
    """The same family, whose expressions are looked at and give numbers.

    Parameters
    ----------
    family : Family
        As a file holds it.
    place : str
        The file, for messages.

    Returns
    -------
    Family
        Each documented column is float64; what is not a finite number is missing, and missing is 0 in `fill`.
    """
    guard = _Guard(family, place)
    return replace(family, measures=guard.measures, derived=guard.derived)


def merged(parts: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Expressions of several families, no two of one name.

    Raises
    ------
    ConfigError
        Two families use one name.
    """
    found = ChainMap(*map(dict, parts))
    if len(found) < sum(map(len, parts)):
        names = [name for part in parts for name in part]
        twice = next(name for name in names if names.count(name) > 1)
        raise ConfigError(f"own features: {twice} is the name of two expressions; rename the one of your own")
    return dict(found)


def with_own_events(
    customers: ir.Table, families: Sequence[Family], tables: Tables, cuts: ir.Table
) -> ir.Table:
    """The customers with the columns of own families that count rows of other tables than the orders.

    Parameters
    ----------
    customers : ir.Table
        One row per ``as_of`` and customer.
    families : sequence of Family
        From `guarded`, whose tables are there.
    tables : Tables
        Loaded tables.
    cuts : ir.Table
        From `features.snapshot.as_of_table`.
    """
    for source in dict.fromkeys(family.source for family in families):
        mine = [family for family in families if family.source == source]
        events = _known_rows(tables, source, cuts)
        rows = events.group_by(_KEYS).aggregate(**merged([family.measures(events) for family in mine]))
        rows = rows.mutate(**merged([family.derived(rows) for family in mine]))
        names = [name for family in mine for name in family.names]
        joined = customers.left_join(rows.select(*_KEYS, *names), _KEYS)
        joined = joined.drop("as_of_right", "customer_id_right")
        fill = [name for family in mine for name in family.fill]
        customers = joined.mutate(**{name: joined[name].fill_null(0.0) for name in fill}) if fill else joined
    return customers


def _known_rows(tables: Tables, source: str, cuts: ir.Table) -> ir.Table:
    """Rows of a table known before each day, with all columns of the contract, ``age`` and ``as_of``.

    A row is known before some of what it says has come: a time at or after the day is missing, but for the agreed
    end of a contract.
    """
    rows, contract = getattr(tables, source), TABLES[source]
    columns: dict[str, Any] = {"day": rows.day, "known_day": rows.known_day}
    for column in contract.columns:
        if column.name != "known_at":
            kind = _KINDS.get(column.kind, "timestamp")
            there = column.name in rows.columns
            columns[column.name] = rows[column.name].cast(kind) if there else ibis.null(kind)
    known = past(rows.select(**columns), cuts.select("as_of")).drop("known_day")
    later = [
        column.name
        for column in contract.columns
        if column.kind == "time" and column.name not in ("known_at", "end", contract.time)
    ]
    none = ibis.null("timestamp")
    return known.mutate(
        **{name: ibis.ifelse(known[name].date() < known.as_of, known[name], none) for name in later}
    )


class _Guard:
    """Looks at the expressions of one family."""

    def __init__(self, family: Family, place: str) -> None:
        self.family, self.place = family, place

    def measures(self, rows: ir.Table) -> dict[str, Any]:
        found = self._expressions(self.family.measures, rows, "measures")
        for name, value in found.items():
            self._alone(name, value, rows)
            if value.op().shape.is_columnar():
                raise self._fault(name, "has a value per row, not one per customer; add up: .sum(), .max() …")
            if value.op().find((ops.Analytic, ops.WindowFunction), filter=ops.Value):
                raise self._fault(name, "looks from row to row; days have gap, first and last for that")
        return self._numbers(found)

    def derived(self, customers: ir.Table) -> dict[str, Any]:
        found = self._expressions(self.family.derived, customers, "derived")
        for name, value in found.items():
            self._alone(name, value, customers)
            if value.op().find(_ACROSS, filter=ops.Value):
                raise self._fault(name, "looks at other customers; a feature knows one customer only")
        self._all_there(found, customers)
        return self._numbers(found)

    def _expressions(self, make: Expressions, rows: ir.Table, what: str) -> dict[str, Any]:
        try:
            found = make(rows)
        except RetainError:
            raise
        except Exception as error:
            kind = type(error).__name__
            raise ConfigError(
                f"{self.place}: {what} raises {kind}: {str(error)[:300]}. There are: {', '.join(_told(rows))}"
            ) from error
        if not isinstance(found, Mapping):
            raise ConfigError(f"{self.place}: {what} gives no mapping from column name to expression")
        for name, value in found.items():
            if not isinstance(value, ir.Value):
                raise self._fault(name, f"is no Ibis expression but {type(value).__name__}")
            if name not in self.family.names and not name.startswith("_"):
                raise self._fault(
                    name, "has no ColumnDoc; write one, or begin its name with _ if it is a step"
                )
        return dict(found)

    def _alone(self, name: str, value: ir.Value, rows: ir.Table) -> None:
        """It reads nothing but the rows it was given, and gives the same whenever it is asked."""
        op = value.op()
        if op.relations - {rows.op()} or op.find(ops.Subquery, filter=ops.Value):
            raise self._fault(
                name,
                "reads other rows than those it is given, which are cut to the past; for some of them take "
                "only(value, condition) of features.exact",
            )
        for node in op.find(ops.Value, filter=ops.Value):
            if objection := _objection(node):
                raise self._fault(name, objection)

    def _all_there(self, derived: Mapping[str, Any], customers: ir.Table) -> None:
        there = {*derived, *(customers.columns if self.family.source != "all" else ())}
        if absent := [name for name in self.family.names if name not in there]:
            raise self._fault(absent[0], "has a ColumnDoc, but neither measures nor derived gives it")

    def _numbers(self, found: Mapping[str, Any]) -> dict[str, Any]:
        return {
            name: self._number(name, value) if name in self.family.names else value
            for name, value in found.items()
        }

    def _number(self, name: str, value: Any) -> Any:
        if not value.type().is_numeric() or value.type().is_boolean():
            raise self._fault(
                name, f"is {value.type()}, not a number; a condition becomes one by .cast('int64')"
            )
        # Made by hand, or left out where the books say float64, though an engine gives decimals.
        number = ops.Cast(value, "float64").to_expr()
        number = ibis.ifelse(number.isnan() | number.isinf(), ibis.null("float64"), number)
        return number.fill_null(0.0) if name in self.family.fill else number

    def _fault(self, name: str, what: str) -> ConfigError:
        return ConfigError(f"{self.place}: {name} {what}")


def _objection(node: Any) -> str:
    """What speaks against one step of an expression; empty when nothing does."""
    kind = type(node).__name__
    if kind in _CHANCE or isinstance(node, (ops.ScalarUDF, ops.AggUDF)):
        return f"uses {kind}, which may give other bits another time or elsewhere"
    if kind in _BY_PLACE and not node.order_by:
        return "depends on the order of rows; give it one: .first(order_by=...), or take min, max, sum"
    if kind == "Cast" and node.arg.dtype.is_string():
        return "casts text, which fails on the first that does not fit; take .try_cast()"
    if kind in _SPREAD or (kind in _ADDED_UP and node.arg.dtype.is_floating()):
        return (
            "adds up fractions, whose last bits depend on the order of rows; add up whole numbers: "
            "from_units(to_units(value).sum()) of features.exact"
        )
    return ""


def _told(rows: ir.Table) -> list[str]:
    return [name for name in rows.columns if not name.startswith("_")]
