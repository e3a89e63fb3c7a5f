"""Real shops: Online Retail II over a quarter and over a year, and the CDNOW sample.

The data stay where they are; nothing of them is copied anywhere but into memory.
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
from quality_outside import OUTSIDE
from quality_peers import IN_PROCESS, Peer, hold_meeting, know, panel_of, settings_for

from features.load import load, tables_from_frames
from features.tables import Tables
from retain.config import load_config

__all__ = ["Outcome", "cdnow", "quarter", "year"]

LINES, CDNOW = "online_retail_ii_lines.parquet", "cdnow_sample.parquet"
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
    # 1997-01-01 and 39 weeks: the split of the literature.
    return _judge(tables_from_frames({"orders": orders}), [date(1997, 10, 1)], 273, peers, horizons=(273,))


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
