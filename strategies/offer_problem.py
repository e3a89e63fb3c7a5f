"""Who may get what, for how much, within which limits: the table that an allocation works on."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from features.errors import InputError

__all__ = ["LEAVE_ALONE", "Limits", "OfferProblem", "limit_rows"]

LEAVE_ALONE = -1
Floats = NDArray[np.float64]
Whole = NDArray[np.int64]
_STEP = "allocation"


@dataclass(frozen=True)
class Limits:
    """What a run may use up; nothing given means no limit.

    Parameters
    ----------
    budget : float, optional
        Money for all offers together, 0 or more.
    per_channel, per_offer : mapping of name to number
        Most customers reached through a channel, or given an offer; 0 or more, fractions are cut off.
    contacts : float, optional
        Most customers contacted in all.

    Raises
    ------
    InputError
        When a limit is negative or not a number.

    Examples
    --------
    >>> Limits(budget=500.0, per_channel={"phone": 20}).budget
    500.0
    """

    budget: float | None = None
    per_channel: Mapping[str, float] = field(default_factory=dict)
    per_offer: Mapping[str, float] = field(default_factory=dict)
    contacts: float | None = None

    def __post_init__(self) -> None:
        named = {"budget": self.budget, "contacts": self.contacts}
        named |= {f"per_channel {name}": room for name, room in self.per_channel.items()}
        named |= {f"per_offer {name}": room for name, room in self.per_offer.items()}
        wrong = [f"{name} = {room}" for name, room in named.items() if room is not None and not room >= 0]
        if wrong:
            raise InputError(f"{_STEP}: limits are 0 or more, but {', '.join(wrong)}.")


@dataclass(frozen=True)
class OfferProblem:
    """Gains, costs and limits, with customers in the order of their keys.

    Row 0 of the limits is money; the others count customers. Only customers with something to gain are kept,
    and a pair that can never be given (not eligible, no gain, dearer than the whole budget) has gain −inf.

    Attributes
    ----------
    gain : array (k, n)
        Expected net gain in money; above 0 or −inf.
    cost : array (k, 1) or (k, n)
        Money, 0 or more.
    uses : array (m, k)
        1 where an offer takes a place of a limit; row 0 is not used.
    room : array (m,)
        Money, then places; inf where the limit cannot bind.
    names : tuple of (kind, name)
        kind is ``budget``, ``contacts``, ``channel`` or ``offer``.
    rows : array (n,)
        Where each customer stood in the caller's table, and `size`, the length of that table.
    """

    gain: Floats
    cost: Floats
    uses: Floats
    room: Floats
    names: tuple[tuple[str, str], ...]
    rows: Whole
    size: int

    @classmethod
    def of(
        cls,
        gain: ArrayLike,
        cost: ArrayLike,
        *,
        channel: Sequence[str],
        limits: Limits | None = None,
        eligible: ArrayLike | None = None,
        key: ArrayLike | None = None,
        offers: Sequence[str] | None = None,
    ) -> OfferProblem:
        """Check and bring into shape what `allocate` was given; see there for the parameters."""
        gains = np.asarray(gain, dtype=np.float64)
        costs = np.asarray(cost, dtype=np.float64)
        if gains.ndim != 2:
            raise InputError(
                f"{_STEP}: gain has {gains.ndim} dimension(s); give one row per customer and one column per offer."
            )
        n, k = gains.shape
        names = [str(o) for o in (range(k) if offers is None else offers)]
        may = np.ones((n, k), dtype=bool) if eligible is None else np.asarray(eligible, dtype=bool)
        _check_shapes(gains, costs, may, channel=channel, names=names)
        order = np.arange(n) if key is None else np.argsort(_keys(key, n), kind="stable")
        uses, room, kinds = limit_rows(limits or Limits(), [str(c) for c in channel], names)
        may = may & (gains > 0) & np.all((uses == 0) | (room[:, None] >= 1), axis=0) & (costs <= room[0])
        rows = order[may.any(axis=1)[order]] if k else order[:0]
        kept = np.ascontiguousarray(np.where(may, gains, -np.inf)[rows].T)
        by_offer = costs[:, None] if costs.ndim == 1 else np.ascontiguousarray(costs[rows].T)
        return cls(kept, by_offer, uses, room, kinds, rows, n)._without_idle_limits()

    @property
    def offers(self) -> int:
        """How many offers there are, leaving alone not counted."""
        return self.gain.shape[0]

    @property
    def customers(self) -> int:
        """How many customers have something to gain."""
        return self.gain.shape[1]

    def with_budget(self, budget: float) -> OfferProblem:
        """The same with another budget, not above the one the problem was made for."""
        gain = np.where(self.cost <= budget, self.gain, -np.inf)
        room = np.concatenate(([budget], self.room[1:]))
        return replace(self, gain=gain, room=room)._without_idle_limits()

    def at(self, rows: Whole) -> tuple[Floats, Floats]:
        """Gain and cost of some customers, both (k, number of rows) or cost (k, 1)."""
        return self.gain[:, rows], self.cost if self.cost.shape[1] == 1 else self.cost[:, rows]

    def price(self, prices: Floats, cost: Floats) -> Floats:
        """What each offer is charged for the limits it uses, in money; (k, 1) or (k, n)."""
        return prices[0] * cost + (prices @ self.uses)[:, None]

    def best(self, prices: Floats) -> tuple[Floats, Whole]:
        """Highest gain after prices of each customer, 0 for leaving alone, and the offer that has it."""
        best, choice = np.zeros(self.customers), np.full(self.customers, LEAVE_ALONE, dtype=np.int64)
        price = self.price(prices, self.cost)
        for o in range(self.offers):
            score = self.gain[o] - price[o]
            better = score > best
            best[better], choice[better] = score[better], o
        return best, choice

    def bound(self, prices: Floats) -> float:
        """The value of the dual at these prices: no allocation earns more."""
        finite = np.isfinite(self.room)
        return math.fsum(prices[finite] * self.room[finite]) + float(self.best(prices)[0].sum())

    def picked(self, choice: Whole) -> tuple[Floats, Floats]:
        """Gain and cost of what each customer gets, 0 when left alone."""
        given = np.flatnonzero(choice >= 0)
        gain, cost = np.zeros(len(choice)), np.zeros(len(choice))
        gain[given] = self.gain[choice[given], given]
        cost[given] = self.cost[choice[given], given if self.cost.shape[1] != 1 else 0]
        return gain, cost

    def used(self, choice: Whole) -> Floats:
        """Money and places taken."""
        counts = np.bincount(choice[choice >= 0], minlength=self.offers)
        use = self.uses @ counts
        use[0] = self.picked(choice)[1].sum()
        return use

    def fits(self, choice: Whole) -> bool:
        """Whether no limit is broken; money is added up exactly."""
        used = self.used(choice)
        if np.isfinite(self.room[0]):
            used[0] = math.fsum(self.picked(choice)[1])
        return bool(np.all(used <= self.room))

    def _without_idle_limits(self) -> OfferProblem:
        """Limits that hold whatever is chosen are lifted, so that nobody has to price them."""
        wanted = self.gain > 0
        room = self.room.copy()
        if np.where(wanted, self.cost, 0.0).max(axis=0, initial=0.0).sum() <= room[0] * (1 - 1e-9):
            room[0] = np.inf
        for r in range(1, len(room)):
            if np.isfinite(room[r]) and wanted[self.uses[r] > 0].any(axis=0).sum() <= room[r]:
                room[r] = np.inf
        return replace(self, room=room)


def _check_shapes(
    gain: Floats, cost: Floats, may: NDArray[np.bool_], *, channel: Sequence[str], names: Sequence[str]
) -> None:
    n, k = gain.shape
    if cost.shape not in {(k,), (n, k)} or may.shape != (n, k) or len(channel) != k or len(names) != k:
        raise InputError(
            f"{_STEP}: gain is {n} customers × {k} offers, but cost is {cost.shape}, eligible {may.shape}, "
            f"{len(channel)} channel(s) and {len(names)} offer name(s). Cost is one number per offer or per pair."
        )
    if len(set(names)) != k:
        raise InputError(f"{_STEP}: an offer is named twice in {', '.join(names)}.")
    asked = cost if cost.ndim == 1 else cost[may]
    bad = ~(asked >= 0)
    if bad.any():
        raise InputError(
            f"{_STEP}: {int(bad.sum())} cost(s) are negative or missing, e.g. {asked[bad][0]:g}. "
            "A cost is 0 or more; take the pair out of eligible when it is not known."
        )
    endless = int(np.isposinf(gain[may]).sum())
    if endless:
        raise InputError(f"{_STEP}: {endless} gain(s) are infinite; a gain is an amount of money or missing.")


def _keys(key: ArrayLike, n: int) -> NDArray[np.generic]:
    keys = np.asarray(key)
    if keys.shape != (n,):
        raise InputError(f"{_STEP}: {n} customers but keys of shape {keys.shape}; give one key per customer.")
    return keys


def limit_rows(
    limits: Limits, channel: Sequence[str], names: Sequence[str]
) -> tuple[Floats, Floats, tuple[tuple[str, str], ...]]:
    """Each limit as a row: which offer takes a place of it, its room, and what it is called.

    Returns
    -------
    uses : array (m, k)
        1 where the offer takes a place; row 0 is money and row 1 all contacts.
    room : array (m,)
        inf where there is no limit.
    names : tuple of (kind, name)

    Raises
    ------
    InputError
        When a limit names a channel or an offer that there is not.

    Examples
    --------
    >>> uses, room, names = limit_rows(Limits(per_channel={"mail": 5}), ["mail", "phone"], ["a", "b"])
    >>> names[2], uses[2].tolist(), room.tolist()
    (('channel', 'mail'), [1.0, 0.0], [inf, inf, 5.0])
    """
    unknown = [f"channel {c!r}" for c in map(str, limits.per_channel) if c not in channel]
    unknown += [f"offer {o!r}" for o in map(str, limits.per_offer) if o not in names]
    if unknown:
        raise InputError(
            f"{_STEP}: limits for {', '.join(unknown)}, which no offer has. "
            f"Channels: {', '.join(sorted(set(channel)))}; offers: {', '.join(names)}."
        )
    kinds = [("budget", ""), ("contacts", "")]
    rows = [np.zeros(len(names)), np.ones(len(names))]
    room = [np.inf if limits.budget is None else limits.budget]
    room.append(np.inf if limits.contacts is None else limits.contacts)
    for kind, of, asked in (("channel", channel, limits.per_channel), ("offer", names, limits.per_offer)):
        for name, places in asked.items():
            kinds.append((kind, str(name)))
            rows.append(np.array([float(each == str(name)) for each in of]))
            room.append(float(places))
    whole = np.floor(np.array(room, dtype=np.float64))
    whole[0] = room[0]
    return np.array(rows).reshape(len(rows), len(names)), whole, tuple(kinds)
