"""``retain decide``: queue, log, limits, hold-out and what is never shown, by the command alone."""

from __future__ import annotations

from contextlib import closing
from datetime import date
from pathlib import Path

import pandas as pd
import pytest

from retain.config import load_config
from retain.shop import ShopSettings, simulate
from serving.decision_log import DecisionLog
from tests.retain.command_runs import Said, make_model, retain

DAY = "2024-06-01"
_OFFERS = """
[decisions]
budget = 60.0

[decisions.experiment]
hold_out = 0.2
explore = 0.05

[channels.phone]
capacity = 5

[offers.call]
channel = "phone"
cost = 4.0
assumed_effect = 0.5
owner = "sales"
due_days = 2
text_en = "a call"
text_zh = "电话"

[offers.mail]
channel = "email"
cost = 0.5
assumed_effect = 0.2
owner = "marketing"
text_en = "a mail"
text_zh = "邮件"
"""


def decide(config: Path, *words: object) -> Said:
    return retain("decide", "-c", config, "--as-of", DAY, "--json", *words)


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A shop with a closed-form model and a catalogue of two offers, decided once; its folder."""
    folder = tmp_path_factory.mktemp("decide")
    made = simulate(ShopSettings(customers=400, days=600, seed=5))
    for name in ("orders", "customers"):
        made.tables[name].to_pandas().to_csv(folder / f"{name}.csv", index=False)
    config = folder / "retain.toml"
    words = ["--churn-window", "45", "--horizons", "45,365", "--out-dir", folder / "out"]
    assert retain("init", folder, "-c", config, *words, "--json", "--quiet").code == 0
    config.write_text(config.read_text(encoding="utf-8") + _OFFERS, encoding="utf-8")
    make_model(config, date(2024, 6, 1), evidence="btyd")
    said = decide(config, "--out", folder / "queue.csv")
    assert said.code == 0, said.err
    return folder


def log_of(shop: Path) -> pd.DataFrame:
    with closing(DecisionLog(load_config(shop / "retain.toml").store_url)) as log:
        return log.decisions()


def queue_of(shop: Path) -> pd.DataFrame:
    return pd.read_csv(shop / "queue.csv", dtype={"customer_id": str})


def test_every_customer_who_may_be_contacted_is_in_the_log_once(shop: Path) -> None:
    customers = pd.read_csv(shop / "customers.csv", dtype={"customer_id": str})
    refused = set(customers.loc[customers["opted_out"], "customer_id"])
    logged = log_of(shop)
    assert logged["customer_id"].is_unique
    assert not refused & set(logged["customer_id"])
    assert logged["propensity"].between(0, 1, inclusive="right").all()


def test_no_limit_is_broken(shop: Path) -> None:
    logged = log_of(shop)
    assert logged["cost"].sum() <= 60.0
    assert (logged["offer"] == "call").sum() <= 5


def test_a_fifth_is_held_out_and_gets_nothing(shop: Path) -> None:
    logged = log_of(shop)
    held = logged[logged["arm"] == "hold_out"]
    assert len(held) / len(logged) == pytest.approx(0.2, abs=0.02)
    assert set(held["offer"]) == {"leave_alone"}
    assert not set(held["customer_id"]) & set(queue_of(shop)["customer_id"])


def test_the_queue_is_ordered_by_expected_gain_and_tells_who_when_what(shop: Path) -> None:
    queue = queue_of(shop)
    assert queue["expected_gain"].is_monotonic_decreasing
    call = queue[queue["offer"] == "call"].iloc[0]
    assert (call["owner"], call["due_date"], call["text_zh"]) == ("sales", "2024-06-03", "电话")
    assert call["expected_gain"] == pytest.approx(0.5 * call["value_at_stake"] - 4.0)
    assert "arm" not in queue


def test_the_same_run_again_changes_nothing(shop: Path) -> None:
    before, queue = log_of(shop), (shop / "queue.csv").read_bytes()
    assert decide(shop / "retain.toml", "--out", shop / "queue.csv").code == 0
    pd.testing.assert_frame_equal(log_of(shop), before)
    assert (shop / "queue.csv").read_bytes() == queue


def test_a_dry_run_writes_and_logs_nothing(shop: Path) -> None:
    before = len(log_of(shop))
    said = decide(shop / "retain.toml", "--budget", "10", "--dry-run")
    assert (said.code, said.document["file"]) == (0, None)
    assert said.document["cost"] <= 10.0
    assert len(log_of(shop)) == before


def test_more_money_earns_more_and_the_curve_says_so(shop: Path) -> None:
    curve = pd.DataFrame(decide(shop / "retain.toml", "--dry-run").document["curve"])
    assert curve["net_gain"].is_monotonic_increasing
    assert curve["marginal_return"].is_monotonic_decreasing


def test_ours_earns_at_least_what_simpler_rules_do(shop: Path) -> None:
    said = decide(shop / "retain.toml", "--dry-run").document
    assert said["planned"]["expected_gain"] >= max(said["simpler"].values()) - 1e-9
    assert said["planned"]["expected_gain"] >= 0.995 * said["planned"]["bound"]


def test_a_queue_by_risk_must_be_asked_for_and_says_so(shop: Path) -> None:
    out = shop / "risk.csv"
    assert decide(shop / "retain.toml", "--order", "risk", "--out", out).code == 0
    queue = pd.read_csv(out)
    assert queue["churn_probability"].is_monotonic_decreasing
    assert set(queue["ordered_by"]) == {"churn_probability (risk, not gain)"}
    assert "ordered_by" not in queue_of(shop)


def test_what_came_of_it_is_told_once_the_horizon_is_over(shop: Path) -> None:
    said = retain("results", "-c", shop / "retain.toml", "--as-of", "2024-07-20", "--json")
    assert said.code == 0, said.err
    rows = pd.DataFrame(said.document["effects"])
    assert {"all", "offer", "value_class", "channel"} >= set(rows["dimension"])
    assert set(rows["source"]) == {"measured"}


def test_another_table_is_not_judged_by_a_log_that_hardly_knows_it(shop: Path) -> None:
    """The budget left most wishes of the table ungranted, so the log tells next to nothing of them."""
    table = shop / "other.toml"
    table.write_text(retain("config", "-c", shop / "retain.toml", "--strategies").out, encoding="utf-8")
    said = retain("offline-test", table, "-c", shop / "retain.toml", "--as-of", "2024-07-20", "--json")
    assert said.code == 5
    assert "effective number" in said.err


def test_an_earlier_run_too_small_to_tell_leaves_the_assumption(shop: Path) -> None:
    words = ["--as-of", "2024-01-15", "--budget", "400", "--out", shop / "early.csv", "--json"]
    early = retain("decide", "-c", shop / "retain.toml", *words)
    assert early.code == 0, early.err
    said = decide(shop / "retain.toml", "--dry-run")
    assert said.code == 0, said.err
    sources = {offer.get("effect_source") for offer in said.document["offers"].values()}
    assert "measured" not in sources


def test_the_fairness_of_offers_is_told_by_protected_attributes(shop: Path) -> None:
    fair = pd.DataFrame(decide(shop / "retain.toml", "--dry-run").document["fairness"])
    assert {"region", "segment"} <= set(fair["attribute"])
    assert fair.loc[fair["reason"] == "compared", "ratio"].between(0, 1).all()
