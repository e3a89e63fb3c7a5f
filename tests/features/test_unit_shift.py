from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pytest

from features.load import load
from features.report import Finding
from features.settings import DataSettings, TableSource
from features.unit_shift import Part, split_parts
from retain.shop import ShopSettings, simulate

FIRST = date(2025, 1, 1)
TODAY = date(2026, 1, 15)


def warned(folder: Path, files: dict[str, list[str]], head: str = "customer_id,time,amount") -> list[Finding]:
    for name, lines in files.items():
        (folder / name).write_text("\n".join([head, *lines]) + "\n", encoding="utf-8")
    settings = DataSettings(orders=TableSource(path=("*.csv",)))
    report = load(settings, base=folder, today=TODAY).report
    return [finding for finding in report.findings if finding.rule == "maybe_cents"]


def amounts(size: int, seed: int = 1) -> list[float]:
    """Lognormal, 20 in the middle, two of three between 8 and 50."""
    return [round(float(a), 2) for a in np.random.default_rng(seed).lognormal(3.0, 0.9, size)]


def year(factor_from: int, factor: float) -> list[str]:
    """600 orders over a year; from some order on in another unit."""
    return [
        f"c{i % 50},{FIRST + timedelta(days=i * 360 // 600)},{round(a * (factor if i >= factor_from else 1), 2)}"
        for i, a in enumerate(amounts(600))
    ]


@pytest.mark.parametrize(
    ("start", "factor", "where", "rows"),
    [
        (300, 100.0, "2025-07 … 2025-12", 298),  # five orders in three days
        (430, 100.0, "2025-10 … 2025-12", 145),  # in the middle of September, which belongs to neither
        (400, 1000.0, "2025-09 … 2025-12", 195),
        (400, 0.01, "2025-09 … 2025-12", 195),
    ],
)
def test_a_change_of_unit_is_told_with_its_months(
    tmp_path: Path, start: int, factor: float, where: str, rows: int
) -> None:
    (finding,) = warned(tmp_path, {"orders.csv": year(start, factor)})
    assert where in finding.en
    assert where in finding.zh
    assert abs(finding.rows - rows) <= 5
    larger = float(finding.example.partition("×")[2].rstrip(")").replace(",", ""))
    assert max(factor, 1 / factor) / 2 < larger < 2 * max(factor, 1 / factor)


def test_a_file_in_cents_is_told_by_name(tmp_path: Path) -> None:
    lines = {n: [f"c{i},2025-03-{1 + i % 28:02d},{a}" for i, a in enumerate(amounts(60, n))] for n in (1, 2)}
    cents = [f"d{i},2025-03-{1 + i % 28:02d},{round(100 * a)}" for i, a in enumerate(amounts(40, 3))]
    (finding,) = warned(tmp_path, {"a.csv": lines[1], "b.csv": lines[2], "shop.csv": cents})
    assert '"shop.csv"' in finding.en
    assert finding.rows == 40


def test_files_put_together_are_told_by_their_lines(tmp_path: Path) -> None:
    whole, cents = ([f"c{i},2025-{1 + i % 12:02d}-05" for i in range(n)] for n in (240, 160))
    text = [f"{row},{a}" for row, a in zip(whole, amounts(240), strict=True)]
    text += [f"{row},{round(100 * a)}" for row, a in zip(cents, amounts(160, 2), strict=True)]
    (finding,) = warned(tmp_path, {"orders.csv": text})
    assert "line 2" in finding.en
    assert 145 <= finding.rows <= 165


def test_a_channel_in_cents_is_told_by_name(tmp_path: Path) -> None:
    rows = [
        f"c{i},2025-{1 + i // 4 % 12:02d}-05,{round(100 * a) if i % 3 else a},{'app' if i % 3 else 'till'}"
        for i, a in enumerate(amounts(300))
    ]
    (finding,) = warned(tmp_path, {"orders.csv": rows}, "customer_id,time,amount,channel")
    assert 'channel "till"' in finding.en
    assert finding.rows == 100


def test_whole_numbers_a_hundred_times_the_others_are_told(tmp_path: Path) -> None:
    rows = [
        f"c{i},2025-{1 + i // 4 % 12:02d}-05,{round(100 * a) if i % 2 else a + 0.001}"
        for i, a in enumerate(amounts(300))
    ]
    (finding,) = warned(tmp_path, {"orders.csv": rows})
    assert "12.34" in finding.en or "1234" in finding.en


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_season_and_growth_are_no_other_unit(tmp_path: Path, seed: int) -> None:
    settings = ShopSettings(customers=150, days=500, seed=seed, seasonality=1.5)
    orders = simulate(settings).tables["orders"].select(["customer_id", "time", "amount"]).to_pylist()
    rows = [f"{o['customer_id']},{o['time']},{o['amount']}" for o in orders]
    assert warned(tmp_path, {"orders.csv": rows}) == []


def test_prices_that_rise_tenfold_are_no_other_unit(tmp_path: Path) -> None:
    rows = [
        f"c{i % 50},{FIRST + timedelta(days=i * 360 // 600)},{round(a * 10 ** (i / 600), 2)}"
        for i, a in enumerate(amounts(600))
    ]
    assert warned(tmp_path, {"orders.csv": rows}) == []


def test_the_smaller_group_is_named_and_neighbours_by_first_and_last() -> None:
    parts = [Part("a", 50, 1.0), Part("b", 40, 3.1), Part("c", 30, 3.0), Part("d", 90, 1.2)]
    found = split_parts(parts)
    assert found is not None
    assert (found.where, found.rows) == ("b, c", 70)
    ordered = split_parts(parts, ordered=True)
    assert ordered is not None
    assert ordered.where == "b … c"
    apart = split_parts([parts[1], parts[0], parts[2], parts[3]], ordered=True)
    assert apart is not None
    assert apart.where == "b, c"
    assert split_parts(parts[:1]) is None
    assert split_parts([]) is None


@pytest.mark.data
@pytest.mark.parametrize("name", ["online_retail_ii_orders", "cdnow_sample"])
def test_real_shops_are_in_one_unit(shared_data: Path, name: str) -> None:
    source = TableSource(path=(str(shared_data / f"{name}.parquet"),), columns={"time": "timestamp"})
    rules = {finding.rule for finding in load(DataSettings(orders=source)).report.findings}
    assert "maybe_cents" not in rules
