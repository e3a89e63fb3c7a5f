"""Who takes up what has not been bought lately: chances per customer and category, learned from the customer base.

A customer's taste for a category is the share of the orders that contain it. Tastes differ between customers as a beta
distribution, so that a customer's own orders, with and without the category, say how likely the next ones contain it. What
customers who own category d took up in the last year, beside what their tastes alone let expect, is the lift of d.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy.special import gammaln

__all__ = ["STRENGTH", "Adoption", "Baskets", "Block", "adoption_of", "chances"]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

STRENGTH: Final = 30.0
"""Expected adoptions for which a lift of 1 counts, and for which the lift of a category counts in that of a pair."""

_PAIRS: Final = 20.0
"""Pairs of orders for which the usual likeness of tastes counts."""
_LIKENESS: Final = 0.3
"""Usual correlation between two orders of a customer in whether they contain a category."""
_ROWS: Final = 100_000


@dataclass(frozen=True)
class Block:
    """Some customers by all categories; arrays of shape (customers, categories) but for the numbers of orders.

    Parameters
    ----------
    rows : slice
        Which customers they are.
    ever, ever_before : array of float
        Orders with the category, of all time and older than a year.
    lately, lately_before : array of bool
        Bought in the last year, in the year before it.
    orders, orders_before, orders_lately : array of float, shape (customers,)
        Orders of all time, older than a year, of the last year.
    """

    rows: slice
    ever: Floats
    ever_before: Floats
    lately: npt.NDArray[np.bool_]
    lately_before: npt.NDArray[np.bool_]
    orders: Floats
    orders_before: Floats
    orders_lately: Floats


@dataclass(frozen=True)
class Baskets:
    """Which customer bought which category in how many orders.

    Parameters
    ----------
    ever, lately : array of float32, shape (customers, categories)
        Orders of all time, of the last year.
    lately_before : array of bool, shape (customers, categories)
        Whether bought in the year before the last.
    orders, orders_lately : array of float, shape (customers,)
        Orders with any category.
    """

    ever: npt.NDArray[np.float32]
    lately: npt.NDArray[np.float32]
    lately_before: npt.NDArray[np.bool_]
    orders: Floats
    orders_lately: Floats

    def blocks(self) -> Iterator[Block]:
        """All customers, some at a time, in double precision."""
        for start in range(0, len(self.orders), _ROWS):
            rows = slice(start, min(start + _ROWS, len(self.orders)))
            ever, lately = self.ever[rows].astype(np.float64), self.lately[rows]
            yield Block(
                rows=rows,
                ever=ever,
                ever_before=ever - lately,
                lately=lately > 0,
                lately_before=self.lately_before[rows],
                orders=self.orders[rows],
                orders_before=self.orders[rows] - self.orders_lately[rows],
                orders_lately=self.orders_lately[rows],
            )


@dataclass(frozen=True)
class Adoption:
    """What the base tells of taking up categories.

    Parameters
    ----------
    with_it, without : array of float, shape (categories,)
        The two parameters of the beta distribution of tastes.
    lift : array of float, shape (categories,)
        Adoptions of the last year over those expected from tastes.
    lift_of : array of float, shape (categories, categories)
        The same among customers who owned the category of the row.
    """

    with_it: Floats
    without: Floats
    lift: Floats
    lift_of: Floats

    def taste(self, ever: Floats, orders: Floats) -> tuple[Floats, Floats]:
        """Shape and rate of the gamma distribution with mean and spread of each customer's own taste."""
        with_it = self.with_it + ever
        total = self.with_it + self.without + orders[:, None]
        mean = with_it / total
        rate = (total + 1.0) / (1.0 - mean)
        return mean * rate, rate

    def lifts(self, owned: npt.NDArray[np.bool_]) -> Floats:
        """Mean lift of the categories owned; of all customers where none is."""
        count = owned.sum(axis=1, keepdims=True)
        return np.where(count > 0, (owned @ self.lift_of) / np.maximum(count, 1), self.lift)


def adoption_of(baskets: Baskets) -> Adoption:
    """Learn tastes and lifts.

    Parameters
    ----------
    baskets : Baskets
        All customers of the base.

    Returns
    -------
    Adoption

    Notes
    -----
    Tastes by moments: with k of a customer's n orders containing the category, E[p] = Σk / Σn and
    E[p²] = Σk(k − 1) / Σn(n − 1), the latter with 20 pairs of usual likeness added.

    Lifts from the last year: among the customers who had ordered before it, ordered in it, and had not bought c in
    the year before, O are those who bought c in it, E what the tastes known before let expect. lift(c) =
    (O + 30) / (E + 30), and among those of them who owned d, lift(c | d) = (O + 30 lift(c)) / (E + 30).

    References
    ----------
    Chatfield, C., Goodhardt, G. J. (1970). The beta-binomial model for consumer purchasing behaviour. Applied
    Statistics 19 (3).
    Knott, A., Hayes, A., Neslin, S. A. (2002). Next-product-to-buy models for cross-selling applications. Journal of
    Interactive Marketing 16 (3).

    Examples
    --------
    Of two customers one always buys the category and one never does:

    >>> bought, nine = np.array([[9.0], [0.0]], dtype=np.float32), np.array([9.0, 9.0])
    >>> baskets = Baskets(ever=bought, lately=bought, lately_before=bought < 0, orders=nine, orders_lately=nine)
    >>> found = adoption_of(baskets)
    >>> found.with_it.round(2).tolist(), found.without.round(2).tolist(), found.lift.tolist()
    ([0.05], [0.05], [1.0])
    """
    with_it, without = _tastes(baskets)
    kinds = len(with_it)
    plain = Adoption(with_it, without, np.ones(kinds), np.ones((kinds, kinds)))
    seen, due = np.zeros((kinds + 1, kinds)), np.zeros((kinds + 1, kinds))
    for block in baskets.blocks():
        ordered = (block.orders_before > 0) & (block.orders_lately > 0)
        open_ = ordered[:, None] & ~block.lately_before
        owned = np.column_stack([np.ones(len(ordered)), block.lately_before])
        due += owned.T @ _expected(plain, block, open_)
        seen += owned.T @ np.where(open_, block.lately, 0.0)
    lift = (seen[0] + STRENGTH) / (due[0] + STRENGTH)
    return Adoption(with_it, without, lift, (seen[1:] + STRENGTH * lift) / (due[1:] + STRENGTH))


def _expected(plain: Adoption, block: Block, open_: npt.NDArray[np.bool_]) -> Floats:
    """Chance that one of the orders of the last year contains the category, where it was open; else 0."""
    row, kind = np.nonzero(open_)
    n, k, orders = block.orders_before[row], block.ever_before[row, kind], block.orders_lately[row]
    without = plain.without[kind] + n - k
    total = plain.with_it[kind] + plain.without[kind] + n
    none = gammaln(without + orders) - gammaln(without) - gammaln(total + orders) + gammaln(total)
    found = np.zeros(open_.shape)
    found[row, kind] = -np.expm1(none)
    return found


def _tastes(baskets: Baskets) -> tuple[Floats, Floats]:
    n, k = baskets.orders, baskets.ever
    together = k.sum(axis=0, dtype=np.float64)
    mean = (together + 0.5) / (n.sum() + 1.0)
    usual = mean * (mean + (1.0 - mean) * _LIKENESS)
    both = (k * (k - 1.0)).sum(axis=0, dtype=np.float64)
    square = (both + _PAIRS * usual) / ((n * (n - 1.0)).sum() + _PAIRS)
    likeness = np.clip((square - mean**2) / (mean * (1.0 - mean)), 0.01, 0.99)
    size = 1.0 / likeness - 1.0
    return mean * size, (1.0 - mean) * size


def chances(adoption: Adoption, block: Block, alive: Floats, orders: Floats) -> Floats:
    """Chance that each customer buys each category within the coming year; missing where bought lately.

    Parameters
    ----------
    adoption : Adoption
        From `adoption_of`.
    block : Block
        The customers.
    alive : array of float, shape (customers,)
        Probability that the customer still is one, in [0, 1].
    orders : array of float, shape (customers,)
        Orders of the coming year expected of one who is, ≥ 0.

    Returns
    -------
    array, shape (customers, categories)
        In [0, 1].

    Notes
    -----
    P = alive · (1 − (1 + lift · orders / rate)^−shape), a Poisson number of orders each of which contains the category
    with a gamma-distributed chance. The number expected rests on n past orders only: its own spread, a gamma of shape n, is
    folded into shape and rate.

    Examples
    --------
    >>> adoption = Adoption(np.array([1.0]), np.array([1.0]), np.ones(1), np.ones((1, 1)))
    >>> none = np.zeros((1, 1), dtype=bool)
    >>> three = np.array([3.0])
    >>> block = Block(slice(0, 1), np.zeros((1, 1)), np.zeros((1, 1)), none, none, three, three, three)
    >>> chances(adoption, block, np.array([0.5]), np.array([4.0])).round(3).tolist()
    [[0.214]]
    """
    shape, rate = adoption.taste(block.ever, block.orders)
    known = np.maximum(block.orders, 1.0)[:, None]
    wide = 1.0 / ((1.0 + 1.0 / shape) * (1.0 + 1.0 / known) - 1.0)
    rate *= wide / shape
    exposed = adoption.lifts(block.lately) * orders[:, None]
    found: Floats = alive[:, None] * (1.0 - (1.0 + exposed / rate) ** -wide)
    return np.where(block.lately, np.nan, found)
