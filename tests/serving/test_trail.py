"""The audit trail: whatever is done to it is found and named, writers never wait, nobody is written twice."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from features.errors import InputError, LockedError, PublishError
from serving import database
from serving.trail import LOST_ROUTE, STRANGERS_ROUTE, Entry, Trail, TrailWriter, Verified
from serving.trail_chain import ORIGIN, extend, follow

ROOT = Path(__file__).resolve().parents[2]
NOON = datetime(2026, 1, 5, 12, tzinfo=UTC)
APPENDER = """
import sys
from datetime import UTC, datetime
from serving.trail import Entry, Trail
trail = Trail(sys.argv[1])
for n in range(25):
    trail.append([Entry(datetime.now(UTC), sys.argv[2], "/v1/score", "v1", "ab" * 32, n, 200)] * 2)
trail.close()
"""


def entry(number: int = 0, **changes: object) -> Entry:
    asked = Entry(NOON + timedelta(seconds=number), "key-1", "/v1/score", "v1", "ab" * 32, number, 200)
    return asked._replace(**changes)


def chain(blocks: int, entries: int = 2) -> list[dict[str, object]]:
    made: list[dict[str, object]] = []
    for number in range(blocks):
        before = made[-1]["hash"] if made else ORIGIN
        made.append(extend(number, before, [entry(number * entries + n) for n in range(entries)]))
    return made


def verified(blocks: list[dict[str, object]]) -> Verified:
    found = Verified(0, 0, ORIGIN)
    for block in blocks:
        found = follow(found, block)
    return found


@pytest.fixture
def trail(state_url: str) -> Iterator[Trail]:
    opened = Trail(state_url)
    yield opened
    opened.close()


def tampered(url: str, statement: str) -> None:
    engine = sa.create_engine(url)
    with engine.begin() as connection:
        connection.execute(sa.text(statement))
    engine.dispose()


def test_an_empty_trail_is_whole(trail: Trail) -> None:
    assert trail.verify() == Verified(0, 0, ORIGIN)
    assert trail.verify(ORIGIN).blocks == 0
    trail.append([])
    assert trail.verify().blocks == 0


def test_entries_come_back_in_order_with_every_field(trail: Trail) -> None:
    first, second = (
        [entry(1), entry(2, key_id="", route="/v1/customers/{id}")],
        [entry(3, model_version="模型 3\n")],
    )
    trail.append(first)
    trail.append(second)
    assert list(trail.entries()) == first + second
    assert list(trail.entries(since=NOON + timedelta(seconds=2))) == [first[1], *second]
    assert list(trail.entries(since=datetime.now(UTC) + timedelta(days=1))) == []
    assert trail.verify().entries == 3


def test_the_first_hash_is_what_the_documentation_says(trail: Trail) -> None:
    import hashlib

    trail.append([entry(7)])
    with trail._tables.reading() as connection:
        block = connection.execute(sa.text("SELECT * FROM trail_blocks")).mappings().one()
    line = f'["2026-01-05T12:00:07.000000+00:00","key-1","/v1/score","v1","{"ab" * 32}",7,200]'
    assert block["entries"] == line
    text = f"{'0' * 64}\n1\n{block['time']}\n{line}"
    assert block["hash"] == hashlib.sha256(text.encode()).hexdigest() == trail.verify().head


@pytest.mark.parametrize(
    ("statement", "told"),
    [
        ("DELETE FROM trail_blocks WHERE number = 1", "block 1 is missing"),
        ("DELETE FROM trail_blocks WHERE number = 3", "block 3 is missing"),
        (
            "UPDATE trail_blocks SET entries = replace(entries, 'key-1', 'key-2') WHERE number = 2",
            "block 2 .* changed",
        ),
        ("UPDATE trail_blocks SET time = '2026' WHERE number = 2", r"block 2 \(written 2026\) was changed"),
        ("UPDATE trail_blocks SET number = number + 100 WHERE number > 2", "block 3 is missing"),
        (
            "INSERT INTO trail_blocks SELECT 5, time, entries, hash, before FROM trail_blocks WHERE number = 4",
            "block 5 .* changed",
        ),
        (
            "INSERT INTO trail_blocks SELECT 0, time, entries, before, hash FROM trail_blocks WHERE number = 1",
            "block 0",
        ),
    ],
)
def test_what_is_done_to_the_table_is_found_and_named(state_url: str, statement: str, told: str) -> None:
    trail = Trail(state_url)
    for number in range(4):
        trail.append([entry(number)])
    tampered(state_url, statement)
    with pytest.raises(InputError, match=told):
        trail.verify()
    trail.close()


def test_blocks_cut_off_the_end_are_found_with_the_head_noted_earlier(state_url: str) -> None:
    trail = Trail(state_url)
    heads = []
    for number in range(3):
        trail.append([entry(number)])
        heads.append(trail.verify().head)
    assert [trail.verify(head).blocks for head in heads] == [3, 3, 3]
    tampered(state_url, "DELETE FROM trail_blocks WHERE number = 3")
    assert trail.verify(heads[1]).blocks == 2
    with pytest.raises(InputError, match=r"2 blocks fit together, but the head noted earlier is not among"):
        trail.verify(heads[2])
    with pytest.raises(InputError, match="64 hexadecimal digits"):
        trail.verify("not a head")
    trail.close()


@given(seed=st.integers(0, 2**32), kind=st.sampled_from(["drop", "swap", "twice", "line", "byte", "forge"]))
def test_no_change_of_any_block_or_line_goes_through(seed: int, kind: str) -> None:
    draw, blocks = random.Random(seed), chain(6, 3)
    place = draw.randrange(5)
    block = blocks[place]
    lines = block["entries"].split("\n")
    if kind == "drop":
        del blocks[place]
    elif kind == "swap":
        blocks[place], blocks[place + 1] = blocks[place + 1], blocks[place]
    elif kind == "twice":
        blocks.insert(place + 1, block)
    elif kind == "line":
        lines = draw.choice([lines[1:], [lines[1], lines[0], lines[2]], [*lines, lines[0]]])
        blocks[place] = {**block, "entries": "\n".join(lines)}
    elif kind == "byte":
        at = draw.randrange(len(block["entries"]))
        changed = chr(ord(block["entries"][at]) ^ 1)
        blocks[place] = {**block, "entries": block["entries"][:at] + changed + block["entries"][at + 1 :]}
    else:  # one block made anew, with a hash that fits it
        blocks[place] = extend(place, block["before"], [entry(99)])
    with pytest.raises(InputError, match=rf"block ({place + 1}|{place + 2}) "):
        verified(blocks)


def test_two_processes_append_at_the_same_time_and_the_chain_stays_whole(state_url: str) -> None:
    command = [sys.executable, "-c", APPENDER, state_url]
    writers = [subprocess.Popen([*command, name], cwd=ROOT) for name in ("left", "right")]
    assert [writer.wait(timeout=60) for writer in writers] == [0, 0]
    trail = Trail(state_url)
    assert (trail.verify().blocks, trail.verify().entries) == (50, 100)
    for name in ("left", "right"):
        assert [one.customers for one in trail.entries() if one.key_id == name] == [n // 2 for n in range(50)]
    trail.close()


def test_noting_takes_no_time_worth_naming(trail: Trail) -> None:
    writer, one = TrailWriter(trail, seconds=60), entry()
    rounds = []
    for _ in range(20):
        start = time.perf_counter()
        for _ in range(1_000):
            writer.note(one)
        rounds.append((time.perf_counter() - start) / 1_000)
    assert min(rounds) <= 2e-6
    assert writer.flush()
    assert (trail.verify().blocks, trail.verify().entries) == (4, 20_000)


def test_a_running_writer_writes_within_its_time_and_stopping_writes_the_rest(state_url: str) -> None:
    trail = Trail(state_url)
    writer = TrailWriter(trail, seconds=0.01)
    writer.start()
    writer.note(entry(1))
    until = time.monotonic() + 20
    while not trail.verify().entries and time.monotonic() < until:
        pass
    assert trail.verify().entries == 1
    writer.note(entry(2))
    writer.stop()
    assert [one.customers for one in trail.entries()] == [1, 2]
    trail.close()


def test_entries_wait_while_another_process_holds_the_database(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(database, "WAIT_SECONDS", 0)
    url = f"sqlite:///{tmp_path / 'retain.db'}"
    trail = Trail(url)
    writer = TrailWriter(trail, most=5)
    engine = sa.create_engine(url)
    with engine.connect() as holder:
        holder.exec_driver_sql("BEGIN IMMEDIATE")
        for number in range(5):
            writer.note(entry(number))
        assert not writer.flush()  # five are in hand now, and five more may wait
        for number in range(5, 12):
            writer.note(entry(number))
        assert not writer.flush()
        assert (writer.lost, writer.problem.split(".")[0]) == (
            2,
            "state database: another process is writing",
        )
        holder.exec_driver_sql("ROLLBACK")
    engine.dispose()
    assert writer.flush()
    *written, last = trail.entries()
    assert [one.customers for one in written] == list(range(10))
    assert (last.route, last.customers, last.status) == (LOST_ROUTE, 2, 0)
    assert [record.levelname for record in caplog.records] == ["WARNING", "WARNING"]
    assert "written again, 2 entries were lost" in caplog.text
    trail.close()


@pytest.mark.parametrize(
    "error", [LockedError("busy"), PublishError("disk full"), RuntimeError("a secret value")]
)
def test_what_fails_is_told_in_the_log_once_and_nothing_is_written_twice(
    error: Exception, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    trail = Trail("sqlite://")
    writer, append, tries = TrailWriter(trail), trail.append, []

    def failing(entries: list[Entry]) -> None:
        tries.append(len(entries))
        if len(tries) < 3:
            raise error
        append(entries)

    monkeypatch.setattr(trail, "append", failing)
    writer.note(entry(1))
    assert [writer.flush(), writer.flush(), writer.flush(), writer.flush()] == [False, False, True, True]
    assert tries == [1, 1, 1]
    assert len(list(trail.entries())) == 1
    assert len(caplog.records) == 2
    assert "secret" not in caplog.text
    trail.close()


def test_ending_with_entries_that_cannot_be_written_is_told(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    trail = Trail("sqlite://")

    def fail(_: object) -> None:
        raise PublishError("disk full")

    monkeypatch.setattr(trail, "append", fail)
    writer = TrailWriter(trail)
    writer.start()
    writer.note(entry(1))
    writer.note(entry(2))
    writer.stop()
    assert "ended with 2 entries that could not be written" in caplog.text
    trail.close()


def test_strangers_are_counted_by_minute_and_cannot_make_the_trail_grow() -> None:
    trail = Trail("sqlite://")
    writer, at = TrailWriter(trail), datetime(2026, 1, 5, 10, 30, tzinfo=UTC)
    for number in range(1000):
        time = at + timedelta(seconds=0.1 * number)
        writer.note(Entry(time, "", "/v1/score", "", f"{number:064x}", 0, 401))
    writer.note(Entry(at, "", "(none)", "", "", 0, 403))
    writer.note(Entry(at, "key-1", "/v1/score", "", "", 0, 403))
    writer.flush()
    told = [
        (entry.time, entry.key_id, entry.route, entry.customers, entry.status) for entry in trail.entries()
    ]
    assert told == [
        (at, "key-1", "/v1/score", 0, 403),
        (at, "", STRANGERS_ROUTE, 600, 401),
        (at, "", STRANGERS_ROUTE, 1, 403),
        (at + timedelta(minutes=1), "", STRANGERS_ROUTE, 400, 401),
    ]
    trail.close()


def test_the_strangers_of_the_minute_that_is_not_over_are_told_at_the_end(file_url: str) -> None:
    trail = Trail(file_url)
    writer = TrailWriter(trail)
    writer.start()
    for _ in range(3):
        writer.note(Entry(datetime.now(UTC) + timedelta(hours=1), "", "/v1/score", "", "", 0, 401))
    writer.stop()
    assert [(entry.route, entry.customers) for entry in trail.entries()] == [(STRANGERS_ROUTE, 3)]
    trail.close()
