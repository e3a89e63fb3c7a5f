"""Reading columns: what every framework asks of the customer table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import ArrayLike, NDArray
from pandas.api.extensions import ExtensionArray

from features.errors import InputError

__all__ = [
    "Columns",
    "Flags",
    "Labels",
    "Numbers",
    "Places",
    "as_numbers",
    "check_probability",
    "chosen",
    "known",
    "numbers",
    "require",
    "text_column",
]

Numbers = NDArray[np.float64]
Flags = NDArray[np.bool_]
Places = NDArray[np.intp]


class Columns:
    """Columns of the customer table as plain arrays; one that is not there is missing in every row.

    For a single customer a data frame takes longer to find a column than the label takes to be told.

    Parameters
    ----------
    table : DataFrame, or mapping of str to array
        One row per customer; the arrays of a mapping are float64.
    size : int
        Number of customers.

    Examples
    --------
    >>> people = Columns({"T": np.array([3.0])}, 1)
    >>> people["T"].tolist(), people["clv"].tolist()
    ([3.0], [nan])
    """

    def __init__(self, table: pd.DataFrame | Mapping[str, Numbers], size: int) -> None:
        self._table = table
        self.size = size

    @classmethod
    def of(cls, people: pd.DataFrame) -> Columns:
        """Those of a data frame."""
        return cls(people, len(people))

    def __getitem__(self, name: str) -> Numbers:
        if name not in self._table:
            return np.full(self.size, np.nan)
        column = self._table[name]
        return as_numbers(column) if isinstance(column, pd.Series) else column


@dataclass(frozen=True)
class Labels:
    """A column of labels: the words there are, and for every customer the place of theirs.

    Parameters
    ----------
    words : tuple of str
        The labels; one may have several places.
    places : array of int
        One per customer.

    Examples
    --------
    >>> found = Labels.first(("none", "few", "many"), [np.array([True, False]), np.array([True, False])])
    >>> found.texts(), found.among("none", "few").tolist()
    (['none', 'many'], [True, False])
    """

    words: tuple[str, ...]
    places: Places

    @classmethod
    def first(cls, words: tuple[str, ...], conditions: Sequence[Flags]) -> Labels:
        """The word of the first condition that holds; the last word, which has no condition, where none does."""
        found = np.full(len(conditions[0]), len(conditions), dtype=np.intp)
        for place in reversed(range(len(conditions))):
            found = np.where(conditions[place], place, found)
        return cls(words, found)

    def among(self, *words: str) -> Flags:
        """Whether a customer has one of these labels."""
        found: Flags = np.array([word in words for word in self.words], dtype=np.bool_)[self.places]
        return found

    def read_as(self, words: tuple[str, ...]) -> Places:
        """The place of each customer's label among `words`; −1 where it is none of them."""
        return self.places if self.words is words else _translation(self.words, words)[self.places]

    def texts(self) -> list[str]:
        """The labels as plain texts."""
        return [self.words[place] for place in self.places.tolist()]

    def array(self) -> ExtensionArray:
        """The labels as pandas keeps texts."""
        return _array(self.words).take(self.places)

    def column(self, index: pd.Index) -> pd.Series:
        """The labels as a column."""
        return pd.Series(self.array(), index=index)


@lru_cache(maxsize=64)
def _translation(words: tuple[str, ...], others: tuple[str, ...]) -> Places:
    return np.array([others.index(word) if word in others else -1 for word in words], dtype=np.intp)


@lru_cache(maxsize=64)
def _array(words: tuple[str, ...]) -> ExtensionArray:
    return pd.array(list(words), dtype="str")


def require(frame: pd.DataFrame, names: Sequence[str], *, step: str) -> None:
    """Refuse a table that lacks columns, naming all of them at once.

    Parameters
    ----------
    frame : DataFrame
        One row per customer.
    names : sequence of str
        Columns that must be there.
    step : str
        Who asks, for the message.

    Raises
    ------
    InputError
        When a column is missing.

    Examples
    --------
    >>> require(pd.DataFrame({"frequency": [1.0]}), ["frequency"], step="rfm scores")
    """
    missing = [name for name in names if name not in frame.columns]
    if missing:
        raise InputError(
            f"{step}: the customer table lacks {len(missing)} column(s): {', '.join(missing)}. "
            f"Expected {', '.join(names)}; compute them with features.pipeline and the scorer first."
        )


def as_numbers(values: ArrayLike | pd.Series) -> Numbers:
    """One column as float64, with NaN where it is missing.

    Examples
    --------
    >>> as_numbers(pd.Series([1, None], dtype="Int64")).tolist()
    [1.0, nan]
    """
    return pd.Series(values).to_numpy(dtype="float64", na_value=np.nan)


def known(people: pd.DataFrame, name: str) -> Numbers:
    """One column as float64; all missing where the table has no such column.

    Examples
    --------
    >>> known(pd.DataFrame({"T": [3]}), "T").tolist(), known(pd.DataFrame({"T": [3]}), "clv").tolist()
    ([3.0], [nan])
    """
    return as_numbers(people[name]) if name in people.columns else np.full(len(people), np.nan)


def numbers(frame: pd.DataFrame, names: Sequence[str], *, step: str) -> list[Numbers]:
    """Several columns as float64 arrays in the order asked for.

    Raises
    ------
    InputError
        When a column is missing.

    Examples
    --------
    >>> [a.tolist() for a in numbers(pd.DataFrame({"T": [3], "recency": [1]}), ["recency", "T"], step="x")]
    [[1.0], [3.0]]
    """
    require(frame, names, step=step)
    return [as_numbers(frame[name]) for name in names]


def chosen(
    index: pd.Index, conditions: Sequence[ArrayLike], words: Sequence[str], *, default: str
) -> pd.Series:
    """`Labels.first` as a column.

    Parameters
    ----------
    index : Index
        Of the answer.
    conditions : sequence of array of bool
        In the order of their say.
    words : sequence of str
        One for each condition.
    default : str
        Where none holds.

    Examples
    --------
    >>> chosen(pd.RangeIndex(2), [[True, False]], ["first"], default="none").tolist()
    ['first', 'none']
    """
    masks = [np.asarray(condition, dtype=np.bool_) for condition in conditions]
    return Labels.first((*words, default), masks).column(index)


def text_column(values: NDArray[Any], index: pd.Index) -> pd.Series:
    """An array of texts as a column; four times as fast as pandas' own way on a million rows.

    Examples
    --------
    >>> text_column(np.array(["gold", "lead"]), pd.RangeIndex(2)).tolist()
    ['gold', 'lead']
    """
    return pd.Series(pd.array(pa.array(values, pa.string()), dtype="str"), index=index)


def check_probability(values: Numbers, *, step: str) -> None:
    """Refuse numbers that are no probability; missing ones pass.

    Raises
    ------
    InputError
        When a number lies outside [0, 1].

    Examples
    --------
    >>> check_probability(np.array([0.0, 1.0, np.nan]), step="risk")
    """
    outside = (values < 0) | (values > 1)
    if outside.any():
        raise InputError(
            f"{step}: churn_probability lies outside [0, 1] in {int(outside.sum())} of {len(values)} rows, "
            f"e.g. {values[outside][0]:g}. Give probabilities, not percentages or log-odds."
        )
