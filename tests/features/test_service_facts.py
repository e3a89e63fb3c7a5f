"""Service facts: promises kept and broken, first contacts, directions, by hand and point in time."""

from __future__ import annotations

from datetime import date

import numpy as np
import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

from features.frames import tables_from_frames
from features.service_facts import SERVICE_FACTS, service_facts, service_kinds
from features.tables import Tables

_AS_OF = date(2026, 2, 1)
_ORDERS = pd.DataFrame({"customer_id": ["a"], "time": [pd.Timestamp("2026-01-05")], "amount": [9.5]})


def _tables(rows: list[tuple[str, str, str | None, str | None, str | None]]) -> Tables:
    found = pd.DataFrame(rows, columns=["customer_id", "time", "kind", "resolved_at", "direction"])
    found["time"], found["resolved_at"] = pd.to_datetime(found["time"]), pd.to_datetime(found["resolved_at"])
    return tables_from_frames({"orders": _ORDERS, "interactions": found})


_MIXED = _tables(
    [
        ("a", "2026-01-05 10:00", "Complaint", "2026-01-06 10:00", "inbound"),  # 24 h: in time
        ("a", "2026-01-10 10:00", "complaint", "2026-01-11 10:01", "inbound"),  # a minute late
        ("a", "2026-01-11 09:00", "contact", None, "inbound"),  # came again before that was solved
        ("b", "2026-01-31 09:00", "complaint", "2026-02-03 09:00", "inbound"),  # open for 15 h
        ("b", "2026-01-20 09:00", "service", None, "inbound"),  # open for 12 days
        ("b", "2026-01-21 09:00", "contact", None, "outbound"),  # the shop called
        ("c", "2024-12-01 09:00", "complaint", None, "inbound"),  # more than a year ago
    ]
)


def test_promises_by_hand() -> None:
    found = service_facts(_MIXED, _AS_OF)
    assert found.loc["a"].tolist() == [2.0, 1.0, 2.0, 1.0, 3.0, 0.0]
    assert found.loc["b"].tolist() == [2.0, 1.0, 0.0, 0.0, 2.0, 1.0]
    assert "c" not in found.index


def test_what_was_resolved_later_is_open_still() -> None:
    assert service_facts(_MIXED, date(2026, 2, 4)).loc["b", "resolved_365d"] == 1.0
    assert service_facts(_MIXED, date(2026, 2, 4)).loc["b", "sla_breaches"] == 2.0


def test_other_promises_give_other_breaches() -> None:
    assert service_facts(_MIXED, _AS_OF, promises={"complaint": 10.0})["sla_breaches"].tolist() == [2.0, 1.0]


def test_by_kind() -> None:
    found = service_kinds(_MIXED, _AS_OF).set_index("kind")
    assert found.loc["complaint", ["contacts", "breaches"]].tolist() == [3, 1.0]
    assert found.loc["complaint", "first_contact_share"] == 0.5
    assert found.loc["service", "breach_share"] == 1.0
    assert np.isnan(found.loc["service", "median_hours"])


def test_nothing_is_late_where_nobody_notes_what_was_resolved() -> None:
    found = service_facts(_tables([("a", "2026-01-05 10:00", "complaint", None, None)]), _AS_OF)
    assert found.loc["a", "promised_365d"] == 1.0
    assert found.loc["a", ["sla_breaches", "resolved_365d", "inbound_365d"]].isna().all()


def test_no_interactions_no_rows() -> None:
    tables = tables_from_frames({"orders": _ORDERS})
    assert service_facts(tables, _AS_OF).empty
    assert list(service_facts(tables, _AS_OF).columns) == list(SERVICE_FACTS)
    assert service_kinds(tables, _AS_OF).empty


_row = st.tuples(st.sampled_from("ab"), st.integers(0, 6000), st.sampled_from(["complaint", "visit", None]))


@settings(max_examples=15)
@given(rows=st.lists(_row, min_size=1, max_size=12), hours=st.integers(0, 300))
def test_sums_reconcile(rows: list[tuple[str, int, str | None]], hours: int) -> None:
    times = [pd.Timestamp("2025-06-01") + pd.Timedelta(hours=at) for _, at, _ in rows]
    ends = [str(t + pd.Timedelta(hours=hours)) for t in times]
    tables = _tables([(c, str(t), k, e, None) for (c, _, k), t, e in zip(rows, times, ends, strict=True)])
    found = service_facts(tables, _AS_OF).fillna(0)
    assert (found["sla_breaches"] <= found["promised_365d"]).all()
    assert (found["first_contact_365d"] <= found["resolved_365d"]).all()
    kinds = service_kinds(tables, _AS_OF)
    assert kinds["contacts"].sum() == found["promised_365d"].sum()
