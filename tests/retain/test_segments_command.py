"""``retain segments``: labels, moves and opt-outs over two days, by the command alone."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path

import pandas as pd
import pytest

from retain.shop import ShopSettings, simulate
from serving.event_log import EventLog
from serving.events import ConsentEvent
from strategies.frameworks import FRAMEWORKS
from tests.retain.command_runs import Said, make_model, retain

FIRST, SECOND = "2024-06-01", "2024-07-02"


def segments(config: Path, day: str, *words: object) -> Said:
    return retain("segments", "-c", config, "--as-of", day, "--json", *words)


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A shop with customers, surveys and contacts, a closed-form model, and segments of two days."""
    folder = tmp_path_factory.mktemp("segments")
    made = simulate(ShopSettings(customers=150, days=600, seed=3))
    for name in ("orders", "customers", "surveys", "interactions", "campaigns"):
        made.tables[name].to_pandas().to_csv(folder / f"{name}.csv", index=False)
    config = folder / "retain.toml"
    words = ["--churn-window", "45", "--horizons", "45,200", "--out-dir", folder / "out"]
    assert retain("init", folder, "-c", config, *words, "--json", "--quiet").code == 0
    make_model(config, date(2024, 6, 1), evidence="btyd")
    first = segments(config, FIRST, "--out", folder / "first.csv", "--lang", "zh")
    assert (first.code, first.document["since"], first.document["moved"]) == (0, None, [])
    second = segments(config, SECOND, "--out", folder / "second.parquet", "--moved", folder / "moved.csv")
    assert (second.code, second.document["since"]) == (0, FIRST)
    return folder


def test_every_framework_answers_for_every_customer(shop: Path) -> None:
    found = pd.read_parquet(shop / "second.parquet")
    columns = [c for f in FRAMEWORKS for c in (*f.columns, f"{f.name}_reason")]
    assert list(found.columns) == ["customer_id", *columns]
    assert found[[f"{f.name}_reason" for f in FRAMEWORKS]].map(len).gt(0).all(axis=None)


def test_who_wants_no_contact_is_in_no_output(shop: Path) -> None:
    customers = pd.read_csv(shop / "customers.csv", dtype={"customer_id": str})
    refused = set(customers.loc[customers["opted_out"], "customer_id"])
    listed = set(pd.read_parquet(shop / "second.parquet")["customer_id"])
    kept = set().union(
        *(pd.read_parquet(p)["customer_id"] for p in (shop / "out" / "segments").glob("*.parquet"))
    )
    assert refused
    assert not refused & (listed | kept | set(pd.read_csv(shop / "moved.csv", dtype=str)["customer_id"]))


def test_moves_are_the_differences_of_the_two_days(shop: Path) -> None:
    first, second = (
        pd.read_parquet(shop / "out" / "segments" / f"segments-{d}.parquet") for d in (FIRST, SECOND)
    )
    both = first.merge(second, on="customer_id", suffixes=("_then", "_now"))
    changed = int((both["lifecycle_stage_then"] != both["lifecycle_stage_now"]).sum())
    moved = pd.read_csv(shop / "moved.csv", dtype=str)
    assert changed > 0
    assert len(moved[moved["column"] == "lifecycle_stage"]) == changed
    assert moved["why"].str.len().gt(10).all()


def test_reasons_come_in_chinese(shop: Path) -> None:
    found = pd.read_csv(shop / "first.csv")
    assert found["pyramid_reason"].str.startswith("近一年毛利").all()


def test_the_same_day_again_gives_the_same_labels(shop: Path) -> None:
    place = shop / "out" / "segments" / f"segments-{SECOND}.parquet"
    before = pd.read_parquet(place)
    assert segments(shop / "retain.toml", SECOND).code == 0
    pd.testing.assert_frame_equal(pd.read_parquet(place), before)


def test_thresholds_come_from_the_configuration(shop: Path) -> None:
    text = (shop / "retain.toml").read_text(encoding="utf-8")
    text += "\n[frameworks.pyramid]\ntiers = [0.1, 0.1, 0.1, 0.1]\n"
    (shop / "other.toml").write_text(text, encoding="utf-8")
    rows = segments(shop / "other.toml", SECOND).document["segments"]
    share = {row["label"]: row["share"] for row in rows if row["column"] == "pyramid_tier"}
    assert share["lead"] == pytest.approx(0.6, abs=0.05)


def test_an_unknown_threshold_is_refused_with_its_line(shop: Path) -> None:
    (shop / "wrong.toml").write_text("[frameworks.pyramid]\ntierz = [0.1]\n", encoding="utf-8")
    said = segments(shop / "wrong.toml", SECOND)
    assert said.code == 2
    assert "line 2" in said.err
    assert "tiers" in said.err


@pytest.mark.parametrize("command", ["segments", "decide"])
def test_a_shop_of_contracts_is_told_where_its_list_is(shop: Path, command: str) -> None:
    text = (shop / "retain.toml").read_text(encoding="utf-8")
    config = shop / "contracts.toml"
    config.write_text(text.replace("[churn]", '[churn]\nkind = "contract"', 1), encoding="utf-8")
    said = retain(command, "-c", config, "--json")
    assert said.code == 2
    assert "`retain score` gives the list of contracts" in said.err


def test_who_told_the_endpoint_to_stop_is_in_no_segment(shop: Path, tmp_path: Path) -> None:
    before = pd.read_parquet(shop / "second.parquet")["customer_id"]
    told = before.iloc[0]
    stop = {"time": "2024-07-01T10:00:00", "opted_out": True}
    wish = {"event_id": "w1", "kind": "consent", "customer_id": told, "data": stop}
    log = EventLog(f"sqlite:///{shop / 'out' / 'retain.db'}", "UTC")
    try:
        assert log.add([ConsentEvent.model_validate(wish)], datetime.now(UTC)) == ["added"]
        assert segments(shop / "retain.toml", SECOND, "--out", tmp_path / "now.parquet").code == 0
        after = pd.read_parquet(tmp_path / "now.parquet")["customer_id"]
        assert set(before) - set(after) == {told}
    finally:
        back = {**wish, "event_id": "w2", "data": {"time": "2024-07-01T11:00:00", "opted_out": False}}
        log.add([ConsentEvent.model_validate(back)], datetime.now(UTC))
        log.close()
