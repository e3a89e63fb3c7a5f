"""The quality benchmark: verdicts follow their intervals, and a peer that cannot run says why."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from training.meeting import OURS, Forecast, Meeting
from training.metrics import log_loss

FOLDER = Path(__file__).resolve().parents[2] / "benchmarks"
H = 30


@pytest.fixture(scope="module", autouse=True)
def importable() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(FOLDER))
        yield


@pytest.fixture(scope="module")
def judging() -> ModuleType:
    return importlib.import_module("quality_figures")


@pytest.fixture(scope="module")
def shops() -> ModuleType:
    return importlib.import_module("quality_shops")


def meeting(size: int, seed: int) -> Meeting:
    """Made-up customers: ours knows something, a copy the same, the other peer says the same of all."""
    rng = np.random.default_rng(seed)
    churned = (rng.random(size) < 0.4).astype(float)
    value = np.where(churned == 1, 0.0, rng.gamma(2.0, 50.0, size))
    p = np.clip(0.4 + 0.3 * (churned - 0.4) + rng.normal(0, 0.1, size), 0.01, 0.99)
    ours = Forecast(p, {H: 1 - p}, {H: 100 * (1 - p)})
    flat = Forecast(np.full(size, 0.4), {H: np.full(size, 0.6)}, {H: np.full(size, 60.0)})
    return Meeting(
        day=date(2025, 1, 1),
        window_days=H,
        evidence="btyd",
        customer=np.arange(size),
        churned=churned,
        orders={H: 1 - churned},
        value={H: value},
        value_class=np.full(size, ""),
        forecasts={OURS: ours, "copy": ours, "flat": flat},
    )


def test_interval_tells_better_from_same(judging: ModuleType) -> None:
    meetings = judging.own_customers([meeting(300, 4), meeting(300, 5)])
    assert meetings[1].customer.min() == 300
    meetings[1] = replace(meetings[1], day=date(2025, 2, 1))
    judged = judging.judge_meetings(meetings, ["flat", "copy"], H, draws=200)
    found = {c.figure: c for c in judged.intervals["flat"]}
    assert found["log loss"].verdict == found["nGini"].verdict == "better"
    assert found["log loss"].low < found["log loss"].difference < found["log loss"].high < 0
    assert [(c.difference, c.verdict) for c in judged.intervals["copy"]] == [(0.0, "same")] * len(
        judging.FIGURES
    )
    # The same chance for everybody is well calibrated, and knows nothing.
    assert judged.lost("flat") == ["ECE"]
    mean = np.mean([log_loss(m.churned, m.forecasts[OURS].churn_probability) for m in meetings])
    assert judged.models[OURS]["log loss"] == pytest.approx(mean)


def test_a_peer_without_a_past_says_so(shops: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    new = shops.Case(
        "four months", 120, 100, {"customers": 60}, ("customer_id", "time", "amount"), counts_only=True
    )
    monkeypatch.setitem(shops.SHOPS, "new", new)
    found = shops.judge("new", [1], draws=20)
    assert {OURS, "BG/NBD, ours"} <= set(found.found.models)
    assert "no past day with 120 days" in found.absent["recency rule"]
    assert "recency rule       could not run: no past day" in shops.report(found)
    assert "of 10 comparisons" in shops.summary([found])
    assert found.to_json()["models"][OURS]["MAE orders"] > 0


def test_shops_cut_at_another_season_with_another_seed(shops: ModuleType) -> None:
    settings, day = shops.shop_of(shops.SHOPS["groceries"], 1)
    other, later = shops.shop_of(shops.SHOPS["groceries"], 2)
    assert (settings.end - day).days == 28
    assert (later - day).days == 61
    assert other.orders_per_year == 52


COMPARISON = {"difference": 0.01, "low": 0.002, "high": 0.02}
FIGURES = {"AUC": 0.816, "log loss": 0.49, "ECE": 0.02, "MAE": 300.0, "RMSE": 1000.0, "nGini": 0.85}


def retail(**others: object) -> dict[str, object]:
    """The part of Online Retail II as a run gives it."""
    models = {OURS: FIGURES | {"dec": 0.1, "lvl": 0.05}, "flat": FIGURES | {"dec": 0.2, "lvl": 0.0}}
    # As many figures as a real comparison has: the table shows some, and none that is lost may be hidden.
    names = importlib.import_module("quality_figures").FIGURES
    lost = [
        {"figure": name, "verdict": "worse" if name in ("lvl", "AUC") else "same", **COMPARISON}
        for name in names
    ]
    return {
        "customers": [4_000, 5_000],
        "evidence": ["ml"],
        "models": models,
        "intervals": {"flat": lost},
        "absent": {"other": "cannot be installed"},
    } | others


SPEED = {
    "seconds": 20.0,
    "peak_mb": 900.0,
    "stages": {"load": 2.0, "fit": 12.0},
    "customers": 5_877,
    "one_risk_ms": 0.1,
    "one_ms": 1.3,
    "one_answers_ms": 0.5,
    "one_of_many_ms": 0.06,
    "bg_nbd_ours": 0.02,
    "bg_nbd_lifetimes_absent": "cannot be installed",
}


def test_a_page_says_what_was_missed_and_where_a_peer_is_better() -> None:
    pages = importlib.import_module("quality_page")
    text = pages.page({"retail": retail()}, [], command="python benchmarks/quality.py", machine="one core")
    assert "| Online Retail II 90 d MAE | 300 | 291 | **missed** | 280 | **missed** |" in text
    assert "| Online Retail II 90 d AUC | 0.816 | 0.815 | met | 0.82 | **missed** |" in text
    assert "+0.01 [+0.002, +0.02] same | +0.01 [+0.002, +0.02] **worse** |" in text
    assert "| other | could not run: cannot be installed |" in text
    assert "**worse** in other figures too: AUC against flat (+0.01)." in text
    assert "4,000 to 5,000 customers; evidence ml." in text


def test_a_part_that_failed_misses_its_floors() -> None:
    pages = importlib.import_module("quality_page")
    parts = {"year": {"failed": "OSError: no such file"}, "speed": {"failed": "OSError: no such file"}}
    text = pages.page(parts, [], command="c", machine="m")
    assert text.count("Could not run: OSError: no such file") == 2
    wanted = pages.targets(parts)
    assert len(wanted) == 5
    assert not any(t.reached(t.floor) for t in wanted)


def test_minutes_of_many_lines_are_those_of_training_and_scoring() -> None:
    pages = importlib.import_module("quality_page")
    steps = [
        {"step": step, "lines": 20_000_000, "seconds": seconds, "peak_mb": 4_000.0}
        for step, seconds in (("check", 100.0), ("train", 240.0), ("score", 690.0))
    ]
    speed = {"failed": "OSError: no such file"}
    minutes, gigabytes = pages.targets({"speed": speed, "million": {"steps": steps}})[2:]
    assert (minutes.found, minutes.reached(minutes.floor)) == (15.5, False)
    assert (gigabytes.found, gigabytes.reached(gigabytes.floor)) == (4_000 * 2**20 / 1e9, True)
    absent = pages.targets({"speed": speed, "million": {"failed": "train failed: killed"}})[2:]
    assert [t.found for t in absent] == [None, None]
    text = pages.page({"speed": SPEED, "million": {"steps": steps}}, [], command="c", machine="m")
    assert "| 20,000,000 lines, score | 690 s, 4,000 MB |" in text
    text = pages.page(
        {"speed": SPEED, "million": {"failed": "train failed: killed"}}, [], command="c", machine="m"
    )
    assert "20,000,000 lines could not run: train failed: killed" in text


def test_answers_are_kept_for_the_same_code_only(tmp_path: Path) -> None:
    quality = importlib.import_module("quality")
    kept = quality._Kept(tmp_path, "same")
    kept.put("shop: two, hundred", {"part_seconds": 1.0, "models": {}})
    kept.put("year", {"part_seconds": 1.0, "failed": "OSError: gone"})
    assert quality._Kept(tmp_path, "same").get("shop: two, hundred") == {"part_seconds": 1.0, "models": {}}
    assert quality._Kept(tmp_path, "same").get("year") is None
    assert quality._Kept(tmp_path, "other").get("shop: two, hundred") is None
    assert quality.run_part("year", tmp_path, (1,))["failed"]


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The door to other packages, with one that writes back what it was given as its forecast."""
    door = importlib.import_module("quality_outside")
    (tmp_path / "echo").mkdir()
    (tmp_path / "echo" / "forecast.py").write_text(
        "import csv, sys\n"
        "if sys.argv[1] == 'broken':\n    raise SystemExit('it did not converge')\n"
        "rows = list(csv.DictReader(open(sys.argv[2])))\n"
        "h = sys.argv[5]\n"
        "with open(sys.argv[3], 'w') as out:\n"
        "    out.write(f'no_order,orders_{h},value_{h}\\n')\n"
        "    out.writelines(f\"0.5,{r['x']},{r['m'] if sys.argv[1] == 'whole' else ''}\\n\" for r in rows)\n"
        "print('{\"seconds\": 0.1}')\n"
    )
    monkeypatch.setattr(door, "PEERS", tmp_path)
    monkeypatch.setattr(door, "environment", lambda name: Path(sys.executable))
    return door


def test_another_package_answers_by_files_and_gaps_are_not_guessed(package: ModuleType) -> None:
    peers = importlib.import_module("quality_peers")
    history = {
        "frequency": [0.0, 2.0],
        "recency": [0.0, 9.0],
        "T": [5.0, 9.5],
        "monetary_value": [np.nan, 0.1],
    }
    known = SimpleNamespace(now=pd.DataFrame(history, index=["a", "b"]), window=H)
    found = package.outside("echo", "whole")(known, (H,))
    assert found.expected_orders[H].tolist() == [0.0, 2.0]
    assert found.expected_value[H].tolist() == [0.0, 0.1]
    with pytest.raises(peers.CouldNotRun, match="2 of 2 customers have no finite answer"):
        package.outside("echo", "gaps")(known, (H,))
    with pytest.raises(peers.CouldNotRun, match="echo failed: it did not converge"):
        package.outside("echo", "broken")(known, (H,))


def test_an_installation_that_failed_is_told_and_not_tried_again_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    door, peers = importlib.import_module("quality_outside"), importlib.import_module("quality_peers")
    (tmp_path / "none").mkdir()
    (tmp_path / "none" / "requirements.txt").write_text("")
    monkeypatch.setattr(door, "PEERS", tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    calls = []

    def refuse(command: list[str], seconds: int, failure: str) -> str:
        calls.append(command)
        raise peers.CouldNotRun(f"{failure}: no network")

    monkeypatch.setattr(door, "_called", refuse)
    for _ in range(2):
        with pytest.raises(peers.CouldNotRun, match="none has no environment: no network"):
            door.environment("none")
    assert len(calls) == 1


def test_data_of_a_package_are_read_where_it_is_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    retail, peers = importlib.import_module("quality_retail"), importlib.import_module("quality_peers")
    data = tmp_path / "lib" / "python3.11" / "site-packages" / "shop" / "orders.csv"
    data.parent.mkdir(parents=True)
    data.touch()
    monkeypatch.setattr(retail, "environment", lambda package: tmp_path / "bin" / "python")
    assert retail.packaged("shop", "shop/orders.csv") == data
    with pytest.raises(peers.CouldNotRun, match="shop has no file"):
        retail.packaged("shop", "shop/gone.csv")


def test_whole_cdnow_and_groceries_become_orders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    retail = importlib.import_module("quality_retail")
    text, lines = tmp_path / "master.txt", tmp_path / "transactions.parquet"
    text.write_text(" id date discs value\n 00001 19970101  1   11.77\n 00001 19970118  2   12.00\n")
    baskets = {"household_id": [7, 7], "basket_id": [1, 2], "product_id": [5, 6], "sales_value": [2.5, 0.0]}
    pd.DataFrame(
        baskets | {"transaction_timestamp": pd.to_datetime(["2017-03-01", "2017-03-02"])}
    ).to_parquet(lines)
    monkeypatch.setattr(retail, "packaged", lambda package, path: text if package == "lifetimes" else lines)
    judged = []

    def note(tables: Any, days: list[date], horizon: int, *_: object, horizons: tuple[int, ...]) -> None:
        rows = tables.con.to_pyarrow(tables.orders.select("customer_id", "day", "amount")).to_pylist()
        judged.append((horizon, horizons, len(days), rows))

    monkeypatch.setattr(retail, "_judge", note)
    retail.cdnow_whole(273)
    retail.cdnow_whole(90)
    retail.groceries()
    discs = [("00001", date(1997, 1, 1), 11.77), ("00001", date(1997, 1, 18), 12.0)]
    assert [(h, days, [tuple(r.values()) for r in rows]) for h, _, days, rows in judged] == [
        (273, 1, discs),
        (90, 5, discs),
        (28, 4, [("7", date(2017, 3, 1), 2.5)]),
    ]
