"""Learning who comes back and what the second life is worth, from a flat table of past attempts to win back.

Two regularised regressions on what was known *before* the offer: whether the customer came back, on all rows, and the
value of the second life, on the rows of those who did. Their product is what trying is expected to bring. All figures
are out of fold: nothing that judges a row has seen it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pandas as pd
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from features.errors import InputError, NotEnoughData
from training.effects.doubly_robust import columns_of
from training.effects.outcome_models import logistic, ridge
from training.metrics import roc_auc
from training.models.effect import Line
from training.models.flat_column import FlatColumn
from training.models.win_back import MoneyLine, WinBackModel

__all__ = ["FEWEST", "WinBackFit", "learn_win_back"]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
FEWEST = 25
"""Rows of those who came back, and of those who did not, that learning needs."""
_FOLDS, _INNER = 10, 3
_LEAST_SHARE = 0.01


@dataclass(frozen=True)
class WinBackFit:
    """A model, and what it foretold of every row without having seen it.

    Parameters
    ----------
    model : WinBackModel
        Fitted on all rows.
    foretold : DataFrame
        Columns of `WinBackModel.predict`, out of fold; index of the table.
    parts : tuple of WinBackModel
        The models of the folds.
    fold : array of int
        Which of `parts` has not seen a row.
    """

    model: WinBackModel
    foretold: pd.DataFrame
    parts: tuple[WinBackModel, ...]
    fold: Ints

    def foretell(self, table: pd.DataFrame) -> pd.DataFrame:
        """The rows of the table again, changed (another offer, say), each by the model that has not seen it.

        Raises
        ------
        InputError
            The table has other rows.
        """
        if len(table) != len(self.fold):
            raise InputError(f"win-back: {len(self.fold)} rows were learned from, but {len(table)} are given")
        return _out_of_fold(self.parts, self.fold, table)


def learn_win_back(
    table: pd.DataFrame,
    *,
    regained: str,
    value: str,
    columns: Sequence[str],
    customers: Sequence[str] | pd.Series | None = None,
    seed: int = 0,
) -> WinBackFit:
    """Fit both regressions and judge them out of fold.

    Parameters
    ----------
    table : DataFrame
        One row per attempt to win back, or per lost customer and day.
    regained : str
        Column of 0 and 1: the customer came back.
    value : str
        Column of money: value of the second life; of those who did not come back, what trying cost (below 0) or 0.
    columns : sequence of str
        What was known before the offer, the offer itself included. Nothing that is known only after it.
    customers : column of str, optional
        Who each row is: all rows of a customer are in one fold.
    seed : int
        Of the ten folds.

    Returns
    -------
    WinBackFit
        ``model.figures``: ``rows``, ``came_back``, ``auc`` of coming back, ``r2_if_regained`` (value of those who came
        back), ``r2_expected`` (value of all rows, foretold before the answer), ``r2_answered`` (value of all
        rows once the answer is known).

    Raises
    ------
    InputError
        A column is missing, or an outcome is among the columns, missing or not 0 and 1.
    NotEnoughData
        Fewer than 25 rows of those who came back, or of those who did not.

    Notes
    -----
    Numbers are straight lines or lines that bend, money is on its own scale or on the scale of its logarithm: what is
    better in three folds within the rows learned from. Ridges by log loss in three folds and by generalised
    cross-validation.

    References
    ----------
    Kumar, V., Bhagwat, Y., Zhang, X. (2015). Regaining "lost" customers. Journal of Marketing 79(4): both equations
    together, since those most likely to return are not those worth most.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> x = rng.normal(size=400)
    >>> back = (rng.random(400) < 1 / (1 + np.exp(-2 * x))).astype(float)
    >>> table = pd.DataFrame({"x": x, "back": back, "worth": back * (100 - 20 * x) - (1 - back)})
    >>> fit = learn_win_back(table, regained="back", value="worth", columns=["x"])
    >>> fit.model.figures["auc"] > 0.8, fit.model.figures["r2_if_regained"] > 0.99, fit.model.otherwise
    (True, True, -1.0)
    """
    y, money = _outcomes(table, regained, value, columns)
    fold = _folds(y, customers, seed)
    seen = table[list(columns)]
    # On so few columns threads wait for each other more than they work.
    with threadpool_limits(limits=1):
        parts = tuple(_fitted(seen[fold != k], y[fold != k], money[fold != k]) for k in range(_FOLDS))
        foretold = _out_of_fold(parts, fold, table)
        model = replace(_fitted(seen, y, money), figures=_figures(foretold, y, money))
    return WinBackFit(model, foretold, parts, fold)


def _outcomes(
    table: pd.DataFrame, regained: str, value: str, columns: Sequence[str]
) -> tuple[Floats, Floats]:
    missing = [name for name in (regained, value, *columns) if name not in table.columns]
    if missing:
        raise InputError(
            f"win-back: column {missing[0]!r} is missing; the table has {', '.join(table.columns)}"
        )
    if not columns or {regained, value} & set(columns):
        raise InputError("win-back: name the columns known before the offer; the outcomes are none of them")
    y = table[regained].to_numpy(np.float64, na_value=np.nan)
    money = table[value].to_numpy(np.float64, na_value=np.nan)
    wrong = ~np.isin(y, (0.0, 1.0)) | ~np.isfinite(money)
    if wrong.any():
        raise InputError(
            f"win-back: {int(wrong.sum())} of {len(y)} rows have no {regained!r} of 0 or 1, or no finite {value!r}; "
            "leave out attempts whose outcome is not known yet"
        )
    fewest = int(min(y.sum(), len(y) - y.sum()))
    if fewest < FEWEST:
        raise NotEnoughData(
            f"win-back: {int(y.sum())} of {len(y)} lost customers came back; at least {FEWEST} who did and {FEWEST} who "
            "did not are needed"
        )
    return y, money


def _folds(y: Floats, customers: Sequence[str] | pd.Series | None, seed: int) -> Ints:
    """Folds stratified by the outcome; rows of one customer share one."""
    rng = np.random.default_rng(seed)
    if customers is None:
        who, ever = np.arange(len(y)), y
    else:
        who = pd.factorize(pd.Series(customers).to_numpy())[0]
        ever = (np.bincount(who, y) > 0).astype(np.float64)
    order = np.lexsort((rng.random(len(ever)), ever))
    fold = np.empty(len(ever), dtype=np.int64)
    fold[order] = np.arange(len(ever)) % _FOLDS
    return fold[who]


def _fitted(seen: pd.DataFrame, y: Floats, money: Floats) -> WinBackModel:
    bending = columns_of(seen)
    straight = tuple(replace(column, knots=()) for column in bending)
    back = y == 1
    chances = {columns: _design(columns, seen) for columns in (straight, bending)}
    # Both regressions read one design; the likelier one for who comes back is used for both.
    columns = min(chances, key=lambda c: _chance_loss(chances[c], y))
    design = chances[columns]
    worth = _money_line(design[back], money[back])
    otherwise = float(money[~back].mean())
    return WinBackModel(columns, logistic(design, y), worth, otherwise)


def _design(columns: tuple[FlatColumn, ...], table: pd.DataFrame) -> Floats:
    return np.hstack([column.basis(column.read(table[column.name])) for column in columns])


def _chance_loss(design: Floats, y: Floats) -> float:
    """Log loss out of the inner folds."""
    fold = _inner(len(y), y)
    loss = 0.0
    for k in range(_INNER):
        out = fold == k
        chance = np.clip(logistic(design[~out], y[~out]).value(design[out]), 1e-12, 1 - 1e-12)
        loss -= float(np.log(np.where(y[out] == 1, chance, 1 - chance)).sum())
    return loss


def _inner(rows: int, y: Floats) -> Ints:
    fold = np.empty(rows, dtype=np.int64)
    fold[np.argsort(y, kind="stable")] = np.arange(rows) % _INNER
    return fold


def _money_line(design: Floats, money: Floats) -> MoneyLine:
    """On the scale of money or of its logarithm, whichever is nearer in the inner folds."""
    fold = _inner(len(money), money)
    errors = []
    for log in (False, True):
        error = 0.0
        for k in range(_INNER):
            out = fold == k
            foretold = _on_scale(design[~out], money[~out], log).value(design[out])
            error += float(((money[out] - foretold) ** 2).sum())
        errors.append(error)
    return _on_scale(design, money, bool(errors[1] < errors[0]))


def _on_scale(design: Floats, money: Floats, log: bool) -> MoneyLine:
    least, most = float(money.min()), float(money.max())
    gained = money[money > 0]
    if not log or not gained.size:
        return MoneyLine(ridge(design, money), False, 1.0, least, most)
    floor = _LEAST_SHARE * float(np.median(gained))
    line: Line = ridge(design, np.log(np.maximum(money, floor)))
    raw = np.exp(np.minimum(line.value(design), 700.0))
    return MoneyLine(line, True, max(float(money.sum()), 0.0) / float(raw.sum()), least, most)


def _out_of_fold(parts: Sequence[WinBackModel], fold: Ints, table: pd.DataFrame) -> pd.DataFrame:
    found = [part.predict(table[fold == k]) for k, part in enumerate(parts) if (fold == k).any()]
    places = np.concatenate([np.flatnonzero(fold == k) for k in range(len(parts))])
    return pd.concat(found).iloc[np.argsort(places)]


def _figures(foretold: pd.DataFrame, y: Floats, money: Floats) -> dict[str, float]:
    back = y == 1
    worth = foretold["regain_margin"].to_numpy(np.float64)
    lost = float(money[~back].mean())
    return {
        "rows": float(len(y)),
        "came_back": float(back.sum()),
        "auc": roc_auc(y, foretold["regain_probability"].to_numpy(np.float64)),
        "r2_if_regained": _r2(money[back], worth[back]),
        "r2_expected": _r2(money, foretold["second_life"].to_numpy(np.float64)),
        "r2_answered": _r2(money, np.where(back, worth, lost)),
    }


def _r2(truth: Floats, foretold: Floats) -> float:
    spread = float(((truth - truth.mean()) ** 2).sum())
    return 1.0 - float(((truth - foretold) ** 2).sum()) / spread if spread > 0 else float("nan")
