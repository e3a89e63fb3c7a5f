"""Wider, longer, deeper 更宽/更远/更深: where the change of revenue between two periods comes from, without remainder.

========= =========================================================================================
Direction Parts
========= =========================================================================================
wider     new customers, new customers of segments that brought nothing before, regained customers
longer    lost customers, and returns of customers who ordered in neither period
deeper    customers kept: orders, breadth (different categories in an order), spend per category
========= =========================================================================================

The revenue of a customer who was kept is a product, orders × breadth per order × spend per category, and its change is
split by Shapley's rule: each factor gets the mean of its effect over all orders in which the three could have changed.
Nothing depends on which is named first, and the three add up to the change. Money is whole numbers of 1/10,000; the parts
of orders and of breadth are rounded to a hundredth of the currency for each customer, and spend takes the rest, so that
the parts of each customer, and of all of them, add up exactly.

References
----------
Shapley, L. S. (1953). A value for n-person games. Contributions to the Theory of Games II.
Albrecht, J., François, D., Schoors, K. (2002). A Shapley decomposition of carbon emissions without residuals. Energy
Policy 30 (9) (the rule for a product of factors).
"""

from __future__ import annotations

from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from features.exact import MONEY

__all__ = ["PARTS", "bridge", "levers"]

PARTS: Final[dict[str, str]] = {
    "new": "wider",
    "new_segment": "wider",
    "regained": "wider",
    "lost": "longer",
    "returns_only": "longer",
    "orders": "deeper",
    "breadth": "deeper",
    "spend": "deeper",
}
"""Parts of the bridge and their directions."""

_DEEPER: Final = ("orders", "breadth", "spend")
_CENT: Final = 100
_ORDERED: Final = {"before": ("kept", "lost"), "after": ("kept", "new", "new_segment", "regained")}


def levers(groups: pd.DataFrame, segments: pd.Series | None = None) -> pd.DataFrame:
    """The bridge of each customer.

    Parameters
    ----------
    groups : DataFrame
        From `strategies.lenses.customer_groups`, by customer id; with ``breadth_before`` and ``breadth_after`` where
        orders tell their categories or products.
    segments : Series, optional
        Segment by customer id.

    Returns
    -------
    DataFrame
        By customer id: ``group`` (``new_segment`` for new customers of one), ``revenue_u_before``, ``revenue_u_after``,
        and one column for each of `PARTS`, in 1/10,000 of the currency. The parts of a row add up to the change of its
        revenue.

    Examples
    --------
    A customer doubles the orders and halves the spend per order: two moves that cancel out.

    >>> kept = pd.DataFrame({"group": ["kept"], "orders_before": 1, "orders_after": 2, "revenue_u_before": 80_000,
    ...     "revenue_u_after": 80_000}, index=["a"])
    >>> levers(kept)[["orders", "breadth", "spend"]].iloc[0].tolist()
    [60000, 0, -60000]
    """
    change = groups["revenue_u_after"] - groups["revenue_u_before"]
    found = groups[["group", "revenue_u_before", "revenue_u_after"]].copy()
    found["group"] = groups["group"].mask(_in_new_segment(groups, segments), "new_segment")
    for name in PARTS:
        found[name] = change.where(found["group"] == name, 0).astype("int64")
    kept = (groups["group"] == "kept").to_numpy()
    shares = _shapley(groups[kept])
    for place, name in enumerate(_DEEPER):
        found.loc[kept, name] = shares[place]
    return found


def bridge(customers: pd.DataFrame) -> pd.DataFrame:
    """The change of revenue between the periods, in parts that add up to it.

    Parameters
    ----------
    customers : DataFrame
        From `levers`.

    Returns
    -------
    DataFrame
        Rows ``before`` and ``after`` (the revenues) with one row per part between them: ``part``, ``direction``,
        ``customers`` (of the group; at the ends those who ordered, of the deeper parts those whom the part moved) and
        ``amount``. Before plus all parts is after.

    Examples
    --------
    >>> people = pd.DataFrame({"group": ["new", "lost"], "orders_before": [0, 1], "orders_after": [1, 0],
    ...     "revenue_u_before": [0, 50_000], "revenue_u_after": [70_000, 0]}, index=["a", "b"])
    >>> found = bridge(levers(people)).set_index("part")["amount"]
    >>> found[["before", "new", "lost", "after"]].tolist()
    [5.0, 7.0, -5.0, 7.0]
    """
    rows = [_end("before", customers)]
    for part, direction in PARTS.items():
        group = customers["group"] == part
        concerned = int((customers[part] != 0).sum() if part in _DEEPER else group.sum())
        amount = int(customers[part].sum()) / MONEY
        rows.append({"part": part, "direction": direction, "customers": concerned, "amount": amount})
    return pd.DataFrame([*rows, _end("after", customers)])


def _end(when: str, customers: pd.DataFrame) -> dict[str, object]:
    ordered = customers["group"].isin(_ORDERED[when]).sum()
    amount = int(customers[f"revenue_u_{when}"].sum()) / MONEY
    return {"part": when, "direction": "", "customers": int(ordered), "amount": amount}


def _in_new_segment(groups: pd.DataFrame, segments: pd.Series | None) -> pd.Series:
    """Whether a new customer belongs to a segment in which nobody ordered in the earlier period."""
    if segments is None:
        return pd.Series(False, index=groups.index)
    segment = pd.Series(groups.index.map(segments.get), index=groups.index, dtype=object)
    served = segment[groups["orders_before"] > 0].dropna().unique()
    return (groups["group"] == "new") & segment.notna() & ~segment.isin(served)


def _shapley(kept: pd.DataFrame) -> list[NDArray[np.int64]]:
    """Parts of orders, breadth and spend in the change of each kept customer."""
    before, after = (_factors(kept, when) for when in ("before", "after"))
    rounded = []
    for place in range(2):
        (b0, c0), (b1, c1) = ([f for i, f in enumerate(when) if i != place] for when in (before, after))
        others = (b0 * c0 + b1 * c1) / 3.0 + (b0 * c1 + b1 * c0) / 6.0
        part = (after[place] - before[place]) * others
        rounded.append(np.round(part / _CENT).astype(np.int64) * _CENT)
    change = (kept["revenue_u_after"] - kept["revenue_u_before"]).to_numpy(np.int64)
    return [*rounded, change - rounded[0] - rounded[1]]


def _factors(kept: pd.DataFrame, when: str) -> list[NDArray[np.float64]]:
    """Orders, breadth per order (1 where it is not known) and spend per unit of both."""
    orders = kept[f"orders_{when}"].to_numpy(np.float64)
    pairs = orders
    if f"breadth_{when}" in kept.columns:
        # Lines that arrive late can leave an order without its things; it then has one.
        pairs = np.maximum(kept[f"breadth_{when}"].to_numpy(np.float64), orders)
    return [orders, pairs / orders, kept[f"revenue_u_{when}"].to_numpy(np.float64) / pairs]
