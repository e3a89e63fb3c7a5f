"""Day facts brought up to date night by night are, bit for bit, those of summing up everything."""

from __future__ import annotations

from datetime import date
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import features.many_days
import features.sorted_numbers
from features import facts_definition, facts_update
from features.errors import InputError
from features.facts_update import up_to_date
from features.frames import tables_from_frames
from features.plan import fetch_features
from features.source_files import SourceFiles, file_mark
from tests.features.feature_runs import line_rows, lines_frame, random_shop, table


def rows(tables, facts):
    """Rows and types as the engine has them, sums wider than 64 bits included."""
    found = tables.con.con.execute(f"SELECT * FROM ({tables.con.compile(facts)}) ORDER BY ALL")
    return [column[:2] for column in found.description], found.fetchall()


def agrees(tables, update):
    return rows(tables, update.tables.facts) == rows(tables, tables.facts)


def lines(*of, columns="customer_id time amount product"):
    return table(columns, *of)


def files_of(nights, upto, folder):
    """The tables of the first nights, and their files told apart."""
    tables = tables_from_frames({"orders": pd.concat(nights[:upto])})
    paths = [folder / f"night-{n}" for n in range(upto)]
    for path in paths:
        if not path.exists():
            path.write_text(path.name)

    def read(some):
        part = pd.concat([nights[int(path.name[6:])] for path in some])
        other = tables_from_frames({"orders": part})
        tables.con.con.register("fresh", other.con.to_pyarrow(other.orders))
        return tables.con.table("fresh")

    return tables, SourceFiles(paths, read)


def nightly(frame, night, late):
    """Lines as they came: in the order of arrival, but for strays; without arrival times where there are none."""
    if not late:
        frame = frame.drop(columns="known_at")
    return [frame[night == n] for n in range(3)]


@settings(max_examples=6, deadline=None)
@given(
    rows_=line_rows(span=60),
    late=st.booleans(),
    by_files=st.booleans(),
    cuts=st.tuples(st.integers(0, 60), st.integers(0, 60)),
    strays=st.lists(st.integers(0, 59), max_size=3),
)
def test_any_split_into_nights_gives_the_bits_of_a_rebuild(
    tmp_path_factory, rows_, late, by_files, cuts, strays
):
    folder, frame = tmp_path_factory.mktemp("facts"), lines_frame(rows_)
    came = np.argsort((frame["known_at"].fillna(frame["time"]) if late else frame["time"]).to_numpy())
    frame = frame.iloc[came].reset_index(drop=True)
    night = np.searchsorted(np.sort(cuts), np.arange(len(frame)), side="right")
    for stray in strays:
        night[stray % len(night)] = 2
    nights = nightly(frame, night, late)
    for upto in (1, 2, 3):
        tables, files = files_of(nights, upto, folder)
        update = up_to_date(tables, folder / "kept", files=files if by_files else None)
        assert agrees(tables, update)


def two_nights(tmp_path, first, second, **columns):
    tables = tables_from_frames({"orders": lines(*first, **columns)})
    assert up_to_date(tables, tmp_path / "kept").rebuilt == "there were none yet"
    tables = tables_from_frames({"orders": lines(*first, *second, **columns)})
    update = up_to_date(tables, tmp_path / "kept")
    assert agrees(tables, update)
    return update


OLD = [("a", "2026-01-01", 5.0, "tea"), ("a", "2026-01-03", 5.0, "tea"), ("b", "2026-01-02", 9.0, "cup")]


def test_later_lines_go_on_from_what_was_counted(tmp_path):
    old = [*OLD, ("a", "2026-01-05", 1.0, "cup")]  # the lines of the last days are summed up in each run
    update = two_nights(tmp_path, old, [("a", "2026-01-05", 7.0, "tea"), ("c", "2026-01-06", 7.0, "tea")])
    assert (update.added_lines, update.recomputed_customers, update.rebuilt) == (3, 0, "")


def test_a_line_among_the_old_ones_recomputes_its_customer_alone(tmp_path):
    old = [*OLD, ("b", "2026-01-09", 1.0, "cup")]
    update = two_nights(tmp_path, old, [("a", "2026-01-02", 7.0, "tea"), ("b", "2026-01-12", 7.0, "tea")])
    assert (update.added_lines, update.recomputed_customers, update.rebuilt) == (2, 1, "")


def test_nothing_new_writes_nothing(tmp_path):
    two_nights(tmp_path, OLD, [])
    before = sorted(p.name for p in (tmp_path / "kept").iterdir())
    two = up_to_date(tables_from_frames({"orders": lines(*OLD)}), tmp_path / "kept")
    assert (two.added_lines, two.rebuilt) == (2, "")  # those of the last two days
    assert sorted(p.name for p in (tmp_path / "kept").iterdir()) == before


def test_a_corrected_or_removed_line_is_found(tmp_path):
    old = [*OLD, ("b", "2026-01-09", 1.0, "cup")]
    two_nights(tmp_path, old, [])
    for changed in (old[1:], [("a", "2026-01-01", 5.5, "tea"), *old[1:]], [*old[:2], old[3]]):
        tables = tables_from_frames({"orders": lines(*changed)})
        update = up_to_date(tables, tmp_path / "kept")
        assert agrees(tables, update)
        assert (update.rebuilt, update.recomputed_customers > 0) == ("", True)


def test_sums_that_the_engine_keeps_wider_are_as_wide_again(tmp_path):
    huge = [("a", "2026-01-04", 1e11, "tea")] * 5_000
    for first, second in ((OLD, huge), (huge, [("b", "2026-01-09", 1.0, "cup")])):
        assert two_nights(tmp_path / str(len(first)), first, second).rebuilt == ""


@pytest.mark.parametrize("by_files", [False, True])
def test_many_nights_become_one_part_with_the_same_bits(tmp_path, monkeypatch, by_files):
    monkeypatch.setattr(facts_update, "MANY_PARTS", 3)
    monkeypatch.setattr(facts_update, "LARGE_TAIL", 99.0)
    nights = [lines(*[("a", f"2026-01-{n:02}", 5.0, "tea"), (f"c{n}", f"2026-01-{n:02}", 3.0, "cup")])
              for n in range(1, 7)]  # fmt: skip
    seen = []
    for upto in range(1, 7):
        tables, files = files_of(nights, upto, tmp_path)
        update = up_to_date(tables, tmp_path / "kept", files=files if by_files else None)
        assert agrees(tables, update)
        seen.append(update.parts)
    assert seen == ([1, 2, 3, 1, 2, 3] if by_files else [0, 0, 1, 2, 3, 1])


def test_stored_rows_stand_by_rising_id(tmp_path, monkeypatch):
    monkeypatch.setattr(facts_update, "MANY_PARTS", 2)
    monkeypatch.setattr(facts_update, "LARGE_TAIL", 99.0)
    nights = [lines(*[(f"c{n % 7}", f"2026-01-{n:02}", 5.0, "tea") for n in (9, 3, 5)]),
              lines(("c1", "2026-01-10", 5.0, "tea")), lines(("c0", "2026-01-11", 5.0, "cup"))]  # fmt: skip
    for upto in (1, 2, 3):
        tables, files = files_of(nights, upto, tmp_path)
        up_to_date(tables, tmp_path / "kept", files=files)
        for part in (tmp_path / "kept").glob("*.parquet"):
            ids = pq.read_table(part, columns=["customer_id"])["customer_id"].to_pylist()
            assert ids == sorted(ids)


def test_nights_in_many_blocks_give_the_bits_of_a_rebuild(tmp_path, monkeypatch):
    monkeypatch.setattr(features.many_days, "BLOCK_LINES", 11)
    monkeypatch.setattr(features.many_days, "BATCH_LINES", 7)
    monkeypatch.setattr(features.sorted_numbers, "_BITS", 12)
    frame = random_shop(5, 40)
    came = frame["known_at"].fillna(frame["time"]).rank(method="first").to_numpy()
    nights = [frame[(came > low) & (came <= high)] for low, high in pairwise([0, 150, 190, len(frame)])]
    for by_files in (True, False):
        for upto in (1, 2, 3):
            tables, files = files_of(nights, upto, tmp_path)
            update = up_to_date(tables, tmp_path / f"kept-{by_files}", files=files if by_files else None)
            assert agrees(tables, update)
            assert update.rebuilt == ("" if upto > 1 else "there were none yet")


def test_a_day_whose_parts_do_not_fit_into_64_bits_together_is_refused(tmp_path):
    nights = [lines(*[("a", "2026-01-04", 1e11, "tea")] * 5_000)] * 2
    tables, files = files_of(nights, 1, tmp_path)
    up_to_date(tables, tmp_path / "kept", files=files)
    tables, files = files_of(nights, 2, tmp_path)
    with pytest.raises(InputError, match="more than 64 bits hold"):
        up_to_date(tables, tmp_path / "kept", files=files)


def test_facts_made_by_another_program_are_summed_up_anew(tmp_path, monkeypatch):
    tables = tables_from_frames({"orders": lines(*OLD)})
    up_to_date(tables, tmp_path)
    monkeypatch.setattr(facts_definition, "_made_by", lambda: "other")
    assert up_to_date(tables, tmp_path).rebuilt == "day facts are made in another way than before"


def test_lines_of_the_last_day_in_the_next_file_are_added_to_that_day(tmp_path):
    nights = [
        lines(*OLD),
        lines(
            ("a", "2026-01-03", 4.0, "tea"), ("a", "2026-01-04", 4.0, "tea"), ("d", "2026-01-03", 1.0, None)
        ),
    ]
    for upto in (1, 2):
        tables, files = files_of(nights, upto, tmp_path)
        update = up_to_date(tables, tmp_path / "kept", files=files)
        assert agrees(tables, update)
    assert (update.added_lines, update.recomputed_customers) == (3, 0)


def test_only_new_files_are_read(tmp_path):
    nights = [lines(*OLD), lines(("a", "2026-01-09", 4.0, "tea"))]
    tables, files = files_of(nights, 1, tmp_path)
    up_to_date(tables, tmp_path / "kept", files=files)
    asked = []
    tables, files = files_of(nights, 2, tmp_path)
    told = SourceFiles(files.paths, lambda some: asked.extend(some) or files.read(some))
    assert agrees(tables, up_to_date(tables, tmp_path / "kept", files=told))
    assert [path.name for path in asked] == ["night-1"]


def test_a_file_that_changed_or_vanished_has_everything_summed_up_anew(tmp_path):
    nights = [lines(*OLD), lines(("a", "2026-01-09", 4.0, "tea"))]
    tables, files = files_of(nights, 2, tmp_path)
    up_to_date(tables, tmp_path / "kept", files=files)
    (tmp_path / "night-0").write_text("night-0 again")
    update = up_to_date(tables, tmp_path / "kept", files=files)
    assert update.rebuilt == "night-0 is not the file it was"
    tables, files = files_of(nights, 1, tmp_path)
    update = up_to_date(tables, tmp_path / "kept", files=files)
    assert update.rebuilt == "night-1 is not there any more"
    assert agrees(tables, update)


def test_a_file_that_changes_meanwhile_is_refused(tmp_path):
    nights = [lines(*OLD), lines(("a", "2026-01-09", 4.0, "tea"))]
    tables, files = files_of(nights, 1, tmp_path)
    up_to_date(tables, tmp_path / "kept", files=files)
    tables, files = files_of(nights, 2, tmp_path)
    told = SourceFiles(
        files.paths, lambda some: (tmp_path / "night-1").write_text("more") and files.read(some)
    )
    with pytest.raises(InputError, match="night-1: the file changed while it was read"):
        up_to_date(tables, tmp_path / "kept", files=told)
    assert up_to_date(tables, tmp_path / "kept", files=files).added_lines == 1


def test_other_columns_or_another_way_of_telling_have_everything_summed_up_anew(tmp_path):
    tables, files = files_of([lines(*OLD)], 1, tmp_path)
    up_to_date(tables, tmp_path / "kept")
    assert "by lines or by files" in up_to_date(tables, tmp_path / "kept", files=files).rebuilt
    settled = SourceFiles(files.paths, files.read, settings="decimal comma")
    assert "settings" in up_to_date(tables, tmp_path / "kept", files=settled).rebuilt
    less = tables_from_frames({"orders": lines(*OLD).drop(columns="product")})
    up_to_date(tables, tmp_path / "kept")
    assert "other columns" in up_to_date(less, tmp_path / "kept").rebuilt


def test_features_of_kept_facts_are_the_features(tmp_path):
    tables = tables_from_frames({"orders": lines(*OLD[:2])})
    up_to_date(tables, tmp_path)
    tables = tables_from_frames({"orders": lines(*OLD, ("a", "2026-01-09", 4.0, "tea"))})
    kept = up_to_date(tables, tmp_path).tables
    both = [fetch_features(t, [date(2026, 2, 1)]).sort_by("customer_id") for t in (tables, kept)]
    assert isinstance(both[0], pa.Table)
    assert both[0].equals(both[1])


def test_a_folder_with_signs_of_patterns_in_its_name(tmp_path):
    folder = tmp_path / "a[1]*'b"
    tables = tables_from_frames({"orders": lines(*OLD)})
    up_to_date(tables, folder)
    assert agrees(tables, up_to_date(tables, folder))
    assert Path(folder).stat().st_mode & 0o777 == 0o700
    assert {p.stat().st_mode & 0o777 for p in folder.glob("*.parquet")} == {0o600}


def test_a_mark_tells_size_time_and_end(tmp_path):
    path = tmp_path / "orders.csv"
    path.write_text("one")
    first = file_mark(path)
    path.write_text("two")
    assert file_mark(path) != first
    with pytest.raises(InputError, match=r"none\.csv: cannot be read"):
        file_mark(tmp_path / "none.csv")
