"""Checksums of Parquet pages: every flipped bit in a page is found, whole files pass, others are passed by."""

from __future__ import annotations

from datetime import datetime

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from features.errors import InputError
from features.page_checksums import check_pages


def write(path, *, checksum=True, **options):
    rows = pa.table(
        {
            "id": [f"c{i % 300}" for i in range(9_000)],
            "amount": [i / 7 for i in range(9_000)],
            "time": [datetime(2025, 1, 1 + i % 28) for i in range(9_000)],
            "empty": pa.nulls(9_000, pa.string()),
        }
    )
    settings = {"data_page_size": 4096, "row_group_size": 4_000, **options}
    pq.write_table(rows, path, write_page_checksum=checksum, **settings)
    return path


@pytest.mark.parametrize("compression", ["none", "zstd"])
@pytest.mark.parametrize("version", ["1.0", "2.0"])
def test_whole_pages_pass_whatever_the_writer_chose(tmp_path, compression, version):
    options = {"compression": compression, "data_page_version": version}
    paths = [write(tmp_path / f"{d}.parquet", use_dictionary=d == 1, **options) for d in range(2)]
    check_pages(paths, {"id", "amount", "time", "empty"})


def test_a_flipped_bit_is_told_with_file_and_column_and_only_there(tmp_path):
    whole = write(tmp_path / "whole.parquet", compression="none", use_dictionary=False)
    at = pq.read_metadata(whole).row_group(1).column(1).data_page_offset + 2_000
    content = bytearray(whole.read_bytes())
    content[at] ^= 1
    torn = tmp_path / "flipped.parquet"
    torn.write_bytes(content)
    with pytest.raises(InputError, match=r"flipped\.parquet: 1 page of column 'amount'\. Bits have changed"):
        check_pages([whole, torn], {"id", "amount"})
    check_pages([whole, torn], {"id", "time"})


def test_files_without_checksums_and_without_rows_are_passed_by(tmp_path):
    path = write(tmp_path / "plain.parquet", checksum=False)
    content = bytearray(path.read_bytes())
    content[pq.read_metadata(path).row_group(0).column(1).data_page_offset + 500] ^= 1
    path.write_bytes(content)
    empty = tmp_path / "empty.parquet"
    pq.write_table(pa.table({"id": pa.array([], pa.string())}), empty, write_page_checksum=True)
    check_pages([path, empty], {"id", "amount"})
