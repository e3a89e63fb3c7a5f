from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from serving.store import Store


@pytest.fixture
def url(state_url: str) -> str:
    return state_url


@pytest.fixture
def file_url(tmp_path: Path) -> str:
    """For what is about SQLite itself."""
    return f"sqlite:///{tmp_path / 'state' / 'retain.db'}"


@pytest.fixture
def store(url: str) -> Iterator[Store]:
    opened = Store(url)
    yield opened
    opened.close()


@pytest.fixture
def file_store(file_url: str) -> Iterator[Store]:
    opened = Store(file_url)
    yield opened
    opened.close()
