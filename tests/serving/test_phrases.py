"""Numbers as people say them, and phrases filled for whole columns."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.errors import ConfigError
from serving.phrases import Phrase, Quantities, check_lang, fill, money, spell


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1234.56, "1,200 GBP"),
        (87.4, "87 GBP"),
        (8.76, "8.8 GBP"),
        (0.1234, "0.12 GBP"),
        (99.6, "100 GBP"),
        (9.96, "10 GBP"),
        (0.0, "0 GBP"),
        (-0.0, "0 GBP"),
        (-1999.0, "-2,000 GBP"),
        (2_345_678.0, "2,300,000 GBP"),
    ],
)
def test_money_has_two_significant_digits(value: float, text: str) -> None:
    assert money(value, "GBP") == text
    assert money(value, "") == text.removesuffix(" GBP")


@given(st.floats(-1e12, 1e12))
def test_money_stays_within_five_percent(value: float) -> None:
    told = float(money(value, "").replace(",", ""))
    assert told == pytest.approx(value, rel=0.0501, abs=1e-300)


@pytest.mark.parametrize(
    ("unit", "value", "en", "zh"),
    [
        ("days", 1.0, "1 day", "1天"),
        ("days", 15.6, "16 days", "16天"),
        ("orders", 1200.0, "1,200 orders", "1,200笔订单"),
        ("categories", 1.0, "1 category", "1个品类"),
        ("percent", 0.256, "26%", "26%"),
        ("score", 7.0, "7.0", "7.0"),
        ("number", 0.0, "0", "0"),
    ],
)
def test_quantities_carry_their_unit(unit: str, value: float, en: str, zh: str) -> None:
    assert spell(value, unit, "en", "") == en
    assert spell(value, unit, "zh", "") == zh


def test_the_first_phrase_whose_quantities_are_known_is_said() -> None:
    phrases = [
        Phrase("{a:days} of {b:days}", "{b:days}中{a:days}"),
        Phrase("{a:days}", "{a:days}"),
        Phrase("-", "无"),
    ]
    people = Quantities(pd.DataFrame({"a": [1.0, 2.0, None, np.inf], "b": [3.0, None, 3.0, 3.0]}))
    told = fill(phrases, people, np.array([3, 0, 1, 2]), lang="en", currency="")
    assert told.tolist() == ["-", "1 day of 3 days", "2 days", "-"]


def test_a_difference_of_money_leaves_no_dust() -> None:
    people = Quantities(pd.DataFrame({"now": [0.3], "change": [0.1 + 0.2]}), {"before": ("now", "change")})
    assert people["before"].tolist() == [0.0]
    assert np.isnan(people["absent"]).all()


def test_only_languages_with_texts_are_spoken() -> None:
    check_lang("zh")
    with pytest.raises(ConfigError, match="expected en or zh"):
        check_lang("")
