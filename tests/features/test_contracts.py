from __future__ import annotations

from tests.features.feature_runs import orders, run, shop, table

CUSTOMERS = orders(("a", "2026-01-01", 1.0), ("b", "2026-01-01", 1.0))
TERMS = "customer_id start end cancelled_at monthly_charge known_at"
COLUMNS = [
    "contracts_active",
    "contract_charge",
    "contract_days",
    "contract_days_left",
    "contracts_cancelled",
]


def contracts(*rows):
    return shop(CUSTOMERS, contracts=table(TERMS, *rows))


def test_running_ended_and_cancelled_contracts():
    frames = contracts(
        ("a", "2026-01-10", "2026-07-01", None, 10.0, None),
        ("a", "2026-02-01", None, None, 2.5, None),
        ("a", "2026-01-20", "2026-05-31", None, 99.0, None),
        ("a", "2026-03-01", "2026-12-31", "2026-05-31", 99.0, None),
        ("a", "2026-06-01", None, None, 99.0, None),
    )
    assert run(frames, "2026-06-01").loc["a", COLUMNS].tolist() == [2, 12.5, 142, 30, 1]


def test_the_last_day_still_runs_and_a_later_cancellation_is_not_known():
    frames = contracts(("a", "2026-01-10", "2026-06-01", "2026-05-31 12:00", 10.0, None))
    found = run(frames, "2026-05-31", "2026-06-01").xs("a", level=1)
    assert found["contracts_active"].tolist() == [1, 0]
    assert found["contracts_cancelled"].tolist() == [0, 1]
    ending = contracts(("a", "2026-01-10", "2026-06-01", None, 10.0, None))
    found = run(ending, "2026-06-01", "2026-06-02").xs("a", level=1)
    assert found["contracts_active"].tolist() == [1, 0]
    assert found["contract_days_left"].tolist()[0] == 0


def test_customers_without_a_contract():
    found = run(contracts(("a", "2026-01-10", None, None, None, None)), "2026-06-01").loc["b", COLUMNS]
    assert found.isna().tolist() == [False, False, True, True, False]
    assert found[["contracts_active", "contract_charge", "contracts_cancelled"]].tolist() == [0, 0.0, 0]
