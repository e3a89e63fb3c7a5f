"""``retain audit``: a page and tables that add up to the order file to the cent."""

from __future__ import annotations

import csv
import re
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.parquet as pq
import pytest

from tests.retain.command_runs import make_model, regular_lines, retain, write_orders

CONFIG = '[data]\ntimezone = "UTC"\ncurrency = "EUR"\n[data.orders]\npath = "orders.csv"\n'
IDS = [f"c{i}" for i in range(20)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twenty regular customers with a model, a line of nobody and a line that cannot be read."""
    found = tmp_path_factory.mktemp("project")
    lines = regular_lines(IDS, date(2025, 1, 1), every=15, times=8)
    write_orders(found / "orders.csv", lines)
    (found / "retain.toml").write_text(CONFIG)
    make_model(found / "retain.toml", date(2025, 5, 1), evidence="rule")
    write_orders(found / "orders.csv", [*lines, ("", date(2025, 4, 1), 5.25), ("c1", "some day", 3.5)])
    return found


def cents(rows: list[dict[str, Any]], name: str) -> int:
    return sum(round(100 * row[name]) for row in rows)


def test_the_places_are_the_file(folder: Path, tmp_path: Path) -> None:
    said = retain("audit", "-c", folder / "retain.toml", "--out", tmp_path / "audit", "--json")
    assert said.code == 0, said.err
    with (folder / "orders.csv").open(encoding="utf-8") as file:
        amounts = [Decimal(line["amount"]) for line in csv.DictReader(file)]
    ledger = {row["place"]: row for row in said.document["tables"]["ledger"]}
    assert sum(row["rows"] for row in ledger.values()) == len(amounts)
    assert cents(list(ledger.values()), "amount") == 100 * sum(amounts)
    assert (ledger["no_customer"]["amount"], ledger["not_a_date"]["amount"]) == (5.25, 3.5)
    assert said.document["reconciles"] is True


def test_the_page_and_a_file_for_each_table(folder: Path, tmp_path: Path) -> None:
    document = retain("audit", "-c", folder / "retain.toml", "--out", tmp_path / "audit", "--json").document
    assert set(document["files"]) == {"page", "bridge_customers", *document["tables"]}
    assert all(Path(file).is_file() for file in document["files"].values())
    equity = pd.read_csv(document["files"]["equity"])
    assert equity["equity"].iloc[0] == document["tables"]["equity"][0]["equity"]
    listed = retain("score", "-c", folder / "retain.toml", "--out", tmp_path / "list.csv", "--json").document
    assert equity["equity"].iloc[0] == pytest.approx(listed["totals"]["clv"])
    splits = {row["split"] for row in document["tables"]["equity_by"]}
    assert splits == {"value_class", "pyramid_tier", "lifecycle_stage", "status"}


@pytest.mark.parametrize(("lang", "words"), [("en", "customer equity"), ("zh", "客户资产")])
def test_it_says_the_main_figures(folder: Path, tmp_path: Path, lang: str, words: str) -> None:
    said = retain("audit", "-c", folder / "retain.toml", "--out", tmp_path / "audit", "--lang", lang)
    assert words in said.out
    assert "0 differ" in said.out or "0 项不符" in said.out
    assert f'id="show-{lang}" checked' in (tmp_path / "audit" / "audit.html").read_text(encoding="utf-8")


@pytest.mark.parametrize("kind", ["xlsx", "parquet"])
def test_tables_are_of_the_kind_asked_for(folder: Path, tmp_path: Path, kind: str) -> None:
    said = retain("audit", "-c", folder / "retain.toml", "--out", tmp_path, "--tables", kind, "--quiet")
    assert said.code == 0, said.err
    assert (tmp_path / f"bridge.{kind}").is_file()


def test_without_a_model_it_says_what_to_do(folder: Path, tmp_path: Path) -> None:
    lines = regular_lines(IDS, date(2025, 1, 1), every=15, times=8)
    write_orders(tmp_path / "orders.csv", lines)
    (tmp_path / "retain.toml").write_text(CONFIG)
    said = retain("audit", "-c", tmp_path / "retain.toml")
    assert said.code == 0, said.err
    assert "retain train" in said.out
    (page,) = tmp_path.glob("retain-out/audit-*/audit.html")
    assert "retain train" in page.read_text(encoding="utf-8")


def test_an_earlier_day_knows_less(folder: Path, tmp_path: Path) -> None:
    words = ("audit", "-c", folder / "retain.toml", "--out", tmp_path, "--as-of", "2025-03-01", "--json")
    ledger = {row["place"]: row for row in retain(*words).document["tables"]["ledger"]}
    before = [
        amount
        for _, day, amount in regular_lines(IDS, date(2025, 1, 1), every=15, times=8)
        if day < date(2025, 3, 1)
    ]
    assert ledger["bought"]["amount"] == sum(before)
    assert ledger["later"]["rows"] == 160 - len(before)


def test_what_cannot_be_done_is_refused(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("x")
    taken = retain("audit", "-c", folder / "retain.toml", "--out", tmp_path / "taken")
    assert (taken.code, "--out names a folder" in taken.err) == (2, True)
    early = retain("audit", "-c", folder / "retain.toml", "--out", tmp_path, "--as-of", "1999-01-01")
    assert (early.code, "choose a later --as-of" in early.err) == (5, True)


@pytest.mark.data
def test_online_retail_reconciles_to_the_cent(shared_data: Path, tmp_path: Path) -> None:
    path = shared_data / "online_retail_ii_lines.parquet"
    config = tmp_path / "retain.toml"
    assert retain("init", path, "-c", config, "--churn-window", 90, "--horizons", "90", "--quiet").code == 0
    make_model(config, date(2010, 7, 1), evidence="rule")
    said = retain("audit", "-c", config, "--json", "--quiet")
    assert said.code == 0, said.err
    tables = said.document["tables"]
    lines = pq.read_table(path, columns=["customer_id", "amount"]).to_pandas()
    whole = (100 * lines["amount"]).round().astype("int64")
    ours = whole[lines["customer_id"].notna()]
    assert cents(tables["ledger"], "amount") == whole.sum() == 1_890_976_210
    assert sum(row["rows"] for row in tables["ledger"]) == len(lines)
    for name, column in (("cohorts", "revenue"), ("whole_base", "revenue"), ("equity", "past_revenue")):
        assert cents(tables[name], column) == ours.sum()
    splits = {row["split"] for row in tables["equity_by"]}
    parts = [[row for row in tables["equity_by"] if row["split"] == split] for split in splits]
    assert [cents(part, "past_revenue") for part in parts] == [ours.sum()] * 4
    amounts = {row["part"]: round(100 * row["amount"]) for row in tables["bridge"]}
    after = amounts.pop("after")
    assert sum(amounts.values()) == after
    page = Path(said.document["files"]["page"]).read_text(encoding="utf-8")
    assert "18,909,762.10" in page
    assert re.search(r"[0-9]+ sums .*: 0 differ", page)
