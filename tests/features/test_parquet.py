"""Parquet: damage is found, bombs are refused, the bytes depend on the rows alone."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from features.errors import InputError
from features.parquet import ROWS_PER_GROUP, read_parquet, write_parquet
from features.publish import publish_file


def sample(rows: int) -> pa.Table:
    values = np.random.default_rng(7)
    return pa.table(
        {
            "customer_id": [f"{i:07d}" for i in range(rows)],
            "clv": values.normal(size=rows),
            "status": pa.array(values.choice(["active", "lost"], rows)),
            "group": pa.array(values.choice(["a", "b"], rows)).dictionary_encode(),
            "note": pa.array([None, "中文"] * (rows // 2) + [None] * (rows % 2), pa.large_string()),
            "reasons": [["late", "fewer"]] * rows,
        }
    )


def data_pages(path: Path) -> list[tuple[int, int]]:
    """Where the columns' pages begin and end in the file."""
    footer = pq.ParquetFile(path).metadata
    columns = [footer.row_group(0).column(c) for c in range(footer.num_columns)]
    starts = [c.dictionary_page_offset or c.data_page_offset for c in columns]
    return [(start, start + c.total_compressed_size) for start, c in zip(starts, columns, strict=True)]


def test_round_trip_keeps_types_and_bits(tmp_path):
    table = sample(1001)
    write_parquet(table, tmp_path / "t.parquet")
    read = read_parquet(tmp_path / "t.parquet")
    assert read.equals(table)
    assert read.schema.equals(table.schema)
    footer = pq.ParquetFile(tmp_path / "t.parquet").metadata.row_group(0)
    assert {footer.column(c).compression for c in range(footer.num_columns)} == {"ZSTD"}


def flips(whole: bytes, places: list[tuple[int, int]], seed: int) -> Iterator[bytes]:
    """The file with one bit changed, 200 times, each time somewhere in one of the places."""
    chance = random.Random(seed)
    for _ in range(200):
        damaged = bytearray(whole)
        damaged[chance.randrange(*chance.choice(places))] ^= 1 << chance.randrange(8)
        yield bytes(damaged)


def test_no_flipped_bit_in_the_pages_changes_a_value(tmp_path):
    path, table, refused = tmp_path / "t.parquet", sample(20_000), 0
    write_parquet(table, path)
    for damaged in flips(path.read_bytes(), data_pages(path), seed=3):
        path.write_bytes(damaged)
        try:
            assert read_parquet(path).equals(table)  # a few bits of page headers mean nothing
        except InputError as error:
            refused += "t.parquet: is torn, damaged or no Parquet file" in str(error)
    assert refused >= 190


def test_every_flipped_bit_of_a_published_file_is_found(tmp_path):
    path = tmp_path / "t.parquet"
    publish_file(path, lambda part: write_parquet(sample(100), part))
    whole = path.read_bytes()
    for damaged in flips(whole, [(0, len(whole))], seed=4):
        path.write_bytes(damaged)
        with pytest.raises(InputError, match=r"t\.parquet: does not fit its manifest"):
            read_parquet(path)
    path.write_bytes(whole)
    assert read_parquet(path).equals(sample(100))


def test_flip_passes_without_checksums(tmp_path):
    path = tmp_path / "t.parquet"
    pq.write_table(pa.table({"x": np.arange(1000.0)}), path, compression="none", use_dictionary=False)
    whole = bytearray(path.read_bytes())
    whole[data_pages(path)[0][0] + 4000] ^= 1  # this is why our own files carry them
    path.write_bytes(whole)
    assert read_parquet(path)["x"].to_pylist() != list(map(float, range(1000)))


def test_every_truncation_is_found(tmp_path):
    path = tmp_path / "t.parquet"
    write_parquet(sample(100), path)
    whole, chance = path.read_bytes(), random.Random(5)
    for size in [0, 1, 4, len(whole) - 1, *(chance.randrange(len(whole)) for _ in range(50))]:
        path.write_bytes(whole[:size])
        with pytest.raises(InputError, match=r"t\.parquet: .*Copy it again"):
            read_parquet(path)


def test_missing_file_and_folder_are_named(tmp_path):
    with pytest.raises(InputError, match=r"no\.parquet: there is no such file"):
        read_parquet(tmp_path / "no.parquet")
    with pytest.raises(InputError, match="is torn, damaged or no Parquet file"):
        read_parquet(tmp_path)


def test_number_bomb_is_refused_by_its_footer(tmp_path):
    path = tmp_path / "bomb.parquet"
    pq.write_table(pa.table({"x": np.zeros(4_000_000)}), path, compression="zstd")
    assert path.stat().st_size < 50_000
    with pytest.raises(InputError, match=r"4,000,000 rows need about 0\.0 GiB .* limit of 0\.0 GiB"):
        read_parquet(path, limit_bytes=32_000_000 - 1)
    assert read_parquet(path, limit_bytes=32_000_000 + 600_000).num_rows == 4_000_000


def test_text_bomb_is_refused_before_it_unfolds(tmp_path):
    path = tmp_path / "bomb.parquet"
    codes = pa.DictionaryArray.from_arrays(pa.array(np.zeros(3000, "int32")), ["x" * 1_000_000])
    pq.write_table(pa.table({"s": codes}), path, compression="zstd", store_schema=False)
    assert path.stat().st_size < 10_000
    before = pa.total_allocated_bytes()
    with pytest.raises(InputError, match=r"bomb\.parquet: 3,000 rows need about 2\.8 GiB of memory"):
        read_parquet(path, limit_bytes=2**30)
    assert pa.default_memory_pool().max_memory() - before < 2**29


def test_bytes_do_not_depend_on_chunks(tmp_path):
    table = sample(1000)
    reader = pa.RecordBatchReader.from_batches(table.schema, table.to_batches(max_chunksize=77))
    write_parquet(table, tmp_path / "a.parquet")
    write_parquet(reader, tmp_path / "b.parquet")
    assert (tmp_path / "a.parquet").read_bytes() == (tmp_path / "b.parquet").read_bytes()


def test_long_streams_become_even_groups(tmp_path):
    table = pa.table({"x": np.arange(2 * ROWS_PER_GROUP + 5)})
    reader = pa.RecordBatchReader.from_batches(table.schema, table.to_batches(max_chunksize=100_001))
    write_parquet(reader, tmp_path / "t.parquet")
    footer = pq.ParquetFile(tmp_path / "t.parquet").metadata
    assert [footer.row_group(g).num_rows for g in range(3)] == [ROWS_PER_GROUP, ROWS_PER_GROUP, 5]
    assert read_parquet(tmp_path / "t.parquet").equals(table)


def test_no_rows_keep_their_columns(tmp_path):
    empty = sample(0)
    write_parquet(empty, tmp_path / "t.parquet")
    assert read_parquet(tmp_path / "t.parquet").schema.equals(empty.schema)


def test_pandas_index_does_not_come_back(tmp_path):
    frame = pd.DataFrame({"x": [1.0, 2.0]}, index=pd.Index(["a", "b"], name="customer_id"))
    write_parquet(pa.Table.from_pandas(frame), tmp_path / "t.parquet")
    read = read_parquet(tmp_path / "t.parquet").to_pandas()
    assert list(read.columns) == ["x", "customer_id"]
    assert isinstance(read.index, pd.RangeIndex)
