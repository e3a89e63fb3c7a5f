"""Protected attributes: kept out of every decision, and used only to see whether offers reach all groups alike."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from statistics import NormalDist
from typing import Final

import numpy as np
import pandas as pd

from features.errors import ConfigError, InputError
from strategies.columns import Numbers
from strategies.edited_file import did_you_mean
from strategies.settings import StrategySettings

__all__ = [
    "ANY_OFFER",
    "FOUR_FIFTHS",
    "PROTECTED",
    "fairness",
    "is_protected",
    "protected_names",
    "refuse_protected",
    "unknown_key",
]

PROTECTED: Final = ("region", "segment")
"""Attributes that are protected whatever the configuration says; ``[strategies] protected`` adds to them."""
FOUR_FIFTHS: Final = 0.8
ANY_OFFER: Final = "any_offer"
_LEFT_ALONE: Final = "leave_alone"
_CONFIDENCE: Final = 0.95


def protected_names(settings: StrategySettings) -> tuple[str, ...]:
    """All protected attributes.

    Examples
    --------
    >>> protected_names(StrategySettings(protected=("age", "region")))
    ('region', 'segment', 'age')
    """
    return tuple(dict.fromkeys((*PROTECTED, *settings.protected)))


def is_protected(name: str, protected: Collection[str] = PROTECTED) -> bool:
    """Whether a column is a protected attribute or named after one.

    Examples
    --------
    >>> [is_protected(name) for name in ("region", "Region_North", "segments", "value_class")]
    [True, True, True, False]
    """
    word = name.casefold()
    return any(word in (a, f"{a}s") or word.startswith(f"{a}_") for a in map(str.casefold, protected))


def refuse_protected(
    names: Iterable[str], protected: Collection[str] = PROTECTED, *, step: str = "decision"
) -> None:
    """Refuse protected attributes among the inputs of a decision, all at once.

    Raises
    ------
    ConfigError
        When a name is a protected attribute.

    Examples
    --------
    >>> refuse_protected(["value_class", "frequency"])
    """
    found = [name for name in names if is_protected(name, protected)]
    if found:
        raise ConfigError(
            f"{step}: {', '.join(found)} is protected and may not decide who gets which offer; it is used in the "
            "fairness table only. Take it out of the inputs."
        )


def unknown_key(name: str, known: Collection[str], protected: Collection[str] = PROTECTED) -> str:
    """What to say of a key that an editable file must not have.

    Examples
    --------
    >>> unknown_key("region", ["risk"])
    'region is protected and may not decide who gets which offer; it is used in the fairness table only'
    >>> unknown_key("rsk", ["risk"])
    'rsk is unknown; did you mean risk?'
    """
    if is_protected(name, protected):
        return f"{name} is protected and may not decide who gets which offer; it is used in the fairness table only"
    return f"{name} is unknown{did_you_mean(name, known)}"


def fairness(
    people: pd.DataFrame, offer: pd.Series, protected: Sequence[str] = PROTECTED, *, smallest_group: int = 30
) -> pd.DataFrame:
    """How often each group of each protected attribute gets each offer, against the group that gets it most.

    Parameters
    ----------
    people : DataFrame
        One row per customer; a protected attribute that is not among its columns is reported as such.
    offer : Series of str
        The offer of each customer, in the order of `people`; ``leave_alone`` or missing is none.
    protected : sequence of str
        Attributes, see `protected_names`.
    smallest_group : int
        Customers, 1 or more; smaller groups are shown, but neither judged nor taken as the measure.

    Returns
    -------
    DataFrame
        One row per attribute, offer (and ``any_offer``) and group: ``customers``, ``selected``, ``rate`` in
        [0, 1]; ``ratio`` of the rate to the highest rate of the judged groups with its 95 % interval
        ``ratio_low``, ``ratio_high``; ``below_four_fifths``; ``alarm``: below four fifths, and by more than chance
        explains; ``reason``: ``compared``, ``few_customers``, ``nobody_selected`` or ``no_column``. A missing
        attribute is the group ``unknown``.

    Raises
    ------
    InputError
        When the columns differ in length.

    Notes
    -----
    With a of n and b of m selected, ratio = (a/n) / (b/m) and the interval is
    exp(ln ratio ± z √(1/a − 1/n + 1/b − 1/m)) (Katz); where a is 0, a half is added to both counts of the group, and
    the lower bound is 0. The best of many groups is best by chance too, so the alarm asks that an interval wide
    enough for all pairs of groups of the whole table together (Bonferroni) stays below 1.

    References
    ----------
    Katz, D., Baptista, J., Azen, S. P. and Pike, M. C. (1978). Obtaining confidence intervals for the risk ratio
    in cohort studies. Biometrics 34(3). Uniform Guidelines on Employee Selection Procedures (1978), 29 CFR 1607.4 D.

    Examples
    --------
    >>> people = pd.DataFrame({"region": ["north"] * 100 + ["south"] * 100})
    >>> offer = pd.Series((["call"] * 40 + ["leave_alone"] * 60) + (["call"] * 10 + ["leave_alone"] * 90))
    >>> found = fairness(people, offer, ["region"])
    >>> found.loc[found["offer"] == "call", ["group", "rate", "ratio", "alarm"]].values.tolist()
    [['north', 0.4, 1.0, False], ['south', 0.1, 0.25, True]]
    """
    if len(people) != len(offer):
        raise InputError(f"fairness: {len(people)} customers but {len(offer)} offers.")
    chosen = pd.Series(offer.to_numpy(), dtype="str").replace(_LEFT_ALONE, None)
    parts = [_counted(people, chosen, attribute) for attribute in protected]
    counts = pd.concat(parts, ignore_index=True) if parts else _counted(people, chosen, "none").iloc[:0]
    judged = (counts["customers"] >= smallest_group) & (counts["reason"] != "no_column")
    counts.loc[~judged & (counts["reason"] != "no_column"), "reason"] = "few_customers"
    return _compared(counts, judged)


def _counted(people: pd.DataFrame, chosen: pd.Series, attribute: str) -> pd.DataFrame:
    """Customers and selected by offer and group; `ANY_OFFER` comes first, then the offers by alphabet."""
    there = attribute in people.columns
    given = people[attribute] if there else pd.Series("unknown", index=people.index)
    group, groups = pd.factorize(given.astype("str").fillna("unknown"), sort=True)
    offer, offers = pd.factorize(chosen, sort=True)
    customers = np.bincount(group, minlength=len(groups))
    taken = offer >= 0
    place = offer[taken] * len(groups) + group[taken]
    selected = np.bincount(place, minlength=len(offers) * len(groups)).reshape(len(offers), len(groups))
    return pd.DataFrame(
        {
            "attribute": attribute,
            "offer": np.repeat(np.array([ANY_OFFER, *offers], dtype=object), len(groups)),
            "group": np.tile(np.asarray(groups, dtype=object), len(offers) + 1),
            "customers": np.tile(customers, len(offers) + 1),
            "selected": np.concatenate([selected.sum(axis=0), selected.ravel()]),
            "reason": "compared" if there else "no_column",
        }
    )


def _compared(counts: pd.DataFrame, judged: pd.Series) -> pd.DataFrame:
    n, a = counts["customers"].to_numpy(dtype=float), counts["selected"].to_numpy(dtype=float)
    rate = pd.Series(a / n, index=counts.index)
    families = [counts["attribute"], counts["offer"]]
    best = rate.where(judged).groupby(families).transform("max")
    # The measure is the group with the highest rate; of several, the largest.
    order = counts.assign(rate=rate.where(judged), measure=counts.index)
    order = order.sort_values(["rate", "customers"], ascending=False)
    measure = (
        order.groupby(["attribute", "offer"], sort=False)["measure"].transform("first").loc[counts.index]
    )
    b, m = a[measure], n[measure]
    compared = (judged & (best > 0)).to_numpy()
    ratio = np.where(compared, rate / best.where(best > 0), np.nan)
    groups = judged.groupby(families).sum()
    pairs = max(1.0, float((groups * (groups - 1) / 2).sum()))
    low, high = _katz(a, n, b, m, 1 - (1 - _CONFIDENCE) / 2)
    # A group is as often chosen as itself, whatever chance does.
    itself = (measure == counts.index).to_numpy()
    low, high = np.where(itself, 1.0, low), np.where(itself, 1.0, high)
    _, widest = _katz(a, n, b, m, 1 - (1 - _CONFIDENCE) / (2 * pairs))
    below = compared & (ratio < FOUR_FIFTHS)
    reason = counts["reason"].mask(judged & ~compared, "nobody_selected")
    return counts.drop(columns="reason").assign(
        rate=rate,
        ratio=ratio,
        ratio_low=np.where(compared, low, np.nan),
        ratio_high=np.where(compared, high, np.nan),
        below_four_fifths=below,
        alarm=below & (widest < 1),
        reason=reason,
    )


def _katz(a: Numbers, n: Numbers, b: Numbers, m: Numbers, level: float) -> tuple[Numbers, Numbers]:
    """Bounds of (a/n) / (b/m) that hold with a one-sided probability of `level` each."""
    none = a == 0
    half = np.where(none, 0.5, 0.0)
    a, n = a + half, n + half
    with np.errstate(divide="ignore", invalid="ignore"):
        centre = (a / n) / (b / m)
        spread = NormalDist().inv_cdf(level) * np.sqrt(1 / a - 1 / n + 1 / b - 1 / m)
        return np.where(none, 0.0, centre * np.exp(-spread)), centre * np.exp(spread)
