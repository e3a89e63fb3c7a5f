"""Progress: whoever works long tells the stage and its share done, and need not know whether anybody watches."""

from __future__ import annotations

from collections.abc import Callable

__all__ = ["Progress", "part_of", "silent"]

Progress = Callable[[str, float], None]


def silent(stage: str, share: float) -> None:
    """Progress that nobody watches."""


def part_of(tell: Progress, low: float, high: float) -> Progress:
    """Progress of a part of the work, which begins at the share `low` of the whole and ends at `high`.

    Examples
    --------
    >>> part_of(lambda stage, share: print(stage, share), 0.5, 1.0)("fitting", 0.5)
    fitting 0.75
    """
    return lambda stage, share: tell(stage, low + (high - low) * share)
