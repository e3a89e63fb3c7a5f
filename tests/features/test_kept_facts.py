"""A project's stored day facts: files read in place are told apart, and a store that cannot help ends no run."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import date
from pathlib import Path

import pandas as pd

from features.facts_store import FactsStore
from features.kept_facts import source_files, with_kept_facts
from features.load import Loaded, load
from features.plan import fetch_features
from features.settings import DataSettings, TableSource
from tests.features.killed_facts import digest

TODAY = date(2026, 3, 1)
HELPER = Path(__file__).with_name("killed_facts.py")
ENV = {**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[2])}


def rows_of(loaded: Loaded) -> list[tuple[object, ...]]:
    con = loaded.tables.con
    found: list[tuple[object, ...]] = con.con.execute(
        f"SELECT * FROM ({con.compile(loaded.tables.facts)}) ORDER BY ALL"
    ).fetchall()
    return found


def night(folder: Path, name: str, *rows: tuple[object, ...]) -> None:
    frame = pd.DataFrame(list(rows), columns=["customer_id", "time", "amount", "product"])
    folder.mkdir(exist_ok=True)
    frame.assign(time=pd.to_datetime(frame["time"])).to_parquet(folder / f"{name}.parquet")


def settings_of(folder: Path, **more: object) -> DataSettings:
    source = TableSource(path=(str(folder),))
    return DataSettings(in_place=True, keep_facts=True, orders=source, **more)


def two_nights(tmp_path: Path, **more: object) -> list[str]:
    """What is said over two nights; the features of both ways are the same."""
    said: list[str] = []
    folder, settings = tmp_path / "orders", settings_of(tmp_path / "orders", **more)
    night(folder, "one", ("a", "2026-01-01", 5.0, "tea"), ("b", "2026-01-02", 9.0, "cup"))
    for name in ("", "two"):
        if name:
            night(folder, name, ("a", "2026-01-05", 5.0, "tea"), ("c", "2026-01-02", 9.0, "cup"))
        loaded = load(settings, today=TODAY)
        kept = with_kept_facts(loaded, settings, tmp_path / "facts", note=said.append)
        both = [fetch_features(t.tables, [date(2026, 2, 1)]).sort_by("customer_id") for t in (loaded, kept)]
        assert both[0].equals(both[1])
    return said


def test_files_in_place_are_told_apart(tmp_path):
    assert two_nights(tmp_path) == ["stored day facts: all 2 lines summed up, because there were none yet"]
    contents = FactsStore(tmp_path / "facts").read()
    assert contents is not None
    assert [Path(path).name for path in contents.sources] == ["one.parquet", "two.parquet"]


def test_dropped_copies_are_no_hindrance_and_text_files_are_compared_by_line(tmp_path):
    assert len(two_nights(tmp_path, exact_duplicates="drop")) == 1
    loaded = load(settings_of(tmp_path / "orders"), today=TODAY)
    assert source_files(loaded, DataSettings(orders=TableSource(path=("x.csv",))), tmp_path) is None


def test_findings_that_depend_on_other_lines_have_lines_compared(tmp_path):
    folder = tmp_path / "orders"
    night(folder, "one", (" a", "2026-01-01", 5.0, "tea"), ("b", "2026-01-02", 9.0, "cup"))
    settings = settings_of(folder)
    assert source_files(load(settings, today=TODAY), settings, tmp_path) is None


def test_a_new_file_that_means_something_else_alone_has_everything_summed_up(tmp_path):
    folder, settings, said = tmp_path / "orders", settings_of(tmp_path / "orders"), []
    night(folder, "one", ("a", "2026-01-01", 5.0, "tea"))
    with_kept_facts(load(settings, today=TODAY), settings, tmp_path / "facts", note=said.append)
    night(folder, "two", ("a ", "2026-01-09", 5.0, "tea"))
    loaded = load(settings, today=TODAY)
    alone = source_files(loaded, settings, tmp_path)
    assert alone is None  # blanks around an id: whether they go depends on all ids
    with_kept_facts(loaded, settings, tmp_path / "facts", note=said.append)
    assert "told apart in another way" in said[-1]


def test_a_store_that_another_run_has_is_done_without(tmp_path):
    """Two runs on one output: the second goes without the store, which the first has to itself."""
    two_nights(tmp_path)
    folder, settings, said = tmp_path / "orders", settings_of(tmp_path / "orders"), []
    before = {path.name: path.read_bytes() for path in (tmp_path / "facts").glob("[!.]*")}
    night(folder, "three", ("a", "2026-01-09", 5.0, "tea"))
    words = [sys.executable, str(HELPER), "hold", str(tmp_path / "facts")]
    with subprocess.Popen(words, env=ENV, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as first:
        assert first.stdout is not None
        pid = first.stdout.readline().strip()
        loaded = load(settings, today=TODAY)
        kept = with_kept_facts(loaded, settings, tmp_path / "facts", note=said.append)
        first.kill()
    assert kept is loaded
    assert said[0].startswith("stored day facts are not used in this run:")
    assert f"locked by pid {pid}" in said[0]
    assert {path.name: path.read_bytes() for path in (tmp_path / "facts").glob("[!.]*")} == before
    kept = with_kept_facts(loaded, settings, tmp_path / "facts", note=said.append)
    assert rows_of(kept) == rows_of(loaded)
    assert len(said) == 1  # only what is new was summed up


def test_a_full_disk_costs_the_store_and_not_the_run(tmp_path):
    """A file-size limit stands in for the disk, in a process of its own."""
    two_nights(tmp_path)
    night(tmp_path / "orders", "three", *[(f"c{n}", "2026-01-09", 5.0, f"p{n}") for n in range(200)])
    words = [sys.executable, str(HELPER), "kept", str(tmp_path / "facts"), "1500", str(tmp_path / "orders")]
    said = subprocess.run(words, env=ENV, capture_output=True, text=True, check=True).stdout.splitlines()
    assert said[0].startswith("stored day facts are not used in this run:")
    assert "cannot be written" in said[0]
    settings, told = settings_of(tmp_path / "orders"), list[str]()
    loaded = load(settings, today=TODAY)
    assert said[1] == digest(loaded.tables, loaded.tables.con.compile(loaded.tables.facts))
    kept = with_kept_facts(loaded, settings, tmp_path / "facts", note=told.append)
    assert rows_of(kept) == rows_of(loaded)
    assert told == []  # the old facts were whole, and only what is new was summed up


def test_a_store_that_cannot_be_made_is_done_without(tmp_path):
    folder, settings, said = tmp_path / "orders", settings_of(tmp_path / "orders"), []
    night(folder, "one", ("a", "2026-01-01", 5.0, "tea"))
    loaded = load(settings, today=TODAY)
    (tmp_path / "facts").write_text("in the way")
    kept = with_kept_facts(loaded, settings, tmp_path / "facts", note=said.append)
    assert kept is loaded
    assert said[0].startswith("stored day facts are not used in this run:")
