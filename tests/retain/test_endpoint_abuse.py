"""Parts of the benchmark of the endpoint under abuse, in small: nothing here depends on how fast the machine is."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from tests.retain.benchmark_shop import endpoint_modules, missed, scored_shop

PARTS = ("endpoint_shop", "abuse_target", "abuse_doors", "abuse_texts", "abuse_canaries", "abuse_fuzz")


@pytest.fixture(scope="module")
def abused(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SimpleNamespace]:
    """A service with one worker, and the modules that abuse it."""
    folder = tmp_path_factory.mktemp("abuse")
    (folder / "shop").mkdir()
    with endpoint_modules(*PARTS) as modules:
        parts = dict(zip(PARTS, modules, strict=True))
        shop = scored_shop(folder / "shop", parts["endpoint_shop"])
        with parts["abuse_target"].serving(folder, shop, quick=True) as target:
            yield SimpleNamespace(target=target, **parts)
            assert target.server.process.poll() is None, "the server ended"


def test_no_door_opens_to_a_stranger_and_no_address_becomes_a_series(
    abused: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    doors: Any = abused.abuse_doors
    monkeypatch.setattr(doors, "METHODS", ("GET", "HEAD", "POST", "DELETE"))
    monkeypatch.setattr(doors, "INNER", doors.INNER[::4])
    # With no key, with one that is good for something else, and with one for everything.
    few = replace(abused.target, keys={"events": abused.target.keys["events"]})
    assert missed(doors.walk(few)) == []
    monkeypatch.setattr(type(few), "count", lambda *_: 200)
    assert missed(doors.paths(few)) == []


def test_no_malformed_body_and_no_planted_value_gets_through(
    abused: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    texts: Any = abused.abuse_texts
    bodies = texts.bad_bodies
    monkeypatch.setattr(texts, "bad_bodies", lambda path: list(bodies(path))[::9])
    assert missed(texts.malformed(abused.target)) == []
    canaries: Any = abused.abuse_canaries
    planted = canaries.planted()
    monkeypatch.setattr(canaries, "planted", lambda: [planted[0], planted[20], planted[40]])
    assert missed(canaries.canaries(abused.target)) == []


def test_no_request_that_can_be_described_breaks_it(abused: SimpleNamespace) -> None:
    fuzz, target = abused.abuse_fuzz, abused.target
    with target.caller() as caller:
        asked = abused.abuse_target.request("GET", "/docs.json", key=target.shop.key)
        document = abused.abuse_target.parsed(caller.ask(asked).body)
    statuses, wrong = fuzz.fuzzed(document, target.server.url, target.shop.key, count=200)
    assert dict(wrong) == {}
    assert {status for status in statuses if status >= 500} == set()
    assert sum(statuses.values()) >= 200
