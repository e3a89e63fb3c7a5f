"""RFM scores: recency, frequency and money in fifths of a frozen reference population."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import product
from typing import Any, Final

import numpy as np
import pandas as pd

from features.errors import ModelError, NotEnoughData
from strategies.columns import Labels, Numbers, numbers

__all__ = ["RFM_COLUMNS", "RfmEdges", "rfm_labels", "scores"]

RFM_COLUMNS: Final = ("days_since_last", "frequency", "spend_365d")
_FIFTHS: Final = 5
_WORDS: Final = (*map("".join, product("12345", repeat=3)), "unknown")


def _edges(values: Numbers, name: str) -> tuple[float, ...]:
    """The four values that close the lower fifths: the smallest with at least k/5 of the rows at or below."""
    known = np.sort(values[np.isfinite(values)])
    if not len(known):
        raise NotEnoughData(
            f"rfm scores: {name} is missing in all {len(values)} rows of the reference population; "
            "expected at least one customer with an order before as_of."
        )
    # Whole-number arithmetic: n·k/5 rounded up without floating point, so that edges never shift by a row.
    places = [-(-len(known) * k // _FIFTHS) - 1 for k in range(1, _FIFTHS)]
    return tuple(float(known[max(0, p)]) for p in places)


@dataclass(frozen=True)
class RfmEdges:
    """Frozen edges between the fifths of a reference population.

    Kept with the model, so that a customer scored alone gets the same digits as in the whole list.

    Parameters
    ----------
    days_since_last, frequency, spend_365d : tuple of 4 float
        Rising edges, in days, repeat purchase days and money. A value equal to an edge belongs below it.
    """

    days_since_last: tuple[float, ...]
    frequency: tuple[float, ...]
    spend_365d: tuple[float, ...]

    @classmethod
    def fit(cls, frame: pd.DataFrame) -> RfmEdges:
        """Take the edges from a reference population.

        Parameters
        ----------
        frame : DataFrame
            One row per customer with ``days_since_last``, ``frequency`` and ``spend_365d``.

        Raises
        ------
        InputError
            When a column is missing.
        NotEnoughData
            When a column holds no number at all.

        Examples
        --------
        >>> people = pd.DataFrame({"days_since_last": range(1, 6), "frequency": 3, "spend_365d": 9.0})
        >>> RfmEdges.fit(people).days_since_last
        (1.0, 2.0, 3.0, 4.0)
        """
        columns = numbers(frame, RFM_COLUMNS, step="rfm scores")
        return cls(*(_edges(values, name) for values, name in zip(columns, RFM_COLUMNS, strict=True)))

    def to_dict(self) -> dict[str, list[float]]:
        """Plain lists by column name, ready for JSON.

        Examples
        --------
        >>> RfmEdges((1, 2, 3, 4), (0, 0, 1, 2), (5, 6, 7, 8)).to_dict()["frequency"]
        [0, 0, 1, 2]
        """
        return {name: list(edges) for name, edges in asdict(self).items()}

    @classmethod
    def from_dict(cls, data: Mapping[str, Sequence[Any]]) -> RfmEdges:
        """Read what `to_dict` wrote.

        Raises
        ------
        ModelError
            When a column is missing or its edges are not four rising finite numbers.
        """
        found = {}
        for name in RFM_COLUMNS:
            edges = data.get(name, ())
            numeric = all(isinstance(e, (int, float)) and np.isfinite(e) for e in edges)
            if len(edges) != _FIFTHS - 1 or not numeric or list(edges) != sorted(edges):
                raise ModelError(
                    f"rfm scores: the edges of {name} are {list(edges)!r}; expected {_FIFTHS - 1} rising "
                    "finite numbers. The bundle's reference is damaged or of another version; train again."
                )
            found[name] = tuple(float(e) for e in edges)
        return cls(**found)


def _fifth(values: Numbers, edges: tuple[float, ...]) -> Numbers:
    """1 for the lowest fifth to 5 for the highest, NaN where missing; equal values share a fifth."""
    place = 1.0 + np.searchsorted(np.asarray(edges), values, side="left")
    return np.where(np.isnan(values), np.nan, place)


def scores(frame: pd.DataFrame, edges: RfmEdges) -> pd.DataFrame:
    """Score each customer 1 to 5 in recency, frequency and money.

    Parameters
    ----------
    frame : DataFrame
        One row per customer with ``days_since_last`` (days), ``frequency`` (repeat purchase days) and
        ``spend_365d`` (money).
    edges : RfmEdges
        From the reference population.

    Returns
    -------
    DataFrame
        ``r_score, f_score, m_score`` (Int8, 5 is best, missing where the quantity is) and ``rfm_score``,
        three digits such as ``543``, or ``unknown``; index as given.

    Raises
    ------
    InputError
        When a column is missing.

    Notes
    -----
    Fifths of each quantity on its own (Hughes also describes nested fifths). r_score = 6 − fifth, because
    fewer days are better. Customers with equal values always share a score, so the groups need not be of
    equal size: where half the base bought once, all of them score 1 in frequency.

    References
    ----------
    Hughes, A. M. (1994). Strategic Database Marketing. Probus.

    Examples
    --------
    >>> edges = RfmEdges((10, 20, 40, 80), (0, 0, 1, 3), (50, 100, 200, 400))
    >>> scores(pd.DataFrame({"days_since_last": [5], "frequency": [2], "spend_365d": [150]}), edges)
       r_score  f_score  m_score rfm_score
    0        5        4        3       543
    """
    columns = numbers(frame, RFM_COLUMNS, step="rfm scores")
    digits = dict(zip(("r_score", "f_score", "m_score"), _digits(columns, edges), strict=True))
    out = pd.DataFrame(digits, index=frame.index).astype("Int8")
    return out.assign(rfm_score=rfm_labels(columns, edges).column(frame.index))


def rfm_labels(columns: Sequence[Numbers], edges: RfmEdges) -> Labels:
    """The ``rfm_score`` of `scores`, of plain arrays in the order of `RFM_COLUMNS`."""
    r, f, m = _digits(columns, edges)
    place = (_FIFTHS * (r - 1) + f - 1) * _FIFTHS + m - 1
    return Labels(_WORDS, np.where(np.isnan(place), len(_WORDS) - 1, place).astype(np.intp))


def _digits(columns: Sequence[Numbers], edges: RfmEdges) -> tuple[Numbers, Numbers, Numbers]:
    days, frequency, spend = columns
    r_score = 1.0 + _FIFTHS - _fifth(days, edges.days_since_last)
    return r_score, _fifth(frequency, edges.frequency), _fifth(spend, edges.spend_365d)
