from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.parse_money import NumberStyle, parse_number

POINT = NumberStyle(currency="CNY")
COMMA = NumberStyle(decimal=",", thousands=".", currency="EUR")
SWISS = NumberStyle(thousands="'", currency="CHF")
SPACE = NumberStyle(decimal=",", thousands=" ")


@pytest.mark.parametrize(
    ("text", "style", "value", "repairs"),
    [
        ("12.5", POINT, 12.5, ()),
        ("-0.05", POINT, -0.05, ()),
        ("1,234.50", POINT, 1234.5, ("thousands",)),
        ("1,234,567", POINT, 1234567, ("thousands",)),
        ("¥12.5", POINT, 12.5, ("currency_sign",)),
        ("¥-12.5", POINT, -12.5, ("currency_sign",)),
        ("-¥ 12.5", POINT, -12.5, ("currency_sign",)),
        ("￥１,２３４.５", POINT, 1234.5, ("currency_sign", "full_width", "thousands")),
        ("12.5元", POINT, 12.5, ("currency_sign",)),
        ("人民币12元", POINT, 12, ("currency_sign",)),
        ("1.23万元", POINT, 12300, ("currency_sign", "unit")),
        ("3万", POINT, 30000, ("unit",)),
        ("(12.00)", POINT, -12, ("parentheses",)),
        ("(¥1,200)", POINT, -1200, ("currency_sign", "parentheses", "thousands")),
        ("12.50-", POINT, -12.5, ("trailing_minus",)),
        ("−12", POINT, -12, ()),
        ("CNY 12", POINT, 12, ("currency_sign",)),
        ("1.5E+3", POINT, 1500, ("exponent",)),
        (".5", POINT, 0.5, ()),
        ("0", POINT, 0, ()),
        ("1.234,50 €", COMMA, 1234.5, ("currency_sign", "thousands")),
        ("12,5", COMMA, 12.5, ()),
        ("1'234.50", SWISS, 1234.5, ("thousands",)),
        ("1\u202f234,50", SPACE, 1234.5, ("thousands",)),
    ],
)
def test_one_meaning_is_read(text, style, value, repairs):
    parsed = parse_number(text, style)
    assert (parsed.value, parsed.fault, parsed.repairs) == (value, "", repairs)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("1,23", "not_a_number"),
        ("1.234,50", "not_a_number"),
        ("1,2345", "not_a_number"),
        ("12,34,567", "not_a_number"),
        ("1 234", "not_a_number"),
        ("12.", "not_a_number"),
        ("12.5.1", "not_a_number"),
        ("1_000", "not_a_number"),
        ("0x10", "not_a_number"),
        ("12%", "not_a_number"),
        ("--5", "not_a_number"),
        ("(-5)", "not_a_number"),
        ("5-6", "not_a_number"),
        ("12 apples", "not_a_number"),
        ("١٢", "not_a_number"),
        ("free", "not_a_number"),
        ("$12", "other_currency"),
        ("12 EUR", "other_currency"),
        ("$12元", "other_currency"),
        ("inf", "not_finite"),
        ("-Infinity", "not_finite"),
        ("1e400", "not_finite"),
        ("1e999999999", "not_finite"),
        ("#DIV/0!", "not_finite"),
        ("1e12", "too_large"),
        ("999999亿", "too_large"),
        ("NaN", "missing"),
        ("", "missing"),
        ("-", "missing"),
        ("N/A", "missing"),
    ],
)
def test_anything_else_is_a_named_fault(text, fault):
    parsed = parse_number(text, POINT)
    assert (parsed.value, parsed.fault) == (None, fault)


def test_without_currency_the_sign_is_handed_back():
    assert parse_number("$12", NumberStyle()).sign == "$"
    assert parse_number("12 eur", NumberStyle()).sign == "eur"


def test_plain_numbers_take_no_currency_and_no_limit():
    assert parse_number("¥3", POINT, money=False).fault == "not_a_number"
    assert parse_number("1e12", POINT, money=False).value == 1e12


@given(st.floats(-1e9, 1e9).map(lambda x: round(x, 2)))
def test_grouped_and_plain_spellings_agree(value):
    assert parse_number(f"{value:,.2f}", POINT).value == value
    assert parse_number(f"{value:.2f}", POINT).value == value
    swapped = f"{value:,.2f}".translate(str.maketrans(",.", ".,"))
    assert parse_number(swapped, COMMA).value == value


@given(st.text(max_size=12))
def test_no_text_breaks_it(text):
    parsed = parse_number(text, POINT)
    assert (parsed.value is None) == bool(parsed.fault)
    assert parsed.value is None or abs(parsed.value) <= 1e11
