"""A list beside the one before it, some customers at a time: why each score moved, and how many did."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import date
from typing import Any

from serving.explained import Explained, Scored
from serving.moved import Moves, moved

__all__ = ["Comparison"]


class Comparison:
    """Tells what moved scores since the run before.

    Parameters
    ----------
    before : callable
        What stood behind the scores of some customers in the run before (`serving.store.Store.explaining`).
    since : date
        Day of that run.
    same_model : bool
        Both runs are of the same model.
    currency : str
        Shown in texts.
    """

    def __init__(
        self,
        before: Callable[[Sequence[str]], Explained],
        since: date,
        *,
        same_model: bool,
        currency: str = "",
    ) -> None:
        self._before, self._since = before, since
        self._same_model, self._currency = same_model, currency
        self._counts: Counter[str] = Counter()
        self._by: Counter[str] = Counter()

    def compared(self, part: Scored) -> Scored:
        """The same customers, with ``moved`` and ``moved_zh`` in their rows and the moves in what explains them."""
        now = part.explained
        then = self._before(now.groups.index.tolist())
        change = moved(then.groups, now.groups, same_model=self._same_model, replayed=part.replayed)
        moves = Moves(then, replace(now, moved=change), self._since)
        found = moves.summary()
        self._by.update(found["by"])
        self._counts.update({name: found[name] for name in ("compared", "up", "down")})
        ids = part.rows["customer_id"]
        english, chinese = (moves.texts(lang=lang, currency=self._currency) for lang in ("en", "zh"))
        rows = part.rows.assign(moved=english.loc[ids].to_numpy(), moved_zh=chinese.loc[ids].to_numpy())
        return replace(part, rows=rows, explained=moves.now)

    def summary(self) -> dict[str, Any]:
        """`serving.moved.Moves.summary` of all customers so far."""
        counts = {name: self._counts[name] for name in ("compared", "up", "down")}
        by = dict(sorted(self._by.items(), key=lambda count: (-count[1], count[0])))
        return {"since": self._since.isoformat(), **counts, "by": by}
