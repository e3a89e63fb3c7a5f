"""Hysteresis: moves need a margin, from either side, over one step or several."""

from __future__ import annotations

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.errors import ConfigError, InputError
from strategies.damping import damped_steps

_STEPS = ("a", "b", "c")


def _damped(value: float, before: str | None) -> str:
    memory = None if before is None else pd.Series([before])
    return damped_steps([value], [10.0, 20.0], _STEPS, before=memory, margin=0.1).iloc[0]


@pytest.mark.parametrize(
    ("value", "before", "expected"),
    [
        (10.5, None, "b"),
        (10.5, "a", "a"),
        (11.1, "a", "b"),
        (9.5, "b", "b"),
        (9.0, "b", "a"),
        (8.9, "b", "a"),
        (21.0, "a", "b"),
        (22.5, "a", "c"),
        (9.5, "c", "b"),
        (18.5, "c", "c"),
        (15.0, "gone", "b"),
    ],
)
def test_moves_by_hand(value: float, before: str | None, expected: str) -> None:
    assert _damped(value, before) == expected


@given(st.floats(-100, 100), st.sampled_from(_STEPS))
def test_a_second_run_with_the_same_value_changes_nothing(value: float, before: str) -> None:
    once = _damped(value, before)
    assert _damped(value, once) == once


def test_unknown_values_are_unknown_whatever_was_before() -> None:
    assert _damped(float("nan"), "a") == "unknown"


def test_thresholds_must_rise() -> None:
    with pytest.raises(ConfigError, match="rising thresholds"):
        damped_steps([1.0], [2.0, 1.0], _STEPS)


def test_memory_of_another_length_is_refused() -> None:
    with pytest.raises(InputError, match="1 values but 2 earlier labels"):
        damped_steps([1.0], [2.0], ("a", "b"), before=pd.Series(["a", "b"]))
