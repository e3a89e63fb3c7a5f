"""What a scored list says in a few figures, for programs and for the last line on the screen."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["list_summary"]

# Bounds of single customers do not add up to those of a total.
_TOTALLED = re.compile(r"expected_(value|margin)_[0-9]+d|clv")


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
