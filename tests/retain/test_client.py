"""The Python client: what it sends, what it makes of answers, and when it asks again."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from datetime import date
from typing import Any

import httpx
import pytest

from retain.client import AsyncClient, Busy, Client, Refused, Unreachable
from retain.client.retry import Retry

ROW = {"customer_id": "007", "found": True, "error": None, "churn_probability": 0.25, "model_version": "v1"}
FAST = Retry(times=2, first_seconds=0.0)
Answer = httpx.Response | Exception


class Endpoint:
    """Gives the answers it was made with, one after the other, and keeps what it was asked."""

    def __init__(self, *answers: Answer) -> None:
        self.answers, self.asked = list(answers), list[httpx.Request]()

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request)
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    @property
    def bodies(self) -> list[Any]:
        return [json.loads(request.content) for request in self.asked]


def refused(status: int, code: str = "busy", **headers: str) -> httpx.Response:
    error = {"code": code, "message": f"because {code}", "field": "customer_id"}
    return httpx.Response(status, json={"error": error}, headers=headers)


def client(endpoint: Endpoint, **more: Any) -> Client:
    return Client(transport=httpx.MockTransport(endpoint), retry=more.pop("retry", FAST), **more)


def test_a_score_has_the_columns_of_the_list() -> None:
    endpoint = Endpoint(httpx.Response(200, json={"result": ROW}))
    found = client(endpoint).score("007", as_of=date(2026, 1, 5))
    assert (found.customer_id, found.found, found.values["churn_probability"]) == ("007", True, 0.25)
    assert endpoint.bodies == [{"customer_id": "007", "as_of": "2026-01-05", "reasons": False}]
    assert endpoint.asked[0].url.path == "/v1/score"


def test_customers_with_tables_and_ready_features_are_sent_as_given() -> None:
    endpoint = Endpoint(*[httpx.Response(200, json={"result": ROW})] * 2)
    asking = client(endpoint)
    customer = {"customer_id": "007", "orders": [{"time": "2026-01-05", "amount": 9.5}]}
    asking.score(customer, reasons=True)
    asking.score("007", features={"T": 10.0}, columns=["churn_probability"])
    assert endpoint.bodies[0] == {"customer": customer, "reasons": True}
    assert endpoint.bodies[1] == {
        "customer_id": "007",
        "features": {"T": 10.0},
        "reasons": False,
        "columns": ["churn_probability"],
    }


def test_a_batch_keeps_the_order_and_takes_one_kind_of_question() -> None:
    unknown = {"customer_id": "8", "found": False, "error": "not in the latest list"}
    endpoint = Endpoint(httpx.Response(200, json={"results": [ROW, unknown]}))
    asking = client(endpoint)
    found = asking.score_batch(["007", "8"])
    assert [score.found for score in found] == [True, False]
    assert (found[1].error, len(found)) == ("not in the latest list", 2)
    with pytest.raises(ValueError, match="exactly one"):
        asking.score_batch(["007"], customers=[])


def test_ids_are_escaped_in_addresses() -> None:
    endpoint = Endpoint(httpx.Response(200, json=ROW))
    client(endpoint).customer("a/b ?é")
    assert endpoint.asked[0].url.raw_path == b"/v1/customers/a%2Fb%20%3F%C3%A9"


def test_a_decision_names_its_offer() -> None:
    row = {"decision_id": "d", "customer_id": "7", "strategy": "rescue", "offer": "call", "cost": 6.0}
    endpoint = Endpoint(httpx.Response(200, json={**row, "arm": "treat", "propensity": 0.9}))
    found = client(endpoint).decide("7")
    assert (found.offer, found.propensity, found.values) == ("call", 0.9, {"cost": 6.0})


def test_a_retry_tells_the_same_event_under_the_same_id() -> None:
    done = httpx.Response(200, json={"results": [{"event_id": "x", "status": "added"}]})
    endpoint = Endpoint(httpx.ReadError("gone"), refused(503), done)
    found = client(endpoint).events([{"kind": "order", "customer_id": "7"}])
    assert found[0].taken
    assert endpoint.bodies[0] == endpoint.bodies[1] == endpoint.bodies[2]
    assert len(endpoint.bodies[0]["events"][0]["event_id"]) == 32
    assert len({request.headers["x-request-id"] for request in endpoint.asked}) == 1


@pytest.mark.parametrize(("answer", "kind"), [(refused(429), Busy), (httpx.ConnectError("no"), Unreachable)])
def test_it_gives_up_after_its_retries(answer: Answer, kind: type[Exception]) -> None:
    endpoint = Endpoint(*[answer] * 5)
    with pytest.raises(kind):
        client(endpoint).score("7")
    assert len(endpoint.asked) == 3


def test_what_is_wrong_is_not_asked_again() -> None:
    endpoint = Endpoint(refused(400, "invalid"))
    with pytest.raises(Refused, match="because invalid") as caught:
        client(endpoint).score("7")
    assert (caught.value.status, caught.value.code, caught.value.field) == (400, "invalid", "customer_id")


def test_a_foreign_server_is_told_as_such() -> None:
    with pytest.raises(Refused, match="404 without a reason"):
        client(Endpoint(httpx.Response(404, text="<html>"))).model()


def test_the_wait_follows_the_endpoint_within_its_most() -> None:
    retry = Retry(times=9, first_seconds=0.1, most_seconds=2.0)
    assert retry.wait(0, "1") == 1.0
    assert retry.wait(0, "3600") == 2.0
    assert 0.2 <= retry.wait(2, None) <= 0.4
    assert retry.wait(30, "soon") <= 2.0


@pytest.mark.parametrize(("given", "sent"), [("mine", "Bearer mine"), (None, "Bearer from-outside")])
def test_the_key_is_the_given_one_or_that_of_the_environment(
    given: str | None, sent: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RETAIN_KEY", "from-outside")
    endpoint = Endpoint(httpx.Response(200, json={}))
    with client(endpoint, key=given) as asking:
        asking.model()
    assert endpoint.asked[0].headers["authorization"] == sent


def test_ready_is_yes_or_no() -> None:
    asking = client(Endpoint(httpx.Response(200), httpx.Response(503), httpx.ConnectError("no")))
    assert [asking.ready() for _ in range(3)] == [True, False, False]


def test_the_awaited_client_asks_the_same_questions() -> None:
    asks: dict[str, Callable[[Any], Any]] = {
        "score": lambda c: c.score("7", features={"T": 1.0}),
        "batch": lambda c: c.score_batch(["7"]),
        "customer": lambda c: c.customer("7"),
        "decide": lambda c: c.decide("7"),
        "events": lambda c: c.events([{"event_id": "e", "kind": "order"}]),
        "model": lambda c: c.model(),
    }
    told = {**ROW, "decision_id": "d", "strategy": "s", "offer": "o", "arm": "treat", "propensity": 1.0}
    answer = {**told, "results": [{**ROW, "event_id": "e", "status": "added"}]}

    async def awaited(ask: Callable[[Any], Any], endpoint: Endpoint) -> object:
        async with AsyncClient(transport=httpx.MockTransport(endpoint), retry=FAST) as asking:
            return await ask(asking)

    for ask in asks.values():
        one, other = (
            Endpoint(refused(503), httpx.Response(200, json=answer)),
            Endpoint(httpx.ReadTimeout("slow"), httpx.Response(200, json=answer)),
        )
        assert asyncio.run(awaited(ask, one)) == ask(client(other))
        assert [(r.method, r.url, r.content) for r in one.asked] == [
            (r.method, r.url, r.content) for r in other.asked
        ]


def test_the_awaited_client_gives_up_too() -> None:
    async def ask() -> bool:
        endpoint = Endpoint(httpx.ConnectTimeout("slow"), *[httpx.ConnectError("no")] * 2)
        async with AsyncClient(transport=httpx.MockTransport(endpoint), retry=Retry(times=1)) as asking:
            with pytest.raises(Unreachable):
                await asking.score("7")
            return await asking.ready()

    assert asyncio.run(ask()) is False
