"""A streamed list has the rows of the plain one, bit for bit, whatever the batches, the threads and the interruptions."""

from __future__ import annotations

import errno
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from features.errors import InputError, LockedError, NotEnoughData, PublishError
from features.files import output_lock
from serving.list_batches import equal_batches, list_batch, list_schema, read_features
from serving.list_folder import RECORD, verify_list_folder
from serving.list_runs import ROWS, Run, RunFolder
from serving.scorer import Scorer
from serving.streamed import StreamSettings, stream_list
from tests.serving.streamed_shop import DAY, bundle_and_features, scorer_of

SMALL = StreamSettings(threads=2, batch_rows=40)


@pytest.fixture(scope="module")
def scorer() -> Scorer:
    return scorer_of(bundle_and_features()[0])


@pytest.fixture(scope="module")
def known() -> pa.Table:
    return bundle_and_features()[1]


@pytest.fixture(scope="module")
def plain(scorer: Scorer, known: pa.Table) -> pa.Table:
    rows = scorer.listed(known, DAY).rows
    return pa.Table.from_pandas(rows, preserve_index=False).replace_schema_metadata(None)


def read(folder: Path) -> pa.Table:
    return pa.concat_tables(pq.read_table(file) for file in sorted(folder.glob("*.parquet")))


def same(streamed: pa.Table, plain: pa.Table) -> bool:
    """Bit for bit; the texts of the plain list are of pandas' kind."""
    return streamed.combine_chunks().equals(plain.cast(streamed.schema).combine_chunks())


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize(("threads", "batch_rows"), [(1, 1000), (2, 40), (3, 7)])
def test_rows_and_order_are_those_of_the_plain_list(
    scorer: Scorer, known: pa.Table, plain: pa.Table, tmp_path: Path, threads: int, batch_rows: int
) -> None:
    out = tmp_path / "list"
    found = stream_list(
        scorer,
        known.to_batches(33),
        DAY,
        out,
        settings=StreamSettings(reasons=None, threads=threads, batch_rows=batch_rows),
    )
    assert same(read(out), plain)
    assert found.rows == plain.num_rows
    assert names(tmp_path) == ["list"]


def test_without_reasons_the_other_columns_stay_the_same(
    scorer: Scorer, known: pa.Table, plain: pa.Table, tmp_path: Path
) -> None:
    settings = StreamSettings(reasons=0, batch_rows=64)
    stream_list(scorer, known.to_batches(), DAY, tmp_path / "list", settings=settings)
    found = read(tmp_path / "list")
    assert same(found, plain.drop_columns(["reasons", "reasons_zh"]))
    assert json.loads((tmp_path / "list" / RECORD).read_text())["reasons"] == 0


@pytest.mark.parametrize("count", [1, 55, 10_000])
def test_the_first_of_the_list_have_reasons_and_the_others_none(
    scorer: Scorer, known: pa.Table, plain: pa.Table, tmp_path: Path, count: int
) -> None:
    settings = StreamSettings(reasons=count, batch_rows=40)
    found = stream_list(scorer, known.to_batches(), DAY, tmp_path / "list", settings=settings)
    rows = read(tmp_path / "list")
    assert found.reasons == min(count, plain.num_rows)
    assert same(rows.slice(0, count), plain.slice(0, count))
    assert rows["reasons"].slice(count).null_count == rows.num_rows - found.reasons
    told = ["reasons", "reasons_zh"]
    assert same(rows.drop_columns(told), plain.drop_columns(told))


def test_features_are_read_from_a_file_or_a_folder(
    scorer: Scorer, known: pa.Table, plain: pa.Table, tmp_path: Path
) -> None:
    folder = tmp_path / "features"
    folder.mkdir()
    pq.write_table(known.slice(0, 100), folder / "a.parquet")
    pq.write_table(known.slice(100), folder / "b.parquet")
    stream_list(scorer, folder, DAY, tmp_path / "list", settings=SMALL)
    assert same(read(tmp_path / "list"), plain)


def test_counts_and_totals_are_those_of_the_list(
    scorer: Scorer, known: pa.Table, plain: pa.Table, tmp_path: Path
) -> None:
    found = stream_list(scorer, known.to_batches(), DAY, tmp_path / "list", settings=SMALL)
    counts = {v["values"]: v["counts"] for v in plain["strategy"].value_counts().to_pylist()}
    assert found.counts["strategy"] == counts
    assert found.totals["clv"] == pytest.approx(sum(plain["clv"].to_pylist()), rel=1e-12)
    assert "expected_value_90d_p10" not in found.totals


def test_record_names_every_file_and_tells_damage(scorer: Scorer, known: pa.Table, tmp_path: Path) -> None:
    out = tmp_path / "list"
    found = stream_list(scorer, known.to_batches(), DAY, out, settings=SMALL)
    record = verify_list_folder(out)
    assert (record["rows"], len(record["files"]), record["as_of"]) == (
        found.rows,
        found.files,
        DAY.isoformat(),
    )
    file = out / record["files"][1]["file"]
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data)
    with pytest.raises(PublishError, match=r"1 of .* files do not fit _manifest.json, e.g. part-00001-"):
        verify_list_folder(out)


def test_customers_who_want_no_contact_or_never_bought_are_left_out(
    scorer: Scorer, known: pa.Table, plain: pa.Table, tmp_path: Path
) -> None:
    refused = plain["customer_id"].to_pylist()[:5]
    stream_list(scorer, known.to_batches(), DAY, tmp_path / "list", settings=SMALL, left_out=set(refused))
    assert same(read(tmp_path / "list"), plain.slice(5))
    nobody = known.set_column(
        known.column_names.index("purchase_days"), "purchase_days", pa.array([0] * known.num_rows)
    )
    with pytest.raises(NotEnoughData, match="no customer with an order before"):
        stream_list(scorer, nobody.to_batches(), DAY, tmp_path / "none", settings=SMALL)


def test_a_customer_who_comes_twice_is_refused_and_the_old_list_stands(
    scorer: Scorer, known: pa.Table, plain: pa.Table, tmp_path: Path
) -> None:
    out = tmp_path / "list"
    stream_list(scorer, known.to_batches(), DAY, out, settings=SMALL)
    doubled = pa.concat_tables([known, known.slice(3, 2)])
    with pytest.raises(InputError, match="2 customers come more than once"):
        stream_list(scorer, doubled.to_batches(), DAY, out, settings=SMALL)
    assert same(read(out), plain)


def test_missing_columns_and_damaged_files_are_told(scorer: Scorer, known: pa.Table, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"1 of .* columns are missing, e.g. 'recency'"):
        stream_list(scorer, known.drop_columns(["recency"]).to_batches(), DAY, tmp_path / "list")
    (tmp_path / "torn.parquet").write_bytes(b"PAR1 and no more")
    with pytest.raises(InputError, match=r"torn.parquet: is torn, damaged or no Parquet file"):
        stream_list(scorer, tmp_path / "torn.parquet", DAY, tmp_path / "list")


def test_a_folder_with_other_files_is_never_touched(scorer: Scorer, known: pa.Table, tmp_path: Path) -> None:
    out = tmp_path / "data"
    out.mkdir()
    (out / "orders.csv").write_text("mine")
    with pytest.raises(PublishError, match=r"no part of a list, e.g. 'orders.csv'; nothing was touched"):
        stream_list(scorer, known.to_batches(), DAY, out)
    assert names(out) == ["orders.csv"]
    with output_lock(tmp_path / "list"):
        child = pytest.raises(LockedError, match="locked by pid")
        with child:
            in_another_thread(lambda: stream_list(scorer, known.to_batches(), DAY, tmp_path / "list"))


def in_another_thread(work: object) -> None:
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(1) as pool:
        pool.submit(work).result()  # type: ignore[arg-type]


def test_a_full_disk_is_told_and_what_was_scored_is_kept(
    scorer: Scorer, known: pa.Table, plain: pa.Table, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, batches = tmp_path / "list", known.to_batches()
    stream_list(scorer, batches, DAY, out, settings=StreamSettings(reasons=3, batch_rows=40))
    with monkeypatch.context() as patched:
        patched.setattr("serving.streamed.write_part", full_disk)
        with pytest.raises(PublishError, match="The disk or the quota is full"):
            stream_list(scorer, batches, DAY, out, settings=SMALL)
    assert verify_list_folder(out)["reasons"] == 3
    found = stream_list(scorer, batches, DAY, out, settings=SMALL)
    assert found.kept == len(list(equal_batches(batches, 40)))
    assert same(read(out), plain)
    assert names(tmp_path) == ["list"]


def full_disk(*_: object) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


def test_lists_have_names_of_their_own_and_the_same_list_the_same(
    scorer: Scorer, known: pa.Table, tmp_path: Path
) -> None:
    seen = []
    for number, reasons in enumerate([5, 5, 6]):
        out = tmp_path / str(number)
        found = stream_list(scorer, known.to_batches(), DAY, out, settings=StreamSettings(reasons=reasons))
        seen.append((found.sha256, names(out)))
    assert seen[0] == seen[1]
    assert set(seen[0][1]) & set(seen[2][1]) == {RECORD}


class StoppedError(Exception):
    """The machine went away."""


def until(batches: list[pa.RecordBatch], number: int) -> Iterator[pa.RecordBatch]:
    yield from batches[:number]
    raise StoppedError


def test_whoever_was_stopped_goes_on_where_they_were(
    scorer: Scorer, known: pa.Table, plain: pa.Table, tmp_path: Path
) -> None:
    out, batches = tmp_path / "list", list(equal_batches(known.to_batches(), 40))
    with pytest.raises(StoppedError):
        stream_list(scorer, until(batches, 4), DAY, out, settings=SMALL)
    assert names(tmp_path) == [".list.work"]
    found = stream_list(scorer, iter(batches), DAY, out, settings=SMALL)
    assert found.kept >= 2
    assert same(read(out), plain)
    assert names(tmp_path) == ["list"]


def test_runs_of_other_features_or_settings_or_damaged_ones_are_made_again(
    scorer: Scorer, known: pa.Table, plain: pa.Table, tmp_path: Path
) -> None:
    out, batches = tmp_path / "list", list(equal_batches(known.to_batches(), 40))
    other = batches[0].set_column(
        batches[0].schema.get_field_index("T"), "T", pa.array([900] * 40, batches[0].column("T").type)
    )
    with pytest.raises(StoppedError):
        stream_list(
            scorer,
            until([other, *batches[1:]], 3),
            DAY,
            out,
            settings=StreamSettings(threads=1, batch_rows=40),
        )
    file = RunFolder.beside(out) / "run-00001.arrow"
    file.write_bytes(file.read_bytes()[:-9])
    found = stream_list(scorer, iter(batches), DAY, out, settings=StreamSettings(threads=1, batch_rows=40))
    assert found.kept == 1
    assert same(read(out), plain)


def test_schema_without_customers_is_that_of_the_list(scorer: Scorer, known: pa.Table) -> None:
    assert list_schema(scorer, DAY) == list_batch(scorer, known.to_batches()[0], DAY).schema


def test_reading_features_holds_no_more_memory_the_longer_the_file(tmp_path: Path) -> None:
    draw, file = np.random.default_rng(5), tmp_path / "features.parquet"
    with pq.ParquetWriter(file, pa.schema([("a", pa.float64())])) as writer:
        for _ in range(40):
            writer.write_table(pa.table({"a": draw.random(20_000)}))
    batches, rows = read_features(file, 20_000)
    before = pa.total_allocated_bytes()
    held = [pa.total_allocated_bytes() - before for _ in batches]
    assert (len(held), rows) == (40, 800_000)
    assert max(held) < file.stat().st_size / 4


def test_a_cut_of_a_run_holds_no_more_than_its_rows(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "list", {})
    rows = pa.table(
        {"value_at_stake": np.arange(400.0, 0.0, -1.0), "customer_id": [f"c{n}" for n in range(400)]}
    )
    run = folder.put(Run(0, "", "", "", 400), rows)
    low, high = (-300.0, "c100"), (-295.0, "c105")
    found = folder.between(ROWS, run, folder.index(run, ROWS), low, high)
    assert found["customer_id"].to_pylist() == ["c100", "c101", "c102", "c103", "c104"]
    assert found.get_total_buffer_size() < 500
