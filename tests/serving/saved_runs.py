"""Runs to save in a state database."""

from __future__ import annotations

import threading
from datetime import UTC, date, datetime

import numpy as np
import pandas as pd
import sqlalchemy as sa

from features.errors import RetainError
from serving.explain import group_contributions
from serving.explained import Explained
from serving.store import RunInfo, Store


def run_info(name: str = "run-1", rows: int = 2, **changes: object) -> RunInfo:
    created = datetime(2011, 6, 12, 3, 0, tzinfo=UTC)
    facts = {
        "as_of": date(2011, 6, 12),
        "model_version": "v1",
        "config_hash": "c0ffee",
        "created_at": created,
    }
    return RunInfo(run_id=name, rows=rows, list_sha256="ab" * 32, **{**facts, **changes})


def scores(mark: float = 0.5) -> pd.DataFrame:
    return pd.DataFrame({"customer_id": ["007", "7"], "clv": [0.1 + 0.2, mark]})


def explained(mark: float, ids: tuple[str, ...] = ("007", "7")) -> Explained:
    index = pd.Index(ids, name="customer_id")
    parts = pd.DataFrame({"gap_sd": mark + 1 / 3, "base": -1 / 7}, index=index)
    quantities = pd.DataFrame({"days_since_last": 41.0, "gap_mean": np.nan, "T": 1 / 3}, index=index)
    return Explained(group_contributions(parts), quantities)


def save(store: Store, name: str, day: date, mark: float) -> None:
    store.save_run(run_info(name, as_of=day), scores(mark), explained(mark))


def open_at_once(url: str) -> list[Exception]:
    """What eight threads are told that open one database at the same time."""
    errors: list[Exception] = []

    def opener() -> None:
        try:
            Store(url).close()
        except RetainError as error:
            errors.append(error)

    threads = [threading.Thread(target=opener) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return errors


def sql(url: str, statement: str) -> list[tuple[object, ...]]:
    """The rows that one statement gives, on a connection of its own."""
    engine = sa.create_engine(url)
    with engine.begin() as connection:
        found = connection.execute(sa.text(statement))
        rows = [tuple(row) for row in found] if found.returns_rows else []
    engine.dispose()
    return rows
