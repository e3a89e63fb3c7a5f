"""Memberships: some customers pay a monthly charge, in terms of a year."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from retain.shop.arrays import Ints, Times, numbered, words
from retain.shop.hidden import Hidden

__all__ = ["contracts_table"]

PLANS = ("basic", "plus")
_CHARGE = np.array([4.90, 9.90])
_DAY = np.timedelta64(1, "D")
_TERM = 365 * _DAY


def contracts_table(hidden: Hidden) -> pa.Table:
    """The contracts table: one row per term of a year, renewed until cancelled.

    Who leaves the shop cancels up to 60 days later; the charge runs to the end of the term.
    """
    rng, clock, traits, life = hidden.rng("contracts"), hidden.clock, hidden.traits, hidden.life
    count, settings = hidden.rows, hidden.settings
    wants = rng.random(count) < settings.membership_share
    start = clock.times(traits.born) + rng.integers(0, 200, count) * _DAY
    leaves = clock.times(life.until(clock.end)) + rng.integers(0, 61, count) * _DAY
    cancelled = np.where(np.isfinite(life.died) & (leaves < hidden.end), leaves, np.datetime64("NaT"))
    row = np.flatnonzero(wants & (start < clock.times(life.until(clock.end))))
    row, term = _terms(row, start, np.where(np.isnat(cancelled), hidden.end - _DAY, cancelled))
    begin = start[row] + term * _TERM
    in_term = (cancelled[row] >= begin) & (cancelled[row] < begin + _TERM)
    plan = rng.choice(len(PLANS), count, p=(0.7, 0.3))[row]
    order = np.lexsort((row, begin))
    row, plan, begin, in_term = row[order], plan[order], begin[order], in_term[order]
    return pa.table(
        {
            "customer_id": traits.ids.take(pa.array(row)),
            "start": pa.array(begin),
            "end": pa.array(begin + _TERM),
            "cancelled_at": pa.array(cancelled[row], mask=~in_term),
            "contract_id": numbered("M", traits.number[row] * 100 + term[order], 10),
            "plan": words(PLANS, plan),
            "monthly_charge": pa.array(np.round(_CHARGE[plan] * settings.price_level, 2)),
        }
    )


def _terms(row: Ints, start: Times, last: Times) -> tuple[Ints, Ints]:
    """One row per term that begins no later than `last`: customer row and number of the term."""
    terms = np.maximum((last[row] - start[row]) // _TERM, 0) + 1
    term = np.arange(terms.sum()) - np.repeat(np.cumsum(terms) - terms, terms)
    return np.repeat(row, terms), term
