"""What effects are learnt from: columns of a decision, read alike from the log and from the customers of a day."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

import pandas as pd

__all__ = ["EFFECT_LABELS", "EFFECT_NUMBERS", "effect_features"]

EFFECT_NUMBERS: Final = (
    *("churn_probability", "value_at_stake", "clv", "current_value", "growth_potential"),
    *("days_since_last", "purchase_days"),
)
EFFECT_LABELS: Final = (
    *("value_class", "lifecycle_stage", "satisfaction_loyalty", "status", "pyramid_tier", "key_account"),
)


def effect_features(frame: pd.DataFrame, left_out: Collection[str] = ()) -> pd.DataFrame:
    """The columns there are, numbers as float64 and labels as text, missing where they are.

    Parameters
    ----------
    frame : DataFrame
        Decisions of the log, or the customers of a day.
    left_out : collection of str
        Columns that must not decide.

    Examples
    --------
    >>> frame = pd.DataFrame({"churn_probability": [0.5], "key_account": [True], "region": ["north"]})
    >>> effect_features(frame).to_dict("records")
    [{'churn_probability': 0.5, 'key_account': 'True'}]
    """
    numbers = {
        name: pd.to_numeric(frame[name]).astype("Float64").astype("float64")
        for name in _here(EFFECT_NUMBERS, frame)
    }
    labels = {
        name: frame[name].astype(object).map(str, na_action="ignore") for name in _here(EFFECT_LABELS, frame)
    }
    kept = {name: column for name, column in {**numbers, **labels}.items() if name not in left_out}
    return pd.DataFrame(kept, index=frame.index)


def _here(names: Collection[str], frame: pd.DataFrame) -> list[str]:
    return [name for name in names if name in frame]
