"""Folders appear whole under a new name and never change afterwards."""

from __future__ import annotations

import errno
import stat
from pathlib import Path

import pytest

from features.errors import PublishError
from features.publish import publish_dir, sha256_file


def names(folder: Path) -> list[str]:
    return sorted(p.name for p in folder.iterdir())


def bundle(content: str):
    def write(folder: Path) -> None:
        (folder / "sub").mkdir()
        (folder / "sub" / "model.txt").write_text(content)
        (folder / "empty.json").write_text("")

    return write


def test_publish_dir_whole_private_and_idempotent(tmp_path):
    out = tmp_path / "bundle-1"
    publish_dir(out, bundle("a"))
    publish_dir(out, bundle("a"))
    assert (out / "sub" / "model.txt").read_text() == "a"
    assert stat.S_IMODE(out.stat().st_mode) == stat.S_IMODE((out / "sub").stat().st_mode) == 0o700
    assert stat.S_IMODE((out / "empty.json").stat().st_mode) == 0o600
    assert names(tmp_path) == ["bundle-1"]


def test_publish_dir_never_changes_what_is_there(tmp_path):
    out = tmp_path / "bundle-1"
    publish_dir(out, bundle("a"))
    with pytest.raises(PublishError, match=r"other content \(1 entries differ, for example sub/model.txt\)"):
        publish_dir(out, bundle("b"))
    (tmp_path / "file").write_text("x")
    with pytest.raises(PublishError, match="other content"):
        publish_dir(tmp_path / "file", bundle("b"))
    assert sha256_file(out / "sub" / "model.txt").startswith("ca978112")  # "a"
    assert names(tmp_path) == ["bundle-1", "file"]


def test_publish_dir_refuses_links_and_cleans_up(tmp_path):
    def write(folder: Path) -> None:
        (folder / "model.txt").symlink_to("/etc/hostname")

    with pytest.raises(PublishError, match="only ordinary files"):
        publish_dir(tmp_path / "bundle-1", write)
    assert names(tmp_path) == []


def test_publish_dir_takes_the_place_of_another_in_one_step_where_asked(tmp_path, monkeypatch):
    out = tmp_path / "list"
    publish_dir(out, bundle("a"), replace=True)
    publish_dir(out, bundle("b"), replace=True)
    assert (out / "sub" / "model.txt").read_text() == "b"
    assert names(tmp_path) == ["list"]

    def unable(one: Path, other: Path) -> None:
        raise OSError(errno.ENOTSUP, "not supported", str(other))

    monkeypatch.setattr("features.publish.exchange", unable)
    with pytest.raises(
        PublishError, match="cannot swap two folders in one step: give the name of a new folder"
    ):
        publish_dir(out, bundle("c"), replace=True)
    assert (out / "sub" / "model.txt").read_text() == "b"
    assert names(tmp_path) == ["list"]
