from __future__ import annotations

from math import exp

import pytest

from tests.features.feature_runs import orders, row, run, shop, table

REGULAR = [("a", "2026-01-01", 9.0), ("a", "2026-01-11", 9.0), ("a", "2026-01-21", 9.0)]
ONCE = [("b", "2026-01-01", 9.0)]


def test_behaviour_is_frequency_span_and_regularity():
    found = run({"orders": orders(*REGULAR, *ONCE)}, "2026-01-31")
    regular = (1 - exp(-3 / 4) + 20 / 30 + 1) / 3
    once = (1 - exp(-1 / 4) + 0 + 0) / 3
    assert found["loyalty_behavioural"].tolist() == pytest.approx([regular, once])
    assert found["loyalty"].equals(found["loyalty_behavioural"])
    assert found[["loyalty_cognitive", "loyalty_affective", "loyalty_conative"]].isna().all(axis=None)


def test_cognition_is_buying_without_a_discount():
    rows = [
        ("a", "2026-01-01", 9.0, 1.0),
        *[("a", "2026-01-02", 9.0, 0.0)] * 3,
        ("b", "2026-01-01", 9.0, 0.0),
    ]
    found = run({"orders": orders(*rows, columns="customer_id time amount discount")}, "2026-01-31")
    assert found["loyalty_cognitive"].tolist() == pytest.approx([0.75, float("nan")], nan_ok=True)


def test_affect_is_satisfaction_less_complaints_and_never_negative():
    answers = table("customer_id time score", ("a", "2026-01-05", 8.0), ("b", "2026-01-05", 1.0))
    complaints = [(c, "2026-01-06", "complaint") for c in "abb"]
    contacts = table("customer_id time kind", *complaints)
    frames = shop(orders(*REGULAR, *ONCE), surveys=answers, interactions=contacts)
    assert run(frames, "2026-01-31")["loyalty_affective"].tolist() == pytest.approx([0.7, 0.0])


def test_will_is_recommendation_and_referral():
    answers = [("a", 9.0), ("b", 3.0), ("c", 3.0), ("e", 30.0)]
    frames = {
        "orders": orders(*[(c, "2026-01-01", 9.0) for c in "abcde"]),
        "surveys": table(
            "customer_id time score recommend", *[(c, "2026-01-05", 5.0, r) for c, r in answers]
        ),
        "referrals": table("customer_id time", *[(c, "2026-01-06") for c in "acd"]),
    }
    assert run(frames, "2026-01-31")["loyalty_conative"].tolist() == pytest.approx([0.9, 0.3, 0.8, 0.8, 1.0])


def test_loyalty_is_the_mean_of_what_is_known():
    surveys = table("customer_id time score recommend", ("a", "2026-01-05", 8.0, 6.0))
    frames = shop(orders(*REGULAR), surveys=surveys)
    found = row(frames, "2026-01-31")
    parts = found["loyalty_behavioural"], found["loyalty_affective"], found["loyalty_conative"]
    assert found["loyalty"] == pytest.approx(sum(parts) / 3)
