"""The routes of the endpoint: their addresses, methods and roles. What is not listed here does not exist."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import unquote_to_bytes

from serving.refusal import Refusal

__all__ = [
    "BATCH",
    "CUSTOMER",
    "DECIDE",
    "EVENTS",
    "HEALTH",
    "NO_ROUTE",
    "ROUTES",
    "SCORE",
    "Route",
    "customer_of",
    "route_of",
]


@dataclass(frozen=True)
class Route:
    """One route.

    Parameters
    ----------
    template : str
        Its address; a label in metrics and in the audit trail.
    methods : tuple of str
        What it takes.
    role : str
        Role that a key needs; empty where any valid key will do.
    """

    template: str
    methods: tuple[str, ...] = ("GET", "HEAD")
    role: str = ""


_POST = ("POST",)
SCORE = Route("/v1/score", _POST, "score")
BATCH = Route("/v1/score/batch", _POST, "score")
DECIDE = Route("/v1/decide", _POST, "decide")
EVENTS = Route("/v1/events", _POST, "events")
CUSTOMER = Route("/v1/customers/{customer_id}", role="score")
HEALTH = (Route("/livez"), Route("/readyz"), Route("/healthz"))
NO_ROUTE = Route("(none)", ())
"""Stands for every address that is no route, so that addresses never become labels."""

_PLAIN = (
    *(SCORE, BATCH, DECIDE, EVENTS),
    *(Route("/v1/model"), Route("/v1/admin/status", role="admin")),
    *(Route("/metrics"), Route("/"), Route("/docs"), Route("/docs.json"), *HEALTH),
)
ROUTES: dict[bytes, Route] = {route.template.encode(): route for route in _PLAIN}
"""Routes without parameters by their address, byte for byte."""

_BEFORE_ID = b"/v1/customers/"
_SEGMENT = re.compile(rb"(?:[A-Za-z0-9._~!$&'()*+,;=:@-]|%[0-9A-Fa-f]{2})+")


def route_of(raw_path: bytes) -> Route:
    """The route of an address as it came, still percent-encoded.

    Another spelling of a route (``//v1/score``, ``/v1/score/``, ``/%761/score``) is no route: whatever stands before
    the endpoint and filters by address must see the same as the endpoint.

    Examples
    --------
    >>> route_of(b"/v1/score").role, route_of(b"/v1/customers/007").template, route_of(b"/v1/%73core").template
    ('score', '/v1/customers/{customer_id}', '(none)')
    """
    found = ROUTES.get(raw_path)
    if found is not None:
        return found
    rest = raw_path[len(_BEFORE_ID) :] if raw_path.startswith(_BEFORE_ID) else b""
    return CUSTOMER if rest and b"/" not in rest else NO_ROUTE


def customer_of(raw_path: bytes, longest: int) -> str:
    """The customer whom an address of `CUSTOMER` names.

    Parameters
    ----------
    raw_path : bytes
        Percent-encoded UTF-8.
    longest : int
        Most characters of an id.

    Raises
    ------
    Refusal
        400: the id is not percent-encoded UTF-8, holds NUL, or is longer than may be.

    Examples
    --------
    >>> customer_of(b"/v1/customers/%E5%AE%A2%2F7", 64)
    '客/7'
    """
    segment = raw_path[len(_BEFORE_ID) :]
    if not _SEGMENT.fullmatch(segment):
        raise _unreadable("is not percent-encoded")
    try:
        customer_id = unquote_to_bytes(segment).decode("utf-8")
    except UnicodeDecodeError:
        raise _unreadable("is not UTF-8") from None
    if "\x00" in customer_id:
        raise _unreadable("holds the character NUL")
    if len(customer_id) > longest:
        raise _unreadable(f"is longer than {longest} characters")
    return customer_id


def _unreadable(why: str) -> Refusal:
    return Refusal(400, "customer_id", f"customer_id: the id in the address {why}", field="customer_id")
