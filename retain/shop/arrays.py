"""Small numeric tools of the simulator: seeds, text columns, and cumulative rates that can be inverted."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

__all__ = ["Cumulative", "Flags", "Floats", "Ints", "Times", "logistic", "numbered", "rng_for", "words"]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]
Times = npt.NDArray[np.datetime64]


def rng_for(seed: int, topic: str, block: int = 0) -> np.random.Generator:
    """A generator of its own for each topic and block, so that no table depends on another one's draws.

    Examples
    --------
    >>> bool(rng_for(1, "orders").random() == rng_for(1, "orders").random())
    True
    """
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(block, zlib.crc32(topic.encode()))))


def logistic(x: Floats) -> Floats:
    """1 / (1 + exp(−x))."""
    return 1.0 / (1.0 + np.exp(-x))


def words(vocabulary: Sequence[str] | Any, index: Ints) -> pa.Array:
    """Text column from a list of words and positions in it; a negative position is a null."""
    positions = pa.array(index, mask=index < 0)
    return pa.array(vocabulary, pa.string()).take(positions)


def numbered(prefix: str, numbers: Ints, width: int) -> pa.Array:
    """Ids such as ``C0000042``.

    Examples
    --------
    >>> numbered("C", np.array([42]), 7).to_pylist()
    ['C0000042']
    """
    digits = pc.utf8_lpad(pa.array(numbers).cast(pa.string()), width, "0")
    return pc.binary_join_element_wise(prefix, digits, "")


class Cumulative:
    """Cumulative rate of each customer over the weeks: value at a clock time, and clock time of a value.

    Parameters
    ----------
    rates : array, shape (customers, weeks)
        Positive rate per week, constant within a week.

    Notes
    -----
    An inhomogeneous process with cumulative rate Λ is a homogeneous one seen through Λ⁻¹; drawing on the
    Λ axis and inverting keeps Poisson counts exact and Erlang rhythms regular, which thinning would not.

    References
    ----------
    Çinlar (1975), Introduction to Stochastic Processes, chapter 4.

    Examples
    --------
    >>> c = Cumulative(np.array([[1.0, 3.0]]))
    >>> row = np.array([0])
    >>> c.at(row, np.array([1.5])), c.invert(row, np.array([2.5])), c.invert(row, np.array([9.0]))
    (array([2.5]), array([1.5]), array([inf]))
    """

    def __init__(self, rates: Floats) -> None:
        self.rates = rates
        self._ends = np.cumsum(rates, axis=1)
        # Rows are laid end to end with a gap of one, so that one sorted search serves all customers.
        self._offset = np.concatenate([[0.0], np.cumsum(self._ends[:, -1] + 1.0)[:-1]])
        self._knots = (self._ends + self._offset[:, None]).ravel()

    def scaled(self, factor: Ints) -> Cumulative:
        """The same course with each customer's rate times `factor`."""
        return Cumulative(self.rates * factor[:, None])

    def at(self, row: Ints, clock: Floats) -> Floats:
        """Cumulative rate of customer `row` from clock 0 to `clock`."""
        week = np.clip(clock.astype(np.int64), 0, self.rates.shape[1] - 1)
        return self._ends[row, week] - self.rates[row, week] * (week + 1 - clock)

    def invert(self, row: Ints, value: Floats) -> Floats:
        """Clock time at which customer `row` reaches `value`; infinite when the weeks end before."""
        weeks = self.rates.shape[1]
        found = np.searchsorted(self._knots, value + self._offset[row]) - row * weeks
        week = np.clip(found, 0, weeks - 1)
        clock = week + 1 - (self._ends[row, week] - value) / self.rates[row, week]
        return np.where(value >= self._ends[row, -1], np.inf, np.clip(clock, week, week + 1))

    def events(self, rng: np.random.Generator, row: Ints, span: tuple[Floats, Floats]) -> tuple[Ints, Floats]:
        """Poisson events of each `row` between two clock times: rows and clock times, in order of both."""
        low, high = self.at(row, span[0]), self.at(row, span[1])
        count = rng.poisson(np.maximum(high - low, 0.0))
        of = np.repeat(np.arange(len(row)), count)
        value = low[of] + rng.random(len(of)) * (high - low)[of]
        order = np.lexsort((value, of))
        rows = row[of]
        return rows, self.invert(rows, value[order])
