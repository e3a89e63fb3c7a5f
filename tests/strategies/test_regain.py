"""Win back only where the second lifetime is worth it."""

from __future__ import annotations

import pandas as pd
import pytest

from features.errors import InputError
from strategies.regain import REGAIN_REASONS, regain_or_not

STRATEGY = pd.Series(["win_back"] * 4 + ["rescue", "do_not_regain"], index=list("abcdef"))


def test_the_queue_of_lost_customers_bars_whatever_the_value() -> None:
    queue = pd.Series(
        ["regain", "do_not_regain", "do_not_regain", "do_not_regain", "x", "x"], index=list("abcdef")
    )
    found = regain_or_not(STRATEGY, [9.0, 9.0, -1.0, None, 9.0, 9.0], queue=queue)
    assert found["strategy"].tolist()[:4] == ["win_back", *["do_not_regain"] * 3]
    assert found["regain_reason"].tolist()[1:4] == [
        "second_life_not_wanted",
        "second_life_does_not_pay",
        "second_life_not_wanted",
    ]


def test_only_a_known_loss_turns_win_back_into_do_not_regain() -> None:
    found = regain_or_not(STRATEGY, [0.01, 0.0, -5.0, None, -5.0, 9.0])
    assert found["strategy"].tolist() == [
        *("win_back", "do_not_regain", "do_not_regain", "win_back"),
        *("rescue", "do_not_regain"),
    ]
    assert found["regain_reason"].tolist() == [
        *("second_life_pays", "second_life_does_not_pay", "second_life_does_not_pay", "second_life_unknown"),
        *("not_for_regaining", "not_for_regaining"),
    ]
    assert found.index.tolist() == list("abcdef")


def test_every_reason_has_both_texts() -> None:
    assert all(texts["en"].isascii() and not texts["zh"].isascii() for texts in REGAIN_REASONS.values())


def test_columns_of_other_length_are_refused() -> None:
    with pytest.raises(InputError, match="6 strategies but 1 second"):
        regain_or_not(STRATEGY, [1.0])


def test_nobody_is_nothing() -> None:
    assert regain_or_not(STRATEGY.iloc[:0], []).empty
