"""Stored day facts of a folder of partitions: what is added, changed or gone gives the bits of a full rebuild."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from datetime import date
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from features.days import day_facts
from features.errors import InputError
from features.kept_facts import with_kept_facts
from features.load import load
from features.settings import DataSettings, TableSource

TODAY = date(2026, 1, 1)
Night = Callable[[], list[str]]


def write_month(folder: Path, month: int, *, seed: int = 0, **more: float) -> Path:
    """A partition of two small parts, as clusters write them: of one name in each month."""
    draw = np.random.default_rng([month, seed])
    rows = pa.table(
        {
            "customer_id": [f"c{i}" for i in draw.integers(0, 9, 40)],
            "time": [date(2025, month, int(day)) for day in draw.integers(1, 28, 40)],
            "amount": draw.normal(20, 9, 40).round(2),
            "product": [f"p{i}" for i in draw.integers(0, 5, 40)],
            **{name: [value] * 40 for name, value in more.items()},
        }
    )
    place = folder / f"region={'north' if month % 2 else 'south'}" / f"month={month:02}"
    place.mkdir(parents=True, exist_ok=True)
    for part in range(2):
        pq.write_table(rows.slice(part * 20, 20), place / f"part-{part}.parquet", write_page_checksum=True)
    return place


@pytest.fixture
def night(tmp_path: Path) -> Night:
    """A run over the folder: the stored facts are those of all lines, and what is said."""
    for month in (1, 2, 3):
        write_month(tmp_path / "orders", month)
    source = TableSource(path=("orders/**/*.parquet",), columns={"channel": "region"})
    settings = DataSettings(in_place=True, keep_facts=True, orders=source)

    def run() -> list[str]:
        said: list[str] = []
        loaded = load(settings, base=tmp_path, today=TODAY)
        kept = with_kept_facts(loaded, settings, tmp_path / "facts", base=tmp_path, note=said.append)
        con = kept.tables.con
        whole, stored = (
            con.con.execute(f"SELECT * FROM ({con.compile(facts)}) ORDER BY ALL").fetchall()
            for facts in (day_facts(loaded.tables.orders), kept.tables.facts)
        )
        assert stored == whole
        return said

    return run


def parts(tmp_path: Path) -> int:
    return len(list((tmp_path / "facts").glob("days-*.parquet")))


def test_a_new_partition_is_added_to_what_is_stored(tmp_path: Path, night: Night) -> None:
    assert night() == ["stored day facts: all 120 lines summed up, because there were none yet"]
    assert (night(), parts(tmp_path)) == ([], 1)
    write_month(tmp_path / "orders", 4)
    assert (night(), parts(tmp_path)) == ([], 2)


def test_a_partition_that_comes_late_is_added_too(tmp_path: Path, night: Night) -> None:
    shutil.rmtree(tmp_path / "orders" / "region=south")
    night()
    write_month(tmp_path / "orders", 2)
    assert night() == []


def test_a_changed_partition_has_everything_summed_up_and_is_named(tmp_path: Path, night: Night) -> None:
    night()
    write_month(tmp_path / "orders", 2, seed=1)
    (said,) = night()
    assert "because region=south/month=02/part-0.parquet is not the file it was" in said


def test_a_removed_partition_has_everything_summed_up_and_is_named(tmp_path: Path, night: Night) -> None:
    night()
    shutil.rmtree(tmp_path / "orders" / "region=south" / "month=02")
    (said,) = night()
    assert "because region=south/month=02/part-0.parquet is not there any more" in said


def test_a_column_that_only_later_partitions_have_is_told(tmp_path: Path, night: Night) -> None:
    night()
    write_month(tmp_path / "orders", 4, quantity=2.0)
    (said,) = night()
    assert "because the orders have other columns than before" in said
    write_month(tmp_path / "orders", 5, quantity=2.0)
    assert night() == []


@pytest.mark.parametrize("harm", ["torn", "flipped"])
def test_a_damaged_part_is_refused_by_its_partition(tmp_path: Path, night: Night, harm: str) -> None:
    night()
    part = write_month(tmp_path / "orders", 4) / "part-1.parquet"
    data = bytearray(part.read_bytes())
    data[len(data) // 4] ^= 4
    part.write_bytes(data[:-9] if harm == "torn" else data)
    with pytest.raises(InputError, match=r"region=south/month=04/part-1\.parquet: ") as caught:
        night()
    assert ("damaged or cut off" if harm == "torn" else "fail their checksum") in str(caught.value)
    write_month(tmp_path / "orders", 4)
    assert night() == []
