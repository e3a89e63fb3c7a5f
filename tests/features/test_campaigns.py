from __future__ import annotations

from tests.features.feature_runs import orders, run, shop, table

CUSTOMERS = orders(("a", "2026-01-01", 1.0), ("b", "2026-01-01", 1.0))


def test_only_contacts_that_were_made_count():
    arms = ["treat", "Hold-Out", "holdout", "CONTROL", None, "explore"]
    rows = [("a", f"2026-05-0{k + 1}", arm, None) for k, arm in enumerate(arms)] + [
        ("b", "2026-05-01", "control", None)
    ]
    frames = shop(CUSTOMERS, campaigns=table("customer_id time arm known_at", *rows))
    found = run(frames, "2026-05-07", "2026-08-03", "2026-08-04", "2027-05-07")
    made = found.xs("a", level=1)
    assert made["campaigns_90d"].tolist() == [3, 2, 1, 0]
    assert made["campaigns_365d"].tolist() == [3, 3, 3, 0]
    assert made["last_campaign_days"].tolist() == [1, 89, 90, 366]
    held_out = found.xs("b", level=1)
    assert held_out["campaigns_365d"].eq(0).all()
    assert held_out["last_campaign_days"].isna().all()


def test_without_arms_all_rows_are_contacts():
    frames = shop(CUSTOMERS, campaigns=table("customer_id time", ("a", "2026-05-01")))
    found = run(frames, "2026-05-02")
    assert found["campaigns_90d"].tolist() == [1, 0]
    assert found["last_campaign_days"].tolist()[0] == 1


def test_referrals():
    rows = [("a", "2025-05-01", None), ("a", "2026-05-01", None), ("a", "2026-05-01", "2026-07-01")]
    frames = shop(CUSTOMERS, referrals=table("customer_id time known_at", *rows))
    found = run(frames, "2026-05-02", "2026-07-02")
    assert found["referrals_total"].tolist() == [2, 0, 3, 0]
    assert found["referrals_365d"].tolist() == [1, 0, 2, 0]
