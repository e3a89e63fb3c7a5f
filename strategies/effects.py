"""What an offer changes: assumed by the catalogue until measured, then the two weighed by what each knows.

The effect of an offer is the share of the value at stake that it saves, in [−1, 1]; below zero it wakes sleeping
dogs. Every number says whether it is ``assumed`` or ``measured``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
from scipy.stats import beta, norm

from features.errors import InputError
from strategies.columns import require
from strategies.settings import OfferSettings

__all__ = [
    "BELIEF_COLUMNS",
    "Effect",
    "Estimate",
    "assumed_effect",
    "believed_effects",
    "kept_estimate",
    "margin_estimate",
    "response_rate",
    "shrink",
    "spread_between",
]

BELIEF_COLUMNS = (
    "offer",
    "effect",
    "effect_low",
    "effect_high",
    "effect_source",
    "campaigns",
    "weight",
    "stop",
)
_RESULTS = ("offer", "effect", "error")
_LEVEL = 0.95


@dataclass(frozen=True)
class Estimate:
    """What one randomised campaign says of an offer: share of the value at stake saved, and its standard error."""

    value: float
    error: float

    def __post_init__(self) -> None:
        if not (np.isfinite(self.value) and np.isfinite(self.error) and self.error > 0):
            raise InputError(
                f"effects: a result needs an effect and an error above 0, this one has {self.value:g} and {self.error:g}"
            )


@dataclass(frozen=True)
class Effect:
    """What is believed of an offer.

    Parameters
    ----------
    offer : str
    mean, low, high : float
        Share of the value at stake saved, and its 95 % interval, in [−1, 1].
    source : {"assumed", "measured"}
    campaigns : int
        Randomised results behind it.
    weight : float
        Share of the belief that comes from results, in [0, 1].
    """

    offer: str
    mean: float
    low: float
    high: float
    source: Literal["assumed", "measured"]
    campaigns: int = 0
    weight: float = 0.0

    @property
    def stop(self) -> bool:
        """Whether it was measured to do harm: the whole interval lies below zero."""
        return self.source == "measured" and self.high < 0


def assumed_effect(offer: str, settings: OfferSettings) -> Effect:
    """What the catalogue assumes, before any result.

    Parameters
    ----------
    offer : str
    settings : OfferSettings
        ``assumed_effect`` in [−1, 1]; ``strength`` above 0: in how many customers' worth of results it is believed.

    Returns
    -------
    Effect

    Notes
    -----
    e ~ N(m₀, 1 / n₀), m₀ the assumed effect and n₀ the strength: one customer whose effect could lie anywhere in
    [−1, 1] tells about it with an error of 1, and n₀ such customers with 1/√n₀. The interval is kept in [−1, 1].

    Examples
    --------
    >>> effect = assumed_effect("call", OfferSettings(channel="phone", cost=4, assumed_effect=0.2, strength=100))
    >>> effect.mean, round(effect.low, 3), round(effect.high, 3), effect.source
    (0.2, 0.004, 0.396, 'assumed')
    """
    return shrink(offer, settings, ())


def shrink(offer: str, settings: OfferSettings, results: Sequence[Estimate]) -> Effect:
    """The assumption drawn towards what randomised campaigns showed.

    Parameters
    ----------
    offer : str
    settings : OfferSettings
    results : sequence of Estimate
        One per campaign; treated and hold-out drawn by chance.

    Returns
    -------
    Effect
        ``measured`` as soon as there is a result.

    Notes
    -----
    Conjugate normal (Gelman et al. 2013, section 2.5). With prior N(m₀, 1/n₀) and results e_j of error s_j::

        w_j = 1 / (s_j² + τ²)
        mean = (n₀ m₀ + Σ w_j e_j) / (n₀ + Σ w_j),   variance = 1 / (n₀ + Σ w_j)

    τ² is how much the effect itself moved between campaigns beyond chance, see `spread_between`. The more is
    measured, the less the assumption counts.

    Examples
    --------
    Assumed 0.2 with strength 100; one campaign showed 0.0 with error 0.05, which is worth 400 customers:

    >>> call = OfferSettings(channel="phone", cost=4, assumed_effect=0.2, strength=100)
    >>> effect = shrink("call", call, [Estimate(0.0, 0.05)])
    >>> round(effect.mean, 3), round(effect.weight, 3), effect.source
    (0.04, 0.8, 'measured')
    """
    between = spread_between(results)
    known = sum(1 / (result.error**2 + between) for result in results)
    told = sum(result.value / (result.error**2 + between) for result in results)
    total = settings.strength + known
    mean = (settings.strength * settings.assumed_effect + told) / total
    reach = float(norm.ppf(0.5 + _LEVEL / 2)) / total**0.5
    return Effect(
        offer,
        _kept_in(mean),
        _kept_in(mean - reach),
        _kept_in(mean + reach),
        "measured" if results else "assumed",
        len(results),
        known / total,
    )


def spread_between(results: Sequence[Estimate]) -> float:
    """τ²: variance of the true effects between campaigns, 0 for one campaign.

    Notes
    -----
    DerSimonian & Laird (1986): with v_j = 1/s_j² and the pooled mean ē, Q = Σ v_j (e_j − ē)², and
    τ² = max(0, (Q − (J − 1)) / (Σ v_j − Σ v_j² / Σ v_j)).

    Examples
    --------
    Effects of 0.0 and 0.4, each with error 0.1: Q = 100 · 0.2² · 2 = 8, τ² = (8 − 1) / (200 − 100) = 0.07.

    >>> round(spread_between([Estimate(0.0, 0.1), Estimate(0.4, 0.1)]), 6)
    0.07
    """
    if len(results) < 2:
        return 0.0
    value = np.array([result.value for result in results])
    v = np.array([result.error for result in results]) ** -2.0
    pooled = (v @ value) / v.sum()
    q = float(v @ (value - pooled) ** 2)
    return max(0.0, (q - (len(results) - 1)) / float(v.sum() - (v @ v) / v.sum()))


def kept_estimate(treated: int, kept_treated: int, held_out: int, kept_held_out: int) -> Estimate:
    """Effect from counts of customers kept.

    Parameters
    ----------
    treated, kept_treated : int
        Customers drawn to get the offer (reached or not), and those of them who stayed.
    held_out, kept_held_out : int
        The same of the hold-out.

    Returns
    -------
    Estimate

    Raises
    ------
    InputError
        An arm is empty, or more were kept than there were.

    Notes
    -----
    With L = (left + ½) / (n + 1) of each arm, e = 1 − L_t / L_h: the share of those who would have left that the
    offer saved. By the delta method, with V = L (1 − L) / n: error² = (V_t + (L_t / L_h)² V_h) / L_h².

    Examples
    --------
    Of 999 treated 250 left, of 999 held out 500 did: L = 0.2505 and 0.5005, about half of the leavers were saved.

    >>> found = kept_estimate(999, 749, 999, 499)
    >>> round(found.value, 4), round(found.error, 4)
    (0.4995, 0.0316)
    """
    for arm, n, kept in (("treated", treated, kept_treated), ("held out", held_out, kept_held_out)):
        if n < 1 or not 0 <= kept <= n:
            raise InputError(
                f"effects: {kept} kept of {n} {arm}; both arms need customers, and at most all are kept"
            )
    left_t = (treated - kept_treated + 0.5) / (treated + 1)
    left_h = (held_out - kept_held_out + 0.5) / (held_out + 1)
    ratio = left_t / left_h
    noise_t, noise_h = left_t * (1 - left_t) / treated, left_h * (1 - left_h) / held_out
    return Estimate(1 - ratio, float(np.sqrt(noise_t + ratio**2 * noise_h) / left_h))


def margin_estimate(difference: float, error: float, stake: float) -> Estimate:
    """Effect from money: incremental margin per customer as a share of the value at stake.

    Parameters
    ----------
    difference : float
        Margin per treated less margin per held-out customer, currency, before the cost of the offer.
    error : float
        Its standard error, currency.
    stake : float
        Mean value at stake of these customers when the offer was decided, currency, above 0.

    Returns
    -------
    Estimate

    Raises
    ------
    InputError
        Nothing was at stake.

    Notes
    -----
    e = difference / stake, error likewise; the stake was known before and carries no error.

    Examples
    --------
    >>> margin_estimate(6.0, 1.5, 30.0)
    Estimate(value=0.2, error=0.05)
    """
    if not stake > 0:
        raise InputError(f"effects: the mean value at stake is {stake:g}; a share of it needs more than 0")
    return Estimate(difference / stake, error / stake)


def response_rate(assumed: float, strength: float, accepted: int, reached: int) -> tuple[float, float, float]:
    """Share of the reached who accept: mean and 95 % interval.

    Parameters
    ----------
    assumed : float
        In (0, 1).
    strength : float
        Above 0, in customers reached.
    accepted, reached : int

    Returns
    -------
    tuple of three floats
        In [0, 1].

    Raises
    ------
    InputError
        More accepted than were reached, or the assumption is no share.

    Notes
    -----
    Beta–binomial: Beta(a, b) with a = assumed · strength + accepted, b = (1 − assumed) · strength + reached −
    accepted; mean a / (a + b) (Gelman et al. 2013, section 2.4). Accepting is no effect: many who accept would have
    stayed anyway.

    Examples
    --------
    Assumed 10 % as if 20 had been asked; 8 of 20 accepted: Beta(10, 30).

    >>> [round(share, 3) for share in response_rate(0.1, 20, 8, 20)]
    [0.25, 0.13, 0.393]
    """
    if not (0 < assumed < 1 and strength > 0 and 0 <= accepted <= reached):
        raise InputError(
            f"response rate: {accepted} accepted of {reached}, assumed {assumed:g} with strength {strength:g}; the "
            "assumption must lie in (0, 1), its strength above 0, and at most all accept"
        )
    a, b = assumed * strength + accepted, (1 - assumed) * strength + reached - accepted
    low, high = beta.ppf([0.5 - _LEVEL / 2, 0.5 + _LEVEL / 2], a, b)
    return a / (a + b), float(low), float(high)


def believed_effects(
    offers: Mapping[str, OfferSettings], results: pd.DataFrame | None = None
) -> pd.DataFrame:
    """What is believed of every offer of a catalogue.

    Parameters
    ----------
    offers : mapping of code to OfferSettings
    results : DataFrame, optional
        A row per offer and randomised campaign: ``offer``, ``effect`` (share of the value at stake), ``error``.

    Returns
    -------
    DataFrame
        A row per offer in the order of the catalogue: ``offer, effect, effect_low, effect_high, effect_source,
        campaigns, weight, stop``.

    Raises
    ------
    InputError
        A column is missing, or a result belongs to an offer the catalogue does not have.

    Examples
    --------
    >>> catalogue = {"call": OfferSettings(channel="phone", cost=4, assumed_effect=0.2),
    ...              "mail": OfferSettings(channel="email", cost=0.1, assumed_effect=0.05)}
    >>> found = believed_effects(catalogue, pd.DataFrame({"offer": ["call"], "effect": [-0.4], "error": [0.05]}))
    >>> found[["offer", "effect", "effect_source", "stop"]].round(2).values.tolist()
    [['call', -0.28, 'measured', True], ['mail', 0.05, 'assumed', False]]
    """
    by_offer: dict[str, list[Estimate]] = {offer: [] for offer in offers}
    if results is not None:
        require(results, _RESULTS, step="effects")
        strangers = sorted(set(results["offer"]) - set(offers))
        if strangers:
            raise InputError(
                f"effects: results of {len(strangers)} offer(s) that the catalogue does not have, such as "
                f"{strangers[0]!r}; put them back into the catalogue or leave their results out"
            )
        for offer, value, error in results[list(_RESULTS)].itertuples(index=False):
            by_offer[offer].append(Estimate(float(value), float(error)))
    beliefs = [shrink(offer, settings, by_offer[offer]) for offer, settings in offers.items()]
    rows = [(b.offer, b.mean, b.low, b.high, b.source, b.campaigns, b.weight, b.stop) for b in beliefs]
    return pd.DataFrame(rows, columns=list(BELIEF_COLUMNS))


def _kept_in(value: float) -> float:
    return float(np.clip(value, -1.0, 1.0))
