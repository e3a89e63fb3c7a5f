"""Parts of the benchmark of the endpoint's processes, in small: nothing here depends on how fast the machine is."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.retain.benchmark_shop import endpoint_modules, missed, scored_shop

PARTS = ("endpoint_shop", "endpoint_kills", "endpoint_bits", "endpoint_events")


@pytest.fixture
def parts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SimpleNamespace]:
    """A shop of the test's own, and the modules of the benchmark.

    Customers of whom something was told are scored anew when they are asked for, of which a worker takes only so many
    at a time: where one test tells, another would be told 429.
    """
    folder = tmp_path_factory.mktemp("processes")
    with endpoint_modules(*PARTS) as modules:
        named = dict(zip(PARTS, modules, strict=True))
        yield SimpleNamespace(shop=scored_shop(folder, named["endpoint_shop"]), **named)


def test_every_way_of_asking_gives_the_bits_of_the_list_and_no_event_is_lost_or_kept_twice(
    parts: SimpleNamespace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bits: Any = parts.endpoint_bits
    monkeypatch.setattr(bits, "QUICK_CUSTOMERS", 250)
    monkeypatch.setattr(bits, "QUICK_ALONE", 20)
    # Two horizons instead of four, and no earlier list.
    monkeypatch.setattr(bits, "COLUMNS", 30)
    monkeypatch.setattr(bits, "PLAIN_COLUMNS", 25)
    assert missed(bits.bits(parts.shop, tmp_path, quick=True)) == []
    # Last: customers of whom something was told are no longer those of the list.
    monkeypatch.setattr(parts.endpoint_events, "QUICK_ROUNDS", 1)
    assert missed(parts.endpoint_events.events(parts.shop, tmp_path, quick=True)) == []


def test_a_kill_and_a_stop_cost_no_caller_an_answer(parts: SimpleNamespace, tmp_path: Path) -> None:
    kills: Any = parts.endpoint_kills
    with parts.endpoint_shop.serving(parts.shop, tmp_path, name="kills") as server:
        killing = kills.asked_while_killed(parts.shop, server, seconds=7.0, every=2.0, rate=20, patience=60.0)
        told, back = asyncio.run(killing)
        assert (told["asked"], told["failed"], len(back)) == (140, {}, 1)
        seen = asyncio.run(kills.stop_under_load(parts.shop, server))
        assert server.process.wait(60) == 0
    assert dict(seen.failed) == {}
    assert dict(seen.batches) == {"200": kills.BATCHES}
