"""Fifty made-up customers whose ids, mail addresses and phone numbers must turn up nowhere they do not belong."""

from __future__ import annotations

import contextlib
import json
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

from abuse_target import Figure, Reply, Target, is_refusal, request

from retain.config import load_config
from serving.openapi import EXAMPLES
from training.models.bundle import POINTER

__all__ = ["canaries"]

# What the state database is meant to keep of a customer: what was told of them, and what was decided.
KEPT = ("events", "decisions", "decision_results")
# A field of an answer that says whom it is about.
ABOUT = ("customer_id", "event_id")
LINE = {"time": "2026-01-05T10:00:00", "amount": 9.5}


def planted() -> list[str]:
    """Ids, mail addresses and phone numbers that are nobody's."""
    ids = [f"kanari-{number * 7919 % 99_991:05}" for number in range(17)]
    mails = [f"kanari.{number}@vogel{number}.example" for number in range(17)]
    return [*ids, *mails, *(f"+49 1555 {7_310_000 + number * 137}" for number in range(16))]


def canaries(target: Target) -> list[Figure]:
    """Send each through every route and every way to fail, and look everywhere."""
    words, leaks, refusals, answers = planted(), list[str](), 0, 0
    with target.caller() as caller:
        for word in words:
            for sent in _requests(target, word):
                reply = caller.ask(sent)
                answers += 1
                refusals += is_refusal(reply, statuses=range(400, 600))
                if _told(reply, word):
                    leaks.append(f"{reply.status} to {sent[:40]!r}")
    failed = [reply for reply in _broken(target, words) if reply.status >= 500]
    leaks += [
        f"{reply.status} while the database fails" for reply in failed if any(_told(reply, w) for w in words)
    ]
    refused = _wrong_model(target)
    leaks += [
        f"{reply.status} while a model is refused" for reply in refused if any(_told(reply, w) for w in words)
    ]
    with target.caller() as caller:
        pages = [
            caller.ask(request("GET", page, key=target.shop.key))
            for page in ("/metrics", "/v1/admin/status", "/docs")
        ]
    leaks += [f"page {place}" for place, page in enumerate(pages) if any(_told(page, word) for word in words)]
    time.sleep(1)
    found = [*_in_tables(target, words), *_in_files(target, words)]
    told = f"{len(leaks)}" + (f" ({leaks[0]})" if leaks else "")
    kept = f"{len(found)}" + (f" ({found[0]})" if found else "")
    return [
        Figure(
            f"planted values in {answers:,} answers that are not about them, {refusals:,} of them refusals",
            told,
            "0",
            not leaks,
        ),
        Figure(
            "planted values in logs, trail, other tables, models, BentoML's and MLflow's files",
            kept,
            "0",
            not found,
        ),
        Figure("failures of the server among them", str(len(failed)), "≥ 1", bool(failed)),
    ]


def _requests(target: Target, word: str) -> Iterator[bytes]:
    """The word in every place of a request."""
    key = target.shop.key
    at = quote(word, safe="")
    for path in (
        f"/v1/customers/{at}",
        f"/v1/customers/{at * 9}",
        f"/{at}",
        f"/v1/model?who={at}",
        f"/v1/customers/{at}%ff",
    ):
        for method in ("GET", "POST", "DELETE"):
            yield request(method, path, key=key)
    yield request("GET", f"/v1/customers/{at}")
    for name in (
        "authorization",
        "x-api-key",
        "cookie",
        "user-agent",
        "referer",
        "x-forwarded-for",
        "accept",
        "host",
    ):
        value = f"Bearer {word}" if name == "authorization" else word
        yield request("GET", "/v1/model", key="" if name == "x-api-key" else key, more={name: value})
    yield request("POST", "/v1/score", word.encode(), key=key)
    yield f"{word} / HTTP/1.1\r\n\r\n".encode()
    for path, examples in EXAMPLES.items():
        for example in examples.values():
            yield from _bodies(path, example, word, key)
    yield from _told_events(word, key)


def _bodies(path: str, example: Any, word: str, key: str) -> Iterator[bytes]:
    """The example about this customer: good, cut, too large, and with the word where no word belongs."""
    text = json.dumps(example, ensure_ascii=False)
    named = text.replace('"007"', json.dumps(word)).replace('"008"', json.dumps(word))
    tagged = named.replace('"order_id": "A-2"', f'"order_id": "{word}", "category": "{word}"')
    for body in (
        tagged,
        tagged[:-1],
        tagged + word,
        tagged.replace("{", json.dumps({word: word})[:-1] + ", ", 1),
        tagged.replace("{", f'{{"{word}": 1, "{word}": 2, ', 1),
        tagged.replace("2026-01-05T10:00:00", word),
        tagged.replace("9.5", json.dumps(word)),
        tagged.replace(word, word + "\\ud800"),
        tagged.replace(word, word * 40),
        tagged.replace("order", word),
    ):
        yield request("POST", path, body.encode(), key=key)
    for role_key in ("", word):
        yield request("POST", path, tagged.encode(), key=role_key)
    if path == "/v1/score":
        yield request("POST", path, tagged.encode().ljust(1_048_577), key=key)
        yield request("POST", path, tagged.encode(), key=key, more={"content-type": f"text/{word}"})


def _told_events(word: str, key: str) -> Iterator[bytes]:
    """An order of theirs that is kept, the same again, another under its name, one far ahead; then their score."""
    first = {"event_id": word, "kind": "order", "customer_id": word, "data": {**LINE, "product": word}}
    other = {**first, "data": {**LINE, "amount": 1.0, "category": word}}
    ahead = {**first, "event_id": f"{word}-2", "data": {**LINE, "time": "2199-01-01"}}
    lost = {"event_id": f"{word}-3", "kind": "outcome", "data": {"decision_id": word, "refusal_reason": word}}
    for event in (first, first, other, ahead, lost):
        yield request("POST", "/v1/events", json.dumps({"events": [event]}).encode(), key=key)
    body = json.dumps({"customer_id": word, "reasons": True}).encode()
    yield request("POST", "/v1/score", body, key=key)
    yield request("POST", "/v1/decide", json.dumps({"customer_id": word}).encode(), key=key)
    yield request("POST", "/v1/score/batch", json.dumps({"customer_ids": [word]}).encode(), key=key)


def _told(reply: Reply, word: str) -> bool:
    """Whether an answer says the word, other than to say whom a success is about."""
    headers = json.dumps(dict(reply.headers))
    if word in headers:
        return True
    if reply.status != 200 or reply.headers.get("content-type") != "application/json":
        return word in reply.body.decode("utf-8", "replace")
    return word in json.dumps(_without_whom(json.loads(reply.body)), ensure_ascii=False)


def _without_whom(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _without_whom(inner) for name, inner in value.items() if name not in ABOUT}
    return [_without_whom(inner) for inner in value] if isinstance(value, list) else value


def _broken(target: Target, words: list[str]) -> list[Reply]:
    """Answers while tables of the state are missing, as after a careless hand."""
    replies = []
    for table in ("events", "scores", "decisions", "histories"):
        with _renamed(_database(target), table), target.caller() as caller:
            for word in words[:5]:
                replies += [caller.ask(sent) for sent in _told_events(word + "-b", target.shop.key)]
                replies.append(
                    caller.ask(request("GET", f"/v1/customers/{quote(word, safe='')}", key=target.shop.key))
                )
    return replies


@contextlib.contextmanager
def _renamed(database: Path, table: str) -> Iterator[None]:
    def rename(old: str, new: str) -> None:
        with contextlib.closing(sqlite3.connect(database, timeout=10)) as connection, connection:
            connection.execute("PRAGMA legacy_alter_table = ON")
            connection.execute(f"ALTER TABLE {old} RENAME TO {new}")

    rename(table, f"{table}_away")
    try:
        yield
    finally:
        rename(f"{table}_away", table)


def _wrong_model(target: Target) -> list[Reply]:
    """Answers while the pointer names no model that is there."""
    pointer = load_config(target.shop.config).models_dir / POINTER
    kept = pointer.read_bytes()
    pointer.write_text("0" * 12, encoding="utf-8")
    time.sleep(2)
    with target.caller() as caller:
        replies = [
            caller.ask(request("GET", page, key=target.shop.key))
            for page in ("/v1/model", "/v1/admin/status", "/metrics")
        ]
    pointer.write_bytes(kept)
    time.sleep(1)
    return replies


def _database(target: Target) -> Path:
    return Path(load_config(target.shop.config).store_url.removeprefix("sqlite:///"))


def _in_tables(target: Target, words: list[str]) -> list[str]:
    """Tables that keep a planted value and should not."""
    found = []
    with contextlib.closing(sqlite3.connect(_database(target))) as connection:
        names = [row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        for name in set(names) - set(KEPT):
            text = "\n".join(str(row) for row in connection.execute(f"SELECT * FROM {name}"))
            found += [f"table {name}" for word in words if word in text]
    return found


def _in_files(target: Target, words: list[str]) -> list[str]:
    """Files beside the state database that hold a planted value."""
    found = []
    for path in target.folder.rglob("*"):
        if path.is_file() and not path.name.startswith(_database(target).name):
            content = path.read_bytes()
            found += [f"file {path.name}" for word in words if word.encode() in content]
    return found
