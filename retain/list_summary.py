"""What a scored list says in a few figures, for programs and for the last line on the screen."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

    from training.models.intervals import Intervals

__all__ = ["list_summary", "total_bounds", "total_told"]

# Bounds of single customers do not add up to those of a total.
_TOTALLED = re.compile(r"expected_(value|margin)_[0-9]+d|clv")
_VALUE = re.compile(r"expected_value_([0-9]+)d")
_COVERAGE = 0.80


def list_summary(found: pd.DataFrame) -> dict[str, Any]:
    """Customers by status, value class and strategy, and the totals over all customers.

    Examples
    --------
    >>> import pandas as pd
    >>> rows = pd.DataFrame({"status": ["active"], "value_class": ["gold"], "strategy": ["keep"],
    ...                      "evidence": ["ml"], "expected_value_90d": [12.5], "clv": [20.0]})
    >>> list_summary(rows)["totals"]
    {'expected_value_90d': 12.5, 'clv': 20.0}
    """
    labels = ("status", "value_class", "strategy", "evidence")
    counts = {name: {str(k): int(v) for k, v in found[name].value_counts().items()} for name in labels}
    totals = [c for c in found.columns if _TOTALLED.fullmatch(c)]
    return {**counts, "totals": {name: float(found[name].sum()) for name in totals}}


def total_bounds(found: pd.DataFrame, intervals: Intervals) -> dict[str, list[float]]:
    """Lower and upper 80 % bound of the total value of each horizon, from the realised errors of past totals.

    Examples
    --------
    >>> import pandas as pd
    >>> from training.models.intervals import Calibration, Intervals
    >>> known = Intervals(calibrations={90: Calibration(total=0.2, back_tests=4.0)})
    >>> bounds = total_bounds(pd.DataFrame({"expected_value_90d": [60.0, 40.0]}), known)
    >>> [round(b, 1) for b in bounds["expected_value_90d"]]
    [74.4, 134.3]
    """
    horizons = {name: int(m.group(1)) for name in found.columns if (m := _VALUE.fullmatch(str(name)))}
    factors = {name: intervals.total_factors(h, _COVERAGE) for name, h in horizons.items()}
    return {name: [float(found[name].sum()) * f for f in factors[name]] for name in horizons}


def total_told(found: pd.DataFrame, intervals: Intervals, window_days: int) -> str:
    """The total of the horizon nearest to the churn window, in words."""
    bounds = total_bounds(found, intervals)
    days = {int(name.removeprefix("expected_value_").removesuffix("d")): name for name in bounds}
    horizon = min(days, key=lambda h: (abs(h - window_days), h))
    low, high = bounds[days[horizon]]
    total = float(found[days[horizon]].sum())
    return f"expected revenue of these customers in the next {horizon} days: {total:,.0f} (80 %: {low:,.0f} to {high:,.0f})"
