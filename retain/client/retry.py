"""When to ask again, and how long to wait before that."""

from __future__ import annotations

import random
from dataclasses import dataclass

__all__ = ["Retry"]

_AGAIN = frozenset({429, 502, 503, 504})


@dataclass(frozen=True)
class Retry:
    """How often a question is asked again, and after what wait.

    Every question of this client may be asked again: scores change nothing, events carry an id by which they are
    taken once, and a customer has one decision until the next run.

    Parameters
    ----------
    times : int
        Retries after the first try, >= 0.
    first_seconds, most_seconds : float
        Wait before the first retry; it doubles each time up to the most. What the endpoint says in ``Retry-After``
        counts where it is longer, but never beyond the most.

    Examples
    --------
    >>> Retry(times=2).again(0, status=503), Retry(times=2).again(2, status=503), Retry().again(0, status=400)
    (True, False, False)
    """

    times: int = 1
    first_seconds: float = 0.05
    most_seconds: float = 2.0

    def again(self, tried: int, *, status: int) -> bool:
        """Whether to ask again after `tried` retries ended with `status` (0: no answer came)."""
        return tried < self.times and (status == 0 or status in _AGAIN)

    def wait(self, tried: int, asked: str | None) -> float:
        """Seconds to wait before retry `tried` + 1; `asked` is the header ``Retry-After``.

        Waits are drawn from the upper half of their range, so that many clients do not come back at once.
        """
        own = min(self.first_seconds * 2.0**tried, self.most_seconds)
        # Spread, not secrecy.
        drawn = own * (0.5 + random.random() / 2)  # noqa: S311
        told = float(asked) if asked is not None and asked.isdigit() else 0.0
        return min(max(drawn, told), self.most_seconds)
