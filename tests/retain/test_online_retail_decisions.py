"""Strategies and decisions on Online Retail II, a real shop: everybody has one, key accounts are found."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pandas as pd
import pytest

from tests.retain.command_runs import make_model, retain

pytestmark = pytest.mark.data
DAY = "2011-12-09"
LABELS = ["value_class", "lifecycle_stage", "pyramid_tier", "key_account", "strategy"]
# Every 280th customer in the order of the id: labels only, nobody's own figures.
GOLDEN = [
    ("iron", "dissolution", "lead", "none", "win_back"),
    ("platinum", "expansion", "gold", "none", "one_to_one"),
    ("gold", "expansion", "silver", "none", "keep"),
    ("lead", "commitment", "iron", "none", "release"),
    ("gold", "commitment", "silver", "none", "keep"),
    ("lead", "dissolution", "lead", "none", "do_not_regain"),
    ("lead", "dissolution", "lead", "none", "do_not_regain"),
    ("gold", "expansion", "gold", "none", "keep"),
    ("lead", "dissolution", "lead", "none", "do_not_regain"),
    ("lead", "exploration", "iron", "none", "release"),
    ("lead", "dissolution", "lead", "none", "do_not_regain"),
    ("lead", "dissolution", "lead", "none", "do_not_regain"),
    ("lead", "exploration", "iron", "none", "release"),
    ("lead", "exploration", "iron", "none", "release"),
    ("lead", "dissolution", "iron", "none", "do_not_regain"),
    ("lead", "dissolution", "lead", "none", "do_not_regain"),
    ("lead", "exploration", "iron", "none", "release"),
    ("lead", "commitment", "iron", "none", "release"),
    ("lead", "exploration", "lead", "none", "release"),
    ("gold", "expansion", "silver", "none", "keep"),
]


@pytest.fixture(scope="module")
def shop(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Segments and a decision of the last day, by a closed-form model."""
    folder = tmp_path_factory.mktemp("online_retail")
    config = folder / "retain.toml"
    words = ["--churn-window", "90", "--horizons", "90,365", "--as-of", DAY, "--out-dir", folder / "out"]
    lines = shared_data / "online_retail_ii_lines.parquet"
    assert retain("init", lines, "-c", config, *words, "--json", "--quiet").code == 0
    make_model(config, date(2011, 12, 9), evidence="btyd")
    assert retain("segments", "-c", config, "--quiet", "--out", folder / "segments.parquet").code == 0
    said = retain(
        "decide", "-c", config, "--quiet", "--budget", "5000", "--out", folder / "queue.csv", "--json"
    )
    assert said.code == 0, said.err
    (folder / "said.json").write_text(said.out, encoding="utf-8")
    return folder


def segments_of(shop: Path) -> pd.DataFrame:
    return pd.read_parquet(shop / "segments.parquet")


def decisions_of(shop: Path) -> pd.DataFrame:
    from contextlib import closing

    from retain.config import load_config
    from serving.decision_log import DecisionLog

    with closing(DecisionLog(load_config(shop / "retain.toml").store_url)) as log:
        return log.decisions()


def test_every_customer_gets_one_strategy_with_a_reason(shop: Path) -> None:
    found = decisions_of(shop)
    assert found["customer_id"].is_unique
    assert len(found) == len(segments_of(shop)) > 5_000
    assert found["strategy"].ne("").all()
    assert found[["strategy_reason_en", "strategy_reason_zh"]].map(len).gt(5).all(axis=None)


def test_key_accounts_are_the_largest_and_nobody_below_is_one_but_for_loyalty(shop: Path) -> None:
    found = segments_of(shop)
    counts = found["key_account"].value_counts()
    # The top share of a base of thousands is more than fifty: one in a hundred.
    assert counts.drop("none").sum() == -(-len(found) // 100)
    assert counts["A"] >= round(counts.drop("none").sum() * 0.2)
    tiers = found.loc[found["key_account"] == "A", "pyramid_tier"]
    assert set(tiers) <= {"diamond", "gold"}


def test_what_the_shop_does_not_record_is_unknown_and_says_so(shop: Path) -> None:
    found = segments_of(shop)
    assert set(found["satisfaction_loyalty"]) == {"unknown"}
    assert set(found["satisfaction_reason"]) == {"the customer never answered a survey"}


def test_labels_of_twenty_customers_are_as_they_were(shop: Path) -> None:
    table = segments_of(shop).merge(decisions_of(shop)[["customer_id", "strategy"]], on="customer_id")
    some = table.sort_values("customer_id").iloc[::280][LABELS].head(20)
    assert [tuple(row) for row in some.to_numpy()] == GOLDEN
