"""Effects measured in several runs as one: the mean, weighted by how well each run knows it, and the total."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy import stats

from strategies.columns import Numbers

__all__ = ["interval", "judged_together", "pooled_effect"]


def pooled_effect(parts: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """One effect per outcome from the effects of several independent trials.

    Parameters
    ----------
    parts : sequence of DataFrame
        As `strategies.adjusted_effect.adjusted_effect` gives them, same outcomes in the same order. Parts
        whose standard error is missing or 0 say nothing of an outcome and are left out there.

    Returns
    -------
    DataFrame
        Index ``outcome``: ``effect, se, df, third``; the same with the prefixes ``plain`` (not adjusted) and
        ``total`` (sum over the treated of the parts used); ``left_alone``; ``treated, held_out`` (all parts);
        ``runs`` (parts used); ``differ`` (p-value of the parts having one effect, missing for one part);
        ``method``.

    Notes
    -----
    effect = Σ w·e / Σ w with w = 1/se². The draws of different runs are independent, so this holds also where
    customers are in several runs. Cochran's Q = Σ w (e − effect)² is compared with χ² on one degree less than
    there are parts. The total asks for no common effect: Σ treated·e, with variance Σ treated²·se².

    References
    ----------
    Cochran, W. (1954). The combination of estimates from different experiments. Biometrics 10.

    Examples
    --------
    >>> one = {"effect": 2.0, "se": 1.0, "df": 50.0, "third": 0.0}
    >>> one |= {"plain": 2.0, "plain_se": 1.0, "plain_df": 50.0, "plain_third": 0.0}
    >>> one |= {"left_alone": 5.0, "treated": 100, "held_out": 50, "method": "lin"}
    >>> parts = [pd.DataFrame([row], index=["margin"]) for row in (one, one | {"effect": 5.0, "se": 2.0})]
    >>> pooled_effect(parts)[["effect", "se", "total", "runs"]].loc["margin"].round(3).tolist()
    [2.6, 0.894, 700.0, 2.0]
    """
    rows = {str(name): _pooled(pd.DataFrame([part.loc[name] for part in parts])) for name in parts[0].index}
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("outcome")


def _pooled(parts: pd.DataFrame) -> dict[str, float | str]:
    used = parts[(parts["se"] > 0) & (parts["plain_se"] > 0)]
    counts = {name: int(parts[name].sum()) for name in ("treated", "held_out")}
    methods = "+".join(sorted(set(used["method"] if len(used) else parts["method"])))
    if used.empty:
        means = {name: float(parts[name].mean()) for name in ("effect", "plain", "left_alone")}
        gone = dict.fromkeys(
            [*_names("effect")[1:], *_names("plain")[1:], *_names("total"), "differ"], np.nan
        )
        return {**means, **gone, **counts, "runs": 0, "method": methods}
    found: dict[str, float | str] = {}
    for name in ("effect", "plain"):
        weight = _numbers(used, _names(name)[1]) ** -2
        found |= _sum(used, weight / weight.sum(), name, called=name)
    found |= _sum(used, _numbers(used, "treated"), "effect", called="total")
    found["left_alone"] = float(np.average(_numbers(used, "left_alone"), weights=_numbers(used, "treated")))
    apart = (((_numbers(used, "effect") - float(found["effect"])) / _numbers(used, "se")) ** 2).sum()
    found["differ"] = float(stats.chi2.sf(apart, len(used) - 1)) if len(used) > 1 else np.nan
    return {**found, **counts, "runs": len(used), "method": methods}


def _names(kind: str) -> tuple[str, str, str, str]:
    """Columns of an estimate: value, standard error, degrees of freedom, third cumulant."""
    prefix = "" if kind == "effect" else f"{kind}_"
    return kind, f"{prefix}se", f"{prefix}df", f"{prefix}third"


def _sum(parts: pd.DataFrame, weight: Numbers, kind: str, *, called: str) -> dict[str, float]:
    """Weighted sum of independent estimates; degrees of freedom as Satterthwaite has them."""
    value, error, free, third = (_numbers(parts, name) for name in _names(kind))
    variance = (weight * error) ** 2
    together = variance.sum()
    degrees = together**2 / (variance**2 / free).sum()
    figures = ((weight * value).sum(), np.sqrt(together), degrees, (weight**3 * third).sum())
    return dict(zip(_names(called), map(float, figures), strict=True))


def _numbers(parts: pd.DataFrame, name: str) -> Numbers:
    return parts[name].to_numpy(np.float64)


def interval(table: pd.DataFrame, kind: str, level: float) -> tuple[pd.Series, pd.Series]:
    """Bounds of an estimate that know of its skewness; missing where the error is.

    Parameters
    ----------
    table : DataFrame
        From `pooled_effect`.
    kind : {"effect", "plain", "total"}
    level : float
        In (0, 1).

    Notes
    -----
    Spending is skewed: a few customers bring much. The mean of a small arm without them is too low, and so is
    its standard error, so that plain t intervals miss too often. With γ = third / se³ and the t quantile q the
    bounds are estimate − se · (3/γ) · ((1 + γ (q − γ/6))^(1/3) − 1); γ = 0 gives the t interval.

    References
    ----------
    Hall, P. (1992). On the removal of skewness by transformation. Journal of the Royal Statistical Society B 54,
    section 2.

    Examples
    --------
    >>> table = pd.DataFrame({"effect": [1.0, 1.0], "se": 0.5, "df": 1e9, "third": [0.0, 0.02]})
    >>> [bound.round(2).tolist() for bound in interval(table, "effect", 0.95)]
    [[0.02, 0.12], [1.98, 2.12]]
    """
    value, error, free, third = (_numbers(table, name) for name in _names(kind))
    reach = stats.t.ppf(0.5 + level / 2, free)
    with np.errstate(divide="ignore", invalid="ignore"):
        skew = np.where(error > 0, third / error**3, np.nan)
    low, high = (value - error * _untwisted(q, skew) for q in (reach, -reach))
    return pd.Series(low, index=table.index), pd.Series(high, index=table.index)


def _untwisted(quantile: Numbers, skew: Numbers) -> Numbers:
    """Hall's cubic transformation undone."""
    small = np.abs(skew) < 1e-6
    safe = np.where(small, 1.0, skew)
    found: Numbers = np.where(small, quantile, 3 / safe * (np.cbrt(1 + safe * (quantile - safe / 6)) - 1))
    return found


def judged_together(level: float, groups: int) -> float:
    """The level each of several intervals needs so that all hold at once with `level` (Šidák 1967).

    Examples
    --------
    >>> round(judged_together(0.95, 3), 4)
    0.983
    """
    return float(level ** (1 / max(1, groups)))
