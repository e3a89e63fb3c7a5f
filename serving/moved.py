"""Why scores moved since the run before: the change of each score by group, exactly, and in words.

When the model is the same, the contributions of the two runs are subtracted. When it is another one, the earlier
model is asked about the customers as they are now, so that what the customers did is told apart from what the new
model sees differently; without the earlier model the whole change is the new model's.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from features.errors import ModelError
from serving.explain import log_odds, probability
from serving.explained import Explained
from serving.move_texts import MODEL, MOVES, move_quantities
from serving.phrases import Lang, check_lang, fill
from serving.reason_texts import GROUP_CODES, GROUPS
from strategies.columns import Numbers

__all__ = ["POINTS_OF_NEWS", "Moves", "group_name", "moved"]

_NAMED: Final = 2
# Fewer percentage points than this are no news.
POINTS_OF_NEWS: Final = 5
# A second cause is named when it moved the log-odds by this much.
_SECOND: Final = 0.05
_TEXTS: Final[dict[str, tuple[str, str, str, str]]] = {
    "en": (
        "risk up {points} since {since}: {causes}",
        "risk down {points} since {since}: {causes}",
        "risk unchanged since {since}",
        "new since {since}",
    ),
    "zh": (
        "自{since}以来风险上升{points}：{causes}",
        "自{since}以来风险下降{points}：{causes}",
        "自{since}以来风险不变",
        "自{since}以来新增的客户",
    ),
}
_POINTS: Final[dict[str, tuple[str, str]]] = {
    "en": ("1 point", "{:,} points"),
    "zh": ("1个百分点", "{:,}个百分点"),
}
_WEIGHED: Final[dict[str, str]] = {"en": " ({:+.2f})", "zh": "（{:+.2f}）"}
_BETWEEN: Final[dict[str, str]] = {"en": ", ", "zh": "，"}


def moved(
    before: pd.DataFrame, now: pd.DataFrame, *, same_model: bool, replayed: pd.DataFrame | None = None
) -> pd.DataFrame:
    """The change of each score between two runs, by group.

    Parameters
    ----------
    before, now : DataFrame
        Contributions by group and ``base`` (`serving.explain.group_contributions`), customers as index.
    same_model : bool
        Both runs are of the same model.
    replayed : DataFrame or None
        The earlier model's contributions for the customers as they are now, when the model is another one.

    Returns
    -------
    DataFrame
        One row per customer of both runs, in the order of `now`; a column per group, in log-odds, and
        ``model``. A row adds up to the change of the score.

    Raises
    ------
    ModelError
        When customers of `now` are missing in `replayed`.

    Notes
    -----
    With f the earlier model and g the later one, x the customer then and x' now::

        g(x') − f(x) = [g(x') − f(x')] + [f(x') − f(x)]

    The first bracket is ``model``, the second is split by group. Where f cannot be asked any more, ``model``
    is the whole change.

    Examples
    --------
    >>> from serving.explain import group_contributions
    >>> then, today = pd.DataFrame({"overdue_ratio": [0.1], "base": -1.0}), pd.DataFrame(
    ...     {"overdue_ratio": [0.9], "base": -1.0})
    >>> change = moved(group_contributions(then), group_contributions(today), same_model=True)
    >>> round(float(change.loc[0, "recency"]), 6), round(float(change.sum(axis=1)[0]), 6)
    (0.8, 0.8)
    """
    both = now.index[now.index.isin(before.index)]
    old, new = before.loc[both], now.loc[both]
    later = new if same_model else replayed
    if later is None:
        found = pd.DataFrame(0.0, index=both, columns=[*GROUP_CODES, MODEL])
        return found.assign(**{MODEL: log_odds(new) - log_odds(old)})
    if not both.isin(later.index).all():
        raise ModelError(
            f"moved scores: the earlier model was asked about {len(later)} customers, {len(both)} are in both "
            "runs; ask it about every customer of the later run."
        )
    later = later.loc[both]
    codes = list(GROUP_CODES)
    found = later[codes] - old[codes]
    # The starting point is the model's, too: it stays unless the model or the program is another one.
    start = later["base"].to_numpy() - old["base"].to_numpy()
    return found.assign(**{MODEL: log_odds(new) - log_odds(later) + start})


@dataclass(frozen=True)
class Moves:
    """Two runs and what lies between them.

    Parameters
    ----------
    before, now : Explained
        The earlier and the later run; ``now.moved`` tells the change.
    since : date
        Day of the earlier run.
    """

    before: Explained
    now: Explained
    since: date

    def texts(self, *, lang: Lang, currency: str = "") -> pd.Series:
        """Why each customer's score moved, in a sentence.

        Parameters
        ----------
        lang : {"en", "zh"}
            Language.
        currency : str
            Code of the currency, or nothing.

        Returns
        -------
        Series of str
            One text per customer of the later run; index as there.
        """
        check_lang(lang)
        *_, same, new = _TEXTS[lang]
        since = self.since.isoformat()
        found = pd.Series(new.format(since=since), index=self.now.groups.index, name="moved", dtype=object)
        change, points = self._change, self._points()
        told = np.full(len(change), same.format(since=since), dtype=object)
        rows = np.flatnonzero(points != 0)
        causes = self._causes(rows, lang, currency)
        for row, cause in zip(rows.tolist(), causes, strict=True):
            text = _TEXTS[lang][0 if points[row] > 0 else 1]
            told[row] = text.format(points=_points(abs(int(points[row])), lang), since=since, causes=cause)
        found.loc[change.index] = told
        return found.astype("str")

    def summary(self) -> dict[str, Any]:
        """How many scores moved by 5 points or more, and the groups that moved them most, commonest first."""
        change, points = self._change, self._points()
        news = np.abs(points) >= POINTS_OF_NEWS
        first = _weightiest(change.to_numpy(np.float64)[news])[:, 0]
        counts = pd.Series(change.columns[first], dtype=object).value_counts()
        return {
            "since": self.since.isoformat(),
            "compared": len(change),
            "up": int((points[news] > 0).sum()),
            "down": int((points[news] < 0).sum()),
            "by": {str(code): int(n) for code, n in sorted(counts.items(), key=lambda c: (-c[1], c[0]))},
        }

    @property
    def _change(self) -> pd.DataFrame:
        if self.now.moved is None:
            raise ModelError("moved scores: the change by group is missing; work it out with serving.moved.")
        return self.now.moved

    def _points(self) -> Numbers:
        """Change of the probability in whole percentage points."""
        both = self._change.index
        then, today = probability(self.before.groups.loc[both]), probability(self.now.groups.loc[both])
        return np.round(100 * (today - then)) + 0.0

    def _causes(self, rows: NDArray[np.intp], lang: Lang, currency: str) -> list[str]:
        """The groups that moved the score of these customers most, in words."""
        change = self._change.iloc[rows]
        weight, both = change.to_numpy(np.float64), change.index
        quantities = move_quantities(
            self.before.quantities.loc[both].reset_index(drop=True),
            self.now.quantities.loc[both].reset_index(drop=True),
        )
        order = _weightiest(weight)
        texts = np.full(order.shape, "", dtype=object)
        for number, code in enumerate(change.columns):
            at, place = np.nonzero(order == number)
            said = fill(MOVES[code], quantities, at, lang=lang, currency=currency)
            weighed = [_WEIGHED[lang].format(w) for w in (np.round(weight[at, number], 2) + 0.0).tolist()]
            texts[at, place] = said + np.array(weighed, dtype=object)
        small = np.abs(np.take_along_axis(weight, order, axis=1)) < _SECOND
        small[:, 0] = False
        texts[small] = ""
        return [_BETWEEN[lang].join(filter(None, row)) for row in texts]


def _weightiest(weight: Numbers) -> NDArray[np.intp]:
    """Places of the two groups to name: the weightiest in the direction of the whole, then the next of any."""
    toward = weight * np.sign(weight.sum(axis=1, keepdims=True))
    rank = np.abs(weight)
    if len(weight):
        rank[np.arange(len(weight)), toward.argmax(axis=1)] = np.inf
    return np.argsort(-rank, axis=1, kind="stable")[:, :_NAMED]


def group_name(code: str, lang: Lang) -> str:
    """The name of a group, or of the model, for people."""
    names = {group.code: (group.en, group.zh) for group in GROUPS} | {MODEL: ("a new model", "模型更新")}
    return names[code][lang == "zh"]


def _points(count: int, lang: Lang) -> str:
    one, several = _POINTS[lang]
    return one if count == 1 else several.format(count)
