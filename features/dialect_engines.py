"""Rules for PostgreSQL and for Spark: what neither says as other engines do (`features.dialect_rules`)."""

from __future__ import annotations

from functools import reduce
from typing import Any

import ibis
import ibis.expr.operations as ops

from features.dialect_rules import (
    COMMON,
    OWN_TYPE_MEANS,
    TO_PLACES,
    WHOLE_SUMS,
    Rules,
    away_from_zero,
    in_aggregates,
    literal_of,
    node_of,
)

__all__ = ["OTHERS", "POSTGRES", "SPARK"]

_WHOLE_NUMBER = r"^\s*[-+]?[0-9]{1,18}\s*$"
_NUMBER = r"^\s*[-+]?([0-9]{1,255}(\.[0-9]*)?|\.[0-9]{1,255})([eE][-+]?[0-9]{1,2})?\s*$"


def _fraction(node: ops.Literal) -> ops.Node:
    """PostgreSQL takes 0.5 for a decimal, and all that is made of it."""
    return ops.Cast(node, node.dtype) if node.dtype.is_floating() and node.value is not None else node


def _cast_in_postgres(node: ops.Cast) -> ops.Node:
    again = isinstance(node.arg, ops.Cast) and node.arg.to == node.to and literal_of(node) is not None
    return node.arg if again else COMMON[ops.Cast](node)


def _collected(node: ops.First | ops.Last) -> ops.Node:
    """The first of all, in order: PostgreSQL has no such aggregate."""
    order = node.order_by
    if isinstance(node, ops.Last):
        order = tuple(ops.SortKey(key.arg, not key.ascending, not key.nulls_first) for key in order)
    all_of_them = ops.ArrayCollect(node.arg, order_by=order, where=node.where)
    return ops.ArrayIndex(all_of_them, ops.Literal(0, "int8")) if order else node


def _try_cast(node: ops.TryCast) -> ops.Node:
    """PostgreSQL casts what is a number, and nothing else."""
    if not (node.arg.dtype.is_string() and (node.to.is_integer() or node.to.is_floating())):
        return node
    text, kind = node.arg.to_expr(), node.to
    number = text.re_search(_NUMBER)
    fraction = ibis.ifelse(number, text, ibis.null("string")).cast("float64")
    if kind.is_floating():
        return node_of(fraction.cast(kind))
    whole = text.re_search(_WHOLE_NUMBER)
    digits = ibis.ifelse(whole, text, ibis.null("string")).cast("int64")
    small = ibis.ifelse(fraction.abs() < 9e18, fraction, ibis.null("float64"))
    return node_of(ibis.ifelse(whole, digits, away_from_zero(small)).cast(kind))


def _least(node: ops.First | ops.Last) -> ops.Node:
    """The value of the least, or greatest, key: all that Spark has of an order within an aggregate."""
    keys, down = node.order_by, [not key.ascending for key in node.order_by]
    if not keys or (any(down) and not all(down) and not all(_turns(key) for key in keys)):
        return node
    turned = all(down)
    parts: dict[str, Any] = {}
    for place, key in enumerate(keys):
        value = key.arg.to_expr()
        # Nulls of a struct come first in Spark; the flag puts them where they belong.
        last_of_all = value.isnull() if key.nulls_first == turned else value.notnull()
        parts[f"f{place}"] = last_of_all.cast("int32")
        parts[f"k{place}"] = value if key.ascending or turned else _negative(value)
    where = node.arg.to_expr().notnull()
    if node.where is not None:
        where = where & node.where.to_expr()
    least = isinstance(node, ops.First) != turned
    kind = ops.ArgMin if least else ops.ArgMax
    return kind(node.arg, ibis.struct(parts), where=where)


def _turns(key: ops.SortKey) -> bool:
    return key.ascending or key.arg.dtype.is_numeric() or key.arg.dtype.is_date()


def _negative(value: Any) -> Any:
    if value.type().is_date():
        return -value.delta(ibis.date(1970, 1, 1), unit="day")
    return -value


def _cast_in_spark(node: ops.Cast) -> ops.Node:
    """A half goes to the even neighbour."""
    if not (node.arg.dtype.is_floating() and node.to.is_integer()):
        return node
    value = node.arg.to_expr()
    below = value.floor()
    beyond = value - below.cast("float64")
    odd = below % 2 != 0
    near = ibis.ifelse((beyond > 0.5) | ((beyond == 0.5) & odd), below + 1, below)
    return ops.Cast(near, node.to)


def _try_cast_in_spark(node: ops.TryCast) -> ops.Node:
    """2.5 and 1e3 are numbers, though no whole ones as they are written."""
    if not (node.arg.dtype.is_string() and node.to.is_integer()):
        return node
    number = node.arg.to_expr().try_cast("float64")
    small = ibis.ifelse(number.abs() < 9e18, number, ibis.null("float64"))
    return node_of(ibis.coalesce(node.to_expr(), away_from_zero(small).cast(node.to)))


def _is_nan(node: ops.IsNan) -> ops.Node:
    """Missing where the number is, which Spark calls no NaN; it takes NaN for missing when asked for that."""
    unknown = ibis.ifelse(node.arg.to_expr().notnull(), False, ibis.null("boolean"))
    return node_of(ibis.ifelse(node.to_expr(), True, unknown))


def _is_infinite(node: ops.IsInf) -> ops.Node:
    """The operation itself says no, whatever the number."""
    return node_of(node.arg.to_expr().abs() == float("inf"))


def _iso_year(node: ops.ExtractIsoYear) -> ops.Node:
    """The year of the Thursday of its week."""
    return node_of((node.arg.to_expr().truncate("W") + ibis.interval(days=3)).year())


def _second(node: ops.ExtractSecond) -> ops.Node:
    return ops.Cast(ops.Floor(node), node.dtype)


def _joined(*rules: Rules) -> Rules:
    return reduce(lambda one, other: {**one, **other}, rules, {})


OTHERS: Rules = {**COMMON, ops.Aggregate: in_aggregates(_joined(WHOLE_SUMS, OWN_TYPE_MEANS))}
POSTGRES: Rules = {
    **COMMON,
    ops.Literal: _fraction,
    ops.Cast: _cast_in_postgres,
    ops.TryCast: _try_cast,
    ops.Aggregate: in_aggregates(
        _joined(WHOLE_SUMS, OWN_TYPE_MEANS, {ops.First: _collected, ops.Last: _collected})
    ),
}
# It rounds halves away from zero, and small results of exp are 0.
SPARK: Rules = {
    **{kind: rule for kind, rule in COMMON.items() if kind not in (ops.Round, ops.Exp, ops.Cast)},
    **TO_PLACES,
    ops.Cast: _cast_in_spark,
    ops.TryCast: _try_cast_in_spark,
    ops.IsNan: _is_nan,
    ops.IsInf: _is_infinite,
    ops.ExtractIsoYear: _iso_year,
    ops.ExtractSecond: _second,
    ops.Aggregate: in_aggregates(_joined(WHOLE_SUMS, {ops.First: _least, ops.Last: _least})),
}
