"""Who brought whom."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from retain.shop.arrays import Ints
from retain.shop.customers import ACQUISITION, Traits
from retain.shop.hidden import Hidden

__all__ = ["acquisition_found", "draw_referrals", "referrals_table"]

_REFERRAL, _SEARCH = ACQUISITION.index("referral"), ACQUISITION.index("search")


def draw_referrals(hidden: Hidden) -> Ints:
    """Row of the customer who brought each customer; −1 for none.

    Each referred newcomer is matched with two earlier customers at random; the more satisfied one is the
    sender, if still a customer then.
    """
    rng, traits, life = hidden.rng("referrals"), hidden.traits, hidden.life
    by_birth = np.argsort(traits.born, kind="stable")
    rank = np.empty(len(by_birth), np.int64)
    rank[by_birth] = np.arange(len(by_birth))
    drawn = by_birth[np.floor(rng.random((2, len(rank))) * rank).astype(np.int64)]
    happier = traits.satisfaction[drawn[0]] >= traits.satisfaction[drawn[1]]
    sender = np.where(happier, drawn[0], drawn[1])
    there = (traits.born[sender] < traits.born) & (life.died[sender] > traits.born)
    return np.where((traits.acquisition == _REFERRAL) & there, sender, -1)


def acquisition_found(traits: Traits, sender: Ints) -> Ints:
    """Channel of acquisition: who came as referred but has no sender came by search."""
    return np.where((traits.acquisition == _REFERRAL) & (sender < 0), _SEARCH, traits.acquisition)


def referrals_table(hidden: Hidden, sender: Ints) -> pa.Table:
    """The referrals table: sender, time of the newcomer's first order, newcomer."""
    traits = hidden.traits
    referred = np.flatnonzero(sender >= 0)
    referred = referred[np.argsort(traits.born[referred], kind="stable")]
    return pa.table(
        {
            "customer_id": traits.ids.take(pa.array(sender[referred])),
            "time": pa.array(hidden.clock.times(traits.born[referred])),
            "referred_id": traits.ids.take(pa.array(referred)),
        }
    )
