"""Lanes: how many requests of one sort are answered at a time, and how many may wait for their turn."""

from __future__ import annotations

import asyncio
from types import TracebackType

from serving.refusal import Refusal

__all__ = ["Lane"]


class Lane:
    """Room for some requests of one event loop; the others are told at once to come again.

    Parameters
    ----------
    running : int
        Requests answered at a time, 1 or more.
    waiting : int
        Requests that wait for their turn, 0 or more.

    Examples
    --------
    >>> async def story():
    ...     lane = Lane(1, 0)
    ...     async with lane:
    ...         try:
    ...             async with lane:
    ...                 pass
    ...         except Refusal as refusal:
    ...             return refusal.status, lane.taken
    >>> asyncio.run(story())
    (429, 1)
    """

    def __init__(self, running: int, waiting: int) -> None:
        self.places, self.taken = running + waiting, 0
        self._turns = asyncio.Semaphore(running)

    def check(self) -> None:
        """Refuse when there is no room, before anything is done that takes time.

        Raises
        ------
        Refusal
            429.
        """
        if self.taken >= self.places:
            text = f"{self.taken} such requests are being answered already; ask again in a second"
            raise Refusal(429, "busy", text)

    async def __aenter__(self) -> None:
        self.check()
        self.taken += 1
        try:
            await self._turns.acquire()
        except BaseException:
            self.taken -= 1
            raise

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._turns.release()
        self.taken -= 1
