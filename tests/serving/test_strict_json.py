"""Strict JSON: one meaning or a refusal that names the field and never shows a value."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.refusal import Refusal
from serving.strict_json import strict_json


@pytest.mark.parametrize(
    ("body", "code", "words"),
    [
        (b"", "empty", "is empty"),
        (b"  \n", "empty", "is empty"),
        (b"{", "not_json", "line 1, column 2"),
        (b'{"a": 1} x', "not_json", "Extra data"),
        (b"{'a': 1}", "not_json", "column 2"),
        (b'{"a": 01}', "not_json", "column 8"),
        (b'{"a": "\x00"}', "not_json", "control character"),
        (b"\xef\xbb\xbf{}", "not_utf8", "byte-order mark"),
        ('{"a": 1}'.encode("utf-16"), "not_utf8", "byte 1"),
        ('{"a": "客户"}'.encode("gbk"), "not_utf8", "byte 8"),
        (b"[" * 100_000, "too_deep", "too deeply"),
        (b'{"a":' * 100_000, "too_deep", "too deeply"),
    ],
)
def test_bodies_that_are_no_json(body: bytes, code: str, words: str) -> None:
    with pytest.raises(Refusal, match=words) as caught:
        strict_json(body)
    assert (caught.value.status, caught.value.code) == (400, code)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (b'{"a": {"b": 1, "c": 2, "b": 3}}', "a.b"),
        (b'[{"a": 1}, {"a": [0, NaN]}]', "[1].a[1]"),
        (b'{"a": -Infinity}', "a"),
        (b'{"a": 1e999}', "a"),
        (b'{"a": -1e309}', "a"),
        (b'{"a": ' + b"1" * 41 + b"}", "a"),
        (b'{"a": ' + b"1" * 5000 + b"}", "a"),
        (b'{"a": ["x", "\\ud800"]}', "a[1]"),
        (b'{"a": "x\\u0000y"}', "a"),
        (b'{"\\ud83d": 1}', "?"),
    ],
)
def test_faults_are_named_by_field(body: bytes, field: str) -> None:
    with pytest.raises(Refusal) as caught:
        strict_json(body)
    assert (caught.value.code, caught.value.field) == ("not_strict", field)


def test_no_value_and_no_odd_key_shows_in_a_refusal() -> None:
    with pytest.raises(Refusal) as caught:
        strict_json(b'{"someone@example.com": "4111111111111111\\u0000"}')
    assert "someone" not in str(caught.value)
    assert "4111" not in str(caught.value)


def test_many_keys_with_one_twice_end_quickly() -> None:
    pairs = ",".join(f'"k{i}":1' for i in range(100_000))
    with pytest.raises(Refusal, match="k7"):
        strict_json(f'{{{pairs},"k7":2}}'.encode())


def test_whole_surrogate_pairs_and_unusual_texts_are_kept() -> None:
    assert strict_json(b'["\\ud83d\\ude00", "e\\u0301"]') == ["😀", "e\u0301"]


numbers = st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(10**38), 10**38)
texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"))
documents = st.recursive(
    st.none() | st.booleans() | numbers | texts, lambda d: st.lists(d) | st.dictionaries(texts, d)
)


@given(documents, st.booleans())
def test_what_is_strict_is_read_as_it_was_written(document: object, ascii_only: bool) -> None:
    assert strict_json(json.dumps(document, ensure_ascii=ascii_only).encode()) == document


@given(st.binary(max_size=60))
def test_any_bytes_are_read_or_refused(body: bytes) -> None:
    status = 200
    try:
        strict_json(body)
    except Refusal as refusal:
        status = refusal.status
    assert status in (200, 400)
