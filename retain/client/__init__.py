"""Asking a Retain endpoint from Python: one client that waits, and one for ``async`` code.

::

    from retain.client import Client

    with Client("http://127.0.0.1:3000") as retain:      # the key comes from RETAIN_KEY
        risk = retain.score("007").values["churn_probability"]

Both know the same calls (`calls`), ask again where that is safe (`retry`), and raise the same errors (`errors`).
This package needs nothing but httpx; none of the models are loaded.
"""

from __future__ import annotations

from retain.client.asking import AsyncClient, Client
from retain.client.errors import Busy, EndpointError, Refused, Unreachable
from retain.client.results import Decision, EventResult, Score, Scores

__all__ = [
    "AsyncClient",
    "Busy",
    "Client",
    "Decision",
    "EndpointError",
    "EventResult",
    "Refused",
    "Score",
    "Scores",
    "Unreachable",
]
