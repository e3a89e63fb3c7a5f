"""Why a score moved, in words: what each group has to say of the time between two runs.

A quantity of the earlier run bears ``_was``; it is missing where it would be printed as it is now, so that no
phrase tells of a change that cannot be seen.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import pandas as pd

from serving.phrases import Phrase, Quantities
from serving.reason_texts import GROUPS
from strategies.columns import Numbers

__all__ = ["MODEL", "MOVES", "move_quantities"]

MODEL: Final = "model"
# Quantities told as they were and as they are, and how they are printed: digits after the point, or money.
_TOLD: Final[dict[str, int | None]] = {
    "days_since_last": 0,
    "orders_365d": 0,
    "spend_90d": None,
    "spend_365d": None,
    "gap_max": 0,
    "products": 0,
    "returns_value": None,
    "satisfaction_last": 1,
    "complaints_365d": 0,
    "contacts_90d": 0,
    "campaigns_90d": 0,
    "contracts_active": 0,
}
_SIGNIFICANT: Final = 2


def _was(name: str, unit: str, en: str, zh: str) -> Phrase:
    """A quantity now, and what it was; `en` and `zh` have one place for it."""
    now, was = f"{{{name}:{unit}}}", f"{{{name}_was:{unit}}}"
    return Phrase(f"{en.format(now)}, was {was}", f"{zh.format(now)}，此前{was}")


_SAID: Final[dict[str, tuple[Phrase, ...]]] = {
    "recency": (
        Phrase("{more_days:more_days} without an order", "又有{more_days:days}未下单"),
        _was("days_since_last", "days", "last order {} ago", "距上次下单{}"),
    ),
    "frequency": (
        Phrase("{new_orders:new_orders}", "{new_orders:new_orders}"),
        _was("orders_365d", "orders", "{} in the last 365 days", "近365天{}"),
    ),
    "trend": (_was("spend_90d", "money", "spent {} in the last 90 days", "近90天消费{}"),),
    "spend": (_was("spend_365d", "money", "spent {} in the last 365 days", "近365天消费{}"),),
    "rhythm": (_was("gap_max", "days", "longest gap between purchases {}", "购买间隔最长{}"),),
    "breadth": (_was("products", "products", "bought {}", "购买过{}"),),
    "returns": (_was("returns_value", "money", "returned {}", "退货{}"),),
    "satisfaction": (
        _was("satisfaction_last", "score", "satisfaction {} of 10", "满意度{}（满分10）"),
        _was("complaints_365d", "complaints", "{} in the last 365 days", "近365天{}"),
    ),
    "contacts": (
        _was("campaigns_90d", "campaigns", "{} in the last 90 days", "近90天{}"),
        _was("contacts_90d", "contacts", "{} in the last 90 days", "近90天{}"),
    ),
    "contract": (_was("contracts_active", "contracts", "{} running", "生效{}"),),
    "tenure": (Phrase("longer a customer", "客龄增长"),),
}
# By group: phrases in order of preference, and at last the group's name.
MOVES: Final[dict[str, tuple[Phrase, ...]]] = {
    group.code: (*_SAID.get(group.code, ()), Phrase(group.en, group.zh)) for group in GROUPS
} | {MODEL: (Phrase("a new model", "模型更新"),)}


def move_quantities(before: pd.DataFrame, now: pd.DataFrame) -> Quantities:
    """Quantities of two runs for the phrases of `MOVES`.

    Parameters
    ----------
    before, now : DataFrame
        The quantities of the same customers in the same order; a column may be absent.

    Returns
    -------
    Quantities
        Those of now, those of before as ``*_was``, ``more_days`` (longer silence, days) and ``new_orders``.

    Examples
    --------
    >>> before = pd.DataFrame({"days_since_last": [10.0, 90.0], "orders_total": [3, 4]})
    >>> now = pd.DataFrame({"days_since_last": [40.0, 5.0], "orders_total": [3, 6]})
    >>> found = move_quantities(before, now)
    >>> found["more_days"].tolist(), found["new_orders"].tolist(), found["days_since_last_was"].tolist()
    ([30.0, nan], [nan, 2.0], [10.0, 90.0])
    """
    old, new = Quantities(before), Quantities(now)
    extra = {
        "more_days": _increase(old["days_since_last"], new["days_since_last"]),
        "new_orders": _increase(old["orders_total"], new["orders_total"]),
    }
    for name, digits in _TOLD.items():
        same = _printed(old[name], digits) == _printed(new[name], digits)
        extra[f"{name}_was"] = np.where(same, np.nan, old[name])
    return Quantities(now, extra=extra)


def _increase(before: Numbers, now: Numbers) -> Numbers:
    return np.where(now > before, now - before, np.nan)


def _printed(values: Numbers, digits: int | None) -> Numbers:
    if digits is not None:
        return np.round(values, digits)
    size = np.floor(np.log10(np.where(values == 0, 1.0, np.abs(values))))
    unit = 10.0 ** (size - (_SIGNIFICANT - 1))
    return np.round(values / unit) * unit
