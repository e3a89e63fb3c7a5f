"""What was counted of each customer's order lines: all that a later line needs to know of earlier ones.

`features.days` marks the first line of a product, category or order and numbers the lines of each. A line that comes
after all others of its customer goes on from their counts, and gets the place that it would have among all of them.
"""

# ruff: noqa: S608  (identifiers in the statements are names of our own)
from __future__ import annotations

from collections.abc import Mapping, Sequence

from features.day_sums import BEFORE

__all__ = ["CUSTOMERS", "SEEN_DAYS", "LineCounts"]

CUSTOMERS = "customers"
"""Kind of the rows that tell, by customer, how many lines there were and what they hash to."""

SEEN_DAYS = 35
"""Days before the last for which the orders of a customer are kept by name. Lines of days before are summed up anew."""

# Columns that day facts are made of; of the time of arrival only whether there is one.
_USED = (
    "customer_id",
    "day",
    "known_day",
    "amount",
    "order_id",
    "product",
    "category",
    "quantity",
    "discount",
    "cost",
    "known_at",
)
_MODULUS = 2**63 - 25
"""Largest prime below 2^63: sums of hashes are kept as their rest, so that they add up whatever the order."""


class LineCounts:
    """The counts that lines of given columns need.

    Parameters
    ----------
    columns : sequence of str
        Columns of the order lines; ``columns`` are those of them that day facts are made of.

    Examples
    --------
    >>> LineCounts(["customer_id", "day", "known_day", "amount", "product"]).keys["products"]
    ('customer_id', 'product')
    """

    def __init__(self, columns: Sequence[str]) -> None:
        has = set(columns)
        self.columns = tuple(name for name in _USED if name in has)
        wanted: dict[str, tuple[str, ...]] = {"orders": ("customer_id", "day", "order_id")}
        if "product" in has:
            wanted["products"] = ("customer_id", "product")
        if "category" in has:
            wanted["categories"] = ("customer_id", "category")
        if {"product", "known_at"} <= has:
            wanted["day_products"] = ("customer_id", "day", "product")
        self.keys = {kind: tuple(key for key in keys if key in has) for kind, keys in wanted.items()}
        self.places = tuple(f"{BEFORE}{kind}" for kind in self.keys)
        """Columns that `placed` adds, whole numbers."""

    @property
    def fields(self) -> str:
        """The columns that are used, as a statement names them."""
        return ", ".join(self.columns)

    def together(self, kind: str, rows: str) -> str:
        """Statement that adds up counts of the same things."""
        names = ", ".join(self.keys[kind])
        return f"SELECT {names}, CAST(sum(n) AS BIGINT) AS n FROM ({rows}) GROUP BY {names}"

    def placed(self, lines: str, before: Mapping[str, str]) -> str:
        """Statement of the lines with what came before them.

        Parameters
        ----------
        lines : str
            Table of lines.
        before : mapping of kind to statement
            Kept counts.
        """
        joins, told = [], []
        for place, (kind, keys) in enumerate(self.keys.items()):
            same = " AND ".join(f"line.{key} IS NOT DISTINCT FROM c{place}.{key}" for key in keys)
            near = " AND ".join(f"kept.{key} IS NOT DISTINCT FROM line.{key}" for key in keys)
            kept = f"SELECT kept.* FROM ({before[kind]}) AS kept SEMI JOIN {lines} AS line ON {near}"
            joins.append(f"LEFT JOIN ({self.together(kind, kept)}) AS c{place} ON {same}")
            told.append(f"coalesce(c{place}.n, 0) AS {BEFORE}{kind}")
        fields = ", ".join(f"line.{name}" for name in self.columns)
        return f"SELECT {fields}, {', '.join(told)} FROM {lines} AS line {' '.join(joins)}"

    def marks(self, lines: str) -> str:
        """Statement that tells by customer how many lines there are and what they hash to."""
        values = ", ".join(name for name in self.columns if name != "known_at")
        return (
            f"SELECT customer_id, count(*) AS lines, CAST(sum(hash({values})) % {_MODULUS} AS BIGINT) AS mark "
            f"FROM {lines} GROUP BY customer_id"
        )

    def kept_marks(self, rows: str) -> str:
        """Statement that adds up kept marks of the same customer."""
        return (
            "SELECT customer_id, CAST(sum(lines) AS BIGINT) AS lines, "
            f"CAST(sum(mark) % {_MODULUS} AS BIGINT) AS mark FROM ({rows}) GROUP BY customer_id"
        )
