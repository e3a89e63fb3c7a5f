from __future__ import annotations

import pytest

from tests.features.feature_runs import orders, run, shop, table

CUSTOMERS = orders(("a", "2026-01-01", 1.0), ("b", "2026-01-01", 1.0))
CONTACTS = "customer_id time kind resolved_at known_at"
COUNTS = ["contacts_90d", "contacts_365d", "complaints_90d", "complaints_365d", "complaints_open"]


def contacts(*rows):
    return shop(CUSTOMERS, interactions=table(CONTACTS, *rows))


def test_contacts_and_complaints_are_counted_by_window():
    frames = contacts(
        ("a", "2026-04-02", "contact", None, None),
        ("a", "2026-07-01", "Complaint", None, None),
        ("a", "2026-07-02", "complaint", None, None),
        ("a", "2026-10-01", "complaint", None, None),
    )
    found = run(frames, "2026-09-30").loc["a"]
    assert found[COUNTS].tolist() == [1, 3, 1, 2, 2]
    assert (found["complaint_days"], found["last_contact_days"]) == (90, 90)


def test_a_complaint_is_open_until_the_day_after_it_was_solved():
    frames = contacts(
        ("a", "2026-05-01 23:00", "complaint", "2026-05-04 01:00", None),
        ("a", "2026-05-10", "complaint", "2026-05-15", None),
        ("a", "2026-05-11", "contact", "2026-05-12", None),
    )
    found = run(frames, "2026-05-04", "2026-05-05", "2026-05-16").xs("a", level=1)
    assert found["complaints_open"].tolist() == [1, 0, 0]
    assert found["resolution_days"].tolist() == [pytest.approx(float("nan"), nan_ok=True), 3.0, 4.0]


def test_customers_without_contacts_have_zero_counts_and_no_days():
    found = run(contacts(("a", "2026-05-01", "complaint", None, None)), "2026-06-01").loc["b"]
    assert found[COUNTS].tolist() == [0, 0, 0, 0, 0]
    assert found[["complaint_days", "resolution_days", "last_contact_days"]].isna().all()


def test_contacts_that_arrive_late_enter_late():
    frames = contacts(("a", "2026-05-01", "complaint", None, "2026-05-20"))
    found = run(frames, "2026-05-20", "2026-05-21").xs("a", level=1)
    assert found["complaints_90d"].tolist() == [0, 1]
    assert found["complaint_days"].tolist()[1] == 20
