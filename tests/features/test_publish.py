"""Files and folders appear whole or not at all, whatever happens on the way."""

from __future__ import annotations

import errno
import json
import os
import stat
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path

import pytest

from features import files
from features.errors import LockedError, PublishError
from features.publish import (
    check_writable,
    manifest_path,
    output_lock,
    publish_file,
    scratch_folder,
    sha256_file,
    sweep_parts,
    verify,
)

ROOT = Path(__file__).resolve().parents[2]
HELPER = Path(__file__).with_name("killed_publisher.py")


def helper(*words: object) -> str:
    command = [sys.executable, str(HELPER), *map(str, words)]
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run(command, env=env, capture_output=True, text=True, check=True, timeout=300).stdout


def holder(folder: Path) -> subprocess.Popen[str]:
    command = [sys.executable, str(HELPER), "hold", str(folder)]
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.Popen(command, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def text(content: str):
    return lambda part: part.write_text(content) and None


def names(folder: Path) -> list[str]:
    return sorted(p.name for p in folder.iterdir())


def test_publish_writes_file_and_manifest(tmp_path):
    out = tmp_path / "list.csv"
    made = publish_file(out, text("a\n1\n"), rows=1, kind="list")
    stored = json.loads(manifest_path(out).read_text())
    assert out.read_text() == "a\n1\n"
    assert stored == {
        "file": "list.csv",
        "rows": 1,
        # printf 'a\\n1\\n' | sha256sum
        "sha256": "309b0e45a73d3fc5325e2b6ed0a01ef8b9cde6b05a5633c1f893f970d52bfddc",
        "bytes": 4,
        "kind": "list",
        "created_by": "retain 0.1.0",
    }
    assert verify(out) == made
    assert names(tmp_path) == ["list.csv", "list.csv.manifest.json"]


def test_outputs_and_parts_are_private(tmp_path):
    modes = []

    def write(part: Path) -> None:
        modes.append(stat.S_IMODE(part.stat().st_mode))
        part.unlink()  # some libraries replace the file they are given
        part.write_text("x")
        part.chmod(0o666)

    publish_file(tmp_path / "list.csv", write)
    modes += [stat.S_IMODE((tmp_path / name).stat().st_mode) for name in names(tmp_path)]
    assert modes == [0o600, 0o600, 0o600]


def test_failing_writer_leaves_the_old_file(tmp_path):
    out = tmp_path / "list.csv"
    old = publish_file(out, text("old"))

    def write(part: Path) -> None:
        part.write_text("half")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        publish_file(out, write)
    assert out.read_text() == "old"
    assert verify(out) == old
    assert names(tmp_path) == ["list.csv", "list.csv.manifest.json"]


def test_each_name_is_on_disk_before_it_is_used(tmp_path, monkeypatch):
    done: list[str] = []
    fsync, replace = os.fsync, os.replace

    def traced_fsync(handle: int) -> None:
        done.append("fsync " + Path(f"/proc/self/fd/{handle}").readlink().name.replace(str(os.getpid()), "N"))
        fsync(handle)

    def traced_replace(source: Path, target: Path) -> None:
        done.append("rename to " + Path(target).name)
        replace(source, target)

    monkeypatch.setattr(os, "fsync", traced_fsync)
    monkeypatch.setattr(os, "replace", traced_replace)
    publish_file(tmp_path / "a", text("x"))
    folder = f"fsync {tmp_path.name}".replace(str(os.getpid()), "N")
    parts = ["fsync .a.N.part", "fsync .a.manifest.json.N.part", folder]
    assert done == [*parts, "rename to a", folder, "rename to a.manifest.json", folder]


@pytest.mark.parametrize("call", ["fsync", "replace", "open"])
def test_any_failing_system_call_leaves_old_or_new(tmp_path, monkeypatch, call):
    real, out, said = getattr(os, call), tmp_path / "list.csv", []
    for n in range(1, 20):
        publish_file(out, text("old"))
        calls = iter(range(1, 1000))

        def failing(*args, n=n, calls=calls, **kwargs):
            if next(calls) == n:
                raise OSError(errno.EIO, "Input/output error")
            return real(*args, **kwargs)

        with monkeypatch.context() as patch, suppress(PublishError):
            patch.setattr(os, call, failing)
            said.append(n)
            publish_file(out, text("new"))
            said.pop()
        assert out.read_text() in {"old", "new"}
        assert verify(out).bytes == 3
        sweep_parts(tmp_path)
        assert names(tmp_path) == ["list.csv", "list.csv.manifest.json"]
    assert len(said) >= {"fsync": 5, "replace": 2, "open": 4}[call]


def test_error_tells_whether_the_old_file_still_stands(tmp_path, monkeypatch):
    real, out, renamed = os.fsync, tmp_path / "list.csv", []
    publish_file(out, text("old"))
    replace = os.replace
    monkeypatch.setattr(os, "replace", lambda *names: [replace(*names), renamed.append(1)])

    def failing(handle: int) -> None:
        if renamed:
            raise OSError(errno.EIO, "Input/output error")
        real(handle)

    monkeypatch.setattr(os, "fsync", failing)
    with pytest.raises(
        PublishError, match=r"list.csv: Input/output error.*new file is in place, but may not surv"
    ):
        publish_file(out, text("new"))
    monkeypatch.undo()
    assert verify(out).sha256 == sha256_file(out)
    with pytest.raises(PublishError, match=r"list.csv: No space left.*earlier file still stands"):
        publish_file(out, lambda part: Path("/dev/full").write_text("x") and None)
    assert out.read_text() == "new"


def test_killed_before_each_step(tmp_path):
    seen = json.loads(helper("steps", tmp_path))
    assert len(seen) >= 9
    assert [s["content"] for s in seen] == sorted((s["content"] for s in seen), reverse=True)  # old…, new…
    assert {s["content"] for s in seen} == {"old", "new"}
    assert all(s["verified"] and s["swept"] and s["after"] == s["content"] for s in seen)
    assert all(s["names"] == ["list.csv", "list.csv.manifest.json"] for s in seen)


def test_killed_at_random_moments(tmp_path):
    seen = json.loads(helper("random", tmp_path, 60, 20261122))
    assert {s["content"] for s in seen} <= {"old", "new"}
    assert all(s["verified"] and s["after"] == s["content"] for s in seen)
    assert all(s["names"] == ["list.csv", "list.csv.manifest.json"] for s in seen)
    assert sum(s["parts"] > 0 for s in seen) >= 10  # or the kills would have missed the writing


def test_file_size_limit_stands_in_for_a_full_disk(tmp_path):
    publish_file(tmp_path / "list.csv", text("old"))
    said = helper("limit", tmp_path, 1_000_000)
    assert "list.csv: File too large" in said
    assert "needs about 1.0 MB or more" in said
    assert "earlier file still stands" in said
    assert (tmp_path / "list.csv").read_text() == "old"
    assert names(tmp_path) == ["list.csv", "list.csv.manifest.json"]


def test_full_disk_says_how_much_is_needed(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "_free_bytes", lambda folder: 2_000_000)

    def write(part: Path) -> None:
        part.write_bytes(b"x" * 2_500_000)
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with pytest.raises(
        PublishError, match=r"needs about 2\.5 MB or more, 2\.0 MB were free.*Nothing was published"
    ):
        publish_file(tmp_path / "list.csv", write)
    assert names(tmp_path) == []


def test_second_publisher_is_told_who_is_first_and_kill_frees(tmp_path):
    out = tmp_path / "list.csv"
    with holder(tmp_path) as first:
        pid = first.stdout.readline().strip()
        with pytest.raises(LockedError, match=f"locked by pid {pid}"):
            publish_file(out, text("second"))
        assert sweep_parts(tmp_path) == []  # a living holder is left alone
        first.kill()
        first.wait()
        assert sweep_parts(tmp_path) == ["list.csv: removed the lock of a process that is gone"]
    publish_file(out, text("second"))
    assert names(tmp_path) == ["list.csv", "list.csv.manifest.json"]


def test_lock_lets_its_own_thread_in_and_no_other(tmp_path):
    out, seen = tmp_path / "list.csv", []

    def other() -> None:
        try:
            publish_file(out, text("other"))
        except LockedError as error:
            seen.append(str(error))

    with output_lock(out):
        thread = threading.Thread(target=other)
        thread.start()
        thread.join()
        publish_file(out, text("mine"))
    assert len(seen) == 1
    assert f"pid {os.getpid()}" in seen[0]
    assert out.read_text() == "mine"
    assert names(tmp_path) == ["list.csv", "list.csv.manifest.json"]


def test_lock_removed_under_its_holder_is_not_shared(tmp_path):
    out, lock = tmp_path / "a", tmp_path / ".a.lock"
    handle = files._take(lock, out)
    lock.unlink()
    with output_lock(out):
        assert lock.read_text() == str(os.getpid())
    os.close(handle)


def test_many_readers_see_whole_lists(tmp_path):
    out, contents, stop = tmp_path / "list.csv", ["a" * 300_000, "b" * 200_000], threading.Event()
    publish_file(out, text(contents[0]), rows=0)

    def publisher() -> None:
        while not stop.is_set():
            for rows, content in enumerate(contents):
                publish_file(out, text(content), rows=rows)

    thread = threading.Thread(target=publisher)
    thread.start()
    try:
        for _ in range(300):
            assert out.read_text() in contents
            made = verify(out)
            assert made.bytes == len(contents[made.rows])
    finally:
        stop.set()
        thread.join()


def test_missing_folder_folder_link_and_pipe_are_refused(tmp_path):
    (tmp_path / "target").write_text("precious")
    (tmp_path / "link.csv").symlink_to(tmp_path / "target")
    os.mkfifo(tmp_path / "pipe.csv")
    wrong = {
        tmp_path / "no" / "list.csv": "does not exist",
        tmp_path: "is a folder",
        tmp_path / "link.csv": "symbolic link",
        tmp_path / "pipe.csv": "not an ordinary file",
        tmp_path / ("x" * 240): "Choose a shorter name",
        tmp_path / "list.csv.manifest.json": "kept for manifests",
    }
    for path, words in wrong.items():
        with pytest.raises(PublishError, match=words):
            check_writable(path)
        with pytest.raises(PublishError, match=words):
            publish_file(path, lambda part: pytest.fail("wrote before looking"))
    assert names(tmp_path) == ["link.csv", "pipe.csv", "target"]


def test_read_only_folder_is_refused(tmp_path):
    folder = tmp_path / "shut"
    folder.mkdir()
    folder.chmod(0o555)
    try:
        said = helper("stranger", folder)
    finally:
        folder.chmod(0o755)
    assert "Permission denied" in said
    assert "change its rights or choose another folder" in said


def test_link_in_the_place_of_a_part_is_not_followed(tmp_path):
    (tmp_path / "target").write_text("precious")
    (tmp_path / f".list.csv.{os.getpid()}.part").symlink_to(tmp_path / "target")
    publish_file(tmp_path / "list.csv", text("list"))
    assert (tmp_path / "target").read_text() == "precious"
    assert names(tmp_path) == ["list.csv", "list.csv.manifest.json", "target"]


def test_sweep_reports_what_it_removes_and_nothing_else(tmp_path):
    (tmp_path / ".list.csv.123.part").write_text("half")
    (tmp_path / ".list.csv.123.work.part").mkdir()
    (tmp_path / ".list.csv.manifest.json.123.part").write_text('{"file"')
    (tmp_path / "notes.part").write_text("a user's own")
    assert sweep_parts(tmp_path) == [
        "list.csv: removed the unfinished .list.csv.123.part",
        "list.csv: removed the unfinished .list.csv.123.work.part",
        "list.csv: removed the unfinished .list.csv.manifest.json.123.part",
    ]
    assert names(tmp_path) == ["notes.part"]
    assert sweep_parts(tmp_path / "missing") == []


def test_next_publication_sweeps_too(tmp_path):
    (tmp_path / ".list.csv.123.part").write_text("half")
    (tmp_path / ".other.csv.123.part").write_text("not ours")
    publish_file(tmp_path / "list.csv", text("x"))
    assert names(tmp_path) == [".other.csv.123.part", "list.csv", "list.csv.manifest.json"]


def test_verify_tells_damage_from_missing(tmp_path):
    out = tmp_path / "list.csv"
    with pytest.raises(PublishError, match="No such file"):
        verify(out)
    out.write_text("by hand")
    with pytest.raises(PublishError, match="missing or unreadable"):
        verify(out)
    publish_file(out, text("good"))
    out.write_text("bad!")
    with pytest.raises(PublishError, match=r"does not fit its manifest: 4 bytes .* expected 4 bytes"):
        verify(out)
    manifest_path(out).write_text("[]")
    with pytest.raises(PublishError, match="missing or unreadable"):
        verify(out)


def test_scratch_folder_is_private_and_goes(tmp_path):
    modes = []

    def write(part: Path) -> None:
        with scratch_folder(part) as scratch:
            modes.append(stat.S_IMODE(scratch.stat().st_mode))
            (scratch / "rows").write_text("x")
        part.write_text("x")

    publish_file(tmp_path / "list.csv", write)
    assert modes == [0o700]
    assert names(tmp_path) == ["list.csv", "list.csv.manifest.json"]
