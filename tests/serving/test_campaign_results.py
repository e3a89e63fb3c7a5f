"""From log and orders to effects and finance, on a campaign small enough to reckon by hand."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, timedelta

import pandas as pd
import pytest

from features.errors import NotEnoughData
from features.load import tables_from_frames
from features.tables import Tables
from serving.campaign_results import CampaignResults, campaign_results, outcomes_of, ripe
from serving.decision_log import DecisionLog
from tests.serving.logged import decisions

DAY, COUNT = date(2026, 1, 5), 160
IDS = [f"canary-{i:03d}" for i in range(COUNT)]


def tables() -> Tables:
    """Everybody bought for 100 a month before; afterwards the treated buy for 20 to 24, the others for 10 to 14."""
    rows = [(name, datetime(2025, 12, 1), 100.0) for name in IDS]
    for i, name in enumerate(IDS):
        if i % 8 < 6:  # a quarter of each arm buys nothing
            amount = (10.0 if i % 4 == 3 else 20.0) + i % 5
            rows.append((name, datetime(2026, 1, 5) + timedelta(days=i % 40), amount))
    orders = pd.DataFrame(rows, columns=["customer_id", "time", "amount"])
    customers = pd.DataFrame({"customer_id": IDS, "acquisition_cost": [30.0, None] * (COUNT // 2)})
    return tables_from_frames({"orders": orders, "customers": customers})


def report(log: DecisionLog, as_of: date = date(2026, 6, 1)) -> CampaignResults:
    return campaign_results(log, tables(), as_of, 60, margin_rate=0.5, discount_rate=0.0)


@pytest.fixture
def log() -> Iterator[DecisionLog]:
    opened = DecisionLog("sqlite://")
    opened.save(decisions(COUNT))
    yield opened
    opened.close()


def test_outcomes_by_hand(log: DecisionLog) -> None:
    log.save_results(pd.DataFrame({"decision_id": ["r1-0"], "cost": [7.5], "reached": [True]}))
    found = outcomes_of(log.decisions(), log.results(), tables(), 60, margin_rate=0.5)
    rows = found.set_index("decision_id")
    assert rows.loc["r1-0", ["orders", "margin", "cost_paid", "net_margin", "margin_before"]].tolist() == [
        1.0,
        10.0,
        7.5,
        2.5,
        50.0,
    ]
    # planned costs where nothing was reported, none for those held out; 6 did not order
    assert rows.loc["r1-1", ["cost_paid", "net_margin"]].tolist() == [2.5, 8.0]
    assert rows.loc["r1-3", ["margin", "cost_paid"]].tolist() == [6.5, 0.0]
    assert rows.loc["r1-6", ["orders", "churn", "net_margin"]].tolist() == [0.0, 1.0, -2.5]
    assert len(found) == COUNT


def test_finance_is_that_of_the_effect(log: DecisionLog) -> None:
    found = report(log)
    money = found.finance.set_index("campaign")
    net = found.effects[(found.effects["dimension"] == "offer") & (found.effects["outcome"] == "margin")]
    assert money.loc["offer call", "cost"] == pytest.approx(2.5 * 120)
    assert money.loc["offer call", "margin"] == pytest.approx(120 * net["effect"].iloc[0])
    assert money.loc["offer call", "npv"] == pytest.approx(money.loc["offer call", "margin"] - 300)
    assert money.loc["all", "acquisition_cost"] == 30.0
    assert (found.runs, found.waiting, found.contacted_anyway, found.stopped) == (("r1",), {}, 0, ())


def test_who_was_to_be_left_alone_and_was_reached_is_counted(log: DecisionLog) -> None:
    log.save_results(pd.DataFrame({"decision_id": ["r1-3", "r1-0"], "reached": [True, True]}))
    assert report(log).contacted_anyway == 1


def test_only_runs_whose_time_is_over_count(log: DecisionLog) -> None:
    log.save(decisions(8, "r2", date(2026, 5, 1)))
    found = report(log)
    assert (found.runs, found.waiting) == (("r1",), {"r2": date(2026, 6, 30)})
    over, _ = ripe(log.decisions(), date(2026, 3, 6), 60)
    assert set(over["run_id"]) == {"r1"}
    with pytest.raises(NotEnoughData, match="the first counts from 2026-03-06 on"):
        report(log, date(2026, 3, 5))


def test_an_empty_log_says_so() -> None:
    empty = DecisionLog("sqlite://")
    with pytest.raises(NotEnoughData, match="none was made yet"):
        report(empty)
    empty.close()
