"""Request and answer models: strict in, finite out, every fault with its field and no value."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from features.contract import TABLES
from features.pipeline import FEATURES
from serving.docs_page import page
from serving.openapi import EXAMPLES, openapi
from serving.refusal import refusal_of
from serving.routes import ROUTES
from serving.schemas import BatchAnswer, BatchRequest, CustomerResult, ScoreRequest
from serving.settings import ServingSettings
from serving.shapes import SHAPES
from serving.table_rows import ROWS, OrderLine


def faults(document: Any, shape: type[BaseModel] = BatchRequest) -> dict[str, str]:
    with pytest.raises(ValidationError) as caught:
        shape.model_validate(document)
    refusal = refusal_of(caught.value)
    return dict(refusal.faults)


def line(**more: Any) -> dict[str, Any]:
    return {"time": "2026-01-05T10:00:00", "amount": 9.5, **more}


def customers(**more: Any) -> dict[str, Any]:
    return {"customers": [{"customer_id": "007", "orders": [line(), line(**more)]}]}


def test_exactly_one_of_ids_and_orders() -> None:
    assert "only one" in faults({})[""]
    assert "only one" in faults({"customer_ids": ["a"], "customers": []})[""]
    assert BatchRequest.model_validate_json('{"customer_ids": []}').customer_ids == []


def test_one_customer_comes_by_id_by_rows_or_by_features() -> None:
    one, features = {"customer_id": "a", "orders": []}, dict.fromkeys(FEATURES)
    for wrong in ({}, {"customer_id": "a", "customer": one}, {"features": features}):
        assert "only one" in faults(wrong, ScoreRequest)[""]
    both = {"customer": one, "features": features}
    assert "not with customer" in faults(both, ScoreRequest)[""]
    assert ScoreRequest.model_validate({"customer_id": "a", "features": features}).features.T is None


def test_ready_features_are_all_there_and_numbers() -> None:
    features = {**dict.fromkeys(FEATURES), "T": True, "more": 1.0}
    del features["frequency"]
    found = faults({"customer_id": "a", "features": features}, ScoreRequest)
    assert sorted(found) == ["features.T", "features.frequency", "features.more"]


def test_rows_of_tables_have_the_columns_of_the_contract() -> None:
    for name, shape in ROWS.items():
        columns = [c for c in TABLES[name].columns if c.name not in ("customer_id", "currency")]
        assert {c.name for c in columns} == set(shape.model_fields)
        required = {field for field, rule in shape.model_fields.items() if rule.is_required()}
        assert {c.name for c in columns if c.required} == required


def test_a_table_that_is_left_out_is_empty() -> None:
    request = ScoreRequest.model_validate({"customer": {"customer_id": "a", "orders": []}})
    assert request.customer is not None
    assert request.customer.surveys == []
    assert not request.reasons


@pytest.mark.parametrize("value", [7, True, None, ["a"], "", "x" * 257])
def test_ids_are_texts_of_1_to_256_characters(value: object) -> None:
    assert list(faults({"customer_ids": ["a", value]})) == ["customer_ids[1]"]


@pytest.mark.parametrize("value", ["1", True, None, [1], 1.1e10, -1.1e10])
def test_amounts_are_bounded_numbers(value: object) -> None:
    assert list(faults(customers(amount=value))) == ["customers[0].orders[1].amount"]


@pytest.mark.parametrize(
    "value",
    ["20110612", "1307836800", 1307836800, "2011-06", "12/06/2011", "2011-02-30", "2011-06-12T24:00:00",
     "2011-06-12T10", "2011-06-12T10:00:00.1234567", "2011-06-12 10:00 UTC", "1899-12-31", "2200-01-01",
     "２011-06-12", ""],
)  # fmt: skip
def test_times_that_could_mean_something_else_are_refused(value: object) -> None:
    assert list(faults(customers(time=value))) == ["customers[0].orders[1].time"]


@pytest.mark.parametrize(
    ("text", "time"),
    [
        ("2011-06-12", datetime(2011, 6, 12)),
        ("2011-06-12 10:30", datetime(2011, 6, 12, 10, 30)),
        ("2011-06-12T10:30:05.25", datetime(2011, 6, 12, 10, 30, 5, 250_000)),
        ("2011-06-12T10:30:00Z", datetime(2011, 6, 12, 10, 30, tzinfo=UTC)),
        ("2011-06-12T18:30:00+08:00", datetime(2011, 6, 12, 10, 30, tzinfo=UTC)),
    ],
)
def test_times_naive_or_zoned(text: str, time: datetime) -> None:
    read = OrderLine.model_validate_json(json.dumps(line(time=text))).time
    assert read == time
    assert read.utcoffset() == (None if time.tzinfo is None else timedelta(hours=8 if "+08" in text else 0))


@pytest.mark.parametrize("value", ["1307836800", 1, "2011-6-1", "2011-06-12T00:00:00", "2011-02-29"])
def test_as_of_is_a_day(value: object) -> None:
    assert list(faults({"customer_ids": ["a"], "as_of": value})) == ["as_of"]


def test_all_faults_come_at_once_and_unknown_keys_are_not_echoed() -> None:
    found = faults(customers(amount="x", time="y", **{"someone@example.com": 1, "shade": 2}))
    start = "customers[0].orders[1]."
    assert sorted(found) == sorted(start + name for name in ("amount", "time", "?", "shade"))
    assert found[start + "shade"].startswith("is not a field")


def test_validation_errors_do_not_carry_the_input() -> None:
    with pytest.raises(ValidationError) as caught:
        BatchRequest.model_validate_json(json.dumps(customers(amount="4111111111111111")))
    assert "4111" not in str(caught.value)


def test_answers_are_finite_and_keep_every_bit() -> None:
    row = {"customer_id": "a", "found": True, "clv": 0.1 + 0.2, "n": 3, "text": "x", "none": None, "on": True}
    result = CustomerResult.model_validate(row)
    (back,) = json.loads(BatchAnswer(results=[result]).model_dump_json(exclude_none=True))["results"]
    assert back == {name: value for name, value in row.items() if value is not None}
    assert type(back["n"]) is int
    for bad in (float("nan"), float("inf")):
        with pytest.raises(ValidationError):
            CustomerResult.model_validate({**row, "clv": bad})


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_any_finite_number_survives_the_way_out(value: float) -> None:
    row = {"customer_id": "a", "found": True, "clv": value}
    text = CustomerResult.model_validate(row).model_dump_json()
    assert json.loads(text)["clv"].hex() == value.hex()


def test_openapi_names_every_model_it_refers_to() -> None:
    document = openapi(ServingSettings(max_rows=7), keyed=True)
    text = json.dumps(document)
    referred = {part.split('"')[0] for part in text.split("#/components/schemas/")[1:]}
    assert referred == set(document["components"]["schemas"])
    assert "At most 7 customers" in document["info"]["description"]
    assert "security" not in openapi(ServingSettings(), keyed=False)


def test_every_example_fits_its_route() -> None:
    assert EXAMPLES.keys() == SHAPES.keys()
    for path, examples in EXAMPLES.items():
        for document in examples.values():
            SHAPES[path].model_validate_json(json.dumps(document))


def test_every_route_is_described() -> None:
    described = set(openapi(ServingSettings(), keyed=True)["paths"])
    pages = {"/", "/docs", "/docs.json"}
    assert {raw.decode() for raw in ROUTES} | {"/v1/customers/{customer_id}"} == described | pages


def test_page_shows_routes_and_fields_without_script_or_address() -> None:
    html = page(openapi(ServingSettings(), keyed=True))
    for word in ("POST /v1/score", "POST /v1/events", "customer_ids", "unit_price", "Authorization: Bearer"):
        assert word in html
    for word in ("<script", "src=", "//cdn", "https://", "@import"):
        assert word not in html
