"""What a measured effect lets one say, in words: verdicts and notes on power, in both languages."""

from __future__ import annotations

from collections.abc import Mapping
from math import isfinite
from typing import Any, Final

import numpy as np
from scipy import stats

from strategies.adjusted_effect import MIN_ARM

__all__ = ["VERDICTS", "note", "smallest_effect"]

VERDICTS: Final[dict[str, dict[str, str]]] = {
    "works": {"en": "works", "zh": "有效"},
    "stop": {"en": "stop", "zh": "停止"},
    "open": {"en": "open", "zh": "尚无定论"},
    "too_few": {"en": "too few", "zh": "人数不足"},
}
_POWER = 0.8
_DIFFER = 0.01


def smallest_effect(se: float, df: float, level: float) -> float:
    """The effect that would be told from chance four times in five, in the unit of the outcome.

    Notes
    -----
    (t₀.₈ + t₁₋α/₂) · se, with the degrees of freedom of the estimate (Bloom 1995, Minimum detectable effects).

    Examples
    --------
    >>> round(smallest_effect(1.0, 1e9, 0.95), 2)
    2.8
    """
    return float((stats.t.ppf(_POWER, df) + stats.t.ppf(0.5 + level / 2, df)) * se)


def note(row: Mapping[str, Any], expected: float, level: float) -> tuple[str, str]:
    """What to know about one measured effect, in English and Chinese; empty when there is nothing to add.

    Parameters
    ----------
    row : mapping
        ``outcome, effect, se, df, verdict, treated, held_out, runs, differ``.
    expected : float
        Net margin per customer that the policy expected; missing where unknown.
    level : float
        Level of the interval.

    Examples
    --------
    >>> row = {"outcome": "net_margin", "se": np.nan, "treated": 50, "held_out": 3, "verdict": "too_few"}
    >>> note(row, 2.0, 0.95)[0]
    '3 left alone and 50 treated: an interval needs 30 of each, and some variety in what they did'
    """
    if row["verdict"] == "too_few":
        en = (
            f"{row['held_out']:,} left alone and {row['treated']:,} treated: an interval needs {MIN_ARM} of each, "
            "and some variety in what they did"
        )
        zh = f"对照{row['held_out']:,}人、处理{row['treated']:,}人：各需至少{MIN_ARM}人且行为有差异，才能给出区间"
        return en, zh
    parts = [_differ(row)]
    if row["outcome"] == "net_margin" and row["verdict"] == "open":
        parts.append(_power(row, expected, level))
    told = [part for part in parts if part is not None]
    return "; ".join(en for en, _ in told), "；".join(zh for _, zh in told)


def _differ(row: Mapping[str, Any]) -> tuple[str, str] | None:
    if not row["differ"] < _DIFFER:
        return None
    return (
        f"the {row['runs']} runs differ more than chance allows (p = {row['differ']:.2g}); look at them one by one",
        f"{row['runs']}次活动之间的差异超出偶然(p = {row['differ']:.2g})，请逐次查看",
    )


def _power(row: Mapping[str, Any], expected: float, level: float) -> tuple[str, str]:
    seen = smallest_effect(row["se"], row["df"], level)
    en = f"less than {seen:,.2f} per customer cannot be told from chance yet"
    zh = f"每客户小于{seen:,.2f}的效果尚不能与偶然区分"
    people = row["treated"] + row["held_out"]
    if isfinite(expected) and 0 < abs(expected) < seen:
        needed = int(np.ceil(people * (seen / expected) ** 2))
        en += f"; the {expected:,.2f} expected would need about {needed:,} customers, there are {people:,}"
        zh += f"；要看出预期的{expected:,.2f}约需{needed:,}名客户，现有{people:,}名"
    return en, zh
