"""``retain keys`` and ``retain trail`` as a person or a script uses them."""

from __future__ import annotations

from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from retain.config import Project, load_config
from serving.keys import Key, KeyStore
from serving.trail import Entry, Trail
from tests.retain.command_runs import Said, retain


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    monkeypatch.delenv("RETAIN_STORE_URL", raising=False)
    path = tmp_path / "retain.toml"
    path.write_text('[data]\ntimezone = "Asia/Shanghai"\n')
    return load_config(path)


def call(project: Project, *words: object) -> Said:
    return retain(*words, "-c", project.path)


def found(project: Project, text: str) -> Key | None:
    with closing(KeyStore(project.store_url)) as store:
        return store.snapshot().find(text.encode(), datetime.now(UTC))


def test_a_key_goes_to_standard_output_alone_and_opens(project: Project) -> None:
    said = call(
        project,
        "keys",
        "add",
        "--role",
        "score",
        "--role",
        "events",
        "--scope",
        "risk=high",
        "--label",
        "till",
    )
    assert said.code == 0, said.err
    text = said.out.strip()
    assert said.out == f"{text}\n"
    assert text not in said.err
    key = found(project, text)
    assert (key.roles, dict(key.scope), key.label) == ({"score", "events"}, {"risk": ("high",)}, "till")
    assert key.key_id in said.err


def test_a_key_is_written_nowhere(project: Project) -> None:
    text = call(project, "keys", "add", "--role", "score", "--json").document["key"]
    call(project, "keys", "list", "--json")
    secret = text.removeprefix("retain_").encode()
    files = [path for path in project.base.rglob("*") if path.is_file()]
    assert files
    assert not [path.name for path in files if secret in path.read_bytes()]


def test_the_day_of_the_end_starts_in_the_business_zone(project: Project) -> None:
    key = call(project, "keys", "add", "--role", "admin", "--expires", "2999-01-01", "--json").document
    assert key["expires_at"] == "2998-12-31T16:00:00+00:00"
    assert "2999-01-01 00:00:00" in call(project, "keys", "list").out


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ([], "at least one is needed; known: score, decide, events, admin"),
        (["--role", "root"], "root is unknown"),
        (["--role", "score", "--scope", "clv=1"], "no label of the list; known: value_class"),
        (["--role", "score", "--scope", "risk"], "write LABEL=VALUE,VALUE"),
        (["--role", "score", "--scope", "risk=low", "--scope", "risk=high"], "risk is named before"),
        (["--role", "score", "--expires", "soon"], "write a day as 2026-12-31"),
        (["--role", "score", "--expires", "2001-01-01"], "a moment to come"),
    ],
)
def test_what_makes_no_sense_makes_no_key(project: Project, words: list[str], told: str) -> None:
    said = call(project, "keys", "add", *words)
    assert (said.code, said.out) == (2, "")
    assert told in said.err
    assert call(project, "keys", "list", "--json").document == {"keys": []}


def test_rotation_and_revocation(project: Project) -> None:
    first = call(project, "keys", "add", "--role", "score", "--label", "till", "--json").document
    second = call(project, "keys", "rotate", first["key_id"], "--grace-hours", 0.5, "--json").document
    assert found(project, first["key"]).expires_at <= datetime.now(UTC) + timedelta(minutes=30)
    assert found(project, second["key"]).label == "till"
    assert call(project, "keys", "revoke", first["key_id"], "--json").document["left"] == 1
    last = call(project, "keys", "revoke", second["key_id"])
    assert "the endpoint answers nobody" in last.err
    states = [key["state"] for key in call(project, "keys", "list", "--json").document["keys"]]
    assert states == ["revoked", "revoked"]
    assert call(project, "keys", "revoke", second["key_id"]).code == 2


def test_no_keys_is_said(project: Project) -> None:
    assert "only callers on this machine" in call(project, "keys", "list").out


def test_the_trail_tells_which_keys_came_and_went(project: Project) -> None:
    first = call(project, "keys", "add", "--role", "score", "--json").document["key_id"]
    second = call(project, "keys", "rotate", first, "--json").document["key_id"]
    call(project, "keys", "revoke", first)
    entries = call(project, "trail", "show", "--json").document["entries"]
    done = [(entry["route"], entry["key_id"]) for entry in entries]
    rotated = [("retain keys rotate", first), ("retain keys rotate", second)]
    assert done == [("retain keys add", first), *rotated, ("retain keys revoke", first)]


def test_verify_gives_a_head_and_holds_the_trail_to_it(project: Project) -> None:
    call(project, "keys", "add", "--role", "score")
    whole = call(project, "trail", "verify", "--json").document
    assert (whole["blocks"], whole["entries"]) == (1, 1)
    call(project, "keys", "add", "--role", "score")
    assert call(project, "trail", "verify", "--head", whole["head"]).code == 0
    said = call(project, "trail", "verify", "--head", "0" * 63 + "1")
    assert said.code == 2
    assert "not among them" in said.err


def test_show_narrows_by_time_key_and_number(project: Project) -> None:
    start = datetime(2026, 1, 5, tzinfo=UTC)
    asked = [
        Entry(start + timedelta(hours=n), f"key-{n % 2}", "/v1/score", "v1", "ab" * 32, n, 200)
        for n in range(6)
    ]
    with closing(Trail(project.store_url)) as trail:
        trail.append(asked)
    shown = call(project, "trail", "show", "--since", "2026-01-05T10:00", "--key", "key-1", "--json").document
    # ten o'clock in Shanghai is two in UTC
    assert ([entry["customers"] for entry in shown["entries"]], shown["more"]) == ([3, 5], False)
    said = call(project, "trail", "show", "--since", "2026-01-05", "--most", 2)
    assert "2026-01-05 09:00:00" in said.out
    assert "There are more than 2" in said.err
    assert call(project, "trail", "show", "--json").document == {"entries": [], "more": False}
    assert call(project, "trail", "show", "--since", "yesterday").code == 2
