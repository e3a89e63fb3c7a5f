"""A feature that breaks a law is found by that law, and one that keeps them all is not."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pyarrow as pa
import pytest

from features import invariants
from features.errors import ConfigError
from features.frames import typed_frames
from features.invariants import LAWS, check_invariants

DAYS = (date(2026, 2, 1), date(2026, 3, 1), date(2026, 4, 1))
Row = dict[str, Any]
Rows = dict[str, list[Row]]
Make = Callable[[Rows, str, date, int], Any]


def shop() -> dict[str, pa.Table]:
    """Twelve customers, each with an order and a complaint every ten days; complaints are solved after a month."""
    ids = [f"c{place:02}" for place in range(12)]
    times = [datetime(2026, 1, 1, 12) + timedelta(days=10 * step) for step in range(14)]
    pairs = [(name, time) for time in times for name in ids]
    names, whens = [name for name, _ in pairs], [time for _, time in pairs]
    amounts = [float(place % 7 + 1) for place in range(len(pairs))]
    solved = [time + timedelta(days=30) for time in whens]
    return {
        "orders": pa.table({"customer_id": names, "time": whens, "amount": amounts}),
        "interactions": pa.table({"customer_id": names, "time": whens, "resolved_at": solved}),
    }


def past(rows: Rows, customer: str, day: date, table: str = "orders") -> list[Row]:
    return [row for row in rows[table] if row["customer_id"] == customer and row["known_day"] < day]


def computed(frames: dict[str, pa.Table], days: Any, make: Make, name: str) -> pa.Table:
    """What `make` says of each customer with an order before each day, instead of the statement of the features."""
    rows = {kind: typed.to_pylist() for kind, typed in typed_frames(frames).items()}
    made = [
        {"as_of": day, "customer_id": customer, name: make(rows, customer, day, len(days))}
        for day in days
        for customer in sorted({row["customer_id"] for row in rows["orders"]})
        if past(rows, customer, day)
    ]
    schema = [("as_of", pa.date32()), ("customer_id", pa.string()), (name, pa.float64())]
    return pa.Table.from_pylist(made, schema=pa.schema(schema))


def broken_by(
    monkeypatch: pytest.MonkeyPatch, make: Make, name: str = "T", at_endpoint: float = 0.0
) -> set[str]:
    def loaded(frames: dict[str, pa.Table], **_: Any) -> SimpleNamespace:
        return SimpleNamespace(frames=frames, con=SimpleNamespace(disconnect=lambda: None))

    def engine(**_: Any) -> SimpleNamespace:
        told: Make = (lambda *_: at_endpoint) if at_endpoint else make
        return SimpleNamespace(fetch=lambda frames, day: computed(frames, [day], told, name))

    monkeypatch.setattr(invariants, "tables_from_frames", loaded)
    monkeypatch.setattr(
        invariants, "fetch_features", lambda shop, days: computed(shop.frames, days, make, name)
    )
    monkeypatch.setattr(invariants, "FeatureEngine", engine)
    return {broken.law for broken in check_invariants(shop(), DAYS, [name]).broken}


def solved(rows: Rows, customer: str, day: date) -> float:
    known = past(rows, customer, day, "interactions") if "interactions" in rows else []
    return float(sum(row.get("resolved_at") is not None for row in known))


def happened(rows: Rows, customer: str, day: date) -> float:
    return float(sum(row["customer_id"] == customer and row["day"] < day for row in rows["orders"]))


def share(rows: Rows, customer: str, day: date) -> float:
    return float(len(past(rows, customer, day))) / len(rows["orders"])


@pytest.mark.parametrize(
    ("law", "make"),
    [
        ("rows", lambda rows, c, day, n: past(rows, c, day)[0]["amount"]),
        ("alone", lambda rows, c, day, n: share(rows, c, day)),
        ("ids", lambda rows, c, day, n: float(len(c))),
        ("days", lambda rows, c, day, n: float(n)),
        ("future", lambda rows, c, day, n: float(sum(row["customer_id"] == c for row in rows["orders"]))),
        ("arrival", lambda rows, c, day, n: happened(rows, c, day)),
        ("outcome", lambda rows, c, day, n: solved(rows, c, day)),
        ("missing", lambda rows, c, day, n: None if c == "c03" else 1.0),
    ],
)
def test_each_law_finds_what_breaks_it(monkeypatch, law, make):
    assert law in broken_by(monkeypatch, make)


def test_a_feature_that_is_another_at_the_endpoint_or_there_without_its_table_is_found(monkeypatch):
    assert broken_by(monkeypatch, lambda *_: 1.0, at_endpoint=1.0 + 2.0**-52) == {"endpoint"}
    assert broken_by(monkeypatch, lambda *_: 1.0, name="contacts_90d") == {"absent"}


def test_a_count_of_what_was_known_keeps_every_law(monkeypatch):
    assert broken_by(monkeypatch, lambda rows, c, day, n: float(len(past(rows, c, day)))) == set()


def test_the_example_shows_both_values(monkeypatch):
    broken_by(monkeypatch, lambda rows, c, day, n: float(n))
    found = check_invariants(shop(), DAYS, ["T"])
    assert [(one.feature, one.law) for one in found.broken if one.law == "days"] == [("T", "days")]
    assert "3.0, computed otherwise 1.0 (12 of 12 rows differ)" in [one.example for one in found.broken]
    assert found.constant == ["T"]
    assert {one.law for one in found.broken} <= set(LAWS)


def test_what_cannot_be_checked_is_refused():
    with pytest.raises(ConfigError, match="'moon' is no feature"):
        check_invariants(shop(), DAYS, ["moon"])
    with pytest.raises(ConfigError, match="at least two days"):
        check_invariants(shop(), DAYS[:1])
