"""The panel: what was known about every customer on past cut-off days, beside what came after.

Cut-offs lie `STEP_DAYS` apart and go back from ``as_of``; a snapshot teaches horizon h only when the whole
horizon had passed by the day the model is fitted. Customers are sampled (by a hash of their id) when the
panel would grow beyond `MAX_ROWS`; scoring is never sampled.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from typing import Any, Literal

import numpy as np
import pandas as pd
import pyarrow as pa

from features.errors import NotEnoughData
from features.labels import labels
from features.plan import fetch_features
from features.rfm import buyers
from features.tables import Tables
from training.treated import treatment_weights

__all__ = ["MAX_ROWS", "STEP_DAYS", "Panel", "build_panel", "cut_offs", "sample"]

STEP_DAYS = 30
QUARTER_DAYS = 90
MAX_SNAPSHOTS = 36
MIN_HISTORY_DAYS = 45
MAX_ROWS = 400_000
_KEYS = ["as_of", "customer_id"]


@dataclass(frozen=True)
class Panel:
    """Snapshots of features with their labels.

    Parameters
    ----------
    frame : pandas.DataFrame
        One row per cut-off and customer with a purchase before it, sorted by ``as_of, customer_id``: the keys,
        all features (float64), ``orders_ahead_{h}`` and ``value_ahead_{h}`` for each horizon h. Labels are only
        valid through `labelled`. Where campaigns chose whom to contact, ``weight_{h}`` besides: how much a row
        speaks for customers who are left alone.
    as_of : date
        The day the panel was built for: nothing at or after it is inside.
    horizons_days : tuple of int
        Horizons with labels.
    sampled : float
        Share of customers in the panel, in (0, 1].
    tables : Tables or None
        Where it comes from, so that `before` can take back what arrived late.
    note : str
        What contacts changed, see `training.treated`; empty where they changed nothing.
    """

    frame: pd.DataFrame
    as_of: date
    horizons_days: tuple[int, ...]
    sampled: float = 1.0
    tables: Tables | None = field(default=None, repr=False, compare=False)
    note: str = ""
    binned: dict[tuple[int, int], Any] = field(default_factory=dict, init=False, repr=False, compare=False)
    """Labelled rows in the bins of the trees, by horizon in days and seed; filled by `training.fit`."""

    def labelled(self, horizon_days: int, *, by: date) -> pd.DataFrame:
        """Rows whose horizon had passed by the day `by` and by ``as_of``: row's day + horizon_days ≤ both."""
        last = pd.Timestamp(min(by, self.as_of) - timedelta(days=horizon_days))
        return self.frame.iloc[: self._end(last)]

    def at(self, day: date) -> pd.DataFrame:
        """The snapshot of one cut-off day."""
        return self.frame.iloc[self._end(pd.Timestamp(day), "left") : self._end(pd.Timestamp(day))]

    def _end(self, day: pd.Timestamp, side: Literal["left", "right"] = "right") -> int:
        """Rows up to a day: they are sorted by it, so that a stretch of them needs no copy."""
        return int(self.frame["as_of"].searchsorted(day, side=side))

    @property
    def first_day(self) -> date:
        """Day of the first order in the panel."""
        days = self.frame["as_of"].to_numpy("datetime64[D]").astype(np.int64)
        first = (days - self.frame["tenure_days"].to_numpy(np.int64)).min()
        return date(1970, 1, 1) + timedelta(days=int(first))

    @property
    def days(self) -> list[date]:
        """Cut-off days, rising."""
        return [d.date() for d in pd.DatetimeIndex(self.frame["as_of"].unique()).sort_values()]

    def before(self, day: date) -> Panel:
        """The panel as it could have been built on `day`, one of its cut-offs.

        Where orders carry their arrival, the labels are counted anew without those that arrived on `day` or
        later; weights are found anew from the contacts known then.
        """
        frame = self.frame.iloc[: self._end(pd.Timestamp(day))]
        cut = replace(self, frame=frame, as_of=min(day, self.as_of))
        if self.tables is None or frame.empty:
            return cut
        return cut._with_known_labels(self.tables)._weighted(self.tables)

    def _with_known_labels(self, tables: Tables) -> Panel:
        if "known_at" not in tables.orders.columns:
            return self
        ahead = _ahead(tables, self.days, self.horizons_days, self.as_of)
        known = self.frame[_KEYS].merge(ahead, on=_KEYS, how="left", validate="one_to_one")
        names = [name for name in ahead.columns if name not in _KEYS]
        return replace(self, frame=self.frame.assign(**{name: known[name].to_numpy() for name in names}))

    def _weighted(self, tables: Tables) -> Panel:
        found = treatment_weights(self.frame, tables, self.horizons_days, self.as_of)
        frame = self.frame.drop(columns=[f"weight_{h}" for h in self.horizons_days], errors="ignore")
        return replace(self, frame=frame.join(found.weights), note=found.note)


def cut_offs(first: date, as_of: date, *, step_days: int = STEP_DAYS) -> list[date]:
    """Cut-off days from `as_of` back to `MIN_HISTORY_DAYS` after the first order, rising, `as_of` included.

    Examples
    --------
    >>> [d.isoformat() for d in cut_offs(date(2026, 1, 1), date(2026, 4, 1))]
    ['2026-03-02', '2026-04-01']
    """
    oldest = first + timedelta(days=MIN_HISTORY_DAYS)
    days = [as_of - timedelta(days=step_days * k) for k in range(MAX_SNAPSHOTS)]
    return sorted(d for d in days if d >= oldest or d == as_of)


def build_panel(tables: Tables, as_of: date, horizons_days: Sequence[int]) -> Panel:
    """Features and labels at every cut-off from one pass over the orders.

    Raises
    ------
    NotEnoughData
        When no purchase lies before `as_of`.
    """
    first, customers = _extent(tables, as_of)
    days = cut_offs(first, as_of)
    share = min(1.0, MAX_ROWS / max(1, customers * len(days)))
    chosen = tables if share == 1.0 else sample(tables, share)
    # The level of every horizon follows what came within the last step; a long one is learned at a shorter one
    # as long as nobody has lived through it.
    horizons = tuple(sorted({*horizons_days, STEP_DAYS, min(QUARTER_DAYS, max(horizons_days))}))
    rows = _frame(fetch_features(chosen, days))
    order = buyers(rows[[*_KEYS, "purchase_days"]]).sort_values(_KEYS).index.to_numpy()
    ahead = _ahead(chosen, days, horizons, as_of)
    frame = rows.take(order).merge(ahead, on=_KEYS, validate="one_to_one")
    return Panel(frame, as_of, horizons, share, chosen)._weighted(chosen)


def _frame(rows: pa.Table) -> pd.DataFrame:
    """Rows with numbers as float64, days as times, ids as text."""
    wanted = pa.schema([f if f.name in _KEYS else pa.field(f.name, pa.float64()) for f in rows.schema])
    frame = rows.cast(wanted, safe=False).to_pandas()
    return frame.assign(as_of=pd.to_datetime(frame["as_of"]))


def sample(tables: Tables, share: float) -> Tables:
    """The same tables with about `share` of the customers, chosen by a hash of the id."""
    buckets = 10_000
    kept = max(1, int(share * buckets))
    chosen = {
        name: table.filter(table.customer_id.hash().abs() % buckets < kept)
        for name in tables.present
        if (table := getattr(tables, name)) is not None
    }
    return replace(tables, **chosen)


def _ahead(tables: Tables, days: Sequence[date], horizons_days: Sequence[int], by: date) -> pd.DataFrame:
    """Labels of all cut-offs, from the orders that were known before the day `by` and no others."""
    names = {f"{kind}_{h}d": f"{kind}_ahead_{h}" for h in horizons_days for kind in ("orders", "value")}
    known = tables.facts.filter(tables.facts.known_day < by)
    found = tables.con.to_pyarrow(labels(tables, days, horizons_days, facts=known))
    return _frame(found).rename(columns=names)


def _extent(tables: Tables, as_of: date) -> tuple[date, int]:
    known = tables.orders.filter(tables.orders.known_day < as_of)
    found = tables.con.to_pyarrow(
        known.aggregate(first=known.day.min(where=known.amount > 0), customers=known.customer_id.nunique())
    ).to_pylist()[0]
    if not found["customers"]:
        raise NotEnoughData(
            f"orders: no order before {as_of.isoformat()}; choose a later --as-of or check the time column"
        )
    if found["first"] is None:
        raise NotEnoughData(
            f"orders: none of {found['customers']} customers has a purchase with a positive amount before "
            f"{as_of.isoformat()}; check the amount column or choose a later --as-of"
        )
    return found["first"], int(found["customers"])
