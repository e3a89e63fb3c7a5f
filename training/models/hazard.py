"""How long contracts run: the hazard of ending by day of tenure and plan, survival with its uncertainty.

A contract ends on a day of its tenure or is still running when we look (censored). The hazard of a day is the
share that ended on it among those still running; survival is the product of what is left. Renewal dates show
as days of high hazard by themselves.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from numpy.typing import ArrayLike
from scipy.stats import norm

from features.errors import InputError

__all__ = ["KaplanMeier", "LifeTable", "kaplan_meier"]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
_PRIOR = 25.0
_AT_RISK = 10
_FEWEST_ENDS = 5
_HALF_YEAR = 182
_LONGEST = 7300
_YEAR = 365
_FEWEST_OF_PLAN = 20
_MOST_PLANS = 100


class KaplanMeier(NamedTuple):
    """Days on which contracts ended, with those at risk, those who ended, survival after the day, its error."""

    days: Ints
    at_risk: Ints
    ended: Ints
    survival: Floats
    standard_error: Floats


def kaplan_meier(duration: ArrayLike, ended: ArrayLike) -> KaplanMeier:
    """The product-limit estimate with Greenwood's standard error.

    Parameters
    ----------
    duration : array of int
        Days from start to end, or to the day we looked; ≥ 0.
    ended : array of bool
        Whether it ended; False is censored, and counts as running on its last day.

    Notes
    -----
    ``S(t) = Π (1 - d_i/n_i)`` and ``Var S(t) = S(t)² Σ d_i / (n_i (n_i - d_i))`` over days ``t_i ≤ t``.

    References
    ----------
    Kaplan & Meier (1958), Nonparametric estimation from incomplete observations, eq. 2b; Greenwood (1926).

    Examples
    --------
    >>> kaplan_meier([2, 3, 3, 5], [True, True, False, False]).survival.tolist()
    [0.75, 0.5]
    """
    time, gone = np.asarray(duration, dtype=np.int64), np.asarray(ended, dtype=bool)
    if time.shape != gone.shape or (time.size and time.min() < 0):
        raise InputError("durations: as many as flags of having ended are expected, none of them negative")
    days, deaths = np.unique(time[gone], return_counts=True)
    at_risk = len(time) - np.searchsorted(np.sort(time), days, side="left")
    survival = np.cumprod(1.0 - deaths / np.maximum(at_risk, 1)).astype(np.float64)
    left = np.maximum(at_risk - deaths, 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        greenwood = np.cumsum(np.where(left > 0, deaths / (at_risk * left), 0.0))
    return KaplanMeier(days, at_risk, deaths, survival, survival * np.sqrt(greenwood))


@dataclass(frozen=True)
class LifeTable:
    """Hazards of ending by day of tenure, for every plan and for all together.

    Parameters
    ----------
    plans : tuple of str
        Plans with a table of their own: those of 20 contracts or more.
    at_risk, ended : array of shape (plans + 1, days)
        Contracts running on each day of tenure and those that ended on it; the first row is all plans.
    rate : float
        Hazard of any day over all contracts, ``(ends + 1/2) / (days run + 182)``: what holds where the table is too
        thin. Half an end in half a year is believed beforehand, so that one contract that ended at once is no proof.
    ends : int
        Contracts that ended.
    term_days : int
        Usual term; beyond the table the hazards of the last term are repeated.

    Notes
    -----
    A plan's hazard is shrunk to that of all plans as if 25 contracts of the mixture had been seen besides,
    ``h_p = (d_p + 25 h) / (n_p + 25)``. With fewer than 5 ends, 10 contracts or 182 days that contracts ran
    the rate holds for all days. Intervals are those of ``log(-log S)``, which stay within 0 and 1 (Kalbfleisch &
    Prentice 2002, 1.4).
    """

    plans: tuple[str, ...]
    at_risk: Ints
    ended: Ints
    rate: float
    ends: int
    term_days: int

    @classmethod
    def fit(cls, duration: ArrayLike, ended: ArrayLike, plan: ArrayLike, *, term_days: int = 0) -> LifeTable:
        """Counts of running and ended contracts by day of tenure.

        Parameters
        ----------
        duration, ended
            See `kaplan_meier`.
        plan : array of str
            Plan of each contract.
        term_days : int
            Usual term; 0 where contracts have none.

        Examples
        --------
        >>> table = LifeTable.fit([30] * 20, [True] * 5 + [False] * 15, ["a"] * 20)
        >>> table.survival(["a"], [0], 60).round(2).tolist()
        [0.75]
        """
        time, gone = np.asarray(duration, dtype=np.int64), np.asarray(ended, dtype=bool)
        found = kaplan_meier(time, gone)
        names = np.asarray(plan, dtype=object).astype(str)
        running = np.sort(time)[::-1]
        # The table goes as far as enough contracts have been seen.
        last = int(running[min(_AT_RISK, len(running)) - 1]) if len(running) else 0
        last = min(last, _LONGEST)
        plans = _own_plans(names)
        shape = (len(plans) + 1, last + 1)
        at_risk, ends = np.zeros(shape, dtype=np.int64), np.zeros(shape, dtype=np.int64)
        for row, chosen in enumerate([np.ones(len(time), dtype=bool), *(names == p for p in plans)]):
            at_risk[row] = chosen.sum() - np.searchsorted(np.sort(time[chosen]), np.arange(last + 1), "left")
            inside = chosen & gone & (time <= last)
            ends[row] = np.bincount(time[inside], minlength=last + 1)
        total = int(found.ended.sum())
        rate = (total + 0.5) / float(time.sum() + len(time) + _HALF_YEAR)
        return cls(plans, at_risk, ends, rate, total, term_days)

    @property
    def flat(self) -> bool:
        """Whether there is too little to tell one day from another."""
        seen = self.at_risk[0]
        return bool(self.ends < _FEWEST_ENDS or seen[0] < _AT_RISK or seen.sum() < _HALF_YEAR)

    def survival(self, plan: ArrayLike, tenure: ArrayLike, horizon: ArrayLike) -> Floats:
        """P(still running `horizon` days from now), for contracts that have run `tenure` days.

        Parameters
        ----------
        plan : array of str
            A plan without a table takes that of all.
        tenure : array of int
            Days since the start, ≥ 0.
        horizon : int or array of int
            Days ahead, ≥ 0.

        Returns
        -------
        array in [0, 1]
        """
        return np.exp(-self._between(self._gone, plan, tenure, horizon))

    def interval(
        self, plan: ArrayLike, tenure: ArrayLike, horizon: ArrayLike, *, level: float = 0.9
    ) -> tuple[Floats, Floats]:
        """Bounds of `survival` by Greenwood's variance on the scale of ``log(-log S)``.

        Returns
        -------
        low, high : array in [0, 1]
        """
        gone = np.maximum(self._between(self._gone, plan, tenure, horizon), 1e-12)
        variance = self._between(self._variance, plan, tenure, horizon)
        # One term squared where one rate holds for all days: its error is the same on each of them.
        spread = np.sqrt(gone**2 / (self.ends + 0.5) if self.flat else variance) / gone
        reach = np.exp(norm.ppf(0.5 + level / 2) * spread)
        return np.exp(-gone * reach), np.exp(-gone / reach)

    @cached_property
    def _hazards(self) -> tuple[Floats, Floats]:
        """``-log(1 - h)`` of each day and its variance, by plan; row 0 is all plans."""
        if self.flat:
            shape = self.at_risk.shape
            return np.full(shape, -np.log1p(-self.rate)), np.zeros(shape)
        pooled = self.ended[0] / np.maximum(self.at_risk[0], 1)
        weight = np.full((len(self.at_risk), 1), _PRIOR)
        weight[0] = 0.0
        seen = np.maximum(self.at_risk + weight, 1.0)
        hazard = np.minimum((self.ended + weight * pooled) / seen, 1.0 - 1e-9)
        return -np.log1p(-hazard), hazard / (seen * (1.0 - hazard))

    @property
    def _period(self) -> int:
        """Days that are repeated beyond the table."""
        return max(1, min(self.term_days or _YEAR, self.at_risk.shape[1]))

    def _paths(self, per_day: Floats) -> Floats:
        """Sums of a quantity of each day, from day 0, beyond the table to `_LONGEST` days more."""
        table = per_day.shape[1]
        beyond = per_day[:, table - self._period + np.arange(_LONGEST + self._period) % self._period]
        whole = np.hstack([per_day, beyond])
        return np.hstack([np.zeros((len(whole), 1)), np.cumsum(whole, axis=1)])

    @cached_property
    def _gone(self) -> Floats:
        return self._paths(self._hazards[0])

    @cached_property
    def _variance(self) -> Floats:
        return self._paths(self._hazards[1])

    def _between(self, paths: Floats, plan: ArrayLike, tenure: ArrayLike, horizon: ArrayLike) -> Floats:
        rows, days = self._rows(plan), self._days(tenure)
        ahead = np.minimum(np.asarray(horizon, dtype=np.int64), _LONGEST)
        return paths[rows, days + ahead] - paths[rows, days]

    def _rows(self, plan: ArrayLike) -> Ints:
        places = {name: at for at, name in enumerate(self.plans, start=1)}
        return np.array([places.get(str(name), 0) for name in np.asarray(plan, dtype=object)], dtype=np.int64)

    def _days(self, tenure: ArrayLike) -> Ints:
        """Day of the table; a longer tenure stands at the same place in the term."""
        days, table = np.maximum(np.asarray(tenure, dtype=np.int64), 0), self.at_risk.shape[1]
        return np.where(days < table, days, table + (days - table) % self._period)

    def to_json(self) -> dict[str, Any]:
        """Plain values: the days on which the counts change."""
        kept = np.flatnonzero(np.any(self.ended > 0, axis=0) | _changes(self.at_risk))
        return {
            "plans": self.plans,
            "days": self.at_risk.shape[1],
            "kept": kept.tolist(),
            "at_risk": self.at_risk[:, kept].tolist(),
            "ended": self.ended[:, kept].tolist(),
            "rate": self.rate,
            "ends": self.ends,
            "term_days": self.term_days,
        }

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> LifeTable:
        """The table written by `to_json`."""
        kept, days = np.array(values["kept"], dtype=np.int64), int(values["days"])
        ended = np.zeros((len(values["plans"]) + 1, days), dtype=np.int64)
        ended[:, kept] = values["ended"]
        known = np.searchsorted(kept, np.arange(days), side="right") - 1
        at_risk = np.array(values["at_risk"], dtype=np.int64)[:, known]
        return cls(
            tuple(values["plans"]), at_risk, ended, values["rate"], values["ends"], values["term_days"]
        )


def _own_plans(names: npt.NDArray[Any]) -> tuple[str, ...]:
    """The commonest plans, as far as there is something to learn about each; one plan alone is all plans."""
    found, counts = np.unique(names, return_counts=True)
    if len(found) < 2:
        return ()
    common = found[np.argsort(-counts, kind="stable")][:_MOST_PLANS]
    return tuple(sorted(set(map(str, common)) & set(map(str, found[counts >= _FEWEST_OF_PLAN]))))


def _changes(at_risk: Ints) -> npt.NDArray[np.bool_]:
    """Days on which a count differs from the day before; the first always counts."""
    changed = np.ones(at_risk.shape[1], dtype=bool)
    changed[1:] = np.any(np.diff(at_risk, axis=1) != 0, axis=0)
    return changed
