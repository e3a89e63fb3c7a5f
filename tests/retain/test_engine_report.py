from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest

from features import conformance
from features.conformance import Conformance, Finding
from features.made_up_shops import made_up_shops
from features.pipeline import FAMILIES, FEATURES
from retain import cli
from retain.console import Screen
from retain.engine_report import EngineReport
from tests.retain.own_feature_runs import of_the_guide

ROOT = Path(__file__).resolve().parents[2]
ONE = made_up_shops()[3:]


@pytest.fixture(autouse=True)
def one_shop(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conformance, "made_up_shops", lambda: ONE)


def test_duckdb_in_a_file_works_and_stays_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "shop.duckdb"
    with duckdb.connect(str(path)) as con:
        con.execute("CREATE TABLE orders AS SELECT 1 AS mine")
    before = path.read_bytes()
    monkeypatch.setenv("SHOP_URL", f"duckdb:///{path}")
    assert cli.run(["doctor", "--backend", "env:SHOP_URL", "--json", "--quiet"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert (document["ok"], document["engine"], document["worst"], document["faults"]) == (
        True,
        "duckdb",
        0.0,
        [],
    )
    features = [part for part in document["parts"] if part["step"] == "features"]
    assert sum(part["compared"] for part in features) == len(FEATURES)
    assert {part["state"] for part in document["parts"]} == {"equal"}
    assert path.read_bytes() == before


def test_sqlite_is_told_part_by_part(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    some = [family for family in FAMILIES if "gap_median" in family.names or family.source == "contracts"]
    monkeypatch.setattr(conformance, "FAMILIES", some)
    assert cli.run(["doctor", "--backend", "sqlite://", "--json", "--quiet"]) == 1
    document = json.loads(capsys.readouterr().out)
    states = {part["name"]: part["state"] for part in document["parts"] if part["step"] == "features"}
    assert states == {"rhythm": "failed", "contracts": "equal"}
    (fault,) = [fault for fault in document["faults"] if fault["family"] == "rhythm"]
    assert (fault["shop"], fault["column"], fault["worst"]) == ("one customer", "*", None)
    assert "'Median'" in fault["message"]


def test_a_password_is_never_shown(capsys: pytest.CaptureFixture[str]) -> None:
    url = "postgresql://retain:h1dden@127.0.0.1:1/shop"
    assert cli.run(["doctor", "--backend", url]) == 2
    said = capsys.readouterr()
    assert "retain:***@127.0.0.1:1" in said.err
    assert "h1dden" not in said.out + said.err


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("env:NO_SUCH_NAME", "the environment variable NO_SUCH_NAME is not set"),
        ("duckdb:///no_such.duckdb", "there is no file no_such.duckdb"),
        ("nowhere", "not a database address"),
        ("nosuchengine://host", "no driver"),
    ],
)
def test_an_address_that_leads_nowhere_is_told(
    url: str, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.run(["doctor", "--backend", url]) == 2
    assert told in capsys.readouterr().err


HASHED = """
from features.family import ColumnDoc, Family
DOCS = (ColumnDoc("hashed_ages", "Hashes", "散列", "number", "all", "sum of hash mod 7"),)
FAMILY = Family("orders", DOCS, lambda days: {"hashed_ages": (days.age.hash() % 7).max()})
"""
# The shops are made before anything asks for features: those of the folder are fixed when one does.
ONE_SHOP = (
    "import sys; from features import made_up_shops as made; some = made.made_up_shops()[3:]; "
    "made.made_up_shops = lambda: some; from retain.cli import main; sys.exit(main())"
)


def test_features_of_the_folder_are_asked_for_and_told_by_file(tmp_path: Path, postgres_url: str) -> None:
    folder = tmp_path / "my_features"
    folder.mkdir()
    (folder / "month_start.py").write_text(of_the_guide(), encoding="utf-8")
    (folder / "hashed.py").write_text(HASHED, encoding="utf-8")
    (tmp_path / "retain.toml").write_text('[features]\nfolder = "my_features"\n')
    words = ["doctor", "--backend", "env:SHOP_URL", "-c", str(tmp_path / "retain.toml"), "--json", "--quiet"]
    said = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", ONE_SHOP, *words],
        env={**os.environ, "SHOP_URL": postgres_url, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert said.returncode == 1, said.stderr
    states = {part["name"]: part["state"] for part in json.loads(said.stdout)["parts"]}
    assert states.pop("hashed.py") == "differs"
    assert "month_start.py" in states
    assert set(states.values()) == {"equal"}


def test_a_folder_that_is_not_there_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "retain.toml"
    path.write_text('[features]\nfolder = "my_feature"\n')
    assert cli.run(["doctor", "--backend", "duckdb://", "-c", str(path)]) == 2
    assert "there is no such folder; make it, or take the line out" in capsys.readouterr().err


def report(*findings: Finding) -> EngineReport:
    return EngineReport("shop://here", Conformance("fast", "1.5", findings))


def test_the_parts_gather_what_all_shops_found(capsys: pytest.CaptureFixture[str]) -> None:
    found = report(
        Finding("one", "labels", "labels", "orders_1d", "equal"),
        Finding("one", "features", "rfm", "T", "equal", 1e-12),
        Finding("two", "features", "rfm", "T", "differs", 0.5, "1 of 2 rows; at a: 3 instead of 2"),
        Finding("two", "features", "trend", "*", "failed", math.inf, "no such function"),
    )
    assert [(part.step, part.name, part.state, part.compared) for part in found.parts] == [
        ("features", "rfm", "differs", 2),
        ("features", "trend", "failed", 1),
        ("labels", "labels", "equal", 1),
    ]
    assert found.summary.startswith(
        "fast 1.5 at shop://here: 2 of 3 parts do not work (features rfm, features trend). "
        "Do not read tables in place there: export them as Parquet, or set in_place = false"
    )
    Screen().result({}, found.table(quiet=True))
    text = " ".join(capsys.readouterr().out.split())
    assert "features rfm differs 2 T: 1 of 2 rows; at a: 3 instead of 2 (shop two)" in text
    assert "labels" not in text


def test_an_engine_that_works_is_told_in_one_line() -> None:
    found = report(Finding("one", "features", "rfm", "T", "equal", 2e-16))
    assert found.document["ok"] is True
    assert found.summary == (
        "fast 1.5 at shop://here: all 1 columns of the made-up shops are what DuckDB gives "
        "(largest difference 2e-16, 1e-09 is allowed)"
    )
