"""From a bare order file to the list by commands alone, and every way in which it may go wrong."""

from __future__ import annotations

import csv
import json
import shutil
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import mlflow
import openpyxl
import pandas as pd
import pyarrow.parquet as pq
import pytest

from features.publish import output_lock, verify
from retain.cli import _ENVIRONMENT
from tests.retain.command_runs import (
    ODD_IDS,
    Line,
    Said,
    regular_lines,
    retain,
    write_demo_orders,
    write_orders,
)

# MLflow and the libraries below it announce changes of their own.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")

ROOT = Path(__file__).resolve().parents[2]
CUSTOMERS = 150
COLUMNS = (
    *("customer_id", "as_of", "model_version", "evidence", "status", "churn_probability", "churn_percentile"),
    *("expected_next_order_date", "overdue_ratio", "expected_orders_45d", "expected_orders_200d"),
    *(
        "expected_value_45d",
        "expected_value_200d",
        "clv",
        "current_value",
        "value_class",
        "strategy",
        "reasons",
    ),
)


@dataclass(frozen=True)
class Shop:
    """A folder in which everything was run once, and what the commands said."""

    folder: Path
    said: dict[str, Said]

    @property
    def config(self) -> Path:
        return self.folder / "retain.toml"


@pytest.fixture(scope="module", autouse=True)
def environment() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        for name, value in _ENVIRONMENT.items():
            patch.setenv(name, value)
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        patch.delenv("RETAIN_STORE_URL", raising=False)
        yield


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Shop:
    folder = tmp_path_factory.mktemp("shop")
    orders = write_demo_orders(folder / "orders.csv", customers=CUSTOMERS, days=400)
    asked = ["--churn-window", "45", "--horizons", "45,200", "--timezone", "Europe/Berlin"]
    steps: dict[str, list[object]] = {
        "init": [orders, *asked, "--out-dir", folder / "out"],
        "check": [],
        "features": ["--out", folder / "customers.parquet"],
        "train": [],
        "score": ["--out", folder / "list.parquet"],
        "backtest": [folder / "backtest.json", "--cut-offs", "1"],
    }
    common = ["-c", folder / "retain.toml", "--json", "--quiet"]
    return Shop(folder, {name: retain(name, *words, *common) for name, words in steps.items()})


@pytest.fixture
def own(shop: Shop, tmp_path: Path) -> Shop:
    """A copy of the shop to spoil."""
    shutil.copytree(shop.folder, tmp_path / "shop")
    return Shop(tmp_path / "shop", shop.said)


@pytest.fixture(scope="module")
def empty_mlflow(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """MLflow's database before its first run; making one takes seconds, copying it none."""
    path = tmp_path_factory.mktemp("mlflow") / "mlflow.db"
    mlflow.MlflowClient(f"sqlite:///{path}").search_experiments()
    return path


@pytest.fixture
def started(tmp_path: Path, empty_mlflow: Path):
    """A way to start with lines of one's own: writes them, and runs init."""

    def start(lines: list[Line], *words: object) -> Path:
        (tmp_path / "out").mkdir()
        shutil.copy(empty_mlflow, tmp_path / "out" / "mlflow.db")
        orders, config = write_orders(tmp_path / "orders.csv", lines), tmp_path / "retain.toml"
        fixed = ["--out-dir", tmp_path / "out", "--churn-window", "45", "--horizons", "45,200"]
        assert retain("init", orders, "-c", config, *fixed, *words, "--quiet").code == 0
        return config

    return start


def texts(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def ids_in(path: Path) -> set[str]:
    return set(pq.read_table(path, columns=["customer_id"])["customer_id"].to_pylist())


def test_every_step_ends_well_tells_programs_all_and_is_quiet(shop: Shop) -> None:
    assert [(name, said.code, said.err) for name, said in shop.said.items() if said.code or said.err] == []
    documents = {name: said.document for name, said in shop.said.items() if name != "backtest"}
    assert documents["check"]["ok"] is True
    assert documents["check"]["facts"]["customers"] == documents["score"]["rows"] == CUSTOMERS
    assert documents["train"]["promoted"] is True
    assert documents["train"]["model_version"] == documents["score"]["model_version"]
    assert documents["features"]["rows"] == CUSTOMERS


def test_the_list_has_the_promised_columns_with_the_real_horizons(shop: Shop) -> None:
    found = pq.read_table(shop.folder / "list.parquet")
    assert [name for name in COLUMNS if name not in found.column_names] == []
    assert not any(name.endswith(("_30d", "_365d")) for name in found.column_names)
    rows = found.to_pandas()
    assert rows["churn_probability"].between(0, 1).all()
    assert set(rows["status"]) <= {"active", "lapsed", "lost"}
    assert rows["reasons"].str.len().gt(20).all()
    assert rows["reasons"].str.contains("EUR").any()
    assert (rows["expected_value_200d"] >= rows["expected_value_45d"]).all()


def test_the_list_is_ordered_by_value_at_stake(shop: Shop) -> None:
    rows = pq.read_table(shop.folder / "list.parquet").to_pandas()
    assert rows["value_at_stake"].is_monotonic_decreasing
    assert not rows["churn_probability"].is_monotonic_decreasing


def test_ids_come_out_as_they_were_given(shop: Shop) -> None:
    given = {row["customer_id"] for row in texts(shop.folder / "orders.csv")}
    assert given >= set(ODD_IDS)
    assert ids_in(shop.folder / "list.parquet") == ids_in(shop.folder / "customers.parquet") == given


def test_csv_and_workbook_tell_what_the_parquet_file_tells(shop: Shop, tmp_path: Path) -> None:
    wanted = pq.read_table(shop.folder / "list.parquet").to_pandas().set_index("customer_id")
    for ending, words in {"csv": ["--raw"], "xlsx": []}.items():
        path = tmp_path / f"list.{ending}"
        said = retain("score", "-c", shop.config, "--out", path, *words, "--json", "--quiet")
        assert (said.code, said.document["sha256"]) == (0, verify(path).sha256)
        rows = texts(path) if ending == "csv" else sheet(path)
        assert [row["customer_id"] for row in rows] == wanted.index.tolist()
        for name in ("churn_probability", "expected_value_200d", "clv"):
            assert [float(row[name]) for row in rows] == wanted[name].tolist()
        assert [str(row["reasons_zh"]) for row in rows] == wanted["reasons_zh"].tolist()


def sheet(path: Path) -> list[dict[str, Any]]:
    head, *rows = openpyxl.load_workbook(path).active.values
    return [dict(zip(head, row, strict=True)) for row in rows]


def test_a_list_for_people_is_safe_in_a_spreadsheet(own: Shop) -> None:
    assert retain("score", "-c", own.config, "--out", own.folder / "list.csv", "--quiet").code == 0
    assert (own.folder / "list.csv").read_bytes().startswith(b"\xef\xbb\xbfcustomer_id,")
    found = {row["customer_id"] for row in texts(own.folder / "list.csv")}
    assert "'=1+1" in found
    assert "=1+1" not in found


def test_without_a_name_the_list_goes_to_lists_and_a_rerun_gives_the_same_bytes(own: Shop) -> None:
    first = retain("score", "-c", own.config, "--json", "--quiet").document
    again = retain("score", "-c", own.config, "--json", "--quiet").document
    assert Path(first["file"]) == own.folder / "out" / "lists" / f"scored-{first['as_of']}.csv"
    assert first["sha256"] == again["sha256"] == verify(Path(first["file"])).sha256


def test_people_are_told_where_the_list_is(own: Shop) -> None:
    said = retain("score", "-c", own.config, "--out", own.folder / "list.xlsx")
    assert said.code == 0
    assert said.out.startswith(f"{own.folder / 'list.xlsx'}: {CUSTOMERS} customers as of ")


def test_the_back_test_reports_every_model(shop: Shop) -> None:
    assert shop.said["backtest"].out.count("log loss") == 2
    report = json.loads((shop.folder / "backtest.json").read_text())
    (cut_off,) = report["cut_offs"]
    assert set(cut_off["models"]) == {"retain", "recency_rule", "carry_forward", "closed_form"}
    assert verify(shop.folder / "backtest.json").kind == "back-test"


def test_training_again_on_the_same_orders_gives_the_same_model(own: Shop) -> None:
    said = retain("train", "-c", own.config, "--json", "--quiet")
    assert said.document["model_version"] == own.said["train"].document["model_version"]


def test_scoring_without_a_model_says_to_train(started) -> None:
    config = started(regular_lines("ab", date(2025, 1, 1), every=10, times=3))
    said = retain("score", "-c", config, "--json", "--quiet")
    assert (said.code, said.document["error"]["kind"]) == (6, "ModelError")
    assert "retain train" in said.err


def test_a_damaged_model_scores_nobody(own: Shop) -> None:
    (own.folder / "list.parquet").unlink()
    version = own.said["train"].document["model_version"]
    model = own.folder / "out" / "models" / version / "model.json"
    text = model.read_text()
    model.write_text(text.replace('"window_days":45', '"window_days":46'))
    said = retain("score", "-c", own.config, "--out", own.folder / "list.parquet")
    assert (said.code, text == model.read_text()) == (6, False)
    assert f"bundle {version}: model.json is missing or changed" in said.err
    assert not (own.folder / "list.parquet").exists()


@pytest.mark.parametrize(
    ("place", "code", "words"),
    [
        ("nowhere/list.csv", 4, "the folder .*nowhere does not exist"),
        ("list.txt", 2, "the ending '.txt' is unknown"),
        ("out", 4, "files that are no part of a list"),
        ("/proc/list.csv", 4, "list.csv: "),
    ],
)
def test_a_place_that_cannot_be_written_is_refused_before_any_work(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, place: str, code: int, words: str
) -> None:
    monkeypatch.setattr("features.load.load", lambda *_, **__: pytest.fail("read before looking"))
    said = retain("score", "-c", shop.config, "--out", shop.folder / place)
    assert said.code == code
    assert pd.Series([said.err]).str.contains(words).all(), said.err


def test_a_second_scorer_is_told_at_once_who_is_first(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("features.load.load", lambda *_, **__: pytest.fail("read before looking"))
    before, seen = (shop.folder / "list.parquet").read_bytes(), []
    with output_lock(shop.folder / "list.parquet"):
        words = ("score", "-c", shop.config, "--out", shop.folder / "list.parquet")
        other = threading.Thread(target=lambda: seen.append(retain(*words)))
        other.start()
        other.join()
    assert seen[0].code == 4
    assert "list.parquet: locked by pid" in seen[0].err
    assert (shop.folder / "list.parquet").read_bytes() == before


def test_what_a_dead_run_left_is_removed_and_told(own: Shop) -> None:
    left = own.folder / ".list.csv.999999.part"
    left.write_text("half a list")
    said = retain("score", "-c", own.config, "--out", own.folder / "list.csv")
    assert said.code == 0
    assert "list.csv: removed the unfinished .list.csv.999999.part" in said.err
    assert not list(own.folder.glob(".*part"))


def test_a_day_before_the_first_order_has_nobody_to_score(own: Shop) -> None:
    before = (own.folder / "list.parquet").read_bytes()
    words = ("--as-of", "2001-01-01", "--out", own.folder / "list.parquet", "--json", "--quiet")
    said = retain("score", "-c", own.config, *words)
    assert (said.code, said.document["error"]["kind"]) == (5, "NotEnoughData")
    assert "no order before 2001-01-01" in said.err
    assert (own.folder / "list.parquet").read_bytes() == before


def test_a_day_in_the_past_knows_only_its_past(own: Shop) -> None:
    out = own.folder / "past.parquet"
    assert retain("score", "-c", own.config, "--as-of", "2023-09-01", "--out", out, "--quiet").code == 0
    first = pd.DataFrame(texts(own.folder / "orders.csv")).groupby("customer_id")[["time", "known_at"]].min()
    known = first[(first.max(axis=1) < "2023-09-01")].index
    assert 0 < len(known) < CUSTOMERS
    assert ids_in(out) == set(known)


def test_a_strategy_table_of_ones_own_decides(own: Shop) -> None:
    table = (ROOT / "strategies" / "default_strategies.toml").read_text(encoding="utf-8")
    (own.folder / "ours.toml").write_text(table.replace("win_back", "call_them"), encoding="utf-8")
    text = own.config.read_text(encoding="utf-8")
    own.config.write_text(text.replace("[strategies]", '[strategies]\ntable = "ours.toml"'), encoding="utf-8")
    said = retain("score", "-c", own.config, "--json", "--quiet")
    assert said.code == 0, said.err
    assert "call_them" in said.document["strategy"]
    assert "win_back" not in said.document["strategy"]


def train_and_score(config: Path, *words: object) -> pd.DataFrame:
    trained = retain("train", "-c", config, *words, "--json", "--quiet")
    assert (trained.code, trained.err) == (0, "")
    out = config.parent / "list.parquet"
    scored = retain("score", "-c", config, *words, "--out", out, "--json", "--quiet")
    assert (scored.code, scored.err) == (0, "")
    found = pq.read_table(out).to_pandas().set_index("customer_id")
    assert found.filter(regex="churn|expected_(orders|value)|clv").notna().all(axis=None)
    assert found["churn_probability"].between(0, 1).all()
    return found


def test_a_shop_nobody_has_left_is_scored_whole(started) -> None:
    ids = [f"c{n}" for n in range(60)]
    found = train_and_score(started(regular_lines(ids, date(2025, 1, 1), every=9, times=30)))
    assert set(found.index) == set(ids)
    assert set(found["status"]) == {"active"}
    assert found["churn_probability"].max() < 0.5


def test_a_shop_everybody_has_left_is_scored_whole(started) -> None:
    ids = [f"c{n}" for n in range(60)]
    config = started(regular_lines(ids, date(2025, 1, 1), every=9, times=4), "--as-of", "2026-01-01")
    found = train_and_score(config)
    assert set(found.index) == set(ids)
    assert set(found["status"]) == {"lost"}
    assert found["churn_probability"].min() > 0.5


def test_one_customer_is_scored_by_rule(started) -> None:
    found = train_and_score(started(regular_lines(["007"], date(2025, 1, 1), every=9, times=3)))
    assert found.index.tolist() == ["007"]
    assert found.loc["007", "evidence"] == "rule"


def test_a_shop_of_returns_alone_is_refused_with_its_reason(started) -> None:
    lines = [
        (name, day, -amount) for name, day, amount in regular_lines("abc", date(2025, 1, 1), every=9, times=3)
    ]
    said = retain("train", "-c", started(lines), "--json", "--quiet")
    assert (said.code, said.document["error"]["kind"]) == (5, "NotEnoughData")
    assert "none of 3 customers has a purchase with a positive amount" in said.err


def test_nobody_is_lost_between_the_file_and_the_list(started) -> None:
    """Returns only, one order, odd ids, dates to come: each is in the list, or said to be left out."""
    usual = regular_lines([*ODD_IDS, *(f"c{n}" for n in range(40))], date(2025, 1, 1), every=11, times=12)
    later = date.today() + timedelta(days=400)
    special = [("returner", date(2025, 2, 1), -5.0), ("once", date(2025, 2, 1), 5.0), ("to come", later, 5.0)]
    config = started([*usual, *special, ("once", later, 7.0)])
    checked = retain("check", "-c", config, "--json", "--quiet").document
    told = {finding["rule"]: (finding["rows"], finding["lines"]) for finding in checked["findings"]}
    lines = len(usual) + 1
    assert told == {
        "future_date": (2, [lines + 3, lines + 4]),
        "lost_customers": (1, []),
        "never_bought": (1, []),
    }
    found = train_and_score(config)
    assert set(found.index) == {name for name, _, _ in usual} | {"once"}
    assert checked["facts"]["customers"] == len(found) + 1
    assert found.loc["once", "expected_value_200d"] > 0
