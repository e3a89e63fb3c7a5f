"""Arms: every run is an experiment. Who is held out, who explores, and with which probability.

A hold-out shows what happens without any offer; a little exploration shows what the offers not chosen would
have done. Both are drawn from a seed, and the probability with which each customer got exactly what he got is
written beside it, so that a later analysis can weigh the rows.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from pydantic import BaseModel, ConfigDict, Field, model_validator

from features.errors import InputError
from strategies.offer_problem import LEAVE_ALONE, Floats, Limits, Whole, limit_rows

__all__ = ["ARMS", "ArmSettings", "Menu", "customer_keys", "decision_ids", "draw_arms", "offer_chances"]

ARMS = ("treat", "hold_out", "explore")
_STEP = "arms"


class ArmSettings(BaseModel):
    """Shares of the customers held out and exploring; the rest get what the policy chose.

    ``hold_out`` is the share left alone to show what happens without an offer. ``explore`` is the share given
    something else than chosen, drawn evenly from the other eligible offers and leaving alone.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    hold_out: float = Field(default=0.10, ge=0, lt=1)
    explore: float = Field(default=0.02, ge=0, lt=1)

    @model_validator(mode="after")
    def _most_get_what_was_chosen(self) -> ArmSettings:
        if self.hold_out + self.explore >= 1:
            raise ValueError(
                f"hold_out ({self.hold_out:g}) and explore ({self.explore:g}) leave nobody to treat"
            )
        return self


@dataclass(frozen=True)
class Menu:
    """What the offers cost and use up, as `strategies.allocation.allocate` takes it.

    Parameters
    ----------
    cost : array (k,) or (n, k)
        Money, 0 or more.
    channel : sequence of str (k)
        Through which channel each offer goes.
    limits : Limits
        Of the run.
    offers : sequence of str (k), optional
        What the limits call the offers.
    """

    cost: ArrayLike
    channel: Sequence[str]
    limits: Limits
    offers: Sequence[str] | None = None


def customer_keys(customer_id: Sequence[object] | pd.Series, seed: int | str) -> NDArray[np.uint64]:
    """A number per customer that looks random, depends on the id and the seed only, and is the same anywhere.

    Parameters
    ----------
    customer_id : sequence
        Ids; their text is hashed.
    seed : int or str
        Of the run.

    Returns
    -------
    array (n,) of uint64
        The first 8 bytes of BLAKE2b keyed with the seed, as a little-endian number.

    Examples
    --------
    >>> a, b = customer_keys(["c1", "c2"], seed=7), customer_keys(["c2", "c1"], seed=7)
    >>> bool((a == b[::-1]).all()), bool((a == customer_keys(["c1", "c2"], seed=8)).any())
    (True, False)
    """
    start = blake2b(digest_size=8, key=blake2b(str(seed).encode(), digest_size=32).digest())
    return np.frombuffer(b"".join(_digests(start, customer_id)), dtype="<u8").astype(np.uint64)


def decision_ids(
    run_id: str, customer_ids: Sequence[object] | pd.Series, policy_version: str
) -> NDArray[np.object_]:
    """One id per decision: 32 hexadecimal digits of a hash of run, customer and policy.

    Examples
    --------
    >>> decision_ids("2026-11-01", ["c1"], "a41f").tolist()
    ['2d3bce8a2be70902c623f9800da22aa8']
    """
    start = blake2b(digest_size=16)
    for part in (run_id, policy_version):
        # The length stands before the text, so that no two pairs read the same.
        start.update(f"{len(part.encode())}:{part}".encode())
    return np.array([digest.hex() for digest in _digests(start, customer_ids)], dtype=object)


def _digests(start: blake2b, values: Sequence[object] | pd.Series) -> list[bytes]:
    found = []
    for value in values:
        each = start.copy()
        each.update(str(value).encode())
        found.append(each.digest())
    return found


def draw_arms(
    customer_id: Sequence[object] | pd.Series,
    strata: ArrayLike | pd.Series,
    chosen: ArrayLike,
    eligible: ArrayLike,
    settings: ArmSettings,
    *,
    seed: int | str,
    menu: Menu | None = None,
) -> pd.DataFrame:
    """Draw the arm of every customer, and what he gets under it.

    Parameters
    ----------
    customer_id : sequence (n)
        Distinct ids.
    strata : column (n)
        The hold-out is spread evenly over these labels crossed with the chosen offer, such as value class.
    chosen : array (n,) of int
        What the policy chose: column of the offer, −1 for leave alone.
    eligible : array (n, k) of bool
        Who may get what; a chosen offer must be eligible.
    settings : ArmSettings
        Shares.
    seed : int or str
        Of the run.
    menu : Menu, optional
        Costs and limits that must still hold after the draw; without it nothing limits exploration.

    Returns
    -------
    DataFrame
        In the order of `customer_id`: ``arm`` (treat, hold_out, explore), ``offer`` (int, −1 for leave alone)
        and ``propensity``, the probability in (0, 1] that this customer got this offer under the whole draw.

    Raises
    ------
    InputError
        When ids repeat, lengths differ or a chosen offer is not eligible.

    Notes
    -----
    See `offer_chances` for the probabilities. Customers stand in the order of chosen offer, stratum and keyed
    hash. A systematic draw walks along them: with chances p and one start u, those are drawn at whom
    floor(u + Σp) moves on. Each is drawn with probability exactly p, and any stretch of the line, so each
    stratum and each chosen offer, holds its share of the hold-out to within one customer. Exploration is
    drawn for one option after the other among those not drawn before, with p/(1 − chances of the earlier
    draws), which makes the chance of every option exactly what `offer_chances` says.

    Where an offer, a channel or the money is nearly used up, exploration into it is thinned beforehand, for
    all seeds alike, such that even the largest possible draw fits into what the limits leave and the hold-out
    surely sets free. So no limit can be broken and the propensities stay exact.

    References
    ----------
    Madow (1949), On the theory of systematic sampling II. Horvitz & Thompson (1952), section 5.

    Examples
    --------
    >>> people = pd.DataFrame({"customer_id": range(100), "value_class": "gold"})
    >>> arms = draw_arms(people["customer_id"], people["value_class"], np.zeros(100, int), np.ones((100, 1), bool),
    ...     ArmSettings(hold_out=0.2, explore=0.0), seed=1)
    >>> arms.groupby("arm")[["offer", "propensity"]].agg(["first", "size"]).values.tolist()
    [[-1.0, 20.0, 0.2, 20.0], [0.0, 80.0, 0.8, 80.0]]
    """
    offer, may = _checked(customer_id, strata, chosen, eligible)
    n, k = may.shape
    chances = offer_chances(offer, may, settings, menu=menu)
    explored = _exploration(offer, may, settings, menu)
    labels = pd.factorize(pd.Series(np.asarray(strata)), sort=True)[0]
    line = np.lexsort((customer_keys(customer_id, f"arm {seed}"), labels, offer))
    arm, given = np.zeros(n, dtype=np.int64), offer.copy()
    left = line[~_systematic(np.full(n, settings.hold_out), f"{seed} hold-out")]
    held = np.ones(n, dtype=bool)
    held[left] = False
    arm[held], given[held] = 1, LEAVE_ALONE
    spoken_for = np.full(n, settings.hold_out)
    for option in range(-1, k):
        p = explored[:, option + 1]
        drawn = _systematic((p / (1 - spoken_for))[left], f"{seed} explore {option}")
        arm[left[drawn]], given[left[drawn]] = 2, option
        left, spoken_for = left[~drawn], spoken_for + p
    propensity = chances[np.arange(n), given + 1]
    return pd.DataFrame({"arm": np.array(ARMS, dtype=object)[arm], "offer": given, "propensity": propensity})


def offer_chances(
    chosen: ArrayLike,
    eligible: ArrayLike,
    settings: ArmSettings,
    *,
    menu: Menu | None = None,
) -> Floats:
    """Probability of leave alone (column 0) and of each offer under the whole draw; rows sum to 1.

    Parameters
    ----------
    chosen, eligible, settings, menu
        As in `draw_arms`.

    Returns
    -------
    array (n, 1 + k)
        With h held out, e exploring, m options a customer may get beside the chosen one, and f_a ≤ 1 the
        share of the exploration into option a that fits the limits:
        P(a) = h·1[a is leave alone] + e·f_a/m for a not chosen; the chosen one has the rest.

    Examples
    --------
    Two offers, the first chosen: 10 % hold-out, and 1 % each for the two other options.

    >>> offer_chances([0], [[True, True]], ArmSettings()).round(3).tolist()
    [[0.11, 0.88, 0.01]]
    """
    offer, may = np.asarray(chosen, dtype=np.int64), np.asarray(eligible, dtype=bool)
    explored = _exploration(offer, may, settings, menu)
    chances = explored.copy()
    chances[:, 0] += settings.hold_out
    chances[np.arange(len(offer)), offer + 1] += 1 - settings.hold_out - explored.sum(axis=1)
    return chances


def _exploration(chosen: Whole, may: NDArray[np.bool_], settings: ArmSettings, menu: Menu | None) -> Floats:
    """Chance to explore into leave alone (column 0) and each offer; 0 for the chosen one."""
    others = np.column_stack([np.ones(len(may), dtype=bool), may])
    others[np.arange(len(chosen)), chosen + 1] = False
    options = others.sum(axis=1, keepdims=True)
    chance = np.where(others, settings.explore / np.maximum(options, 1), 0.0)
    if menu is not None:
        chance[:, 1:] *= _share_that_fits(chosen, chance[:, 1:], settings, menu)
    return chance


def _share_that_fits(chosen: Whole, chance: Floats, settings: ArmSettings, menu: Menu) -> Floats:
    """For each offer, the share of its exploration that no limit can object to, whatever is drawn."""
    k = chance.shape[1]
    cost = np.asarray(menu.cost, dtype=np.float64)
    given = np.flatnonzero(chosen >= 0)
    paid = cost[chosen[given]] if cost.ndim == 1 else cost[given, chosen[given]]
    cheapest = np.full(k, np.inf)
    np.minimum.at(cheapest, chosen[given], paid)
    counts = np.bincount(chosen[given], minlength=k)
    held = np.floor(np.maximum(counts * settings.hold_out - 1e-6, 0.0))
    names = [str(o) for o in (range(k) if menu.offers is None else menu.offers)]
    need, left, _ = limit_rows(menu.limits, [str(c) for c in menu.channel], names)
    left[1:] -= need[1:] @ (counts - held)
    left[0] -= math.fsum(paid) - (held * np.where(counts > 0, cheapest, 0.0)).sum()
    need[0] = cost if cost.ndim == 1 else cost.max(axis=0, initial=0.0, where=chance > 0)
    # Chances among those not drawn before are raised by at most this much, and every draw may round up once.
    most = chance.sum(axis=0) / (1 - settings.hold_out - settings.explore)
    wanted = need @ most
    room = np.where(np.isfinite(left), left * (1 - 1e-9) - need @ (most > 0), np.inf)
    share = np.divide(np.clip(room, 0.0, wanted), wanted, out=np.ones_like(room), where=wanted > 0)
    return np.where(need > 0, share[:, None], 1.0).min(axis=0)


def _systematic(chance: Floats, name: str) -> NDArray[np.bool_]:
    """Each drawn with exactly his chance, and any stretch of the line to within one of its sum."""
    start = int.from_bytes(blake2b(name.encode(), digest_size=8).digest(), "little") / 2.0**64
    return np.diff(np.floor(np.cumsum(chance) + start), prepend=0.0) > 0


def _checked(
    customer_id: Sequence[object] | pd.Series,
    strata: ArrayLike | pd.Series,
    chosen: ArrayLike,
    eligible: ArrayLike,
) -> tuple[Whole, NDArray[np.bool_]]:
    offer, may = np.asarray(chosen, dtype=np.int64), np.asarray(eligible, dtype=bool)
    n = len(customer_id)
    if may.ndim != 2 or {len(np.asarray(strata)), len(offer), len(may)} != {n}:
        raise InputError(
            f"{_STEP}: {n} customers, but {len(np.asarray(strata))} strata, {len(offer)} chosen offers and "
            f"eligible {may.shape}; give one row each."
        )
    twice = int(pd.Series(customer_id).duplicated().sum())
    if twice:
        raise InputError(f"{_STEP}: {twice} customer id(s) come twice; an arm is drawn once per customer.")
    outside = (offer < LEAVE_ALONE) | (offer >= may.shape[1])
    given = np.flatnonzero((offer >= 0) & ~outside)
    wrong = int(outside.sum()) + int((~may[given, offer[given]]).sum())
    if wrong:
        raise InputError(
            f"{_STEP}: {wrong} of {n} chosen offers are not eligible; choose among the eligible ones or −1."
        )
    return offer, may
