"""What another policy would have brought, told from the log of the policy that ran.

The log holds for every decision the chance it had. Decisions that the other policy would have made too are weighted
by how much more often it would have made them. Where the log never tried what the other policy wants there is
nothing to learn from, and the test refuses instead of inventing a number.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import pandas as pd
from scipy import stats

from features.errors import InputError, NotEnoughData
from strategies.columns import Numbers, require

__all__ = ["OfflineTest", "OfflineValue", "offline_value", "overlap", "predicted_outcomes"]

MIN_EFFECTIVE: Final = 50.0
_FOLDS: Final = 5
_RIDGE: Final = 10.0
_COVERED: Final = 0.9
_WHAT_TO_DO: Final = (
    "Draw a hold-out and some exploration in the next runs (`retain decide` does both), wait until their time is "
    "over, and test again."
)


@dataclass(frozen=True)
class OfflineTest:
    """A log and another policy for the same decisions.

    Parameters
    ----------
    log : DataFrame
        One row per decision: ``customer_id, offer`` (what the customer got), ``propensity``.
    outcome : array of float
        What each decision brought, e.g. margin less cost.
    target : DataFrame
        Rows as `log`; one column per offer: the chance that the other policy makes it. Rows sum to 1.
    covariates : DataFrame, optional
        Known before the decision; for the outcome model of the doubly robust value.
    """

    log: pd.DataFrame
    outcome: Numbers
    target: pd.DataFrame
    covariates: pd.DataFrame | None = None

    def __post_init__(self) -> None:
        require(self.log, ("customer_id", "offer", "propensity"), step="offline test")
        chances = self.log["propensity"].to_numpy(np.float64)
        sums = self.target.to_numpy(np.float64).sum(axis=1)
        if len(self.outcome) != len(self.log) or len(self.target) != len(self.log):
            raise InputError("offline test: log, outcomes and target have different numbers of rows")
        if not ((chances > 0) & (chances <= 1)).all():
            raise InputError("offline test: propensities lie outside (0, 1]; take them from the decision log")
        if not np.allclose(sums, 1, atol=1e-6) or (self.target.to_numpy() < 0).any():
            raise InputError(
                "offline test: the chances of the other policy are no chances: rows must sum to 1"
            )

    def wanted(self) -> Numbers:
        """The chance that the other policy does what was done."""
        place = self.target.columns.get_indexer(pd.Index(self.log["offer"].astype(object)))
        chances = self.target.to_numpy(np.float64)
        found: Numbers = np.where(place >= 0, chances[np.arange(len(place)), place], 0.0)
        return found

    def weights(self, most: float | None = None) -> Numbers:
        """How much each decision counts: chance under the other policy over chance in the log, clipped at `most`."""
        weight = self.wanted() / self.log["propensity"].to_numpy(np.float64)
        return weight if most is None else np.minimum(weight, most)


@dataclass(frozen=True)
class OfflineValue:
    """What a policy is worth per decision, by one estimator; ``gain`` is the difference to the policy that ran."""

    estimator: str
    value: float
    low: float
    high: float
    gain: float
    gain_low: float
    gain_high: float


def overlap(test: OfflineTest, *, most: float | None = None) -> pd.DataFrame:
    """How much the log says about the other policy, offer by offer.

    Returns
    -------
    DataFrame
        One row per ``offer`` that the other policy wants and one for ``all``: ``wanted`` (share of decisions),
        ``logged`` (decisions in the log), ``matching`` (of them those the other policy would make), ``effective``
        (Kish's effective number (Σw)² / Σw²), ``largest`` (weight), ``clipped`` (decisions whose weight was cut).

    Examples
    --------
    >>> log = pd.DataFrame({"customer_id": range(4), "offer": ["a", "a", "b", "b"], "propensity": 0.5})
    >>> test = OfflineTest(log, np.zeros(4), pd.DataFrame({"a": np.ones(4)}))
    >>> overlap(test).set_index("offer").loc["a", ["wanted", "matching", "effective"]].tolist()
    [1.0, 2.0, 2.0]
    """
    full, cut = test.weights(), test.weights(most)
    offers = test.log["offer"].astype(object).to_numpy()
    rows = []
    for offer in ["all", *(str(name) for name in test.target if test.target[name].sum() > 0)]:
        there = np.full(len(offers), True) if offer == "all" else offers == offer
        weight = cut[there]
        square = float((weight**2).sum())
        rows.append(
            {
                "offer": offer,
                "wanted": 1.0 if offer == "all" else float(test.target[offer].mean()),
                "logged": float(there.sum()),
                "matching": float((weight > 0).sum()),
                "effective": float(weight.sum() ** 2 / square) if square else 0.0,
                "largest": float(weight.max(initial=0.0)),
                "clipped": float((full[there] > weight).sum()),
            }
        )
    return pd.DataFrame(rows)


def offline_value(
    test: OfflineTest,
    *,
    predicted: pd.DataFrame | None = None,
    most_weight: float | None = None,
    level: float = 0.95,
) -> list[OfflineValue]:
    """Value of the other policy by three estimators, each beside the policy that ran.

    Parameters
    ----------
    test : OfflineTest
    predicted : DataFrame, optional
        Outcome of each decision under each offer (columns of ``test.target``), from a model that did not learn
        from that decision; `predicted_outcomes` without it.
    most_weight : float, optional
        Larger weights are cut to it. That lowers the noise and biases IPS; the overlap report tells how many.
    level : float
        Of the intervals.

    Returns
    -------
    list of OfflineValue
        ``ips`` (inverse propensity), ``snips`` (self-normalised), ``dr`` (doubly robust), per decision in the
        unit of the outcome.

    Raises
    ------
    NotEnoughData
        The log is deterministic, never tried what the other policy wants, or says too little about it.

    Notes
    -----
    With weights w and outcome y: IPS = mean(w y); SNIPS = Σ w y / Σ w; DR = mean(Σₐ π(a|x) q(x, a) +
    w (y − q(x, a_logged))). Intervals are those of the mean of each decision's push, summed by customer.

    References
    ----------
    Horvitz, D., Thompson, D. (1952), JASA 47. Swaminathan, A., Joachims, T. (2015). The self-normalized estimator
    for counterfactual learning. NeurIPS. Dudík, M., Langford, J., Li, L. (2011). Doubly robust policy evaluation
    and learning. ICML, equation 2. Kish, L. (1965). Survey sampling, section 8.2.

    Examples
    --------
    >>> draw = np.arange(400) % 2
    >>> log = pd.DataFrame({"customer_id": range(400), "offer": np.where(draw, "call", "leave_alone")})
    >>> log["propensity"] = 0.5
    >>> calling = pd.DataFrame({"call": np.ones(400), "leave_alone": np.zeros(400)})
    >>> found = offline_value(OfflineTest(log, 3.0 + 2.0 * draw, calling))
    >>> [(v.estimator, round(v.value, 6), round(v.gain, 6)) for v in found][1:]
    [('snips', 5.0, 1.0), ('dr', 5.0, 1.0)]
    """
    refuse(test, most_weight)
    weight, y = test.weights(most_weight), test.outcome
    q = predicted_outcomes(test) if predicted is None else predicted
    table = q[test.target.columns].to_numpy(np.float64)
    place = test.target.columns.get_indexer(pd.Index(test.log["offer"].astype(object)))
    own = np.where(place >= 0, table[np.arange(len(y)), place], 0.0)
    direct = (test.target.to_numpy(np.float64) * table).sum(axis=1)
    snips = float((weight * y).sum() / weight.sum())
    pushes = {
        "ips": (float((weight * y).mean()), weight * y),
        "snips": (snips, snips + weight * (y - snips) / weight.mean()),
        "dr": (float((direct + weight * (y - own)).mean()), direct + weight * (y - own)),
    }
    return [_bounded(test, name, value, push, level) for name, (value, push) in pushes.items()]


def refuse(test: OfflineTest, most_weight: float | None = None) -> None:
    """Refuse a log that cannot tell.

    Raises
    ------
    NotEnoughData
    """
    chances = test.log["propensity"].to_numpy(np.float64)
    if (chances >= 1).all():
        raise NotEnoughData(
            f"offline test: all {len(chances):,} decisions of the log were made with certainty, so it holds no "
            f"comparison; another policy cannot be told from it. {_WHAT_TO_DO}"
        )
    report = overlap(test, most=most_weight)
    unseen = report[(report["logged"] == 0) & (report["offer"] != "all")]
    if len(unseen):
        shares = ", ".join(f"{row.offer} ({row.wanted:.0%} of customers)" for row in unseen.itertuples())
        raise NotEnoughData(f"offline test: the log never made the offers {shares}. {_WHAT_TO_DO}")
    weight = test.weights()
    reach = 2 * weight.std() / np.sqrt(len(weight))
    if weight.mean() + reach < _COVERED:
        raise NotEnoughData(
            f"offline test: for about {1 - weight.mean():.0%} of the customers the log never tried what this "
            f"policy wants; nothing is known of what they would do. {_WHAT_TO_DO}"
        )
    effective = float(report.loc[report["offer"] == "all", "effective"].iloc[0])
    if effective < MIN_EFFECTIVE:
        raise NotEnoughData(
            f"offline test: the log is worth {effective:.0f} decisions about this policy (effective number), "
            f"{MIN_EFFECTIVE:.0f} are needed. {_WHAT_TO_DO}"
        )


def _bounded(test: OfflineTest, name: str, value: float, push: Numbers, level: float) -> OfflineValue:
    ran = float(test.outcome.mean())
    clusters = test.log["customer_id"]
    reach = _reach(push, clusters, level)
    apart = _reach(push - test.outcome, clusters, level)
    gain = value - ran
    return OfflineValue(name, value, value - reach, value + reach, gain, gain - apart, gain + apart)


def _reach(push: Numbers, customers: pd.Series, level: float) -> float:
    """Half the width of an interval of a mean, its rows summed by customer."""
    sums = pd.Series(push - push.mean()).groupby(customers.to_numpy()).sum().to_numpy(np.float64)
    count = len(sums)
    error = np.sqrt((sums**2).sum() * count / max(1, count - 1)) / len(push)
    return float(error * stats.t.ppf(0.5 + level / 2, max(1, count - 1)))


def predicted_outcomes(test: OfflineTest) -> pd.DataFrame:
    """Outcome of each decision under each offer by a ridge regression that did not see that customer.

    Returns
    -------
    DataFrame
        Rows as the log, columns as ``test.target``.

    Notes
    -----
    Per offer one regression on the standardised covariates, shrunk towards the mean of all decisions with the
    offer; customers are dealt into five folds in the order of their appearance, and each fold is predicted from
    the other four. An offer that the others lack gets the mean of all.
    """
    x = _standard(test.covariates, len(test.log))
    fold = pd.factorize(test.log["customer_id"])[0] % _FOLDS
    offers = test.log["offer"].astype(object).to_numpy()
    found = np.empty((len(offers), len(test.target.columns)))
    for part in range(_FOLDS):
        inside, outside = fold == part, fold != part
        mean = float(test.outcome[outside].mean()) if outside.any() else float(test.outcome.mean())
        for place, offer in enumerate(test.target.columns):
            rows = outside & (offers == offer)
            found[inside, place] = _ridge(x[rows], test.outcome[rows], x[inside], mean)
    return pd.DataFrame(found, index=test.target.index, columns=test.target.columns)


def _standard(covariates: pd.DataFrame | None, rows: int) -> Numbers:
    if covariates is None:
        return np.empty((rows, 0))
    x = covariates.to_numpy(dtype="float64", na_value=np.nan)
    x = x[:, ~np.isnan(x).all(axis=0)]
    x = np.where(np.isnan(x), np.nanmean(x, axis=0) if x.shape[1] else x, x)
    spread = x.std(axis=0)
    kept = spread > 0
    return (x[:, kept] - x[:, kept].mean(axis=0)) / spread[kept]


def _ridge(x: Numbers, y: Numbers, new: Numbers, mean: float) -> Numbers:
    if not len(y):
        return np.full(len(new), mean)
    centre, level = x.mean(axis=0), float(y.mean())
    inner = (x - centre).T @ (x - centre) + _RIDGE * np.eye(x.shape[1])
    slope = np.linalg.solve(inner, (x - centre).T @ (y - level))
    found: Numbers = level + (new - centre) @ slope
    return found
