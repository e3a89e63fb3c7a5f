"""Events of all tables as one stream."""

from __future__ import annotations

from datetime import date

from features.campaigns import REFERRALS
from features.events import known_events
from features.frames import tables_from_frames
from features.interactions import INTERACTIONS
from features.snapshot import as_of_table
from tests.features.feature_runs import table

DAY = date(2026, 3, 1)


def stream(families, **frames) -> list[dict[str, object]]:
    tables = tables_from_frames(frames)
    found = tables.con.to_pyarrow(known_events(tables, families, as_of_table([DAY])))
    return found.sort_by([("source", "ascending"), ("age", "ascending")]).to_pylist()


def test_a_row_is_missing_in_what_its_table_has_not() -> None:
    contacts = table(
        "customer_id time kind", ("a", "2026-02-27", "complaint"), ("a", "2026-02-01", "contact")
    )
    referrals = table("customer_id time", ("a", "2026-01-30"), ("b", "2026-02-28"))
    found = stream([INTERACTIONS, REFERRALS], interactions=contacts, referrals=referrals)
    assert [(e["customer_id"], e["kind"], e["interactions_age"], e["referrals_age"]) for e in found] == [
        ("a", "complaint", 2, None),
        ("a", "contact", 28, None),
        ("b", None, None, 1),
        ("a", None, None, 30),
    ]
    assert [e["interactions_latest"] for e in found] == [2, 2, None, 2]
    assert all(e["resolved_at"] is None for e in found)


def test_what_happens_or_arrives_on_the_day_is_not_known_yet() -> None:
    referrals = table(
        "customer_id time known_at",
        ("a", "2026-02-28 23:59", "2026-02-28 23:59"),
        ("a", "2026-02-20", "2026-03-01"),
        ("a", "2026-03-01", "2026-03-01"),
    )
    assert [e["age"] for e in stream([REFERRALS], referrals=referrals)] == [1]
