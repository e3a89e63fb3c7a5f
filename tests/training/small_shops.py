"""Shops for the tests of the training room: written by hand, drawn in a moment, or simulated."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from features.load import tables_from_frames
from features.pipeline import FEATURES
from features.tables import Tables
from retain.shop import Shop
from training.panel import Panel
from training.settings import ChurnSettings, TrainingSettings, ValueSettings

START = date(2025, 1, 1)
SETTINGS = TrainingSettings(
    churn=ChurnSettings(window_days=60), value=ValueSettings(horizons_days=(30, 60, 365)), num_threads=1
)


def settings(window: int, *horizons: int, **others: Any) -> TrainingSettings:
    """Settings on one thread."""
    return TrainingSettings(
        churn=ChurnSettings(window_days=window),
        value=ValueSettings(horizons_days=horizons),
        **{"num_threads": 1, **others},
    )


def day(number: int) -> date:
    """The day so many days after `START`."""
    return START + timedelta(days=int(number))


def orders(rows: list[tuple[str, int, float]]) -> pd.DataFrame:
    """Customer, day number, amount; all at noon."""
    found = pd.DataFrame(rows, columns=["customer_id", "time", "amount"])
    found["time"] = pd.Timestamp(START) + pd.to_timedelta(found["time"], unit="D") + pd.Timedelta(hours=12)
    return found


def shop(rows: list[tuple[str, int, float]]) -> Tables:
    """Tables of order lines written by hand."""
    return tables_from_frames({"orders": orders(rows)})


def drawn(customers: int, days: int, *, seed: int = 0, gap: float = 25.0) -> list[tuple[str, int, float]]:
    """Customers who come, buy every `gap` days or so, and stay for a time of their own."""
    rng = np.random.default_rng(seed)
    rows = []
    for i in range(customers):
        own, now = gap * rng.uniform(0.4, 2.0), rng.uniform(0, days * 0.7)
        end = now + rng.exponential(days / 2)
        while now < min(end, days):
            rows.append((f"c{i:04d}", int(now), float(rng.integers(5, 95)) + 0.5))
            now += 1 + rng.exponential(own)
    return rows


def telling(made: Shop) -> Shop:
    """The shop, in which every other customer buys at four times the price and never more than three times.

    No closed form of counts and times can know what the prices tell: trees have something to learn.
    """
    lines = made.tables["orders"].to_pandas()
    dear = lines["customer_id"].str[-1].astype(int) % 2 == 0
    later = lines.groupby("customer_id")["time"].rank(method="dense") > 3
    lines.loc[dear, "amount"] *= 4
    orders = pa.Table.from_pandas(lines[~(dear & later)], preserve_index=False)
    return replace(made, tables={**made.tables, "orders": orders})


def telling_rows(rows: list[tuple[str, int, float]]) -> list[tuple[str, int, float]]:
    """The same of rows written by hand, by the last digit of the customer."""
    seen: dict[str, int] = {}
    kept = []
    for name, number, amount in sorted(rows, key=lambda row: row[1]):
        seen[name] = seen.get(name, 0) + 1
        dear = int(name[-1]) % 2 == 0
        if not dear or seen[name] <= 3:
            kept.append((name, number, amount * 4 if dear else amount))
    return kept


def history(size: int, seed: int = 0) -> pd.DataFrame:
    """All features of made-up customers; those on orders agree with each other."""
    rng = np.random.default_rng(seed)
    x = rng.poisson(2.0, size).astype(np.float64)
    T = rng.integers(40, 700, size).astype(np.float64)
    frame = pd.DataFrame({name: rng.gamma(2.0, 20.0, size) for name in FEATURES})
    frame["frequency"], frame["T"], frame["purchase_days"] = x, T, x + 1
    frame["recency"] = np.where(x > 0, np.maximum(x, np.floor(T * rng.random(size))), 0.0)
    frame["orders_total"] = x + 1 + rng.integers(0, 2, size)
    frame["spend_total"] = frame["value_mean"] * frame["purchase_days"]
    frame["value_total"] = frame["spend_total"] * 0.9
    return frame


def snapshots(frames: dict[date, pd.DataFrame], as_of: date, *horizons: int) -> Panel:
    """A panel of snapshots made by hand."""
    parts = [
        frame.assign(as_of=pd.Timestamp(d), customer_id=[f"c{i:04d}" for i in range(len(frame))])
        for d, frame in sorted(frames.items())
    ]
    return Panel(pd.concat(parts, ignore_index=True), as_of, horizons)


def features_of(panel: Panel, on: date) -> pd.DataFrame:
    """Features of one snapshot."""
    return panel.at(on)[list(FEATURES)].reset_index(drop=True)


def cdnow(folder: Path, cut: str = "1997-09-30") -> tuple[np.ndarray, ...]:
    """Repeat purchase *days* up to and with the cut, weeks, and purchase days in the 39 weeks after."""
    lines = pd.read_parquet(folder / "cdnow_sample.parquet")
    days = lines[["customer_id", "timestamp"]].drop_duplicates()
    end = pd.Timestamp(cut)
    past = days[days.timestamp <= end].groupby("customer_id").timestamp
    x, first = (past.count() - 1).astype(float), past.min()
    t_x, T = (past.max() - first).dt.days / 7, (end - first).dt.days / 7
    future = days[days.timestamp > end].groupby("customer_id").size().reindex(x.index, fill_value=0)
    return x.to_numpy(), t_x.to_numpy(), T.to_numpy(), future.to_numpy()
