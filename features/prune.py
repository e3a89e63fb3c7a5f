"""An expression of fewer columns, from which all that only the others needed is gone.

An engine is asked for each column of an expression by its name, and plans the rest as well: where one aggregate of a
hundred fails, all fail. Without the rest, it can be told which.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any

import ibis.expr.operations as ops
import ibis.expr.types as ir

__all__ = ["only_columns"]


def only_columns(table: ir.Table, names: Collection[str]) -> ir.Table:
    """`table` with the columns `names`, made of what they need.

    Projections, aggregates, filters and joins are narrowed; beneath any other relation everything stays.

    Examples
    --------
    >>> import ibis
    >>> t = ibis.table({"k": "int64", "x": "float64"}, name="t")
    >>> sums = t.group_by("k").aggregate(total=t.x.sum(), middle=t.x.median())
    >>> "middle" in ibis.to_sql(sums.select("k", "total"))
    True
    >>> "middle" in ibis.to_sql(only_columns(sums, ["k", "total"]))
    False
    """
    found: ir.Table = _narrow(table.select(*names).op(), set(names)).to_expr()
    return found


def _narrow(node: ops.Relation, wanted: set[str]) -> ops.Relation:
    if isinstance(node, ops.DropColumns):  # what it drops is not wanted
        return _narrow(node.parent, wanted)
    kept = _without_others(node, wanted)
    if kept is None:
        return node
    used: dict[ops.Relation, set[str]] = {}
    for parent in _parents(kept):
        used[parent] = set(wanted) if isinstance(kept, ops.Filter) else set()
    for field in _fields(kept):
        source = field.rel.parent if isinstance(field.rel, ops.JoinReference) else field.rel
        if source in used:
            used[source].add(field.name)
    for parent, names in used.items():
        narrowed = _narrow(parent, names)
        if narrowed is not parent:
            kept = kept.replace({parent: narrowed})
    return kept


def _without_others(node: ops.Relation, wanted: set[str]) -> ops.Relation | None:
    """The node without the values that nobody wants; None for a kind of relation that is left as it is."""
    if isinstance(node, ops.Project):
        values = {name: value for name, value in node.values.items() if name in wanted}
        return node.copy(values=values or dict([next(iter(node.values.items()))]))
    if isinstance(node, ops.Aggregate):
        return node.copy(metrics={name: value for name, value in node.metrics.items() if name in wanted})
    if isinstance(node, ops.JoinChain):
        return node.copy(values={name: value for name, value in node.values.items() if name in wanted})
    return node if isinstance(node, ops.Filter) else None


def _parents(node: Any) -> list[ops.Relation]:
    if isinstance(node, ops.JoinChain):
        return [node.first.parent, *(link.table.parent for link in node.rest)]
    return [node.parent]


def _fields(node: Any) -> Iterator[ops.Field]:
    """Columns of the parents that the node's own values and conditions name."""
    if isinstance(node, ops.JoinChain):
        values = [*node.values.values(), *(test for link in node.rest for test in link.predicates)]
    elif isinstance(node, ops.Aggregate):
        values = [*node.groups.values(), *node.metrics.values()]
    else:
        values = list(node.predicates if isinstance(node, ops.Filter) else node.values.values())
    for value in values:
        yield from value.find(ops.Field, filter=ops.Value)
