from __future__ import annotations

from tests.features.feature_runs import orders, run, shop, table

CUSTOMERS = orders(("a", "2026-01-01", 1.0), ("b", "2026-01-01", 1.0))
ANSWERS = "customer_id time score expected recommend known_at"


def answers(*rows):
    return shop(CUSTOMERS, surveys=table(ANSWERS, *rows))


def test_scores_last_and_mean():
    frames = answers(
        ("a", "2026-02-01", 4.0, 8.0, None, None),
        ("a", "2026-03-01 09:00", 7.0, None, 9.0, None),
        ("a", "2026-03-01 17:00", 10.0, 9.0, 6.0, None),
        ("a", "2026-04-01", 0.0, 9.0, 0.0, None),
    )
    found = run(frames, "2026-04-01").loc["a"]
    assert (found["satisfaction_last"], found["satisfaction_mean"], found["survey_days"]) == (8.5, 7.0, 31)
    assert (found["satisfaction_gap"], found["recommend_mean"]) == (-1.5, 7.5)


def test_customers_who_never_answered_are_missing():
    found = run(answers(("a", "2026-02-01", 4.0, None, None, None)), "2026-04-01")
    columns = ["satisfaction_last", "satisfaction_mean", "satisfaction_gap", "recommend_mean", "survey_days"]
    assert found.loc["b", columns].isna().all()
    assert found.loc["a", columns].isna().tolist() == [False, False, True, True, False]


def test_answers_that_arrive_late_enter_late():
    rows = [("a", "2026-02-01", 4.0, None, None, None), ("a", "2026-02-10", 9.0, None, None, "2026-03-01")]
    found = run(answers(*rows), "2026-03-01", "2026-03-02").xs("a", level=1)
    assert found["satisfaction_last"].tolist() == [4.0, 9.0]
    assert found["survey_days"].tolist() == [28, 20]
