"""Who may ask: the key of a request, or the caller's place while there are no keys."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache

from serving.keys import Key, Keys
from serving.refusal import Refusal
from serving.routes import Route
from serving.wire import Scope

__all__ = ["admit", "check_role"]

Headers = Mapping[bytes, Sequence[bytes]]


def admit(keys: Keys, scope: Scope, headers: Headers) -> Key | None:
    """The key of the caller; None for a caller on this machine while there are no keys.

    Parameters
    ----------
    keys : Keys
        As they stand now. Once a key was ever made, everybody needs one.
    scope : ASGI scope
        Where the caller is.
    headers : mapping of name to values
        ``Authorization: Bearer KEY`` or ``X-API-Key: KEY``; where several keys are given, all must be good.

    Raises
    ------
    Refusal
        401: no key, or a wrong one. 403: no keys were made, and the caller is elsewhere.
    """
    if not keys:
        if not _is_local(scope, headers):
            text = "no keys were made: only callers on this machine are answered, under a local name"
            raise Refusal(403, "local_only", text)
        return None
    now = datetime.now(UTC)
    found = [keys.find(presented, now) for presented in _presented(headers)]
    if not found or None in found:
        raise Refusal(401, "key_needed", "give a key: Authorization: Bearer KEY, or X-API-Key: KEY")
    return found[0]


def check_role(key: Key | None, route: Route) -> None:
    """Refuse a key that is not for this route.

    Raises
    ------
    Refusal
        403.
    """
    if route.role and key is not None and route.role not in key.roles:
        raise Refusal(403, "role_needed", f"this key lacks the role {route.role}, which the route needs")


def _presented(headers: Headers) -> list[bytes]:
    presented = [value.strip() for value in headers.get(b"x-api-key", ())]
    for value in headers.get(b"authorization", ()):
        kind, _, key = value.strip().partition(b" ")
        presented.append(key.strip() if kind.lower() == b"bearer" else b"")
    return presented


def _is_local(scope: Scope, headers: Headers) -> bool:
    """Whether caller and address are this machine's.

    The name is checked too: a web page elsewhere can point its own name at 127.0.0.1.
    """
    client, hosts = scope.get("client"), headers.get(b"host", ())
    return client is not None and len(hosts) == 1 and _is_loopback(client[0]) and _is_local_name(hosts[0])


@lru_cache(maxsize=256)
def _is_local_name(host: bytes) -> bool:
    name = host.strip().decode("latin-1").lower()
    name = name[1:].partition("]")[0] if name.startswith("[") else name.partition(":")[0]
    return name == "localhost" or _is_loopback(name)


@lru_cache(maxsize=256)
def _is_loopback(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False
