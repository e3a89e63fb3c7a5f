"""Golden rows: made-up rows with the predictions they must give again, on every machine.

A model that was changed, or that this machine's libraries do not reproduce, shows in them. No customer is in them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

from features.errors import ModelError
from training.models.flat_column import FlatColumn

__all__ = ["check_golden", "golden_of", "made_up_rows"]

Predict = Callable[[pd.DataFrame], pd.DataFrame]
_ROWS = 16
_UNKNOWN = "\u2205"


def golden_of(rows: pd.DataFrame, predict: Predict) -> dict[str, Any]:
    """Rows of numbers and texts, and the numbers predicted for them, as plain values.

    Examples
    --------
    >>> golden_of(pd.DataFrame({"x": [1.0, np.nan]}), lambda rows: rows * 2)
    {'columns': ['x'], 'rows': [[1.0], [None]], 'expected': {'x': [2.0, None]}}
    """
    columns = list(rows.columns)
    golden = {
        "columns": columns,
        "rows": list(map(list, zip(*(_plain(rows[c]) for c in columns), strict=True))),
    }
    found = predict(_frame(golden)).select_dtypes("number")
    return {**golden, "expected": {name: _plain(found[name]) for name in found.columns}}


def check_golden(golden: dict[str, Any], predict: Predict, version: str) -> None:
    """Predicts the golden rows again and compares.

    Raises
    ------
    ModelError
        There are none, or a prediction differs by more than 1e-9 relative.
    """
    if not golden.get("expected") or not golden.get("rows"):
        raise ModelError(f"bundle {version}: has no golden rows to check; run `retain train`")
    found = predict(_frame(golden)).select_dtypes("number")
    for name in dict.fromkeys([*found.columns, *golden["expected"]]):
        wanted = np.array(golden["expected"].get(name, []), dtype=np.float64)
        answer = found.get(name, pd.Series(dtype=np.float64)).to_numpy(np.float64)
        if wanted.shape != answer.shape or not np.allclose(
            answer, wanted, rtol=1e-9, atol=1e-12, equal_nan=True
        ):
            raise ModelError(
                f"bundle {version}: golden predictions of {name} differ; the libraries of this machine do not "
                "reproduce the model: retrain it here"
            )


def made_up_rows(columns: tuple[FlatColumn, ...]) -> pd.DataFrame:
    """Rows of a flat table: levels and knots in turn, and what is missing or unknown."""
    made: dict[str, list[Any]] = {}
    for at, column in enumerate(columns):
        if column.kind == "category":
            texts = [*column.levels, None, _UNKNOWN]
            made[column.name] = [texts[(row + at) % len(texts)] for row in range(_ROWS)]
        else:
            numbers = [*column.knots, column.centre, column.centre + column.scale, np.nan]
            made[column.name] = [numbers[(row + 3 * at) % len(numbers)] for row in range(_ROWS)]
    return pd.DataFrame(made, index=range(_ROWS))


def _plain(values: pd.Series) -> list[Any]:
    return [None if pd.isna(v) else v if isinstance(v, str) else float(v) for v in values]


def _frame(golden: dict[str, Any]) -> pd.DataFrame:
    """The rows again: texts as they are, everything else as numbers."""
    made = {}
    for name, *values in zip(golden["columns"], *golden["rows"], strict=True):
        texts = any(isinstance(v, str) for v in values)
        made[name] = pd.Series(values, dtype=object if texts else np.float64)
    return pd.DataFrame(made)
