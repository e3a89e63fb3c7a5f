"""What the endpoint answers, as small frozen objects; every further column of a row is in ``values``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

__all__ = ["Decision", "EventResult", "Score", "Scores"]


@dataclass(frozen=True)
class Score:
    """One customer's row of the list.

    Parameters
    ----------
    customer_id : str
    found : bool
        False when nothing is known of the customer; see `error`.
    error : str or None
        Why there is no score.
    values : mapping of str to value
        The columns of the list: ``churn_probability``, ``clv``, ``strategy``, ``as_of``, ``model_version`` …

    Examples
    --------
    >>> score = Score.read({"customer_id": "007", "found": True, "error": None, "clv": 12.5})
    >>> score.values["clv"]
    12.5
    """

    customer_id: str
    found: bool
    error: str | None
    values: Mapping[str, Any]

    @classmethod
    def read(cls, row: Mapping[str, Any]) -> Score:
        """From a result of the endpoint."""
        own = ("customer_id", "found", "error")
        values = {name: value for name, value in row.items() if name not in own}
        return cls(row["customer_id"], row.get("found", True), row.get("error"), values)


@dataclass(frozen=True)
class Scores:
    """Scores in the order they were asked for."""

    results: tuple[Score, ...]

    def __iter__(self) -> Iterator[Score]:
        return iter(self.results)

    def __len__(self) -> int:
        return len(self.results)

    def __getitem__(self, place: int) -> Score:
        return self.results[place]


@dataclass(frozen=True)
class Decision:
    """What to do for a customer; `values` has all that the endpoint says of it.

    Examples
    --------
    >>> Decision.read({"decision_id": "a1", "customer_id": "7", "offer": "call", "strategy": "rescue",
    ...     "arm": "treat", "propensity": 0.88}).offer
    'call'
    """

    decision_id: str
    customer_id: str
    strategy: str
    offer: str
    arm: str
    propensity: float
    values: Mapping[str, Any]

    @classmethod
    def read(cls, row: Mapping[str, Any]) -> Decision:
        """From an answer of the endpoint."""
        named = ("decision_id", "customer_id", "strategy", "offer", "arm", "propensity")
        rest = {name: value for name, value in row.items() if name not in named}
        return cls(**{name: row[name] for name in named}, values=rest)


@dataclass(frozen=True)
class EventResult:
    """What became of one event: ``added``, ``known`` (told before), or why it was not taken."""

    event_id: str
    status: str
    error: str | None = None

    @property
    def taken(self) -> bool:
        """Whether the event is kept, by this call or an earlier one."""
        return self.status in ("added", "known")
