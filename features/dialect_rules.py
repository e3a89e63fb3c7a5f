"""Rules that put an operation otherwise for engines that are not DuckDB, and how a whole expression is rebuilt by them.

A rule is given a node whose parts are rebuilt already, and gives what stands in its place; the node itself where it may
stay. What is rebuilt twice by the same rules is as it was after the first time, or says the same.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import ibis
import ibis.expr.datatypes as dt
import ibis.expr.operations as ops

__all__ = [
    "COMMON",
    "OWN_TYPE_MEANS",
    "TO_PLACES",
    "WHOLE_SUMS",
    "Rules",
    "away_from_zero",
    "in_aggregates",
    "literal_of",
    "node_of",
    "replaced",
]

Rules = Mapping[type, Callable[[Any], Any]]

# exp(-700) is 1e-304: whatever is weighted with less has long been rounded to nothing.
_LEAST_EXPONENT = -700.0
# From here on a float has no fraction.
_WHOLE = float(2**52)


class _Replacer:
    """Rebuilds each node of an expression from its rebuilt parts, and replaces those that have a rule."""

    def __init__(self, rules: Rules) -> None:
        self.rules = rules

    def __call__(self, node: Any, parts: dict[str, Any] | None) -> Any:
        rebuilt = node.__recreate__(parts) if parts else node
        rule = self.rules.get(type(rebuilt))
        return rule(rebuilt) if rule else rebuilt


def replaced(node: Any, rules: Rules, **within: Any) -> Any:
    """The node, rebuilt by rules."""
    return node.replace(_Replacer(rules), **within)


def in_aggregates(rules: Rules) -> Callable[[ops.Aggregate], ops.Node]:
    """The rule for aggregates that replaces by `rules` what is aggregated, and not what runs over a window."""

    def rule(node: ops.Aggregate) -> ops.Node:
        metrics = {name: replaced(value, rules, filter=ops.Value) for name, value in node.metrics.items()}
        return ops.Aggregate(parent=node.parent, groups=node.groups, metrics=metrics)

    return rule


def literal_of(node: Any) -> Any:
    """The value that stands in the statement, cast or not; None for anything else."""
    while isinstance(node, ops.Cast):
        node = node.arg
    return node.value if isinstance(node, ops.Literal) else None


def away_from_zero(value: Any) -> Any:
    """Halves away from zero, exactly: the part behind the point of a float is a float."""
    size = value.abs()
    whole = size.floor()
    up = whole + ibis.ifelse(size - whole.cast("float64") >= 0.5, 1, 0)
    return ibis.ifelse(value < 0, -up, up)


def _round(node: ops.Round) -> ops.Node:
    return away_from_zero(node.arg.to_expr()).op() if node.dtype.is_integer() else _to_places(node)


def _to_places(node: ops.Round) -> ops.Node:
    """Rounding of the number as it is held, not as it is written."""
    places = literal_of(node.digits)
    if places is None or not node.arg.dtype.is_floating():
        return node
    value, power = node.arg.to_expr(), 10.0**places
    size = value * power
    has_fraction = size.abs() < _WHOLE
    rounded = away_from_zero(ibis.ifelse(has_fraction, size, 0.0)).cast("float64") / power
    return ibis.ifelse(has_fraction, rounded, value).op()


def _exp(node: ops.Exp) -> ops.Node:
    power = node.arg.to_expr()
    return ibis.ifelse(power < _LEAST_EXPONENT, 0.0, node.to_expr()).op()


def _cast(node: ops.Cast) -> ops.Node:
    from_flag = node.arg.dtype.is_boolean() and node.to.is_numeric() and not node.to.is_int32()
    return ops.Cast(ops.Cast(node.arg, dt.int32), node.to) if from_flag else node


def _divide(node: ops.Divide) -> ops.Node:
    """Infinity with the sign of the numerator where the divisor is 0, no number for 0 / 0."""
    if not _may_be_zero(node.right):
        return node
    left, right = node.left.to_expr().cast("float64"), node.right.to_expr().cast("float64")
    at_zero = ibis.cases(
        (left > 0, float("inf")),
        (left < 0, float("-inf")),
        (left == 0, float("nan")),
        else_=ibis.null("float64"),
    )
    return ibis.ifelse(right == 0, at_zero, left / right.nullif(0.0)).op()


def _modulus(node: ops.Modulus) -> ops.Node:
    """Missing where the divisor is 0, of whole numbers."""
    if not node.right.dtype.is_integer() or not _may_be_zero(node.right):
        return node
    return ops.Modulus(node.left, node.right.to_expr().nullif(0))


def _may_be_zero(divisor: ops.Value) -> bool:
    known = literal_of(divisor)
    if known is not None:
        return bool(known == 0)
    return not (isinstance(divisor, ops.NullIf) and literal_of(divisor.null_if_expr) == 0)


def _begun(node: ops.TimestampDelta | ops.DateDelta) -> ops.Node:
    """How many hours, days, months … begin between two moments; of weeks, the whole ones in so many days."""
    unit, left, right = literal_of(node.part), node.left.to_expr(), node.right.to_expr()
    if unit in ("hour", "minute", "second"):
        return ops.TimestampDelta(unit, left.truncate(unit), right.truncate(unit))
    if unit in ("day", "week"):
        if left.type().is_timestamp():
            left, right = left.date(), right.date()
        days = ops.DateDelta("day", left, right)
        return days if unit == "day" else _weeks(days.to_expr())
    years = left.year().cast("int64") - right.year().cast("int64")
    if unit == "month":
        return node_of(years * 12 + (left.month().cast("int64") - right.month().cast("int64")))
    if unit == "quarter":
        return node_of(years * 4 + (left.quarter().cast("int64") - right.quarter().cast("int64")))
    return node_of(years) if unit == "year" else node


def _weeks(days: Any) -> ops.Node:
    return node_of(((days - days % 7) / 7).cast("int64"))


def node_of(value: Any) -> ops.Node:
    """The operation of an expression."""
    found: ops.Node = value.op()
    return found


def _own_type(node: Any) -> ops.Node:
    """A cast of a number to its own type is left out of an expression, unless the node is made by hand."""
    return ops.Cast(node, node.dtype)


def _whole_sum(node: ops.Sum) -> ops.Node:
    return _own_type(node) if node.dtype.is_integer() else node


COMMON: Rules = {
    ops.Round: _round,
    ops.Exp: _exp,
    ops.Cast: _cast,
    ops.Divide: _divide,
    ops.Modulus: _modulus,
    ops.TimestampDelta: _begun,
    ops.DateDelta: _begun,
}
WHOLE_SUMS: Rules = {ops.Sum: _whole_sum}
TO_PLACES: Rules = {ops.Round: lambda node: node if node.dtype.is_integer() else _to_places(node)}
OWN_TYPE_MEANS: Rules = {ops.Mean: lambda node: _own_type(node) if node.dtype.is_floating() else node}
