"""One request on its way through the endpoint: who asks, and what is to be noted of the answer."""

from __future__ import annotations

from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

from serving.keys import Key

__all__ = ["ASKED", "Asked"]


@dataclass
class Asked:
    """What is known of a request besides its body.

    Parameters
    ----------
    key : Key, optional
        Whose key; None for a caller on this machine while there are no keys, who may see everybody.
    model_version : str
        The model that answered, once it is known; empty where no model did.
    customers : int
        How many customers the request is about, once it is known.
    """

    key: Key | None = None
    model_version: str = ""
    customers: int = 0

    @property
    def key_id(self) -> str:
        """Name of the key; empty without one."""
        return "" if self.key is None else self.key.key_id

    @property
    def scoped(self) -> bool:
        """Whether some customers are none of the caller's business."""
        return self.key is not None and bool(self.key.scope)

    def covers(self, row: Mapping[str, Any]) -> bool:
        """Whether the caller may see this customer's row."""
        return self.key is None or self.key.covers(dict(row))


ASKED: ContextVar[Asked] = ContextVar("retain.asked")
"""The request that is being answered; set by the guard, read by the routes behind the framework."""
