"""Sums that do not depend on the order of rows, the number of threads or the engine.

Floating-point addition is not associative, so a parallel engine may give a customer other last bits in a
batch than alone. Every quantity that is summed is therefore first written as a whole number of small units.
"""

from __future__ import annotations

from typing import Any

import ibis

__all__ = ["FINE", "MONEY", "at_least", "clip", "from_units", "only", "ratio", "to_units"]

MONEY = 10_000
"""Units per unit of currency or quantity: a hundredth of a cent."""

FINE = 1_000_000_000
"""Units per 1 for logarithms and weights."""


def to_units(value: Any, scale: int = MONEY) -> Any:
    """`value` as a whole number of 1/`scale`; missing counts as nothing."""
    return (value.fill_null(0) * float(scale)).round().cast("int64")


def only(value: Any, where: Any) -> Any:
    """`value` where the condition holds, else missing, so that sums, extremes and counts leave it out.

    DuckDB sets up a filter of an aggregate with a copy of all that is aggregated beside it: a hundred aggregates
    with filters take longer to set up than to run on a few rows, and these do not.
    """
    return ibis.ifelse(where, value, ibis.null(value.type()))


def from_units(total: Any, scale: int = MONEY) -> Any:
    """A total of units back in the unit of the user; an empty total is 0."""
    return total.fill_null(0).cast("float64") / float(scale)


def ratio(numerator: Any, denominator: Any) -> Any:
    """numerator / denominator in float64, missing where the denominator is 0."""
    return numerator.cast("float64") / denominator.cast("float64").nullif(0.0)


def at_least(value: Any, low: float) -> Any:
    """`value`, or `low` where it is smaller; missing stays missing, on every engine."""
    return ibis.ifelse(value < low, low, value)


def clip(value: Any, low: float, high: float) -> Any:
    """`value` kept within [low, high]; missing stays missing."""
    return ibis.ifelse(value > high, high, at_least(value, low))
