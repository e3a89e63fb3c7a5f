"""Schemathesis over the endpoint's own description: no request may break it, no answer may surprise its reader."""

from __future__ import annotations

from collections import Counter
from typing import Any

from abuse_target import Figure, Target, parsed, request

__all__ = ["fuzz", "fuzzed"]

SEED = 20260101


def fuzz(target: Target) -> list[Figure]:
    """Requests that fit the document and requests that do not, each answer held against the document."""
    with target.caller() as caller:
        document = parsed(caller.ask(request("GET", "/docs.json", key=target.shop.key)).body)
    statuses, wrong = fuzzed(document, target.server.url, target.shop.key, count=target.count(10_000, 500))
    cases = sum(statuses.values())
    errors = sum(count for status, count in statuses.items() if status >= 500)
    told = "; ".join(f"{text} × {count}" for text, count in wrong.most_common(3))
    answers = ", ".join(f"{status}: {count:,}" for status, count in sorted(statuses.items()))
    return [
        Figure(f"server errors in {cases:,} cases", str(errors), "0", not errors),
        Figure(
            "answers that are not as the document says",
            f"{sum(wrong.values())} {told}".strip(),
            "0",
            not wrong,
        ),
        Figure("answers by status", answers, "", met=True),
    ]


def fuzzed(document: dict[str, Any], url: str, key: str, *, count: int) -> tuple[Counter[int], Counter[str]]:
    """Answers by status, and what was wrong with some, by operation.

    Parameters
    ----------
    document : dict
        OpenAPI document of the endpoint.
    url : str
        Where it answers.
    key : str
        Good for every route.
    count : int
        Cases in all; of those with a body, half do not fit the document. Operations with neither a body nor a
        parameter are asked once.
    """
    import requests
    from schemathesis import GenerationMode
    from schemathesis import openapi as loader

    # Keys are given here; made-up ones would only be refused.
    plain = {**document, "security": [], "components": {**document["components"], "securitySchemes": {}}}
    schema: Any = loader.from_dict(plain)
    operations = [found.ok() for found in schema.get_all_operations()]
    varied = [one for one in operations if one.body or one.path_parameters]
    statuses, wrong = Counter[int](), Counter[str]()
    with requests.Session() as session:
        session.trust_env = False
        for one in operations:
            # An address takes any text, so that only bodies can fail to fit.
            modes = list(GenerationMode) if one.body else [GenerationMode.POSITIVE]
            for mode in modes:
                each = count // (2 * len(varied)) * (2 if len(modes) == 1 else 1) if one in varied else 1
                _try(
                    one.as_strategy(generation_mode=mode),
                    each,
                    session,
                    (url, key),
                    statuses=statuses,
                    wrong=wrong,
                )
    return statuses, wrong


def _try(
    cases: Any, count: int, session: Any, at: tuple[str, str], *, statuses: Counter[int], wrong: Counter[str]
) -> None:
    """Ask so many cases; Hypothesis draws them, the same ones in each run."""
    from hypothesis import HealthCheck, Phase, given, seed, settings
    from schemathesis.core.failures import FailureGroup

    url, key = at

    @seed(SEED)
    @settings(
        max_examples=count,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=cases)
    def ask(case: Any) -> None:
        headers = {"authorization": f"Bearer {key}"}
        answer = case.call(base_url=url, session=session, headers=headers)
        statuses[answer.status_code] += 1
        if answer.status_code >= 500:
            wrong[_told(case, answer)] += 1
        try:
            if answer.status_code != 405:
                case.validate_response(answer, checks=_checks())
            if case.method != "HEAD" and answer.headers.get("content-type") == "application/json":
                parsed(answer.content)
        except FailureGroup as failures:
            for failure in failures.exceptions:
                wrong[f"{case.method} {case.path}: {answer.status_code} {type(failure).__name__}"] += 1
        except ValueError as error:
            wrong[f"{case.method} {case.path}: {answer.status_code} {error}"] += 1

    ask()


def _told(case: Any, answer: Any) -> str:
    """A failure of the server with the request that brought it about, so that it can be sent again."""
    sent = answer.request
    body = sent.body.decode("utf-8", "replace") if isinstance(sent.body, bytes) else sent.body
    message = parsed(answer.content)["error"]["message"]
    return f"{case.method} {case.path}: {answer.status_code} {message}; sent {sent.path_url} {body or ''}"


def _checks() -> list[Any]:
    from schemathesis.specs.openapi import checks

    return [
        checks.status_code_conformance,
        checks.content_type_conformance,
        checks.response_headers_conformance,
        checks.response_schema_conformance,
    ]
