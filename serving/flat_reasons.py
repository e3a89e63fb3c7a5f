"""Reasons of a flat table's model, in words that fit any column: name, value, direction, weight."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from serving.phrases import Lang

__all__ = ["flat_reasons"]

_WORDS: dict[Lang, dict[str, str]] = {
    "en": {"up": "raises the risk", "down": "lowers the risk", "none": "no effect", "missing": "not known"},
    "zh": {"up": "提高风险", "down": "降低风险", "none": "无影响", "missing": "未知"},
}
_SHAPE: dict[Lang, str] = {
    "en": "{name}: {value} ({told}, {weight})",
    "zh": "{name}:{value}({told},{weight})",
}
_SEPARATOR: dict[Lang, str] = {"en": "; ", "zh": ";"}


def flat_reasons(
    typed: pd.DataFrame,
    parts: pd.DataFrame,
    *,
    lang: Lang,
    top: int = 3,
    names: Mapping[str, str] | None = None,
) -> pd.Series:
    """The weightiest columns behind each row's score.

    Parameters
    ----------
    typed : pandas.DataFrame
        What the model read: numbers and texts.
    parts : pandas.DataFrame
        Contributions to the log-odds, a column per column of `typed`, and ``base``.
    lang : {"en", "zh"}
    top : int
        Number of reasons; fewer where there are fewer columns.
    names : mapping, optional
        What to call columns.

    Returns
    -------
    pandas.Series of str

    Examples
    --------
    >>> parts = pd.DataFrame({"Contract": [0.9], "tenure": [-0.25], "base": [-1.0]})
    >>> rows = pd.DataFrame({"Contract": ["Month-to-month"], "tenure": [40.0]})
    >>> flat_reasons(rows, parts, lang="en")[0]
    'Contract: Month-to-month (raises the risk, +0.90); tenure: 40 (lowers the risk, -0.25)'
    """
    columns = [name for name in parts.columns if name != "base"]
    weights = parts[columns].to_numpy(np.float64)
    order = np.argsort(-np.abs(weights), axis=1, kind="stable")[:, :top]
    cells = {name: typed[name].astype(object).tolist() for name in columns}
    told = names or {}
    texts = []
    for row, places in enumerate(order):
        found = [
            _reason(told.get(columns[p], columns[p]), cells[columns[p]][row], weights[row, p], lang)
            for p in places
        ]
        texts.append(_SEPARATOR[lang].join(found))
    return pd.Series(texts, index=typed.index, name="reasons", dtype="str")


def _reason(name: str, value: Any, weight: float, lang: Lang) -> str:
    words = _WORDS[lang]
    direction = "none" if abs(weight) < 0.005 else "up" if weight > 0 else "down"
    text = words["missing"] if value is None or value != value else _value(value)
    return _SHAPE[lang].format(name=name, value=text, told=words[direction], weight=f"{weight:+.2f}")


def _value(value: Any) -> str:
    return f"{value:,.10g}" if isinstance(value, float) else str(value)
