"""Reasons: why a customer's churn score is what it is, in a few plain sentences.

The model's contributions per feature are added up to groups that people recognise; the groups that move the
score most are named with the quantities behind them.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from features.errors import ConfigError, ModelError
from serving.phrases import Lang, Quantities, check_lang, fill
from serving.reason_texts import DERIVED, GROUP_CODES, GROUPS, group_of
from strategies.columns import Numbers

__all__ = ["group_contributions", "reasons", "rule_reasons"]

_FEWEST_REASONS: Final = 3
_SEPARATOR: Final[dict[str, str]] = {"en": "; ", "zh": "；"}
# Below this a contribution would be shown as 0.00.
_VISIBLE: Final = 0.005
_DIRECTION: Final[dict[str, tuple[str, str, str]]] = {
    "en": (" (raises the risk, {:+.2f})", " (lowers the risk, {:+.2f})", " (hardly changes the risk)"),
    "zh": ("（风险升高，{:+.2f}）", "（风险降低，{:+.2f}）", "（几乎不影响风险）"),
}
_SIGN: Final[dict[str, tuple[str, str, str]]] = {
    "en": (" (a sign of higher risk)", " (a sign of lower risk)", ""),
    "zh": ("（风险偏高的信号）", "（风险偏低的信号）", ""),
}
_RULE_GROUPS: Final = ("recency", "frequency", "trend")


def group_contributions(contributions: pd.DataFrame) -> pd.DataFrame:
    """Add the contributions of single features up to the groups that people recognise.

    Parameters
    ----------
    contributions : DataFrame
        One row per customer: log-odds of churn per feature, and ``base``.

    Returns
    -------
    DataFrame
        One column per group (`serving.reason_texts.GROUP_CODES`; 0 where the model has no such feature) and
        ``base``; index as given. A row adds up to the score in log-odds.

    Raises
    ------
    ModelError
        When ``base`` is missing, a column comes twice or a contribution is not finite.

    Examples
    --------
    >>> found = group_contributions(pd.DataFrame({"gap_sd": [0.5], "gap_max": [-0.25], "base": [-1.0]}))
    >>> float(found.loc[0, "rhythm"]), float(found.sum(axis=1)[0])
    (0.25, -0.75)
    """
    names = [str(name) for name in contributions.columns]
    if "base" not in names or len(set(names)) < len(names):
        raise ModelError(
            f"reasons: the contributions have {len(names)} columns, "
            f"{'one of them twice' if 'base' in names else 'but no base'}; expected one per feature and base."
        )
    values = contributions.to_numpy(dtype=np.float64, na_value=np.nan)
    _check_finite(values, names)
    totals = {code: np.zeros(len(contributions)) for code in (*GROUP_CODES, "base")}
    # Always added in the order of the names, so that the last bit depends on nothing else.
    for name, place in sorted(zip(names, range(len(names)), strict=True)):
        totals["base" if name == "base" else group_of(name)] += values[:, place]
    return pd.DataFrame(totals, index=contributions.index)


def _check_finite(values: Numbers, names: list[str]) -> None:
    wrong = ~np.isfinite(values)
    for place in np.flatnonzero(wrong.any(axis=0))[:1]:
        raise ModelError(
            f"reasons: the contribution of {names[place]} is not finite in {int(wrong[:, place].sum())} of "
            f"{len(values)} rows. The bundle is damaged or the features are not those it was trained on."
        )


def reasons(
    features: pd.DataFrame, contributions: pd.DataFrame, *, lang: Lang, top: int = 3, currency: str = ""
) -> pd.Series:
    """The reasons behind each customer's churn score, the weightiest first.

    Parameters
    ----------
    features : DataFrame
        One row per customer; quantities that are missing are not quoted.
    contributions : DataFrame
        Log-odds of churn per feature, and ``base``; the same index.
    lang : {"en", "zh"}
        Language.
    top : int
        Number of reasons, 3 up to the number of groups.
    currency : str
        Code of the currency, or nothing.

    Returns
    -------
    Series of str
        Reasons joined by ``"; "`` or ``"；"``, each with its direction and its contribution in log-odds (of
        the whole group); index as given.

    Raises
    ------
    ConfigError
        When the language or the number of reasons is not supported.
    ModelError
        When the contributions do not fit the features.

    Examples
    --------
    >>> people = pd.DataFrame({"days_since_last": [41], "gap_mean": [16.0], "purchase_days": [9]})
    >>> parts = pd.DataFrame({"overdue_ratio": [0.9], "orders_365d": [-0.3], "base": [-1.0]})
    >>> for reason in reasons(people, parts, lang="en")[0].split("; "):
    ...     print(reason)
    no order for 41 days, usual gap 16 days (raises the risk, +0.90)
    9 purchase days in all (lowers the risk, -0.30)
    trend of spend and orders (hardly changes the risk)
    """
    check_lang(lang)
    if not _FEWEST_REASONS <= top <= len(GROUPS):
        raise ConfigError(f"reasons: top is {top}; expected {_FEWEST_REASONS} to {len(GROUPS)}.")
    if not features.index.equals(contributions.index):
        raise ModelError(
            f"reasons: {len(features)} rows of features but {len(contributions)} of contributions, or in "
            "another order; both need the same index."
        )
    weight = group_contributions(contributions)[list(GROUP_CODES)].to_numpy()
    order = np.argsort(-np.abs(weight), axis=1, kind="stable")[:, :top]
    quantities = Quantities(features, DERIVED)
    texts = np.empty(order.shape, dtype=object)
    for number, group in enumerate(GROUPS):
        rows, place = np.nonzero(order == number)
        said = fill(group.phrases, quantities, rows, lang=lang, currency=currency)
        texts[rows, place] = said + _suffixes(weight[rows, number], _DIRECTION[lang])
    return _joined(texts, features.index, lang)


def rule_reasons(features: pd.DataFrame, *, lang: Lang, currency: str = "") -> pd.Series:
    """Reasons for a customer scored by closed-form models alone, chosen by rule.

    Parameters
    ----------
    features : DataFrame
        One row per customer; quantities that are missing are not quoted.
    lang : {"en", "zh"}
        Language.
    currency : str
        Code of the currency, or nothing.

    Returns
    -------
    Series of str
        Three reasons: time since the last order, frequency, trend of spend; index as given.

    Raises
    ------
    ConfigError
        When the language is not supported.

    Notes
    -----
    Such a score has no contributions per feature. What is told is whether a quantity is a sign of higher
    risk: longer silent than the usual gap, bought on one day only, spent less in the last 90 days than in
    the 90 before. Without a usual gap, or with equal spend, no sign is claimed.

    Examples
    --------
    >>> people = pd.DataFrame({"days_since_last": [41], "gap_mean": [16.0], "overdue_ratio": [2.6]})
    >>> people["frequency"] = 3
    >>> print(rule_reasons(people, lang="zh")[0])
    已41天未下单，通常间隔16天（风险偏高的信号）；下单频率（风险偏低的信号）；消费与订单的趋势
    """
    check_lang(lang)
    quantities = Quantities(features, DERIVED)
    frequency = quantities["frequency"]
    signs = {
        "recency": quantities["overdue_ratio"] - 1.0,
        "frequency": np.where(np.isnan(frequency), np.nan, np.where(frequency > 0, -1.0, 1.0)),
        "trend": -quantities["spend_change_90d"],
    }
    rows = np.arange(len(features))
    said = []
    for group in (g for g in GROUPS if g.code in _RULE_GROUPS):
        text = fill(group.phrases, quantities, rows, lang=lang, currency=currency)
        said.append(text + _suffixes(np.sign(signs[group.code]), _SIGN[lang]))
    return _joined(np.stack(said, axis=1), features.index, lang)


def _suffixes(weight: Numbers, wording: tuple[str, str, str]) -> NDArray[np.object_]:
    """What to say after a reason: it raises the risk, lowers it, or neither."""
    raises, lowers, neither = wording
    found = [
        raises.format(w) if w >= _VISIBLE else lowers.format(w) if w <= -_VISIBLE else neither
        for w in weight.tolist()
    ]
    return np.array(found, dtype=object)


def _joined(texts: NDArray[np.object_], index: pd.Index, lang: Lang) -> pd.Series:
    return pd.Series(map(_SEPARATOR[lang].join, texts), index=index, name="reasons", dtype="str")
