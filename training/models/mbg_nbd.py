"""MBG/NBD: as BG/NBD, but a customer may already stop after the first purchase."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from training.models.beta_geometric import BetaGeometric

__all__ = ["MbgNbd"]


@dataclass(frozen=True)
class MbgNbd(BetaGeometric):
    """The modified beta-geometric / negative-binomial model of a customer base.

    Parameters
    ----------
    r, alpha : shape and rate of the gamma distribution of purchase rates, > 0; alpha in units of time
    a, b : of the beta distribution of dropout probabilities, > 0

    Notes
    -----
    The assumptions of BG/NBD, with one more chance to stop, right after the first purchase. With
    B the beta function::

        L = Γ(r+x) α^r / (Γ(r) B(a,b)) · [ B(a, b+x+1)/(α+T)^(r+x) + B(a+1, b+x)/(α+t_x)^(r+x) ]
        P(alive) = 1 / (1 + a/(b+x) · ((α+T)/(α+t_x))^(r+x))
        P(order within h) = P(alive) · (1 − ((α+T)/(α+T+h))^(r+x))

    One-time buyers fade with time here, which suits shops where most customers come once.

    References
    ----------
    Batislam, Denizel & Filiztekin (2007), Empirical validation and comparison of models for customer base
    analysis. International Journal of Research in Marketing 24(3), 201-209.
    Hoppe & Wagner (2007), Customer base analysis: the case for a central variant of the
    Betageometric/NBD model. Marketing JRM 3(2), 75-90.

    Examples
    --------
    >>> model = MbgNbd(r=0.525, alpha=6.183, a=0.891, b=1.614)
    >>> model.p_alive([0, 0], [0, 0], [4, 40]).round(3)
    array([0.582, 0.387])
    """

    name: ClassVar[str] = "mbg_nbd"
    chances_at_first: ClassVar[int] = 1
