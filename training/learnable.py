"""What a panel can teach: whether trees can grow at a horizon, and at which they learn what they say of another."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import numpy.typing as npt
import pandas as pd

from training.head_kind import HeadKind
from training.panel import Panel

__all__ = ["MIN_EVENTS", "MIN_ROWS", "lead_horizon", "lead_of", "parted", "shortfall"]

Places = npt.NDArray[np.intp]
MIN_ROWS = 400
MIN_EVENTS = 50
_LATE_SNAPSHOTS = 3
# How many times its own length a horizon may be followed.
_FARTHEST = 5


def shortfall(panel: Panel, kind: HeadKind) -> str:
    """Why the panel cannot teach a head, in words; empty when it can."""
    rows = panel.labelled(kind.horizon_days, by=panel.as_of)
    if len(rows) < MIN_ROWS:
        return f"{len(rows)} labelled rows of at least {MIN_ROWS}"
    happened = int((kind.target(rows) > 0).sum())
    least = min(happened, len(rows) - happened) if kind.name == "churn" else happened
    return f"{least} of at least {MIN_EVENTS} customers of the rarer outcome" if least < MIN_EVENTS else ""


def parted(rows: pd.DataFrame, kind: HeadKind) -> tuple[Places, Places] | None:
    """Rows to learn from and rows a horizon after them to judge on, where there are enough of both.

    The latest are up to three snapshots, but no more than a quarter of all.
    """
    days, target = pd.DatetimeIndex(rows["as_of"]), kind.target(rows)
    each = days.unique().sort_values()
    for count in range(min(_LATE_SNAPSHOTS, max(1, len(each) // 4), len(each)), 0, -1):
        first = each[-count]
        early = np.flatnonzero(days <= first - timedelta(days=kind.horizon_days))
        if len(early) >= MIN_ROWS and np.unique(target[early]).size > 1:
            return early, np.flatnonzero(days >= first)
    return None


def lead_horizon(panel: Panel, name: str, horizon_days: int) -> int | None:
    """Where trees learn what they say of a horizon: there, or at a shorter one while the history is too short for it.

    A shorter one is no less than a fifth of it, and two labelled days lie two such horizons apart. It is the history
    that is too short, and not the customers that are too few, when those of one day would make up enough rows.
    None when no horizon can be learned.

    Parameters
    ----------
    panel : Panel
        With closed-form columns.
    name : {"churn", "orders", "value"}
        Quantity.
    horizon_days : int
        One of the panel's horizons, days.
    """
    if _teaches(panel, HeadKind(name, horizon_days)):
        return horizon_days
    if len(panel.at(panel.as_of)) < MIN_ROWS:
        return None
    shorter = [h for h in panel.horizons_days if h < horizon_days <= _FARTHEST * h]
    able = (
        h for h in shorter if _lived_twice(panel, HeadKind(name, h)) and _teaches(panel, HeadKind(name, h))
    )
    return max(able, default=None)


def lead_of(panel: Panel, kind: HeadKind, window_days: int) -> HeadKind:
    """The head whose trees speak in a head: the churn window's, unless the two horizons lie far apart.

    A horizon that nothing can teach leads itself, without trees.
    """
    near, own = lead_horizon(panel, kind.name, window_days), kind.horizon_days
    if near is None or max(near, own) > _FARTHEST * min(near, own):
        near = lead_horizon(panel, kind.name, own)
    return HeadKind(kind.name, near or own)


def _speaking(panel: Panel, kind: HeadKind) -> pd.DataFrame:
    """Days and outcomes of the labelled rows that say something of customers who are left alone."""
    h, rows = kind.horizon_days, panel.labelled(kind.horizon_days, by=panel.as_of)
    names = ("as_of", f"orders_ahead_{h}", f"value_ahead_{h}", f"weight_{h}")
    few = rows[[name for name in names if name in rows]]
    return few[kind.weight(few) > 0]


def _teaches(panel: Panel, kind: HeadKind) -> bool:
    return not shortfall(panel, kind) and parted(_speaking(panel, kind), kind) is not None


def _lived_twice(panel: Panel, kind: HeadKind) -> bool:
    days = _speaking(panel, kind)["as_of"]
    return len(days) > 0 and (days.iloc[-1] - days.iloc[0]).days >= 2 * kind.horizon_days
