"""Reasons: why a customer's churn score is what it is, in a few plain sentences.

The model's contributions per feature are added up to groups that people recognise; the groups that move the
score most are named with the quantities behind them. What is named, everything else and the starting point add
up to the score, also as printed.
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
from training.models.head import sigmoid

__all__ = ["group_contributions", "log_odds", "phrases_of", "probability", "reasons", "share"]

_FEWEST_REASONS: Final = 3
_SEPARATOR: Final[dict[str, str]] = {"en": "; ", "zh": "；"}
_DIRECTION: Final[dict[str, tuple[str, str, str]]] = {
    "en": (" (raises the risk, {:+.2f})", " (lowers the risk, {:+.2f})", " (hardly changes the risk)"),
    "zh": ("（风险升高，{:+.2f}）", "（风险降低，{:+.2f}）", "（几乎不影响风险）"),
}
_SUM: Final[dict[str, str]] = {
    "en": "everything else {:+.2f}, starting point {:+.2f}: together {:+.2f}, a risk of {}",
    "zh": "其余因素{:+.2f}，起点{:+.2f}：合计{:+.2f}，即风险{}",
}
# A season that changes the number who order by less is named without a figure.
_LEAST_SHIFT: Final = 0.005


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


def log_odds(groups: pd.DataFrame) -> Numbers:
    """The score that the groups and ``base`` add up to, in log-odds of churn."""
    return groups.to_numpy(np.float64).sum(axis=1)


def probability(groups: pd.DataFrame) -> Numbers:
    """The churn probability that the groups and ``base`` add up to.

    Examples
    --------
    >>> one = group_contributions(pd.DataFrame({"gap_sd": [0.5], "base": [-0.5]}))
    >>> probability(one).tolist()
    [0.5]
    """
    return sigmoid(log_odds(groups))


def reasons(
    features: pd.DataFrame, groups: pd.DataFrame, *, lang: Lang, top: int = 3, currency: str = ""
) -> pd.Series:
    """The reasons behind each customer's churn score, the weightiest first.

    Parameters
    ----------
    features : DataFrame
        One row per customer; quantities that are missing are not quoted.
    groups : DataFrame
        Log-odds of churn per group, and ``base``, of `group_contributions`; the same index.
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
        the whole group); then everything else, the starting point, and the score they add up to. Index as
        given.

    Raises
    ------
    ConfigError
        When the language or the number of reasons is not supported.
    ModelError
        When the contributions do not fit the features.

    Notes
    -----
    The starting point is the score of a customer of whom nothing is told. Everything else is printed as what
    the rounded figures lack to the rounded score, so that a reader who adds them up finds the score.

    Examples
    --------
    >>> people = pd.DataFrame({"days_since_last": [41], "gap_mean": [16.0], "purchase_days": [9]})
    >>> parts = pd.DataFrame({"overdue_ratio": [0.9], "orders_365d": [-0.3], "base": [-1.0]})
    >>> for reason in reasons(people, group_contributions(parts), lang="en")[0].split("; "):
    ...     print(reason)
    no order for 41 days, usual gap 16 days (raises the risk, +0.90)
    9 purchase days in all (lowers the risk, -0.30)
    trend of spend and orders (hardly changes the risk)
    everything else +0.00, starting point -1.00: together -0.40, a risk of 40%
    """
    check_lang(lang)
    if not _FEWEST_REASONS <= top <= len(GROUPS):
        raise ConfigError(f"reasons: top is {top}; expected {_FEWEST_REASONS} to {len(GROUPS)}.")
    if not features.index.equals(groups.index):
        raise ModelError(
            f"reasons: {len(features)} rows of features but {len(groups)} of contributions, or in "
            "another order; both need the same index."
        )
    weight = groups[list(GROUP_CODES)].to_numpy(np.float64)
    order = np.argsort(-np.abs(weight), axis=1, kind="stable")[:, :top]
    quantities = _quantities(features, groups)
    texts = np.empty((len(order), top + 1), dtype=object)
    for number, group in enumerate(GROUPS):
        rows, place = np.nonzero(order == number)
        said = fill(group.phrases, quantities, rows, lang=lang, currency=currency)
        texts[rows, place] = said + _suffixes(weight[rows, number], _DIRECTION[lang])
    texts[:, top] = _sums(np.take_along_axis(weight, order, axis=1), groups, lang)
    return _joined(texts, features.index, lang)


def phrases_of(
    features: pd.DataFrame, groups: pd.DataFrame, *, lang: Lang, currency: str = ""
) -> pd.DataFrame:
    """What each group has to say of each customer, without its weight: a column of texts per group.

    Examples
    --------
    >>> people = pd.DataFrame({"days_since_last": [1]})
    >>> groups = group_contributions(pd.DataFrame({"base": [0.0]}))
    >>> phrases_of(people, groups, lang="en").loc[0, "recency"]
    'no order for 1 day'
    """
    check_lang(lang)
    quantities, rows = _quantities(features, groups), np.arange(len(features))
    said = {g.code: fill(g.phrases, quantities, rows, lang=lang, currency=currency) for g in GROUPS}
    return pd.DataFrame(said, index=features.index)


def _quantities(features: pd.DataFrame, groups: pd.DataFrame) -> Quantities:
    """The features, and what is worked out for the texts alone."""
    score, season = log_odds(groups), groups["season"].to_numpy(np.float64)
    # How many more order than would by their rhythm alone, as a share.
    shift = sigmoid(-score) / sigmoid(season - score) - 1.0
    plain = Quantities(features)
    longest, usual = plain["gap_max"], plain["gap_mean"]
    extra = {
        "season_fewer": np.where(shift <= -_LEAST_SHIFT, -shift, np.nan),
        "season_more": np.where(shift >= _LEAST_SHIFT, shift, np.nan),
        # With a single gap so far, the longest is the usual one, of which recency speaks.
        "gap_longest": np.where(longest > usual, longest, np.nan),
    }
    return Quantities(features, DERIVED, extra)


def _sums(named: Numbers, groups: pd.DataFrame, lang: Lang) -> NDArray[np.object_]:
    """The line that adds up: everything else, starting point, score, probability."""
    odds = log_odds(groups)
    score, base = np.round(odds, 2) + 0.0, np.round(groups["base"].to_numpy(np.float64), 2) + 0.0
    # Adding zero turns -0.0 into 0.0.
    rest = np.round(score - base - np.round(named, 2).sum(axis=1), 2) + 0.0
    lines = zip(rest.tolist(), base.tolist(), score.tolist(), sigmoid(odds).tolist(), strict=True)
    return np.array([_SUM[lang].format(*three, share(p)) for *three, p in lines], dtype=object)


def share(p: float) -> str:
    """A probability as people say it; never 0 % or 100 %, which no forecast is."""
    return "<1%" if p < 0.005 else ">99%" if p >= 0.995 else f"{p:.0%}"


def _suffixes(weight: Numbers, wording: tuple[str, str, str]) -> NDArray[np.object_]:
    """What to say after a reason: it raises the risk, lowers it, or neither."""
    raises, lowers, neither = wording
    found = [
        raises.format(w) if w > 0 else lowers.format(w) if w < 0 else neither
        for w in np.round(weight, 2).tolist()
    ]
    return np.array(found, dtype=object)


def _joined(texts: NDArray[np.object_], index: pd.Index, lang: Lang) -> pd.Series:
    return pd.Series(map(_SEPARATOR[lang].join, texts), index=index, name="reasons", dtype="str")
