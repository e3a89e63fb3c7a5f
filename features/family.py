"""A family of features: what it reads, how it is computed, and what every column means.

A family is declared once and computed for any number of ``as_of`` days. ``measures`` are aggregates over the
rows known before ``as_of`` (one group per ``as_of`` and customer); ``derived`` are expressions over the
measures. Both return a mapping from column name to expression; every documented column must appear in one of
them, and a name that starts with ``_`` is an intermediate that leaves no column behind.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import ibis.expr.types as ir

__all__ = ["ColumnDoc", "Family", "nothing"]

Expressions = Callable[[ir.Table], dict[str, Any]]


@dataclass(frozen=True)
class ColumnDoc:
    """Meaning of one feature column in English and Chinese, with unit, window, formula and source table."""

    name: str
    en: str
    zh: str
    unit: str
    window: str
    formula: str
    source: str = "orders"


def nothing(_: ir.Table) -> dict[str, Any]:
    """No expressions: for a family whose columns are all measures."""
    return {}


@dataclass(frozen=True)
class Family:
    """One file of features.

    Parameters
    ----------
    source : str
        Contract name of the table whose past rows the measures read; ``orders`` means day-level facts
        (`features.days`).
    docs : tuple of ColumnDoc
        One per column.
    measures, derived : callables
        From a table to named expressions.
    fill : tuple of str
        Columns that are 0 rather than missing for a customer without a row in `source`.
    reads : tuple of str
        Columns of a table of events that the measures read, beside its days; its rows stand among those of other
        tables, in which they are missing (`features.events`).
    group : str
        Of a feature of your own: group of reasons that it belongs to (`serving.reason_texts`), such as ``rhythm``;
        without one, reasons speak of it in the texts of its columns.
    """

    source: str
    docs: tuple[ColumnDoc, ...]
    measures: Expressions
    derived: Expressions = nothing
    fill: tuple[str, ...] = ()
    reads: tuple[str, ...] = ()
    group: str = ""

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the columns the family leaves behind."""
        return tuple(d.name for d in self.docs)
