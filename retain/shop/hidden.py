"""One block of customers with everything hidden about them; the tables are what shows of it.

Customers come in blocks of a fixed size, each with seeds of its own: a shop of any size is made block by
block in bounded memory, and comes out the same however the blocks are gathered.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from retain.shop.campaigns import Contacts, draw_contacts
from retain.shop.clock import Clock
from retain.shop.customers import Traits, draw_traits
from retain.shop.life import Life, live
from retain.shop.settings import ShopSettings

__all__ = ["BLOCK", "Hidden", "blocks"]

BLOCK = 4_096


@dataclass(frozen=True)
class Hidden:
    """The hidden side of one block."""

    settings: ShopSettings
    clock: Clock
    traits: Traits
    contacts: Contacts
    life: Life

    @classmethod
    def draw(cls, settings: ShopSettings, first: int, count: int) -> Hidden:
        """Draw the block of `count` customers before whom `first` others came."""
        clock = Clock.of(settings)
        traits = draw_traits(settings, clock, first, count)
        contacts = draw_contacts(settings, clock, traits)
        return cls(settings, clock, traits, contacts, live(settings, clock, traits, contacts))

    @property
    def rows(self) -> int:
        """Number of customers in the block."""
        return len(self.traits.number)

    @property
    def end(self) -> np.datetime64:
        """First moment after the data."""
        return np.datetime64(self.settings.end).astype("datetime64[s]")

    def rng(self, topic: str) -> np.random.Generator:
        """The generator of one table of this block."""
        return self.traits.rng(self.settings, topic)


def blocks(settings: ShopSettings) -> Iterator[Hidden]:
    """All blocks of a shop, one after the other."""
    for first in range(0, settings.customers, BLOCK):
        yield Hidden.draw(settings, first, min(BLOCK, settings.customers - first))
