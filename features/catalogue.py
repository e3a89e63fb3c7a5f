"""The column catalogue: every feature with its meaning, unit, window, formula and source table."""

from __future__ import annotations

from features.family import ColumnDoc
from features.pipeline import FAMILIES

__all__ = ["catalogue"]


def catalogue() -> list[ColumnDoc]:
    """Every feature column, in the order of the customer table.

    Examples
    --------
    >>> [d.name for d in catalogue()][:3]
    ['frequency', 'recency', 'T']
    """
    return [doc for family in FAMILIES for doc in family.docs]
