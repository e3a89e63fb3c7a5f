from __future__ import annotations

import json
import socket
import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from retain import cli, health
from retain.health import Check, examine
from serving.keys import KeyStore


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a sound configuration whose endpoint takes any free port."""
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.delenv("RETAIN_STORE_URL", raising=False)
    write(tmp_path, "[serving]\nport = 0\n")
    return tmp_path


def write(folder: Path, text: str) -> Path:
    path = folder / "retain.toml"
    path.write_text(text)
    path.chmod(0o600)
    return path


def state_of(folder: Path, name: str) -> Check:
    return next(check for check in examine(folder / "retain.toml") if check.name == name)


def test_a_sound_place_is_ok(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["doctor", "-c", str(place / "retain.toml"), "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["ok"] is True
    assert {check["state"] for check in document["checks"]} == {"ok"}
    names = {check["name"] for check in document["checks"]}
    assert {
        "python",
        "libraries",
        "openmp",
        "clock",
        "time zones",
        "disk",
        "tracking",
        "endpoint keys",
    } <= names


def test_the_table_is_for_people(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["doctor", "-c", str(place / "retain.toml")]) == 0
    text = capsys.readouterr().out
    assert "openmp" in text
    assert "[/]" not in text


def test_without_a_configuration_the_defaults_are_examined(tmp_path: Path) -> None:
    check = state_of(tmp_path, "configuration")
    assert check.state == "warning"
    assert "retain init" in check.advice


def test_a_faulty_configuration_is_broken(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write(place, "[churn]\nwindow_day = 3\n")
    assert cli.run(["doctor", "-c", str(path)]) == 1
    assert "window_days" in capsys.readouterr().out


def test_an_open_address_without_keys_is_unsafe(place: Path) -> None:
    path = write(place, '[serving]\nhost = "0.0.0.0"\nport = 0\n')
    assert cli.run(["doctor", "-c", str(path)]) == 3
    assert state_of(place, "endpoint keys").state == "unsafe"


def with_keys(folder: Path) -> KeyStore:
    (folder / "retain-out").mkdir(mode=0o700)
    return KeyStore(f"sqlite:///{folder / 'retain-out' / 'retain.db'}")


def test_looking_for_keys_makes_no_database(place: Path) -> None:
    assert state_of(place, "endpoint keys").found == "no keys, and only 127.0.0.1 is listened on"
    assert not (place / "retain-out").exists()


def test_keys_make_an_open_address_safe(place: Path) -> None:
    write(place, '[serving]\nhost = "0.0.0.0"\nport = 0\n')
    with closing(with_keys(place)) as keys:
        _, key = keys.add(["score"])
        keys.add(["admin"], expires_at=datetime.now(UTC) + timedelta(days=15))
        check = state_of(place, "endpoint keys")
        assert (check.state, check.found) == ("ok", "2 keys; the endpoint asks for one")
        keys.revoke(key.key_id)
        assert state_of(place, "endpoint keys").found.startswith("1 keys")


def test_keys_that_end_soon_and_none_that_opens_are_told(place: Path) -> None:
    with closing(with_keys(place)) as keys:
        _, last = keys.add(["score"], expires_at=datetime.now(UTC) + timedelta(days=13))
        _, first = keys.add(["score"], expires_at=datetime.now(UTC) + timedelta(days=2))
        check = state_of(place, "endpoint keys")
        assert (check.state, check.advice) == ("warning", f"retain keys rotate {first.key_id}")
        assert check.found.startswith("2 of 2 keys end within 14 days")
        for key in (first, last):
            keys.revoke(key.key_id)
    check = state_of(place, "endpoint keys")
    assert (check.state, "answers nobody" in check.found) == ("warning", True)


def test_a_state_database_that_cannot_be_read_is_broken(place: Path) -> None:
    (place / "retain-out").mkdir(mode=0o700)
    (place / "retain-out" / "retain.db").write_text("customer_id,clv\n" * 500)
    assert state_of(place, "endpoint keys").state == "broken"


def test_an_output_folder_open_to_others_is_unsafe(place: Path) -> None:
    assert state_of(place, "output folder").state == "ok"
    (place / "retain-out").mkdir(mode=0o755)
    check = state_of(place, "output folder")
    assert check.state == "unsafe"
    assert "chmod -R go-rwx" in check.advice


def test_an_output_folder_that_is_a_file_is_broken(place: Path) -> None:
    (place / "retain-out").write_text("x")
    assert state_of(place, "output folder").state == "broken"


def test_a_password_in_a_readable_configuration_is_unsafe(place: Path) -> None:
    text = '[data.orders]\nurl = "postgresql://u:s3cret@db/x"\ntable = "o"\n'
    path = write(place, text)
    assert state_of(place, "secrets").state == "warning"
    path.chmod(0o644)
    check = state_of(place, "secrets")
    assert check.state == "unsafe"
    assert "s3cret" not in check.found


def test_a_damaged_tracking_file_is_broken(place: Path) -> None:
    (place / "retain-out").mkdir(mode=0o700)
    database = place / "retain-out" / "mlflow.db"
    sqlite3.connect(database).close()
    assert state_of(place, "tracking").state == "ok"
    database.write_bytes(b"no database at all" * 100)
    assert state_of(place, "tracking").state == "broken"


def test_a_tracking_server_is_tried(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{server.getsockname()[1]}"
        monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
        assert state_of(place, "tracking").state == "broken"
        server.listen()
        assert state_of(place, "tracking").state == "ok"


def test_a_port_in_use_is_a_warning(place: Path) -> None:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        write(place, f"[serving]\nport = {server.getsockname()[1]}\n")
        check = state_of(place, "endpoint port")
    assert check.state == "warning"
    assert "running already" in check.advice


def test_a_missing_openmp_runtime_names_the_command(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(name: str) -> None:
        raise OSError(f"{name}: cannot open shared object file")

    monkeypatch.setattr(health.sys, "platform", "linux")
    monkeypatch.setattr(health.ctypes, "CDLL", absent)
    check = state_of(place, "openmp")
    assert check.state == "broken"
    assert "apt-get install libgomp1" in check.advice
    assert "yum install libgomp" in check.advice


@pytest.mark.parametrize(
    ("requirement", "fault"),
    [
        ("numpy>=1.0", ""),
        ("numpy>=999", "needed >=999"),
        ("numpy<1,>=0.5", "needed <1"),
        ("no-such-thing>=1", "no-such-thing is not installed"),
        ("ibis-framework[duckdb]<13,>=12", ""),
        ("uvloop<1,>=0.23; sys_platform != 'win32'", ""),
    ],
)
def test_versions_are_compared_with_their_bounds(requirement: str, fault: str) -> None:
    found = health._library_fault(requirement)
    assert found.endswith(fault)
    assert bool(found) == bool(fault)


def test_versions_compare_as_numbers_not_as_text() -> None:
    assert health._numbers("1.10.2") > health._numbers("1.9")
    assert health._numbers("2") == (2, 0, 0)


def test_little_room_on_the_disk_is_told(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = type("Usage", (), {"free": 100 * 2**20})
    monkeypatch.setattr(health.shutil, "disk_usage", lambda path: usage)
    assert state_of(place, "disk").state == "broken"
    usage.free = 2**30
    assert state_of(place, "disk").state == "warning"


def test_a_clock_before_the_release_is_broken(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health.time, "time", lambda: 0.0)
    check = state_of(place, "clock")
    assert (check.state, check.found) == ("broken", "1970-01-01 00:00 UTC")
