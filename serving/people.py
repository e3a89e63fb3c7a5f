"""The customer table that strategies look at: features, predictions and facts of one day, one row each."""

from __future__ import annotations

from datetime import date

import pandas as pd

from features.errors import NotEnoughData
from features.plan import fetch_features
from features.tables import Tables
from serving.scorer import Scorer

__all__ = ["people_of"]

_CHUNK = 50_000


def people_of(scorer: Scorer, tables: Tables, as_of: date) -> pd.DataFrame:
    """Everything known and predicted about every customer of a day.

    Parameters
    ----------
    scorer : Scorer
        The model and the cuts.
    tables : Tables
        Loaded tables.
    as_of : date
        Everything before this day is past.

    Returns
    -------
    DataFrame
        By ``customer_id``: the columns of the list without its reasons, and all features.

    Raises
    ------
    NotEnoughData
        There is no customer before the day.
    """
    known = fetch_features(tables, [as_of]).to_pandas().sort_values("customer_id", ignore_index=True)
    if known.empty:
        raise NotEnoughData(f"orders: no order before {as_of.isoformat()}; choose a later --as-of")
    parts = (known.iloc[i : i + _CHUNK] for i in range(0, len(known), _CHUNK))
    scored = pd.concat([scorer.rows(part, as_of, explain=False) for part in parts])
    return scored.join(known.drop(columns=[*scored.columns.intersection(known.columns)]))
