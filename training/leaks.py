"""The leak guard: a column that alone tells who left, better than all others together, stops the run by name.

A satisfaction score asked when the customer left, a reason for leaving, a count that reaches past the cut-off:
such columns make every back-test look splendid and every live list worthless. They give themselves away, because
nothing that was honestly known beforehand, alone, beats all else that was known.

What Retain itself counts from past purchases cannot know the label, which is made of later ones. Where such a column
alone tells who leaves, the customers are all alike (each with three orders, say): that is told, not refused. Returns,
and events of all other tables, may be dated before they were known: these stop.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from features.errors import InputError
from features.pipeline import FAMILIES, OWN_FAMILIES
from features.returns import RETURNS
from training.metrics import roc_auc, row_log_loss
from training.panel import Panel

__all__ = ["Leak", "check_leaks", "check_panel", "find_leaks"]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
# A suspect explains at least so much of what is uncertain, ranks so well, and leads all other columns
# together by so much (or by so much of what they leave open); one that explains nearly everything needs no
# comparison in a table without time.
_FLOOR = 0.4
_AUC = 0.9
_LEAD = 0.1
_LEAD_OPEN = 0.25
_CERTAIN = 0.95
_ROWS = 4000
_SHOWN = 5
_RARE = 500
_FEWEST = 10
_BINS = 32
_FOLDS = 3
_TRUST = 2.0
# A column that is wrong once is not ruled out by that alone.
_LEAST = 1e-6
_OF_PURCHASES = frozenset(
    name
    for family in FAMILIES
    # The user's own may read returns, which can be dated before they were known.
    if family.source == "orders" and family is not RETURNS and family not in OWN_FAMILIES
    for name in family.names
)


@dataclass(frozen=True)
class Leak:
    """A column that tells the outcome.

    Parameters
    ----------
    column : str
        Its name.
    auc : float
        Ranking by this column alone, out of fold, in [0, 1].
    explained : float
        Share of the outcome's uncertainty it explains alone: 1 - log loss / log loss of the base rate.
    others : float
        The same of all columns that are not suspected, together.
    filled : tuple of float
        Share filled among those who left and among those who stayed.
    """

    column: str
    auc: float
    explained: float
    others: float
    filled: tuple[float, float]

    def __str__(self) -> str:
        gone, stayed = self.filled
        text = f"{self.column!r}: AUC {self.auc:.3f}, explains {self.explained:.0%} of who left, "
        text += f"all unsuspected columns together {max(self.others, 0.0):.0%}"
        if abs(gone - stayed) > 0.5:
            text += f"; it is filled for {gone:.0%} of those who left and {stayed:.0%} of the others"
        return text


def check_leaks(
    features: pd.DataFrame,
    target: npt.ArrayLike,
    *,
    allow: Sequence[str] = (),
    remedy: str = "leave them out with `--drop COLUMN`, or, if they were known before, `--allow COLUMN`",
    redundant: bool = False,
) -> None:
    """Stops when a column alone predicts too well to have been known beforehand.

    Parameters
    ----------
    features : pandas.DataFrame
        What the model would learn from, numbers or text, one row per customer (and day).
    target : array of 0 and 1
        Who left.
    allow : sequence of str
        Columns the user vouches for.
    remedy : str
        What to do, as the message says it.
    redundant : bool
        See `find_leaks`.

    Raises
    ------
    InputError
        All suspects by name, with what each explains alone and what all other columns explain together.

    Examples
    --------
    >>> left = np.arange(200) % 4 == 0
    >>> table = pd.DataFrame({"reason": np.where(left, "price", None), "age": np.arange(200) % 7})
    >>> check_leaks(table, left)
    Traceback (most recent call last):
    ...
    features.errors.InputError: 1 column tells who left too well to have been known beforehand:
      'reason': AUC 1.000, explains 97% of who left, all unsuspected columns together 0%; it is filled for 100% of \
those who left and 0% of the others
    It was probably filled in after the fact: leave them out with `--drop COLUMN`, or, if they were known before, \
`--allow COLUMN`
    >>> check_leaks(table, left, allow=["reason"])
    """
    _stop(find_leaks(features, target, allow=allow, redundant=redundant), remedy)


def _stop(found: Sequence[Leak], remedy: str) -> None:
    """Raises when there is any."""
    if not found:
        return
    one = len(found) == 1
    raise InputError(
        f"{len(found)} column{' tells' if one else 's tell'} who left too well to have been known beforehand:\n  "
        + "\n  ".join(map(str, found))
        + f"\n{'It was' if one else 'They were'} probably filled in after the fact: {remedy}"
    )


def check_panel(panel: Panel, window_days: int, *, allow: Sequence[str] = ()) -> tuple[str, ...]:
    """Stops when a feature of a panel knows the churn label of its window.

    Parameters
    ----------
    panel : Panel
        Snapshots with labels; what the closed form adds (``btyd_*``) is left out.
    window_days : int
        Churn window with labels in the panel.
    allow : sequence of str
        Columns the user vouches for.

    Returns
    -------
    tuple of str
        What to tell when columns counted from purchases alone tell who leaves; empty otherwise.

    Raises
    ------
    InputError
        The suspects by name, among columns of returns and of other tables than orders.
    """
    rows = _latest_mixed(panel.labelled(window_days, by=panel.as_of), f"orders_ahead_{window_days}")
    gone = (rows[f"orders_ahead_{window_days}"] == 0).to_numpy()
    chosen = _chosen(gone)
    names = [n for n in rows.columns if n not in ("as_of", "customer_id") and not _made_of_labels(str(n))]
    remedy = (
        "their table holds rows dated before they were known; give it `known_at`, repair its times, or, if the "
        "column is right, name it in [churn] allow_columns"
    )
    found = find_leaks(rows.iloc[chosen][names], gone[chosen], allow=allow, redundant=True)
    _stop([leak for leak in found if leak.column not in _OF_PURCHASES], remedy)
    return (_alike([leak.column for leak in found]),) if found else ()


def _alike(names: Sequence[str]) -> str:
    shown = ", ".join(sorted(names)[:_SHOWN]) + (" …" if len(names) > _SHOWN else "")
    return (
        f"{len(names)} column(s) of past purchases alone tell who leaves ({shown}): all customers seem to be alike, "
        "such as with equally many orders each; if order lines were entered later than they are dated, give the table "
        "`known_at`"
    )


def _latest_mixed(rows: pd.DataFrame, orders: str) -> pd.DataFrame:
    """The latest snapshot on which enough customers left and enough stayed.

    One day alone: over several days a column that only knows the date knows whether everybody left, too.
    """
    gone = (rows[orders] == 0).groupby(rows["as_of"]).agg(["sum", "size"])
    mixed = gone[(gone["sum"] >= _FEWEST) & (gone["size"] - gone["sum"] >= _FEWEST)]
    return rows[rows["as_of"] == mixed.index.max()] if len(mixed) else rows.iloc[:0]


def find_leaks(
    features: pd.DataFrame, target: npt.ArrayLike, *, allow: Sequence[str] = (), redundant: bool = False
) -> list[Leak]:
    """Columns that alone explain more than all others together, best first.

    Parameters
    ----------
    features, target, allow
        See `check_leaks`.
    redundant : bool
        The columns say much the same in many ways, as the features of a panel do, so that a column without
        equals is suspect, but one that is nearly certain among its like is not: who last bought years ago is
        honestly gone.

    Notes
    -----
    Each column is asked alone by a table of its values (32 quantiles, missing apart), counted out of fold and
    shrunk to the base rate. With ``u(c) = 1 - log loss(c) / log loss(base rate)``, the k best columns are
    leaks when the k-th has ``u ≥ 0.4`` and an AUC of at least 0.9, and leads boosted trees on all columns behind
    it: by two standard errors of the paired losses, and by ``min(0.1, (1 - u(trees)) / 4)``. Rows are sampled, so
    that the guard costs a fraction of a second.
    """
    y = np.asarray(target, dtype=np.float64)
    if min(y.sum(), len(y) - y.sum()) < _FEWEST:
        return []
    chosen = _chosen(y > 0)
    asked = [str(name) for name in features.columns if str(name) not in set(allow)]
    return _Guard(features.iloc[chosen], y[chosen]).leaks(asked, redundant=redundant)


class _Guard:
    """Losses of single columns and of many together, on the same folds."""

    def __init__(self, features: pd.DataFrame, y: Floats) -> None:
        self.features, self.y = features, y
        self.fold = _folds(y)
        self.codes = {str(name): _codes(features[name]) for name in features.columns}
        self.alone = {name: self._one(codes) for name, codes in self.codes.items()}
        self.base = float(self._losses(np.full(len(y), y.mean())).mean())

    def leaks(self, asked: Sequence[str], *, redundant: bool) -> list[Leak]:
        explained = {name: self._explained(self.alone[name]) for name in asked}
        order = sorted(asked, key=lambda name: (-explained[name], name))
        suspects = [name for name in order if explained[name] >= _FLOOR and self._auc(name) >= _AUC]
        behind = [*(explained[name] for name in order[1:]), 0.0]
        for k in range(len(suspects), 0, -1):
            last = suspects[k - 1]
            if order[:k] != suspects[:k] or explained[last] < behind[k - 1] + _lead(behind[k - 1]):
                continue
            rest = self._together(order[k:])
            if self._leads(last, rest):
                others = self._explained(rest)
                return [self._told(name, explained[name], others) for name in suspects[:k]]
        certain = [] if redundant else [name for name in suspects if explained[name] >= _CERTAIN]
        return [self._told(name, explained[name], np.nan) for name in certain]

    def _losses(self, p: Floats) -> Floats:
        return row_log_loss(self.y, p, least=_LEAST)

    def _explained(self, p: Floats) -> float:
        """Share of the base rate's loss that a forecast does away with."""
        return 1.0 - float(self._losses(p).mean()) / self.base

    def _auc(self, name: str) -> float:
        return roc_auc(self.y, self.alone[name])

    def _leads(self, name: str, rest: Floats) -> bool:
        gain = self._losses(rest) - self._losses(self.alone[name])
        noise = _TRUST * gain.std(ddof=1) / np.sqrt(len(gain))
        return bool(gain.mean() > max(_lead(self._explained(rest)) * self.base, noise))

    def _told(self, name: str, explained: float, others: float) -> Leak:
        filled = _filled(self.features[name])
        gone, stayed = filled[self.y > 0].mean(), filled[self.y == 0].mean()
        return Leak(name, self._auc(name), explained, 0.0 if np.isnan(others) else others, (gone, stayed))

    def _one(self, codes: Ints) -> Floats:
        """Out-of-fold share of leavers at the same value, shrunk to the base rate by two customers."""
        found = np.empty(len(codes))
        size = int(codes.max()) + 1
        for fold in range(_FOLDS):
            known = self.fold != fold
            base = self.y[known].mean()
            count = np.bincount(codes[known], minlength=size)
            gone = np.bincount(codes[known], weights=self.y[known], minlength=size)
            found[~known] = ((gone + 2 * base) / (count + 2))[codes[~known]]
        return found

    def _together(self, names: Sequence[str]) -> Floats:
        """Out-of-fold probabilities of boosted trees on many columns; the base rate without any."""
        import lightgbm as lgb

        if not names:
            return np.full(len(self.y), self.y.mean())
        matrix = np.column_stack([self._number(name) for name in names])
        found = np.empty(len(self.y))
        for fold in range(_FOLDS):
            known = self.fold != fold
            data = lgb.Dataset(matrix[known], self.y[known], params={"verbosity": -1, "max_bin": 63})
            found[~known] = lgb.train(_TREES, data, 40).predict(matrix[~known], num_threads=1)
        return found

    def _number(self, name: str) -> Floats:
        column = self.features[name]
        if pd.api.types.is_numeric_dtype(column):
            return column.to_numpy(np.float64, na_value=np.nan)
        # Text in the order of its leavers would be a look ahead; its own order is not.
        return self.codes[name].astype(np.float64)


_TREES: dict[str, Any] = {
    "objective": "binary",
    "learning_rate": 0.15,
    "num_leaves": 15,
    "min_data_in_leaf": 20,
    "lambda_l2": 5.0,
    "feature_fraction": 0.5,
    "seed": 1,
    "deterministic": True,
    "force_row_wise": True,
    "num_threads": 1,
    "verbosity": -1,
}


def _lead(explained: float) -> float:
    """How far a leak leads others that explain so much."""
    return min(_LEAD, _LEAD_OPEN * (1.0 - max(explained, 0.0)))


def _made_of_labels(name: str) -> bool:
    return "_ahead_" in name or name.startswith("btyd_")


def _chosen(gone: npt.NDArray[np.bool_]) -> Ints:
    """Places of at most about `_ROWS` rows, always the same ones, with enough of the rarer outcome."""
    if len(gone) <= _ROWS:
        return np.arange(len(gone))
    rng = np.random.default_rng(len(gone))
    kept = []
    for outcome in (gone, ~gone):
        places = np.flatnonzero(outcome)
        size = min(len(places), max(_RARE, _ROWS * len(places) // len(gone)))
        kept.append(rng.choice(places, size, replace=False))
    return np.sort(np.concatenate(kept))


def _folds(y: Floats) -> Ints:
    """Stratified folds, shuffled by a fixed seed."""
    rng = np.random.default_rng(7)
    fold = np.empty(len(y), dtype=np.int64)
    for outcome in (0.0, 1.0):
        places = rng.permutation(np.flatnonzero(y == outcome))
        fold[places] = np.arange(len(places)) % _FOLDS
    return fold


def _codes(column: pd.Series) -> Ints:
    """Small whole numbers: the values, or 32 quantiles of many numbers; missing has its own."""
    if pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column):
        values = column.to_numpy(np.float64, na_value=np.nan)
        known = values[~np.isnan(values)]
        if len(np.unique(known)) > _BINS:
            edges = np.unique(np.quantile(known, np.linspace(0, 1, _BINS + 1)[1:-1]))
            # Both sides together give a value that many share, such as 0, a place of its own.
            places = np.searchsorted(edges, values, "left") + np.searchsorted(edges, values, "right")
            return np.where(np.isnan(values), 2 * len(edges) + 1, places)
        return pd.factorize(values, sort=True, use_na_sentinel=False)[0].astype(np.int64)
    text = column.astype(object).where(_filled(column), None)
    return pd.factorize(text.map(lambda v: "" if v is None else str(v)), sort=True)[0].astype(np.int64)


def _filled(column: pd.Series) -> npt.NDArray[np.bool_]:
    there = column.notna().to_numpy(bool)
    if pd.api.types.is_numeric_dtype(column):
        return there
    return there & (column.astype(object).map(lambda v: str(v).strip()) != "").to_numpy(bool)
