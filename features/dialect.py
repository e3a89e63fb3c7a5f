"""What engines other than DuckDB do otherwise, made the same by rewriting the expression for them.

The features are written once and mean what DuckDB makes of them. Where another engine gives another answer to the
same words, the words are replaced here, in the whole expression at once; what DuckDB runs is never touched.

=============================  ===================================================================
What                           Why
=============================  ===================================================================
rounding of halves             PostgreSQL and others round a half to the even neighbour, DuckDB away from zero
exp of large negative numbers  PostgreSQL refuses results too small for a float, which are 0 elsewhere
flags cast to numbers          PostgreSQL casts them to 32 bits only
sums of whole numbers          PostgreSQL gives numbers without bounds, which the driver hands over as decimals
=============================  ===================================================================
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import ibis
import ibis.expr.datatypes as dt
import ibis.expr.operations as ops
import ibis.expr.types as ir

__all__ = ["kept", "portable"]

_AS_DUCKDB = frozenset({"duckdb"})
_SPARK = "pyspark"
# exp(-700) is 1e-304: whatever is weighted with less has long been rounded to nothing.
_LEAST_EXPONENT = -700.0


def portable(expression: ir.Table, con: Any) -> ir.Table:
    """`expression` such that the engine behind `con` gives what DuckDB would.

    Parameters
    ----------
    expression : ir.Table
    con : ibis backend
        None stands for DuckDB.

    Examples
    --------
    >>> table = ibis.table({"x": "float64"}, name="t").select(y=lambda t: t.x.round())
    >>> portable(table, None) is table
    True
    """
    if con is None or con.name in _AS_DUCKDB:
        return expression
    rules = dict(_RULES)
    if con.name == _SPARK:  # it rounds halves away from zero, and small results of exp are 0
        rules = {ops.Aggregate: _RULES[ops.Aggregate]}
    found: ir.Table = expression.op().replace(_Replacer(rules)).to_expr()
    return found


def kept(table: ir.Table) -> ir.Table:
    """The rows of `table`, worked out once, in a temporary table or the cache of the engine that has them.

    An engine that holds neither, a standby that may only be read for one, works them out each time they are asked.
    """
    try:
        found: ir.Table = table.cache()
    except Exception:  # noqa: BLE001 - each engine has errors of its own; what is wrong with the rows is told when asked
        return table
    return found


class _Replacer:
    """Rebuilds each node of an expression from its rebuilt parts, and replaces those that have a rule."""

    def __init__(self, rules: dict[type, Callable[[Any], Any]]) -> None:
        self.rules = rules

    def __call__(self, node: Any, parts: dict[str, Any] | None) -> Any:
        rebuilt = node.__recreate__(parts) if parts else node
        rule = self.rules.get(type(rebuilt))
        return rule(rebuilt) if rule else rebuilt


def _round(node: ops.Round) -> ops.Node:
    """Halves away from zero, exactly: the part behind the point of a float is a float."""
    if not node.dtype.is_integer():
        return node
    value = node.arg.to_expr()
    size = value.abs()
    whole = size.floor()
    up = whole + ibis.ifelse(size - whole.cast("float64") >= 0.5, 1, 0)
    return ibis.ifelse(value < 0, -up, up).op()


def _exp(node: ops.Exp) -> ops.Node:
    power = node.arg.to_expr()
    return ibis.ifelse(power < _LEAST_EXPONENT, 0.0, node.to_expr()).op()


def _cast(node: ops.Cast) -> ops.Node:
    from_flag = node.arg.dtype.is_boolean() and node.to.is_numeric() and not node.to.is_int32()
    return ops.Cast(ops.Cast(node.arg, dt.int32), node.to) if from_flag else node


def _aggregate(node: ops.Aggregate) -> ops.Node:
    metrics = {
        name: value.replace(_Replacer({ops.Sum: _whole_sum}), filter=ops.Value)
        for name, value in node.metrics.items()
    }
    return ops.Aggregate(parent=node.parent, groups=node.groups, metrics=metrics)


def _whole_sum(node: ops.Sum) -> ops.Node:
    """A cast of a number to its own type is left out of an expression, unless the node is made by hand."""
    return ops.Cast(node, node.dtype) if node.dtype.is_integer() else node


_RULES: dict[type, Callable[[Any], Any]] = {
    ops.Round: _round,
    ops.Exp: _exp,
    ops.Cast: _cast,
    ops.Aggregate: _aggregate,
}
