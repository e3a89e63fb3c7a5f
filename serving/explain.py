"""Reasons: why a customer's churn score is what it is, in a few plain sentences.

The model's contributions per feature are added up to groups that people recognise; the groups that move the
score most are named with the quantities behind them. What is named, everything else and the starting point add
up to the score, also as printed.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from features.errors import ConfigError, ModelError
from serving.phrases import Lang, Quantities, check_lang, fill, in_words
from serving.reason_texts import DERIVED, GROUP_CODES, GROUPS, group_of
from strategies.columns import Columns, Numbers, Places
from training.models.head import sigmoid

__all__ = [
    "WEIGHTS",
    "group_contributions",
    "group_weights",
    "log_odds",
    "phrases_of",
    "probability",
    "reasons",
    "sentences",
    "share",
]

WEIGHTS: Final = (*GROUP_CODES, "base")
"""What a score is added up from, in this order: the groups, and the starting point."""

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
_SEASON: Final = GROUP_CODES.index("season")
# Rows added up at once; more would only take more memory.
_BLOCK: Final = 5_000


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
    names = tuple(str(name) for name in contributions.columns)
    values = contributions.to_numpy(dtype=np.float64, na_value=np.nan)
    return pd.DataFrame(group_weights(names, values), columns=list(WEIGHTS), index=contributions.index)


def group_weights(names: tuple[str, ...], contributions: Numbers) -> Numbers:
    """`group_contributions` of a plain matrix, columns as in `WEIGHTS`.

    Parameters
    ----------
    names : tuple of str
        Features, and ``base``.
    contributions : array, shape (customers, names)
        Log-odds of churn.
    """
    order, group = _order(names)
    _check_finite(contributions, names)
    found = np.empty((len(contributions), len(WEIGHTS)))
    for start in range(0, len(contributions), _BLOCK):
        part = contributions[start : start + _BLOCK].take(order, axis=1)
        cells = np.arange(len(part))[:, np.newaxis] * len(WEIGHTS) + group
        # Added one by one in the order given, so that the last bit depends on nothing else.
        sums = np.bincount(cells.ravel(), part.ravel(), minlength=len(part) * len(WEIGHTS))
        found[start : start + len(part)] = sums.reshape(len(part), len(WEIGHTS))
    return found


@lru_cache(maxsize=16)
def _order(names: tuple[str, ...]) -> tuple[Places, Places]:
    """The columns in the order of their names, and the place in `WEIGHTS` that each is added to."""
    if "base" not in names or len(set(names)) < len(names):
        raise ModelError(
            f"reasons: the contributions have {len(names)} columns, "
            f"{'one of them twice' if 'base' in names else 'but no base'}; expected one per feature and base."
        )
    order = sorted(range(len(names)), key=names.__getitem__)
    codes = ["base" if names[place] == "base" else group_of(names[place]) for place in order]
    return np.array(order, dtype=np.intp), np.array([WEIGHTS.index(code) for code in codes], dtype=np.intp)


def _check_finite(values: Numbers, names: Sequence[str]) -> None:
    wrong = ~np.isfinite(values)
    if not wrong.any():
        return
    for place in np.flatnonzero(wrong.any(axis=0))[:1]:
        raise ModelError(
            f"reasons: the contribution of {names[place]} is not finite in {int(wrong[:, place].sum())} of "
            f"{len(values)} rows. The bundle is damaged or the features are not those it was trained on."
        )


def log_odds(groups: pd.DataFrame) -> Numbers:
    """The score that the groups and ``base`` add up to, in log-odds of churn."""
    return _odds(groups.to_numpy(np.float64))


def _odds(weights: Numbers) -> Numbers:
    # Added from the first to the last: the bits of a plain sum depend on the number of rows.
    odds: Numbers = np.add.accumulate(weights, axis=1)[:, -1]
    return odds


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
    if not features.index.equals(groups.index):
        raise ModelError(
            f"reasons: {len(features)} rows of features but {len(groups)} of contributions, or in "
            "another order; both need the same index."
        )
    weights = groups[list(WEIGHTS)].to_numpy(np.float64)
    told = sentences(Columns.of(features), weights, (lang,), top=top, currency=currency)
    return pd.Series(told[lang], index=features.index, name="reasons", dtype="str")


def sentences(
    features: Columns,
    weights: Numbers,
    langs: Sequence[Lang],
    *,
    top: int = _FEWEST_REASONS,
    currency: str = "",
) -> dict[Lang, list[str]]:
    """`reasons` in several languages at once, of plain arrays.

    Parameters
    ----------
    features : Columns
        Quantities to quote.
    weights : array, shape (customers, groups and base)
        Of `group_weights`.
    langs : sequence of {"en", "zh"}
        Languages.
    top : int
        Number of reasons, 3 up to the number of groups.
    currency : str
        Code of the currency, or nothing.

    Returns
    -------
    dict of str to list of str
        By language, one text per customer.
    """
    if not _FEWEST_REASONS <= top <= len(GROUPS):
        raise ConfigError(f"reasons: top is {top}; expected {_FEWEST_REASONS} to {len(GROUPS)}.")
    order = np.argsort(-np.abs(weights[:, :-1]), axis=1, kind="stable")[:, :top]
    quantities = _quantities(features, weights)
    texts = {lang: np.empty((len(order), top + 1), dtype=object) for lang in langs}
    for number in np.unique(order).tolist():
        rows, place = np.nonzero(order == number)
        for lang in langs:
            said = fill(GROUPS[number].phrases, quantities, rows, lang=lang, currency=currency)
            texts[lang][rows, place] = said + _suffixes(weights[rows, number], _DIRECTION[lang])
    sums = _sums(np.take_along_axis(weights, order, axis=1), weights)
    for lang in langs:
        lines = [_SUM[lang].format(rest, base, score, share(p)) for rest, base, score, p in sums]
        texts[lang][:, top] = np.array(lines, dtype=object)
    return {lang: [_SEPARATOR[lang].join(row) for row in texts[lang].tolist()] for lang in langs}


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
    weights = groups[list(WEIGHTS)].to_numpy(np.float64)
    quantities, rows = _quantities(Columns.of(features), weights), np.arange(len(features))
    said = {g.code: fill(g.phrases, quantities, rows, lang=lang, currency=currency) for g in GROUPS}
    return pd.DataFrame(said, index=features.index)


def _quantities(features: Columns, weights: Numbers) -> Quantities:
    """The features, and what is worked out for the texts alone."""
    score, season = _odds(weights), weights[:, _SEASON]
    # How many more order than would by their rhythm alone, as a share.
    shift = sigmoid(-score) / sigmoid(season - score) - 1.0
    longest, usual = features["gap_max"], features["gap_mean"]
    extra = {
        "season_fewer": np.where(shift <= -_LEAST_SHIFT, -shift, np.nan),
        "season_more": np.where(shift >= _LEAST_SHIFT, shift, np.nan),
        # With a single gap so far, the longest is the usual one, of which recency speaks.
        "gap_longest": np.where(longest > usual, longest, np.nan),
    }
    return Quantities(features, DERIVED, extra)


def _sums(named: Numbers, weights: Numbers) -> list[tuple[float, float, float, float]]:
    """What the last line adds up: everything else, starting point, score, probability."""
    odds = _odds(weights)
    # Adding zero turns -0.0 into 0.0.
    score, base = np.round(odds, 2) + 0.0, np.round(weights[:, -1], 2) + 0.0
    rest = np.round(score - base - _odds(np.round(named, 2)), 2) + 0.0
    return list(zip(rest.tolist(), base.tolist(), score.tolist(), sigmoid(odds).tolist(), strict=True))


def share(p: float) -> str:
    """A probability as people say it; never 0 % or 100 %, which no forecast is."""
    return "<1%" if p < 0.005 else ">99%" if p >= 0.995 else f"{p:.0%}"


def _suffixes(weight: Numbers, wording: tuple[str, str, str]) -> NDArray[np.object_]:
    """What to say after a reason: it raises the risk, lowers it, or neither."""
    raises, lowers, neither = wording

    def suffix(w: float) -> str:
        return raises.format(w) if w > 0 else lowers.format(w) if w < 0 else neither

    return np.array(in_words(suffix, np.round(weight, 2)), dtype=object)
