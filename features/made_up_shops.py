"""Small made-up shops that hold what engines disagree about: `features.conformance` runs them through one.

Zones whose clocks change at midnight, leap days, the 53rd week, month ends, ties, late rows, halves of the smallest
unit, ids that differ by little, missing values, tables without rows.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from random import Random
from typing import Any

import pyarrow as pa

from features.contract import TABLES, TableContract
from features.frames import empty_table, typed_frames

__all__ = ["MadeUpShop", "made_up_shops"]

Rows = list[dict[str, Any]]

EDGES = (
    datetime(2020, 2, 29, 12),
    datetime(2020, 12, 31, 22, 30),  # in Cairo the year is over
    datetime(2021, 1, 3, 21, 59, 59, 999_999),  # the last moment of week 53 there
    datetime(2021, 1, 3, 22),
    datetime(2023, 12, 31, 21, 59, 59),
    datetime(2024, 1, 31, 22),
    datetime(2024, 2, 28, 22),
    datetime(2024, 2, 29, 21, 59, 59, 999_999),
    datetime(2024, 4, 25, 21, 59, 59),  # Cairo: the next second is 01:00 of the 26th
    datetime(2024, 4, 25, 22),
    datetime(2024, 10, 31, 20, 30),  # Cairo: 23:30, once
    datetime(2024, 10, 31, 21, 30),  # Cairo: 23:30, again
    datetime(2024, 10, 31, 22),
    datetime(2024, 12, 30, 22),
)
"""Instants, UTC, at which the day, month, week or year of a zone turns."""

CUTS = (
    date(2021, 1, 1),
    date(2021, 1, 4),
    date(2024, 2, 29),
    date(2024, 3, 1),
    date(2024, 4, 26),
    date(2024, 11, 1),
    date(2025, 1, 1),
)
_IDS = ("a", "A", "a ", " a", "ä", "客户七", "o'neil", '"quoted"', "007", "7", "1e3", "x" * 256)
# Halves of a hundredth of a cent, which engines round to different sides, and amounts far apart.
_AMOUNTS = (0.03125, -0.03125, 0.15625, 0.0, 0.00004, 9.99, 120.0, -35.5, 2.5e9, 1e-9, 19.95, 49.0, 0.1)
_KINDS = ("complaint", "COMPLAINT", "Complaint", "contact", "service", None)
_ARMS = ("treat", "Hold-Out", "control", "HOLDOUT", "explore", None)


@dataclass(frozen=True)
class MadeUpShop:
    """One shop: its tables in the contract's types, where it does business, and the days it is looked at.

    ``tables`` hold ``day`` and ``known_day`` besides, as `features.frames.typed_frames` makes them.
    """

    name: str
    tables: Mapping[str, pa.Table]
    country: str
    as_of: tuple[date, ...]
    horizons_days: tuple[int, ...] = (1, 30, 365)


def made_up_shops() -> tuple[MadeUpShop, ...]:
    """The shops, the same rows every time.

    Examples
    --------
    >>> [shop.name for shop in made_up_shops()]
    ['whole', 'on time', 'amounts only', 'one customer']
    """
    return (_whole(), _on_time(), _amounts_only(), _one_customer())


def _whole() -> MadeUpShop:
    """All tables with all columns; rows arrive late, and clocks in Cairo change at midnight."""
    draw = Random(11)  # noqa: S311 - rows for a check, not secrets
    orders = [_line(draw, who, at) for who in _IDS for at in _times(draw, 14)]
    orders += _ties() + [_line(draw, "all missing", at, bare=True) for at in EDGES]
    orders += [_line(draw, "edges", at) for at in EDGES]
    orders += [_line(draw, "returns only", at) | {"amount": -5.0} for at in _times(draw, 3)]
    orders += [_line(draw, "paid nothing", at) | {"amount": 0.0} for at in _times(draw, 3)]
    events = _events(draw, (*_IDS, "edges", "never bought"))
    return _shop("whole", {"orders": orders, **events}, "Africa/Cairo", "EG", CUTS)


def _on_time() -> MadeUpShop:
    """Rows arrive as they happen; events without rows; one customer buys thousands of times in a year."""
    draw = Random(12)  # noqa: S311
    orders = [_line(draw, who, at) for who in _IDS[:5] for at in _times(draw, 10)]
    start = datetime(2024, 5, 1)
    orders += [
        _line(draw, "busy", start + timedelta(hours=n // 40)) | {"order_id": str(n)} for n in range(3_000)
    ]
    for row in orders:
        del row["known_at"]
    nothing: dict[str, Rows] = {name: [] for name in TABLES if name not in ("orders", "customers")}
    return _shop("on time", {"orders": orders, **nothing}, "Europe/London", "GB", CUTS[3:])


def _amounts_only() -> MadeUpShop:
    """Customer, time and amount; the first order as old as the contract allows and the last day far ahead."""
    draw = Random(13)  # noqa: S311
    rows = [
        {"customer_id": who, "time": at, "amount": draw.choice(_AMOUNTS)} for who in "bcd" for at in EDGES
    ]
    rows += [{"customer_id": "old", "time": datetime(1970, 1, 2), "amount": 12.5}] * 2
    rows += [{"customer_id": "old", "time": datetime(2097, 1, 1), "amount": 12.5}]
    return _shop("amounts only", {"orders": rows}, "America/New_York", "", (*CUTS, date(2100, 1, 1)))


def _one_customer() -> MadeUpShop:
    """A single line, a contract that ends on the leap day, and an answer on the day itself."""
    at = datetime(2024, 2, 28, 9)
    contract = {"customer_id": "only", "start": at, "end": datetime(2024, 2, 29), "monthly_charge": 0.03125}
    answer = {"customer_id": "only", "time": at, "score": 7.5}
    rows = {
        "orders": [{"customer_id": "only", "time": at, "amount": 10.0, "product": "P"}],
        "contracts": [contract],
        "surveys": [answer],
    }
    return _shop("one customer", rows, "UTC", "", (date(2024, 2, 29), date(2024, 3, 1)))


def _shop(
    name: str, rows: Mapping[str, Rows], zone: str, country: str, as_of: tuple[date, ...]
) -> MadeUpShop:
    frames = {table: _frame(TABLES[table], found) for table, found in rows.items()}
    return MadeUpShop(name, typed_frames(frames, timezone=zone), country, as_of)


def _frame(contract: TableContract, rows: Rows) -> pa.Table:
    """Columns that a row names, in the contract's types, times as instants; all columns where there is no row."""
    if not rows:
        return empty_table(contract, whole=True).drop_columns(["day", "known_day"])
    arrays = {}
    for field in empty_table(contract, whole=True).schema:
        if any(field.name in row for row in rows):
            values = [row.get(field.name) for row in rows]
            is_time = pa.types.is_timestamp(field.type)
            if is_time:
                values = [None if at is None else at.replace(tzinfo=UTC) for at in values]
            arrays[field.name] = pa.array(values, pa.timestamp("us", "UTC") if is_time else field.type)
    return pa.table(arrays)


def _times(draw: Random, count: int) -> list[datetime]:
    """Some edges, and moments of four years between them."""
    start = datetime(2020, 11, 1)
    return [
        draw.choice(EDGES) if draw.random() < 0.3 else start + timedelta(minutes=draw.randrange(4 * 525_600))
        for _ in range(count)
    ]


def _line(draw: Random, who: str, at: datetime, *, bare: bool = False) -> dict[str, Any]:
    """An order line; `bare` has nothing but what must be there."""

    def maybe(choose: Callable[[], Any], share: float = 0.7) -> Any:
        return choose() if not bare and draw.random() < share else None

    quantity = maybe(lambda: draw.choice((0.0, 1.0, 2.0, 0.5, 12.0)))
    return {
        "customer_id": who,
        "time": at,
        "amount": draw.choice(_AMOUNTS),
        "order_id": maybe(lambda: draw.choice("123")),
        "product": maybe(lambda: draw.choice("PpQRS")),
        "category": maybe(lambda: draw.choice(("X", "x", "Y"))),
        "quantity": quantity,
        "unit_price": maybe(lambda: 9.99),
        "discount": maybe(lambda: draw.choice((0.0, 0.03125, 5.0)), 0.4),
        "cost": maybe(lambda: draw.choice((0.0, 0.21875, 7.25)), 0.5),
        "channel": maybe(lambda: "web"),
        "currency": maybe(lambda: "EGP"),
        "returned": maybe(lambda: draw.random() < 0.2, 0.5),
        "known_at": maybe(lambda: at + timedelta(hours=draw.randrange(2_000)), 0.3),
    }


def _ties() -> Rows:
    """Lines alike in everything that something is sorted by."""
    line = {"customer_id": "ties", "time": EDGES[6], "amount": 5.0, "order_id": "1", "product": "P"}
    late = line | {"known_at": EDGES[7]}
    same_day = [line | {"time": EDGES[6] + timedelta(hours=2), "order_id": "2", "category": "X"}] * 2
    return [*[line] * 4, *[late] * 3, *same_day, line | {"amount": -5.0}, line | {"product": None}]


def _events(draw: Random, customers: tuple[str, ...]) -> dict[str, Rows]:
    """Rows of every other table for most customers, several on one day, with holes."""
    found: dict[str, Rows] = {name: [] for name in TABLES if name != "orders"}
    for who in customers:
        found["customers"].append(
            {"customer_id": who, "joined_at": draw.choice((*EDGES, None)), "region": "Giza"}
        )
        for at in _times(draw, 4):
            found["interactions"] += _twice(draw, who, at, kind=_KINDS, resolved_at=(*EDGES, None))
            scores = (0.0, 3.0, 7.5, 10.0)
            found["surveys"] += _twice(
                draw, who, at, score=scores, expected=(*scores, None), recommend=(*scores, None)
            )
            found["campaigns"] += _twice(draw, who, at, arm=_ARMS)
            found["referrals"] += _twice(draw, who, at, referred_id=("b", None))
            ends, charges = (*EDGES, datetime(2026, 1, 1), None), (0.03125, 29.99, None)
            terms = _twice(draw, who, at, end=ends, cancelled_at=(*EDGES, None, None), monthly_charge=charges)
            found["contracts"] += [{**row, "start": row.pop("time")} for row in terms]
    return found


def _twice(draw: Random, who: str, at: datetime, **values: tuple[Any, ...]) -> Rows:
    """One or two rows of one moment; some arrive later."""
    late = at + timedelta(days=draw.randrange(90)) if draw.random() < 0.3 else None
    row = {"customer_id": who, "time": at, "known_at": late}
    return [row | {n: draw.choice(v) for n, v in values.items()} for _ in range(draw.choice((1, 2)))]
