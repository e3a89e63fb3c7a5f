"""Contracts as they stood on past days, and how long each relationship went on.

Terms of one customer that follow each other are one relationship: a renewal is no end. A relationship ends on the
day it was cancelled, or on its agreed end when no other term began within `GAP_DAYS`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, timedelta
from functools import cached_property

import numpy as np
import numpy.typing as npt
import pandas as pd

from features.errors import NotEnoughData
from features.plan import fetch_features
from features.tables import Tables
from training.models.flat_column import FlatColumn

__all__ = ["COLUMNS", "GAP_DAYS", "STEP_DAYS", "ContractPanel", "contract_panel", "relationships"]

GAP_DAYS = 14
STEP_DAYS = 30
_MAX_SNAPSHOTS = 24
_FEWEST_SNAPSHOTS = 8
_MOST_ROWS = 400_000
_FIRST_DAYS = 30
# Of the features of orders and contacts, those that say how a customer is served and used to be.
_FROM_FEATURES = (
    "days_since_last",
    "orders_90d",
    "orders_change_90d",
    "spend_90d",
    "contacts_90d",
    "complaints_90d",
    "complaints_365d",
    "complaints_open",
    "satisfaction_last",
    "last_campaign_days",
    "contracts_cancelled",
)
_OWN = ("tenure_days", "days_left", "term_days", "terms", "monthly_charge", "earlier_relationships")
COLUMNS = (FlatColumn("plan", "category"), *(FlatColumn(name, "number") for name in (*_OWN, *_FROM_FEATURES)))
_DAY = np.timedelta64(1, "D")


@dataclass(frozen=True)
class ContractPanel:
    """Relationships that ran on past days.

    Parameters
    ----------
    rows : pandas.DataFrame
        Contract rows as loaded, times as days: ``customer_id, start, end, cancelled, plan, charge, known``.
    as_of : date
        Nothing known at or after this day is inside.
    days : tuple of date
        Cut-off days, rising; the last is ``as_of``.
    aside : int
        Rows that end before they start: not used.
    tables : Tables
        Where they come from.
    """

    rows: pd.DataFrame
    as_of: date
    days: tuple[date, ...]
    aside: int
    tables: Tables = field(repr=False, compare=False)

    def running(self, day: date) -> pd.DataFrame:
        """Relationships that ran on `day` as it was known then, with `COLUMNS`, start and agreed end."""
        found = relationships(self.rows, day)
        found = found[found["stop"].isna()].drop(columns=["stop", "ended"]).reset_index(drop=True)
        served = self._served[self._served["as_of"] == pd.Timestamp(day)].drop(columns="as_of")
        return found.merge(served, how="left", on="customer_id", validate="many_to_one")

    @cached_property
    def _served(self) -> pd.DataFrame:
        """What orders and contacts say on every day; a customer who never ordered is missing."""
        found = fetch_features(self.tables, self.days).select(["as_of", "customer_id", *_FROM_FEATURES])
        frame = found.to_pandas().astype(dict.fromkeys(_FROM_FEATURES, np.float64))
        return frame.assign(
            as_of=pd.to_datetime(frame["as_of"]), customer_id=frame["customer_id"].astype(object)
        )

    def ended(
        self, day: date, window_days: int, running: pd.DataFrame, *, by: date
    ) -> npt.NDArray[np.float64]:
        """1 for each running relationship that ended in [day, day + window_days) as known on `by`, else 0."""
        later = relationships(self.rows, by).loc[lambda f: f["ended"], ["customer_id", "start", "stop"]]
        stop = running[["customer_id", "start"]].merge(later, how="left", on=["customer_id", "start"])["stop"]
        last = np.datetime64(day + timedelta(days=window_days), "s")
        return np.asarray((stop < last).to_numpy(), dtype=np.float64)

    def labelled(self, window_days: int, *, by: date) -> list[date]:
        """Cut-off days whose window, and the time a renewal may take, had passed by the day `by`."""
        return [d for d in self.days if d + timedelta(days=window_days + GAP_DAYS) <= by]


def contract_panel(tables: Tables, as_of: date, *, past: bool = True) -> ContractPanel:
    """The panel of the contracts known before `as_of`, every 30 days back; only that day without `past`.

    Raises
    ------
    NotEnoughData
        There is no table of contracts, or none began before `as_of`.
    """
    if tables.contracts is None:
        raise NotEnoughData(
            '[churn] kind = "contract" needs contracts; set path or url under [data.contracts]'
        )
    known = tables.contracts.filter(tables.contracts.known_day < as_of)
    frame = tables.con.to_pyarrow(known).to_pandas()
    rows, aside = _as_days(frame)
    if rows.empty:
        raise NotEnoughData(
            f"contracts: none of {len(frame)} rows known before {as_of.isoformat()} can be used "
            f"({aside} end before they start); choose a later --as-of or check start and end"
        )
    first = rows["start"].min().date() + timedelta(days=_FIRST_DAYS)
    most = min(_MAX_SNAPSHOTS, max(_FEWEST_SNAPSHOTS, _MOST_ROWS // rows["customer_id"].nunique()))
    days = [as_of - timedelta(days=STEP_DAYS * k) for k in range(most if past else 1)]
    return ContractPanel(
        rows, as_of, tuple(sorted(d for d in days if d >= first or d == as_of)), aside, tables
    )


def _as_days(frame: pd.DataFrame) -> tuple[pd.DataFrame, int]:
    def days(name: str) -> pd.Series:
        if name not in frame:
            return pd.Series(pd.NaT, index=frame.index, dtype="datetime64[s]")
        return pd.to_datetime(frame[name]).dt.normalize().astype("datetime64[s]")

    rows = pd.DataFrame(
        {
            "customer_id": frame["customer_id"].astype(object),
            "start": days("start"),
            "end": days("end"),
            "cancelled": days("cancelled_at"),
            "plan": frame["plan"].astype(object).where(frame["plan"].notna(), None)
            if "plan" in frame
            else None,
            "charge": frame["monthly_charge"].astype(np.float64) if "monthly_charge" in frame else np.nan,
            "known": days("known_day"),
        }
    )
    wrong = (rows["end"] < rows["start"]) | (rows["cancelled"] < rows["start"])
    # Terms of one beginning and end stand by what else they say, not as the engine happened to give them.
    order = ["customer_id", "start", "end", "cancelled", "known", "plan", "charge"]
    return rows[~wrong].sort_values(order, kind="stable", ignore_index=True), int(wrong.sum())


def relationships(rows: pd.DataFrame, day: date) -> pd.DataFrame:
    """One row per relationship as it was known at the start of `day`.

    Parameters
    ----------
    rows : pandas.DataFrame
        As `ContractPanel` has them, sorted by customer and start.
    day : date

    Returns
    -------
    pandas.DataFrame
        ``customer_id, start, agreed_end`` (missing: open), ``stop`` (the day after which nothing runs; missing:
        it runs), ``ended`` (False where a renewal may still come), ``plan, tenure_days, days_left, term_days, terms,
        monthly_charge, earlier_relationships``.
    """
    cut = np.datetime64(day, "s")
    known = rows[(rows["known"] < cut) & (rows["start"] < cut)].reset_index(drop=True)
    cancelled = known["cancelled"].where(known["cancelled"] < cut)
    known = known.assign(last=cancelled.fillna(known["end"]), gone=cancelled)
    far = np.datetime64("2500-01-01", "s")
    reach = known["last"].fillna(far).groupby(known["customer_id"], sort=False).cummax()
    before = reach.groupby(known["customer_id"], sort=False).shift()
    fresh = (before.isna() | (known["start"] > before + GAP_DAYS * _DAY)).to_numpy()
    group = pd.Series(np.cumsum(fresh))
    last_row = known.groupby(group, sort=False).tail(1).set_axis(range(int(group.max() or 0)))
    by = known.assign(reach=reach).groupby(group.to_numpy(), sort=False)
    stop = by["reach"].last().reset_index(drop=True)
    start = by["start"].first().reset_index(drop=True)
    over, late = stop < cut, stop + GAP_DAYS * _DAY < cut
    by_choice = last_row["gone"].notna() & (last_row["gone"] == stop)
    number = pd.Series(np.ones(len(stop))).groupby(last_row["customer_id"].to_numpy()).cumsum() - 1.0
    agreed = last_row["end"].where(~by_choice)
    return pd.DataFrame(
        {
            "customer_id": last_row["customer_id"],
            "start": start,
            "agreed_end": agreed,
            "stop": stop.where(over),
            "ended": over & (late | by_choice),
            "plan": last_row["plan"],
            "tenure_days": _days(pd.Series(cut, index=start.index) - start),
            "days_left": _days(agreed - pd.Series(cut, index=agreed.index)),
            "term_days": _days(last_row["end"] - last_row["start"]),
            "terms": by.size().reset_index(drop=True).astype(np.float64),
            "monthly_charge": last_row["charge"],
            "earlier_relationships": number.to_numpy(np.float64),
        }
    )


def _days(length: pd.Series) -> pd.Series:
    return length.dt.days.astype(np.float64)
