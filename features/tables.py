"""The loaded tables: lazy, typed, business-local, one handle for all rooms."""

# ruff: noqa: S608  (identifiers in the statements are names of our own)
from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import ibis.expr.types as ir
from ibis.util import gen_name

from features.days import day_facts
from features.dialect import portable
from features.engine import compact

__all__ = ["Tables"]

SHARE_ROWS = 4_000_000
"""Order lines summed up at a time; each share reads the table once more."""


def _nothing() -> None:
    """Tables that Retain holds itself change for nobody."""


@dataclass(frozen=True)
class Tables:
    """Lazy tables that follow the contract, and the engine they live in.

    Each table holds the contract's columns that the source had (others are absent), ids as string, times as
    naive timestamps in the business zone, money and numbers as float64, flags as boolean. Tables with a time
    column carry two dates besides: ``day`` (of the event) and ``known_day``, the later of the event's day and
    the day the row arrived. A row may be used at ``as_of`` only when ``known_day < as_of``. ``calendar`` is there
    where the country is known: each day's place between its public holidays (`features.public_holidays`).
    ``still()`` refuses files that are read in place and changed since they were checked.
    """

    con: Any
    orders: ir.Table
    customers: ir.Table | None = None
    contracts: ir.Table | None = None
    interactions: ir.Table | None = None
    surveys: ir.Table | None = None
    campaigns: ir.Table | None = None
    referrals: ir.Table | None = None
    timezone: str = "UTC"
    currency: str = ""
    calendar: ir.Table | None = None
    still: Callable[[], None] = _nothing

    @property
    def present(self) -> tuple[str, ...]:
        """Names of the tables that are there, in the contract's order."""
        names = ("orders", "customers", "contracts", "interactions", "surveys", "campaigns", "referrals")
        return tuple(n for n in names if getattr(self, n) is not None)

    def with_facts(self, facts: ir.Table) -> Tables:
        """These tables with `facts` that are kept elsewhere; tables made from them by `replace` sum up their own."""
        found = replace(self)
        found.__dict__["facts"] = facts  # where a cached property looks first
        return found

    @cached_property
    def facts(self) -> ir.Table:
        """`features.days.day_facts` of the orders, summed up once and kept in the engine.

        Tables made from these by `dataclasses.replace` sum up their own. The engine's sums are wider than 64
        bits, and stay so where they are kept: what is made of them is the same as if they were summed up anew.
        """
        found = day_facts(self.orders)
        if self.con.name != "duckdb":
            return portable(found, self.con)
        name, engine = gen_name("day_facts"), self.con.con
        shares = 1 + self.con.to_pyarrow(self.orders.count()).as_py() // SHARE_ROWS
        for share in range(shares):
            # Nothing is summed up across customers: a share of them at a time gives the same rows in less memory.
            part = self.con.compile(found if shares == 1 else day_facts(_share(self.orders, share, shares)))
            engine.execute(f'INSERT INTO "{name}" {part}' if share else f'CREATE TABLE "{name}" AS {part}')
            if shares > 1:
                compact(engine)
        kept: ir.Table = self.con.sql(f'SELECT * FROM "{name}"', schema=found.schema())
        return kept


def _share(orders: ir.Table, share: int, shares: int) -> ir.Table:
    """Lines of the customers whose hash leaves `share` when divided by `shares`; hashes may be negative."""
    left = orders.customer_id.hash() % shares
    return orders.filter((left + shares) % shares == share)
