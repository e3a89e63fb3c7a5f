"""Ready features are read at once or not at all: what the quick reader takes, the careful one takes alike."""

from __future__ import annotations

import json
import struct
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features.pipeline import FEATURES
from serving.live_scores import feature_matrix
from serving.ready_features import Ready, check_histories, ready_batch, ready_one
from serving.refusal import Refusal, fitted
from serving.schemas import BatchRequest, ScoreRequest
from serving.strict_json import strict_json

WHOLE = dict.fromkeys(FEATURES, 0.5)
ONE: dict[str, Any] = {"customer_id": "007", "features": WHOLE, "as_of": "2026-03-01", "columns": ["clv"]}
MANY: dict[str, Any] = {"feature_rows": [{"customer_id": i, "features": WHOLE} for i in ("客", "b")]}

ODD_NUMBERS = ["null", "-0", "-0.0", "1e17", "1e18", "-1000000000000000001", "1e400", "9" * 41, "NaN", "01"]
ODD_NUMBERS += ["0." + "1" * 60, "true", '"1"', "[]", "{}", "1.", "5e-324", "Infinity", "9007199254740993"]
numbers = st.one_of(
    st.floats(allow_nan=False, allow_infinity=False).map(json.dumps),
    st.integers().map(str),
    st.sampled_from(ODD_NUMBERS),
)
LONG = f'"{"x" * 257}"'
texts = st.sampled_from(['"a"', '""', '"a:b"', '"\\u0061"', '"\\u0000"', '"\\ud800"', "7", "null", LONG])
ODD_FIELDS = ['"reasons": true', '"reasons": 1', '"reasons": null', '"as_of": null', '"as_of": "2026-02-30"']
ODD_FIELDS += ['"as_of": 5', '"columns": []', '"columns": ["clv", ""]', '"columns": null', '"columns": "clv"']
ODD_FIELDS += [
    '"customer": null',
    '"more": 1',
    '"customer_id": "b"',
    '"features": {}',
    '"customer_ids": null',
]
others = st.sampled_from(ODD_FIELDS)


def careful(body: bytes) -> tuple[Any, ...]:
    """What the models make of a body."""
    document = strict_json(body)
    request: Any = fitted(ScoreRequest if "features" in document else BatchRequest, document)
    rows = [request] if isinstance(request, ScoreRequest) else request.feature_rows
    assert rows is not None
    matrix = feature_matrix(row.features.__dict__ for row in rows)
    return [row.customer_id for row in rows], matrix.tobytes(), request.as_of, request.wanted


def seen(ready: Ready) -> tuple[Any, ...]:
    return ready.customer_ids, ready.features.tobytes(), ready.as_of, ready.wanted


def with_value(document: dict[str, Any], name: str, text: str) -> str:
    """The document with a piece of JSON in place of a feature."""
    row = document["feature_rows"][-1] if "feature_rows" in document else document
    changed = {**row, "features": {**WHOLE, name: "@@"}}
    whole = (
        {**document, "feature_rows": [MANY["feature_rows"][0], changed]} if row is not document else changed
    )
    return json.dumps(whole, ensure_ascii=False).replace('"@@"', text)


def test_good_requests_are_read_at_once_in_any_order_of_names() -> None:
    turned = dict(reversed(WHOLE.items()))
    for document in (
        ONE,
        {**ONE, "features": turned, "reasons": False},
        {"features": WHOLE, "customer_id": "a"},
    ):
        body = json.dumps(document, indent=1).encode()
        ready = ready_one(body)
        assert ready is not None
        assert seen(ready) == careful(body)
    for document in (MANY, {**MANY, "reasons": True, "as_of": "2026-03-01"}, {"feature_rows": []}):
        body = json.dumps(document, ensure_ascii=False).encode()
        ready = ready_batch(body)
        assert ready is not None
        assert seen(ready) == careful(body)


@settings(max_examples=300)
@given(
    st.sampled_from([ONE, MANY]),
    st.sampled_from(FEATURES),
    numbers,
    texts,
    others,
    st.integers(0, 3),
    st.data(),
)
def test_what_is_read_at_once_is_what_careful_reading_gives(
    document: dict[str, Any], name: str, number: str, text: str, other: str, kind: int, data: st.DataObject
) -> None:
    sent = with_value(document, name, number if kind != 1 else "0.25")
    if kind == 1:
        sent = sent.replace('"007"', text).replace('"b"', text)
    elif kind == 2:
        sent = sent[:-1] + ", " + other + "}"
    elif kind == 3:
        place = data.draw(st.integers(0, len(sent)))
        sent = (
            sent[:place]
            + data.draw(st.sampled_from(['"', ":", ",", "}", " ", "\\", "0", ""]))
            + sent[place + 1 :]
        )
    body = sent.encode()
    ready = ready_one(body) if document is ONE else ready_batch(body)
    if ready is not None:
        assert seen(ready) == careful(body)


def test_numbers_keep_their_bits() -> None:
    bits = np.random.default_rng(5).integers(0, 2**63, 4_000, dtype=np.uint64)
    floats = [x for (x,) in struct.iter_unpack("<d", bits.tobytes()) if abs(x) <= 1e18][: 10 * len(FEATURES)]
    rows = [floats[at : at + len(FEATURES)] for at in range(0, len(floats), len(FEATURES))]
    named = [
        {"customer_id": str(i), "features": dict(zip(FEATURES, r, strict=True))} for i, r in enumerate(rows)
    ]
    ready = ready_batch(json.dumps({"feature_rows": named}).encode())
    assert ready is not None
    assert ready.features.tobytes() == np.array(rows).tobytes()


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("frequency", 1.5, "features[1].frequency: must be a whole number, 0 or more"),
        ("frequency", np.nan, "features[1].frequency: must be a whole number, 0 or more"),
        ("T", -1.0, "features[1].T: must be 0 or more"),
        ("recency", 31.0, "features[1].recency: must lie between 0 and T"),
        ("frequency", 0.0, "features[1].recency: must be 0 for a customer with frequency 0"),
        ("days_since_last", -0.5, "features[1].days_since_last: must be 0 or more"),
    ],
)
def test_a_history_that_nobody_can_have_is_told_by_its_field(name: str, value: float, told: str) -> None:
    good = {"purchase_days": 3.0, "frequency": 2.0, "recency": 20.0, "T": 30.0, "days_since_last": np.nan}
    features = feature_matrix([{**WHOLE, **good}, {**WHOLE, **good, name: value}])
    check_histories(features[:1], "features[{}]".format)
    with pytest.raises(Refusal) as refused:
        check_histories(features, "features[{}]".format)
    assert (refused.value.status, refused.value.message) == (400, told)
    features[1, FEATURES.index("purchase_days")] = 0.0
    check_histories(features, "features[{}]".format)
