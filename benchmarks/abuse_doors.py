"""Every door of the service, tried by everybody in every spelling, and addresses that should leave no trace."""

from __future__ import annotations

import contextlib
import random
import string
import time
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from urllib.parse import quote

from abuse_target import ROLES, Caller, Figure, Reply, Target, is_refusal, request, store_url

from serving.routes import CUSTOMER, HEALTH, ROUTES, Route

__all__ = ["paths", "walk"]

METHODS = ("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE")
# What BentoML opens by itself, and what people try.
INNER = (
    *(
        "/schema.json",
        "/docs.json",
        "/openapi.json",
        "/static_content/index.css",
        "/favicon.ico",
        "/ready",
        "/health",
    ),
    *("/score", "/score_batch", "/decide", "/events", "/is_ready", "/__ping__", "/v1", "/v2/score", "/admin"),
    *("/.env", "/debug/pprof", "/v1/admin", "/v1/admin/keys", "/v1/customers", "/v1/customers/", "*", ""),
)


def walk(target: Target) -> list[Figure]:
    """Each route, method, spelling and key against what the table of routes says."""
    people: dict[str, tuple[str, frozenset[str] | None]] = {"no key": ("", None)}
    people |= {f"a key for {role}": (key, frozenset([role])) for role, key in target.keys.items()}
    people["a key for everything"] = (target.shop.key, frozenset(ROLES))
    tried, wrong, examples = 0, Counter[str](), list[str]()
    with target.caller() as caller:
        for who, (key, roles) in people.items():
            for method, address in doors(target):
                body = b"" if method in ("POST", "PUT", "PATCH") else None
                reply = caller.ask(request(method, address, body, key=key))
                tried += 1
                if not as_expected(reply, method, address, roles):
                    wrong[who] += 1
                    examples.append(f"{method} {address} with {who}: {reply.status}")
    told = ", ".join(f"{n} with {who}" for who, n in wrong.items())
    found = f"{sum(wrong.values())} of {tried:,}" + (f" ({told}; {examples[0]})" if wrong else "")
    return [
        Figure("doors that open, or stay shut, against the table of routes", found, "0", not wrong),
        _bad_keys(target),
        _upgrades(target),
    ]


def doors(target: Target) -> Iterator[tuple[str, str]]:
    """Methods and addresses."""
    known = [name.decode() for name in ROUTES]
    known.append(CUSTOMER.template.replace("{customer_id}", quote(target.shop.ids[0], safe="")))
    for plain in dict.fromkeys((*known, *INNER)):
        spelled = list(dict.fromkeys((plain, *_spellings(plain))))
        for address in spelled[::3] if target.quick else spelled:
            for method in METHODS:
                yield method, address


def _spellings(plain: str) -> Iterator[str]:
    if len(plain) < 2:
        return
    yield from (f"/{plain}", f"{plain}/", f"/{plain}/", f"{plain}?", f"{plain}?key=1", f"{plain};a=b")
    yield from (plain.upper(), plain.title(), f"/%{ord(plain[1]):02x}{plain[2:]}", f"%2f{plain[1:]}")
    yield from (f"/.{plain}", f"/x/..{plain}", f"/livez/..{plain}", f"{plain}/../livez", f"/%2e%2e{plain}")
    yield from (
        f"{plain}%00",
        f"{plain}%2f",
        f"{plain}%20",
        f"{plain}/.",
        f"\\{plain[1:]}",
        plain.replace("/", "//"),
    )
    yield from (f"http://localhost{plain}", f"http://elsewhere.example{plain}", f"http://localhost/{plain}")


def as_expected(reply: Reply, method: str, address: str, roles: frozenset[str] | None) -> bool:
    """Whether an answer is what the caller should get; None stands for no key."""
    route, query = _route(address)
    if route in HEALTH and method in ("GET", "HEAD"):
        return reply.status == 200
    if not address.startswith(("/", "http://")):
        # No address of a resource: whoever reads HTTP refuses it first.
        return reply.status in (400, 401, 404)
    if roles is None:
        return reply.status == 401
    if route is None:
        return reply.status == 404
    if method not in route.methods:
        return reply.status == 405
    if query and route.template.startswith("/v1/"):
        # Refused before the role is looked at.
        return reply.status == 400
    if route.role and route.role not in roles:
        return reply.status == 403
    if route is CUSTOMER:
        return reply.status in (200, 400, 404)
    return reply.status == (400 if method == "POST" else 200)


def _route(address: str) -> tuple[Route | None, str]:
    """The route that an address names byte for byte, and its query."""
    for name in ("http://localhost", "http://elsewhere.example"):
        address = address.removeprefix(name)
    path, _, query = address.partition("?")
    customer = path.startswith("/v1/customers/") and path.count("/") == 3 and not path.endswith("/")
    return CUSTOMER if customer else ROUTES.get(path.encode()), query


def _bad_keys(target: Target) -> Figure:
    """Keys that ended, were revoked, were guessed, or stand where no key belongs."""
    from serving.keys import KeyStore

    key = target.shop.key
    with contextlib.closing(KeyStore(store_url(target.shop))) as store:
        soon = datetime.now(UTC) + timedelta(seconds=1.5)
        ended, _ = store.add(["score"], label="ends", expires_at=soon)
        revoked, made = store.add(["score"], label="revoked")
        store.revoke(made.key_id)
    time.sleep(3)
    bad = [
        ended,
        revoked,
        "x",
        key[:-1],
        key + "x",
        key.upper(),
        "retain_" + "A" * 43,
        "",
        "é",
        "A" * 9_000,
        key[::-1],
    ]
    requests = [request("GET", "/v1/model", more={"x-api-key": one}) for one in bad]
    requests += [request("GET", "/v1/model", more={"authorization": f"Bearer {one}"}) for one in bad]
    requests += [
        request("GET", "/v1/model", more={"authorization": f"{kind} {key}"})
        for kind in ("Basic", "Digest", "")
    ]
    requests += [
        request("GET", f"/v1/model?key={key}"),
        request("GET", "/v1/model", more={"cookie": f"key={key}"}),
    ]
    requests += [request("GET", "/v1/model", key="x", more={"x-api-key": key})]
    with target.caller() as caller:
        opened = sum(not is_refusal(caller.ask(one), statuses=range(401, 402)) for one in requests)
    return Figure(
        "keys that ended, were revoked, guessed or misplaced, let in",
        f"{opened} of {len(requests)}",
        "0",
        not opened,
    )


def _upgrades(target: Target) -> Figure:
    more = {"connection": "Upgrade", "upgrade": "websocket", "sec-websocket-version": "13"}
    more["sec-websocket-key"] = "dGhlIHNhbXBsZSBub25jZQ=="
    spoken = 0
    for address in [name.decode() for name in ROUTES]:
        for key in ("", target.shop.key):
            with target.caller() as caller:
                spoken += caller.ask(request("GET", address, key=key, more=more)).status in (0, 101)
    tried = 2 * len(ROUTES)
    return Figure("websockets opened", f"{spoken} of {tried}", "0", not spoken)


def paths(target: Target) -> list[Figure]:
    """Random addresses, with and without a key: metrics must know none of them."""
    chance, count = random.Random(5), target.count(10_000, 1_000)
    with target.caller() as caller:
        # Each kind of answer has its series before the count begins.
        for method in METHODS:
            for key in ("", target.shop.key):
                for address in (
                    "/nowhere",
                    "/v1/customers/nobody",
                    "/v1/customers/%ff",
                    "/v1/customers/x?y",
                    "/docs?y",
                ):
                    caller.ask(request(method, address, key=key))
        before = _series(caller, target.shop.key)
        for _ in range(count):
            key = chance.choice(("", target.shop.key))
            caller.ask(request(chance.choice(METHODS), _random_address(chance), key=key))
        after = _series(caller, target.shop.key)
    new = after - before
    found = f"{len(new)} of {len(before)}" + (f" ({sorted(new)[0]})" if new else "")
    return [Figure(f"series of metrics that {count:,} random addresses added", found, "0", not new)]


def _random_address(chance: random.Random) -> str:
    letters = string.ascii_letters + string.digits + "-._~%!$&'()*+,;=:@/"
    word = "".join(chance.choices(letters, k=chance.randrange(1, 60)))
    return (
        chance.choice(("/", "/v1/", "/v1/customers/", "/docs?", "//", "/metrics/", "/static_content/")) + word
    )


def _series(caller: Caller, key: str) -> set[str]:
    text = caller.ask(request("GET", "/metrics", key=key)).body.decode()
    return {line.rpartition(" ")[0] for line in text.splitlines() if line and not line.startswith("#")}
