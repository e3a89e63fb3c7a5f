"""BG/NBD: purchases while alive are Poisson, dropout may follow each repeat purchase."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from training.models.beta_geometric import BetaGeometric

__all__ = ["BgNbd"]


@dataclass(frozen=True)
class BgNbd(BetaGeometric):
    """The beta-geometric / negative-binomial model of a customer base.

    Parameters
    ----------
    r, alpha : shape and rate of the gamma distribution of purchase rates, > 0; alpha in units of time
    a, b : of the beta distribution of dropout probabilities, > 0

    Notes
    -----
    1. While alive, purchases follow a Poisson process with rate λ.
    2. λ ~ Gamma(r, α) across customers.
    3. After each repeat purchase a customer stops for good with probability p.
    4. p ~ Beta(a, b) across customers, independent of λ.

    Nobody can stop before the first repeat purchase: P(alive) of every one-time buyer is 1, whatever
    time has passed. Rank by ``p_order_within``, never by ``p_alive``.

    References
    ----------
    Fader, Hardie & Lee (2005), "Counting your customers" the easy way: an alternative to the
    Pareto/NBD model. Marketing Science 24(2), 275-284; likelihood in equation 6, forecast in equation 10.

    Examples
    --------
    >>> model = BgNbd(r=0.243, alpha=4.414, a=0.793, b=2.426)
    >>> model.expected_orders([2], [30.43], [38.86], horizon_days=39).round(3)
    array([1.226])
    >>> model.p_order_within([2, 0], [30.43, 0], [38.86, 38.86], horizon_days=39).round(3)
    array([0.555, 0.145])
    """

    name: ClassVar[str] = "bg_nbd"
    chances_at_first: ClassVar[int] = 0
