"""The keys file: refused when it is open to others, faults named by line, constant answers."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from features.errors import ConfigError, UnsafeError
from serving.keys import Keys, digest_of, load_keys, new_key


def write(path: Path, text: str | bytes, mode: int = 0o600) -> Path:
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    path.chmod(mode)
    return path


def test_digest_is_sha256_of_the_key() -> None:
    # "abc" is the first example of FIPS 180-4.
    assert digest_of("abc").hex() == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def test_file_with_comments_and_blank_lines_gives_each_key_once(tmp_path: Path) -> None:
    line = digest_of("one").hex()
    keys = load_keys(
        write(tmp_path / "keys", f"# desk\n\n{line}\n{line.upper()}\n{digest_of('two').hex()}\n")
    )
    assert keys.allow("one")
    assert keys.allow("two")
    assert not keys.allow("three")


def test_a_new_key_opens_with_its_line_and_two_differ(tmp_path: Path) -> None:
    (key, line), (other, _) = new_key(), new_key()
    keys = load_keys(write(tmp_path / "keys", line))
    assert keys.allow(key)
    assert not keys.allow(other)
    assert len(key) >= 43  # 32 bytes in base64


@pytest.mark.parametrize(
    "presented", ["", "one ", " one", "ONE", "x" * 513, hashlib.sha256(b"one").hexdigest(), "\udcff"]
)
def test_nothing_but_the_key_itself_opens(presented: str) -> None:
    assert not Keys((digest_of("one"),)).allow(presented)


def test_no_keys_is_false_and_allows_nobody() -> None:
    assert not Keys()
    assert not Keys().allow("anything")


def test_digests_do_not_show_in_repr() -> None:
    assert "ba78" not in repr(Keys((digest_of("abc"),)))


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o620, 0o601])
def test_file_open_to_others_is_unsafe(tmp_path: Path, mode: int) -> None:
    path = write(tmp_path / "keys", digest_of("one").hex(), mode)
    with pytest.raises(UnsafeError, match=rf"mode {mode:04o}.*chmod 600"):
        load_keys(path)


def test_bad_lines_are_named_by_number_and_not_shown(tmp_path: Path) -> None:
    path = write(tmp_path / "keys", f"{digest_of('one').hex()}\nmy-secret-key\n# fine\n{'g' * 64}\n")
    with pytest.raises(ConfigError, match=r"2 of 3 lines.*line 2, 4") as caught:
        load_keys(path)
    assert "my-secret-key" not in str(caught.value)


@pytest.mark.parametrize("text", ["", "\n\n", "# only a comment\n"])
def test_file_without_a_key_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(ConfigError, match="holds no key"):
        load_keys(write(tmp_path / "keys", text))


def test_bytes_that_are_no_text_are_named_by_line(tmp_path: Path) -> None:
    path = write(tmp_path / "keys", digest_of("one").hex().encode() + b"\n\xff\xfe\n")
    with pytest.raises(ConfigError, match="line 2 is not plain text"):
        load_keys(path)


def test_missing_file_folder_and_pipe_are_refused_without_hanging(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="No such file"):
        load_keys(tmp_path / "absent")
    with pytest.raises(ConfigError, match="not a regular file"):
        load_keys(tmp_path)
    os.mkfifo(tmp_path / "pipe", 0o600)
    with pytest.raises(ConfigError, match="not a regular file"):
        load_keys(tmp_path / "pipe")


def test_huge_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="larger than 1048576 bytes"):
        load_keys(write(tmp_path / "keys", "#" * 1_048_577))
