"""Grades A to E from skill over the baselines, by the pessimistic bound of its interval.

The ladder of a part that ranks or weighs customers (profit, lift, calibration):

===== ==============================================================================================
Grade What has been shown
===== ==============================================================================================
A     better than every baseline
B     better than the recency rule
C     better than chance, and not shown worse than the recency rule
D     nothing: chance cannot be ruled out, or the recency rule is better
E     no better than chance even by the optimistic bound
===== ==============================================================================================

*Shown* means: the 95 % interval over draws of customers lies on the right side of zero. So no constant is fitted
to any data: the baselines and the noise of the data themselves set the bars.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from training.ranking import Floats

__all__ = [
    "CORE",
    "Cap",
    "Estimate",
    "by_bars",
    "cap_calibration",
    "cap_stability",
    "estimate",
    "ladder",
    "overall",
    "worst_of",
]

LETTERS = "EDCBA"
RULE = "recency_rule"
CORE = ("profit", "lift", "calibration")
# Profit is what the model is for.
_WEIGHTS = {"profit": 2.0, "lift": 1.0, "calibration": 1.0, "level": 1.0, "stability": 1.0}
# A plan that is 10 % off is a plan, 20 % is a correction, a third is a surprise, half is no plan.
LEVEL_BARS = (50.0, 65.0, 80.0, 90.0)
STABILITY_BARS = (25.0, 50.0, 75.0, 90.0)
# 30 % should mean between 28 and 32, 25 and 35, 20 and 40 in a hundred.
EXCESS_BARS = (0.02, 0.05, 0.10)
# Siddiqi's convention: above 0.25 the population is another one.
_SHIFT_BAR = 0.25
# A model of four windows ago should still do most of its work.
_KEPT_BARS = (0.5, 0.75)


@dataclass(frozen=True)
class Estimate:
    """A figure and its 95 % interval over draws of customers; nan where there is none."""

    figure: float
    low: float
    high: float

    @property
    def known(self) -> bool:
        """Whether there is a figure."""
        return bool(np.isfinite(self.figure))


@dataclass(frozen=True)
class Cap:
    """A limit on the overall grade and the key of its reason; see `training.card_texts`."""

    grade: str
    reason: str


def estimate(values: Floats) -> Estimate:
    """Figure and interval of a row whose first entry is the figure and whose others are draws.

    Examples
    --------
    >>> estimate(np.array([2.0, 1.0, 2.0, 3.0])).figure
    2.0
    """
    # What rounding leaves of a zero is a zero: it must not decide on which side an interval lies.
    values = np.round(values, 9) + 0.0
    figure, drawn = float(values[0]), values[1:][np.isfinite(values[1:])]
    if not np.isfinite(figure) or not drawn.size:
        return Estimate(figure, np.nan, np.nan)
    low, high = np.quantile(drawn, [0.025, 0.975])
    # On skewed draws a percentile may pass the figure itself; a bound on the wrong side would flatter.
    return Estimate(figure, min(float(low), figure), max(float(high), figure))


def ladder(quality: Estimate, skills: Mapping[str, Estimate]) -> str | None:
    """Grade of a part by the ladder of this module.

    Parameters
    ----------
    quality : Estimate
        0 chance, 100 perfect.
    skills : mapping of str to Estimate
        Share of the way from each baseline to perfect; without a recency rule the hardest baseline stands in for it.

    Returns
    -------
    str or None
        None when the part cannot be judged.

    Examples
    --------
    >>> ladder(Estimate(50, 40, 60), {"recency_rule": Estimate(0.1, 0.02, 0.2)})
    'A'
    >>> ladder(Estimate(50, 40, 60), {"recency_rule": Estimate(0.0, 0.0, 0.0)})
    'C'
    """
    if not quality.known:
        return None
    if not quality.high > 0:
        return "E"
    known = {name: skill for name, skill in skills.items() if skill.known}
    hardest = min(known.values(), key=lambda s: s.low, default=None)
    rule = known.get(RULE, hardest)
    if not quality.low > 0 or (rule is not None and rule.high < 0):
        return "D"
    if rule is None or hardest is None or not rule.low > 0:
        return "C"
    return "A" if hardest.low > 0 else "B"


def by_bars(value: float, bars: Sequence[float]) -> str:
    """Grade of a figure where more is better, by rising bars for D, C, B and A.

    Examples
    --------
    >>> by_bars(85.0, LEVEL_BARS), by_bars(20.0, LEVEL_BARS)
    ('B', 'E')
    """
    return LETTERS[int(np.searchsorted(bars, value, side="right"))]


def worst_of(*grades: str) -> str:
    """The worst of some grades.

    Examples
    --------
    >>> worst_of("A", "C", "B")
    'C'
    """
    return max(grades)


def cap_calibration(grade: str, excess: float) -> str:
    """Limits the grade of calibration by the calibration error beyond chance, in probability.

    Examples
    --------
    >>> cap_calibration("A", 0.03), cap_calibration("A", 0.2)
    ('B', 'D')
    """
    return worst_of(grade, "ABCD"[int(np.searchsorted(EXCESS_BARS, excess, side="left"))])


def cap_stability(grade: str, shift: float, kept: float) -> str:
    """Limits the grade of stability by the population's shift and by what is left of the quality with age.

    Parameters
    ----------
    grade : str
        By the spread over cut-offs.
    shift : float
        Mean population stability index between cut-offs; nan when unknown.
    kept : float
        Quality of a model four windows old over that of a fresh one; nan when unknown.
    """
    limits = ["C"] if shift > _SHIFT_BAR else []
    limits += [letter for letter, bar in zip("DC", _KEPT_BARS, strict=True) if kept < bar]
    return worst_of(grade, *limits)


def overall(
    grades: Mapping[str, str | None], qualities: Mapping[str, Estimate], *, suspect: bool
) -> tuple[str, tuple[Cap, ...]]:
    """The grade of the card, and the limits that held it down.

    Parameters
    ----------
    grades : mapping of str to str or None
        Part to grade.
    qualities : mapping of str to Estimate
        Quality of the core parts.
    suspect : bool
        The model may know the answer.

    Returns
    -------
    tuple of grade and caps

    Notes
    -----
    The mean of the parts that could be judged (A = 4 … E = 0, profit counts twice), rounded, then the limits.
    """
    weights = {name: _WEIGHTS[name] for name, grade in grades.items() if grade is not None}
    points = sum(weights[name] * LETTERS.index(str(grades[name])) for name in weights)
    # Half a point goes up: two parts at A and two at B are an A.
    mean = int(points / sum(weights.values()) + 0.5) if weights else 0
    caps = _caps(grades, qualities, suspect=suspect)
    grade = worst_of(LETTERS[mean], *(cap.grade for cap in caps))
    return grade, tuple(cap for cap in caps if cap.grade == grade and LETTERS[mean] < cap.grade)


def _caps(grades: Mapping[str, str | None], qualities: Mapping[str, Estimate], *, suspect: bool) -> list[Cap]:
    caps = [Cap("D", "suspect")] if suspect else []
    shown = {name: q.known and q.low > 0 for name, q in qualities.items()}
    caps += [Cap("D", f"unshown_{name}") for name in ("lift", "calibration") if not shown.get(name)]
    if not shown.get("profit"):
        caps.append(Cap("C", "unshown_profit"))
    core = [grades.get(name) or "E" for name in CORE]
    if sum(letter <= "B" for letter in core) < 2:
        caps.append(Cap("C", "rule_not_beaten"))
    if sum(letter == "A" for letter in core) < 2 or any((g or "E") > "B" for g in grades.values()):
        caps.append(Cap("B", "not_all_beaten"))
    return caps
