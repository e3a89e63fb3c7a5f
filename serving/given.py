"""What a decision run has given so far, against which its limits are held."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

__all__ = ["Used"]


class Used(BaseModel):
    """Money, contacts, and contacts by channel and by offer.

    Examples
    --------
    >>> one = Used(money=6.0, contacts=1, channels={"phone": 1}, offers={"call": 1})
    >>> one.plus(one).channels
    {'phone': 2}
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    money: float = 0.0
    contacts: int = 0
    channels: dict[str, int] = {}
    offers: dict[str, int] = {}

    def plus(self, other: Used) -> Used:
        """Both together."""
        return Used(
            money=self.money + other.money,
            contacts=self.contacts + other.contacts,
            channels=_added(self.channels, other.channels),
            offers=_added(self.offers, other.offers),
        )


def _added(one: dict[str, int], other: dict[str, int]) -> dict[str, int]:
    return {name: one.get(name, 0) + other.get(name, 0) for name in sorted({*one, *other})}
