"""How contacts were handled: resolved within the promised time, by the first contact, inbound or outbound.

These are facts for strategies: they depend on what was promised, which is configured, and are no features of a model.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from features.snapshot import as_of_table, past
from features.tables import Tables

__all__ = ["PROMISES", "SERVICE_FACTS", "service_facts", "service_kinds"]

PROMISES: Final[Mapping[str, float]] = {"complaint": 24.0, "service": 72.0, "return": 120.0}
"""Hours from a contact to its resolution that are promised by default, by kind of contact."""
SERVICE_FACTS: Final = (
    "promised_365d",
    "sla_breaches",
    "resolved_365d",
    "first_contact_365d",
    "inbound_365d",
    "outbound_365d",
)
_YEAR: Final = 365
_NAMES: Final = ("customer_id", "time", "kind", "direction", "resolved_at")
_NOBODY: Final = pd.DataFrame(
    {
        **{name: pd.Series(dtype="str") for name in ("customer_id", "kind", "direction")},
        **{name: pd.Series(dtype="datetime64[us]") for name in ("time", "resolved_at", "next_came")},
        "timed": pd.Series(dtype=bool),
    }
)
_INBOUND: Final = ("inbound", "in", "incoming", "呼入", "来电")
_OUTBOUND: Final = ("outbound", "out", "outgoing", "呼出", "外呼")


def service_facts(tables: Tables, as_of: date, *, promises: Mapping[str, float] = PROMISES) -> pd.DataFrame:
    """Contacts of the last 365 days held against what was promised, by customer.

    Parameters
    ----------
    tables : Tables
        Loaded tables.
    as_of : date
        Everything before this day is past; what was resolved later is not resolved yet.
    promises : mapping of str to float
        Hours to resolution, > 0, by kind of contact in lower case.

    Returns
    -------
    DataFrame
        By ``customer_id``, customers with a contact in the year: ``SERVICE_FACTS``. ``promised_365d`` contacts of a kind
        with a promise; ``sla_breaches`` those resolved too late, or still open after the promised time;
        ``resolved_365d`` and ``first_contact_365d`` those resolved, and resolved before the customer had to come
        again; ``inbound_365d`` and ``outbound_365d``. Missing where the table tells no kind, no time of resolution, or no
        direction. No rows without an interactions table.

    Examples
    --------
    >>> from features.frames import tables_from_frames
    >>> times = pd.to_datetime(["2026-01-05 10:00", "2026-01-07 10:00"])
    >>> frames = {"orders": pd.DataFrame({"customer_id": ["a"], "time": times[:1], "amount": [9.5]}),
    ...     "interactions": pd.DataFrame({"customer_id": "a", "time": times, "kind": "complaint",
    ...                                   "resolved_at": pd.to_datetime(["2026-01-06 09:00", "2026-01-09 10:00"])})}
    >>> service_facts(tables_from_frames(frames), date(2026, 2, 1)).iloc[0, :4].to_dict()
    {'promised_365d': 2.0, 'sla_breaches': 1.0, 'resolved_365d': 2.0, 'first_contact_365d': 2.0}
    """
    cases = _cases(tables, as_of, promises)
    # A sum of nothing but unknowns is unknown, not 0.
    found = cases.groupby("customer_id", sort=True)[list(SERVICE_FACTS)].sum(min_count=1)
    return found.astype("float64")


def service_kinds(tables: Tables, as_of: date, *, promises: Mapping[str, float] = PROMISES) -> pd.DataFrame:
    """The same by kind of contact, for the whole base: how often each promise was broken.

    Returns
    -------
    DataFrame
        One row per kind with a promise and a contact: ``kind``, ``promised_hours``, ``contacts``, ``breaches``,
        ``breach_share`` in [0, 1], ``median_hours`` to resolution (resolved ones only), ``first_contact_share`` of the
        resolved. Empty without an interactions table that tells kinds.

    Examples
    --------
    >>> from features.frames import tables_from_frames
    >>> times = pd.to_datetime(["2026-01-05 10:00", "2026-01-07 10:00"])
    >>> frames = {"orders": pd.DataFrame({"customer_id": ["a"], "time": times[:1], "amount": [9.5]}),
    ...     "interactions": pd.DataFrame({"customer_id": "a", "time": times, "kind": "complaint",
    ...                                   "resolved_at": pd.to_datetime(["2026-01-06 09:00", "2026-01-09 11:00"])})}
    >>> service_kinds(tables_from_frames(frames), date(2026, 2, 1)).drop(columns="kind").values.tolist()
    [[24.0, 2.0, 1.0, 0.5, 36.0, 1.0]]
    """
    cases = _cases(tables, as_of, promises)
    cases = cases[cases["promised_365d"] == 1]
    kinds = cases.groupby("kind", sort=True)
    found = pd.DataFrame(
        {
            "promised_hours": kinds["promised"].first(),
            "contacts": kinds.size(),
            "breaches": kinds["sla_breaches"].sum(min_count=1),
            "breach_share": kinds["sla_breaches"].mean(),
            "median_hours": kinds["hours"].median(),
        }
    )
    resolved = kinds["resolved_365d"].sum(min_count=1)
    found["first_contact_share"] = kinds["first_contact_365d"].sum(min_count=1) / resolved.where(resolved > 0)
    return found.reset_index()


def _cases(tables: Tables, as_of: date, promises: Mapping[str, float]) -> pd.DataFrame:
    """Contacts of the year with what `service_facts` adds up, missing where it cannot be told."""
    contacts = _contacts(tables, as_of)
    told = contacts["kind"].notna().to_numpy()
    hours = (contacts["resolved_at"] - contacts["time"]).dt.total_seconds().to_numpy(np.float64) / 3600
    open_for = (pd.Timestamp(as_of) - contacts["time"]).dt.total_seconds().to_numpy(np.float64) / 3600
    promised = contacts["kind"].map(dict(promises)).to_numpy(np.float64, na_value=np.nan)
    case, resolved = ~np.isnan(promised), ~np.isnan(hours)
    late = np.where(resolved, hours, open_for) > promised
    again = (contacts["next_came"] <= contacts["resolved_at"]).to_numpy()
    # Nobody writes down when anything is resolved: then nothing is known to be late.
    timed = told & contacts["timed"].to_numpy()
    ways = contacts["direction"]
    spoken = ways.notna().to_numpy()
    return contacts.assign(
        promised=promised,
        hours=hours,
        promised_365d=_known(case, told),
        sla_breaches=_known(case & late, timed),
        resolved_365d=_known(case & resolved, timed),
        first_contact_365d=_known(case & resolved & ~again, timed),
        inbound_365d=_known(ways.isin(_INBOUND).to_numpy(), spoken),
        outbound_365d=_known(ways.isin(_OUTBOUND).to_numpy(), spoken),
    )


def _contacts(tables: Tables, as_of: date) -> pd.DataFrame:
    """Contacts of the year, with the time of the next one that the customer made."""
    if tables.interactions is None:
        return _NOBODY.copy()
    events = past(tables.interactions, as_of_table([as_of]))
    events = events.filter(events.age <= _YEAR)
    rows = tables.con.to_pyarrow(events.select(*(n for n in _NAMES if n in events.columns))).to_pandas()
    rows = rows.reindex(columns=list(_NAMES)).sort_values(["customer_id", "time"], ignore_index=True)
    resolved = pd.to_datetime(rows["resolved_at"])
    rows["resolved_at"] = resolved.where(resolved < pd.Timestamp(as_of))
    rows["timed"] = bool(rows["resolved_at"].notna().any())
    for name in ("kind", "direction"):
        rows[name] = rows[name].astype("str").str.strip().str.lower()
    came = rows["time"].where(~rows["direction"].isin(_OUTBOUND))
    following = came.groupby(rows["customer_id"]).shift(-1)
    rows["next_came"] = following.groupby(rows["customer_id"]).bfill()
    return rows


def _known(flag: npt.NDArray[np.bool_], told: npt.NDArray[np.bool_]) -> npt.NDArray[np.float64]:
    return np.where(told, flag.astype(np.float64), np.nan)
