"""What effects are learnt from: columns of a decision, read alike from the log and from the customers of a day."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd

__all__ = ["EFFECT_LABELS", "EFFECT_NUMBERS", "effect_features", "margin_of_stayers"]

Floats = npt.NDArray[np.float64]

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


def margin_of_stayers(churn_probability: pd.Series, value_at_stake: pd.Series) -> Floats:
    """Margin that a customer brings when staying, in money; missing where leaving or staying is sure.

    Notes
    -----
    value at stake = p · E with E ≈ (1 − p) · M, so that M = stake / (p (1 − p)); an effect as a share of M is a
    share of the value at stake times p (1 − p). See `strategies.value_at_stake`.

    Examples
    --------
    >>> margin_of_stayers(pd.Series([0.5, 1.0]), pd.Series([50.0, 0.0])).tolist()
    [200.0, nan]
    """
    p = pd.to_numeric(churn_probability).astype("Float64").to_numpy(np.float64, na_value=np.nan)
    stake = pd.to_numeric(value_at_stake).astype("Float64").to_numpy(np.float64, na_value=np.nan)
    doubt = p * (1 - p)
    return np.divide(stake, doubt, out=np.full(len(p), np.nan), where=doubt > 0)


def _here(names: Collection[str], frame: pd.DataFrame) -> list[str]:
    return [name for name in names if name in frame]
