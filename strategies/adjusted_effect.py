"""The effect of an offer from a randomised campaign, less noisy by what was known before it.

What a customer brought before the campaign foretells much of what they bring after it, offer or not. Taking that
part out leaves the effect as it is and makes its interval narrower.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from features.errors import InputError
from strategies.columns import Numbers

__all__ = ["LEFT_ALONE", "MIN_ARM", "TREATED", "Trial", "adjusted_effect"]

TREATED, LEFT_ALONE = 1, 0
MIN_ARM = 30
"""Customers an arm must have before an interval is given."""

_ROWS_PER_COVARIATE = 10
_WINSOR = 0.99
_MOST_LEVERAGE = 0.999


@dataclass(frozen=True)
class Trial:
    """One randomised comparison: who was treated, who was left alone, and what is known of them.

    Parameters
    ----------
    outcomes : DataFrame
        One row per customer, one column per outcome, all known.
    arm : array of int
        1 treated, 0 left alone, -1 for customers of the same campaign who got something else: they only help to
        say who the campaign is about.
    propensity : array of float
        In (0, 1]: the chance that this customer got exactly what they got.
    covariates : DataFrame, optional
        What was known before the decision; missing values count as the mean.
    cluster : array, optional
        Rows of the same customer bear the same mark; without it every row is a customer of their own.
    """

    outcomes: pd.DataFrame
    arm: NDArray[np.int64]
    propensity: Numbers
    covariates: pd.DataFrame | None = None
    cluster: NDArray[np.generic] | None = None

    def __post_init__(self) -> None:
        inside = (self.propensity > 0) & (self.propensity <= 1)
        if not inside.all():
            raise InputError(
                f"results: {int((~inside).sum()):,} of {len(inside):,} propensities lie outside (0, 1]; "
                "take them from the decision log as they are"
            )
        if not np.isfinite(self.outcomes.to_numpy(np.float64)).all():
            raise InputError("results: outcomes are missing; a customer without an order has 0, not nothing")


def adjusted_effect(trial: Trial) -> pd.DataFrame:
    """The mean effect on the customers of a trial, with its standard error, adjusted and not.

    Parameters
    ----------
    trial : Trial

    Returns
    -------
    DataFrame
        One row per outcome: ``effect`` (in the unit of the outcome, per customer treated), ``se``, ``df``,
        ``third`` (third cumulant, for intervals that know of skewness); the same unadjusted (``plain``,
        ``plain_se``, ``plain_df``, ``plain_third``); ``left_alone`` (mean of those left alone);
        ``treated`` and ``held_out`` (customers); ``method``: ``lin``, ``cuped`` or ``none``. Standard errors are
        missing where an arm has fewer than two customers.

    Notes
    -----
    ``lin``: in each arm a regression on the covariates, weighted by 1/propensity, read at the mean of all
    customers of the trial; their difference is the coefficient of the treatment in the fully interacted
    regression. ``cuped``, where an arm has fewer than ten customers per covariate: both arms share one slope.
    Errors are of the kind HC3, summed by customer where one comes several times. Covariates above their 99th
    (below their 1st) percentile count as that percentile: they were known before, so any function of them
    may be used, and one giant customer then bends no line. Degrees of freedom as Satterthwaite has them.

    The effect is that of having been chosen, whether or not the contact succeeded (intention to treat).

    References
    ----------
    Lin, W. (2013). Agnostic notes on regression adjustments to experimental data. Annals of Applied Statistics 7,
    section 4. Deng, A., Xu, Y., Kohavi, R., Walker, T. (2013). Improving the sensitivity of online controlled
    experiments by utilizing pre-experiment data. WSDM, section 3. MacKinnon, J., White, H. (1985). Some
    heteroskedasticity-consistent covariance matrix estimators. Journal of Econometrics 29.

    Examples
    --------
    >>> trial = Trial(pd.DataFrame({"margin": [5.0, 7.0, 1.0, 3.0]}), np.array([1, 1, 0, 0]), np.full(4, 0.5))
    >>> adjusted_effect(trial)[["effect", "se", "df"]].loc["margin"].round(3).tolist()
    [4.0, 2.0, 2.0]
    """
    y = trial.outcomes.to_numpy(np.float64)
    x = _centred(trial.covariates, len(y))
    chosen = [trial.arm == TREATED, trial.arm == LEFT_ALONE]
    smallest = min(int(rows.sum()) for rows in chosen)
    none = np.empty((len(y), 0))
    plain = _difference(trial, y, none, chosen)
    method = "none"
    if x.shape[1] and smallest >= MIN_ARM:
        method = "lin" if smallest >= _ROWS_PER_COVARIATE * (x.shape[1] + 1) else "cuped"
    if method == "lin":
        found = _difference(trial, y, x, chosen)
    elif method == "cuped":
        found = _difference(trial, y - x @ _shared_slope(trial, y, x, chosen), none, chosen)
    else:
        found = plain
    columns = dict(zip(("effect", "se", "df", "third"), found[:4], strict=True))
    columns |= dict(zip(("plain", "plain_se", "plain_df", "plain_third"), plain[:4], strict=True))
    table = pd.DataFrame({**columns, "left_alone": plain[4]}, index=trial.outcomes.columns)
    treated, held_out = (int(rows.sum()) for rows in chosen)
    return table.assign(treated=treated, held_out=held_out, method=method).rename_axis("outcome")


def _centred(covariates: pd.DataFrame | None, rows: int) -> Numbers:
    """Covariates of the whole trial, tamed, with mean 0 and spread 1; constant ones are left out."""
    if covariates is None or not rows:
        return np.empty((rows, 0))
    x = covariates.to_numpy(dtype="float64", na_value=np.nan)
    x = x[:, ~np.isnan(x).all(axis=0)]
    if not x.shape[1]:
        return x
    x = np.clip(x, *np.nanquantile(x, [1 - _WINSOR, _WINSOR], axis=0, method="nearest"))
    x = np.where(np.isnan(x), np.nanmean(x, axis=0), x)
    x = x - x.mean(axis=0)
    spread = x.std(axis=0)
    kept = spread > 1e-12
    return x[:, kept] / spread[kept]


Difference = tuple[Numbers, Numbers, Numbers, Numbers, Numbers]


def _difference(trial: Trial, y: Numbers, x: Numbers, chosen: list[NDArray[np.bool_]]) -> Difference:
    """Effect, standard error, degrees of freedom, third cumulant, and the level of those left alone."""
    m = y.shape[1]
    missing = np.full(m, np.nan)
    if not all(rows.any() for rows in chosen):
        return missing, missing, missing, missing, missing
    levels, pushes = zip(*(_arm(trial, y, x, rows) for rows in chosen), strict=True)
    effect = levels[0] - levels[1]
    if min(rows.sum() for rows in chosen) < 2:
        return effect, missing, missing, missing, levels[1]
    marks = np.arange(len(y)) if trial.cluster is None else pd.factorize(trial.cluster)[0]
    spread = []
    for push, rows in zip(pushes, chosen, strict=True):
        spread.append((_summed(push, marks[rows]) ** 2).sum(axis=0))
    together = np.concatenate([pushes[0], -pushes[1]])
    both = _summed(together, np.concatenate([marks[rows] for rows in chosen]))
    variance = (both**2).sum(axis=0)
    free = [max(1, len(np.unique(marks[rows])) - 1 - x.shape[1]) for rows in chosen]
    parts = sum(v**2 / f for v, f in zip(spread, free, strict=True))
    df = np.where(parts > 0, sum(spread) ** 2 / np.where(parts > 0, parts, 1.0), float(sum(free)))
    return effect, np.sqrt(variance), df, (both**3).sum(axis=0), levels[1]


def _arm(trial: Trial, y: Numbers, x: Numbers, rows: NDArray[np.bool_]) -> tuple[Numbers, Numbers]:
    """Level of one arm at the mean of the trial, and how far each row pushes it."""
    weight = 1 / trial.propensity[rows]
    weight = weight / weight.mean()
    design = np.column_stack([np.ones(len(weight)), x[rows]])
    inverse = np.linalg.pinv(design.T @ (design * weight[:, None]), hermitian=True)
    slopes = inverse @ (design.T @ (y[rows] * weight[:, None]))
    reach = design @ inverse
    leverage = np.minimum(weight * (reach * design).sum(axis=1), _MOST_LEVERAGE)
    left = y[rows] - design @ slopes
    return slopes[0], left * (weight * reach[:, 0] / (1 - leverage))[:, None]


def _summed(values: Numbers, marks: NDArray[np.int64]) -> Numbers:
    """`values` added up by mark."""
    place = np.unique(marks, return_inverse=True)[1]
    if len(place) == 0 or place.max() + 1 == len(place):
        return values
    sums = np.zeros((place.max() + 1, values.shape[1]))
    np.add.at(sums, place, values)
    return sums


def _shared_slope(trial: Trial, y: Numbers, x: Numbers, chosen: list[NDArray[np.bool_]]) -> Numbers:
    """One slope for both arms, from differences to the arm's own mean."""
    xs, ys = [], []
    for rows in chosen:
        weight = 1 / trial.propensity[rows]
        xs.append(x[rows] - np.average(x[rows], axis=0, weights=weight))
        ys.append(y[rows] - np.average(y[rows], axis=0, weights=weight))
    found: Numbers = np.linalg.lstsq(np.concatenate(xs), np.concatenate(ys), rcond=None)[0]
    return found
