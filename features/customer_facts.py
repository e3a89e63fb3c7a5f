"""What the customers table says about a customer on a day: who wants no contact, where from, at what cost.

These are facts for strategies, never features of a model: opting out decides who may appear at all, region and
segment are protected attributes unless the configuration says otherwise.
"""

from __future__ import annotations

from datetime import date
from typing import Final

import pandas as pd

from features.snapshot import known_before
from features.tables import Tables

__all__ = ["ATTRIBUTES", "customer_facts", "opted_out"]

ATTRIBUTES: Final = (
    "joined_at",
    "region",
    "segment",
    "acquisition_channel",
    "acquisition_cost",
    "opted_out",
)


def customer_facts(tables: Tables, as_of: date) -> pd.DataFrame:
    """Attributes of every customer known before a day.

    Parameters
    ----------
    tables : Tables
        Loaded tables.
    as_of : date
        Rows known at or after it are not used.

    Returns
    -------
    DataFrame
        By ``customer_id``: ``ATTRIBUTES``, a column missing throughout where the table lacks it. Where a customer has
        several rows, the latest known one speaks (the later joining, then the greater text, breaks a tie), except
        that an opt-out in any row counts. No rows without a customers table.

    Examples
    --------
    >>> from features.frames import tables_from_frames
    >>> orders = pd.DataFrame({"customer_id": ["a"], "time": [pd.Timestamp("2026-01-05")], "amount": [9.5]})
    >>> customers = pd.DataFrame({"customer_id": ["a", "b"], "opted_out": [True, False]})
    >>> tables = tables_from_frames({"orders": orders, "customers": customers})
    >>> customer_facts(tables, date(2026, 2, 1))["opted_out"].to_dict()
    {'a': True, 'b': False}
    """
    if tables.customers is None:
        return pd.DataFrame(columns=list(ATTRIBUTES), index=pd.Index([], name="customer_id", dtype="str"))
    rows = tables.con.to_pyarrow(known_before(tables.customers, as_of)).to_pandas()
    rows = rows.reindex(columns=["customer_id", "known_day", *ATTRIBUTES])
    refused = rows["opted_out"].eq(True).groupby(rows["customer_id"]).any()
    order = ["customer_id", "known_day", "joined_at", "region", "segment", "acquisition_channel"]
    latest = rows.sort_values(order, kind="stable").groupby("customer_id", sort=True).tail(1)
    found = latest.set_index("customer_id")[list(ATTRIBUTES)]
    return found.assign(opted_out=refused.reindex(found.index))


def opted_out(facts: pd.DataFrame) -> pd.Index:
    """Ids of the customers who were known to want no contact, of `customer_facts`; they are in no output."""
    return facts.index[facts["opted_out"].eq(True)]
