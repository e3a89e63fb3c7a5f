"""Why scores moved: exact by group, the model apart from the customer, told in words."""

from __future__ import annotations

from datetime import date

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features.errors import ConfigError, ModelError
from serving.explain import log_odds, probability
from serving.explained import Explained
from serving.move_texts import MODEL, MOVES, move_quantities
from serving.moved import Moves, group_name, moved
from serving.reason_texts import GROUP_CODES

SINCE = date(2026, 11, 1)
NAMES = [*GROUP_CODES, "base"]
WEIGHTS = st.lists(st.floats(-5, 5), min_size=3 * len(NAMES), max_size=3 * len(NAMES))


def contributions(*rows: dict[str, float], ids: str = "abcdefgh") -> pd.DataFrame:
    return pd.DataFrame(list(rows), index=list(ids[: len(rows)]), columns=NAMES).fillna(0.0)


def told(
    before: dict[str, float],
    now: dict[str, float],
    *,
    then: dict[str, float] | None = None,
    today: dict[str, float] | None = None,
    lang: str = "en",
) -> str:
    """The text for one customer of the same model."""
    old, new = contributions(before), contributions(now)
    change = moved(old, new, same_model=True)
    first = Explained(old, pd.DataFrame([then or {}], index=["a"]))
    last = Explained(new, pd.DataFrame([today or {}], index=["a"]), change)
    return Moves(first, last, SINCE).texts(lang=lang, currency="EUR")["a"]  # type: ignore[arg-type]


@given(WEIGHTS)
@settings(max_examples=50)
def test_changes_add_up_whatever_is_known_of_the_models(weights: list[float]) -> None:
    rows = np.array(weights).reshape(3, 1, len(NAMES))
    before, now, replayed = (pd.DataFrame(row, columns=NAMES, index=["a"]) for row in rows)
    wanted = log_odds(now) - log_odds(before)
    for found in (
        moved(before, now, same_model=True),
        moved(before, now, same_model=False),
        moved(before, now, same_model=False, replayed=replayed),
    ):
        assert list(found) == [*GROUP_CODES, MODEL]
        assert found.sum(axis=1).to_numpy() == pytest.approx(wanted, abs=1e-9)


def test_a_new_model_is_told_apart_from_what_the_customer_did() -> None:
    before = contributions({"recency": 0.1, "base": -1.0})
    replayed = contributions({"recency": 0.9, "base": -1.0})  # the earlier model, the customer of now
    now = contributions({"recency": 0.5, "spend": 0.2, "base": -0.3})
    found = moved(before, now, same_model=False, replayed=replayed).loc["a"]
    assert found["recency"] == pytest.approx(0.8)
    assert found["spend"] == 0.0
    assert found[MODEL] == pytest.approx(0.4 - -0.1)


def test_without_the_earlier_model_all_of_it_is_the_models() -> None:
    before, now = contributions({"recency": 0.1}), contributions({"recency": 0.9, "base": 0.3})
    found = moved(before, now, same_model=False).loc["a"]
    assert found[MODEL] == pytest.approx(1.1)
    assert (found.drop(MODEL) == 0).all()


def test_only_customers_of_both_runs_are_compared_in_the_order_of_now() -> None:
    before = contributions({"recency": 1.0}, {"recency": 2.0}, {"recency": 3.0}, ids="abc")
    now = contributions({"recency": 5.0}, {"recency": 5.0}, {"recency": 5.0}, ids="xca")
    assert moved(before, now, same_model=True)["recency"].to_dict() == {"c": 2.0, "a": 4.0}
    with pytest.raises(ModelError, match="was asked about 1 customers, 2 are in both"):
        moved(before, now, same_model=False, replayed=now.loc[["c"]])


def test_longer_silence_is_told_in_days() -> None:
    silent = {"days_since_last": 10.0}, {"days_since_last": 40.0}
    pushes = {"recency": -0.3, "base": -1.0}, {"recency": 0.5, "base": -1.0}
    english = told(*pushes, then=silent[0], today=silent[1])
    # 1 / (1 + exp(1.3)) = 21.4 %, 1 / (1 + exp(0.5)) = 37.8 %
    assert english == "risk up 16 points since 2026-11-01: 30 more days without an order (+0.80)"
    chinese = told(*pushes, then=silent[0], today=silent[1], lang="zh")
    assert chinese == "自2026-11-01以来风险上升16个百分点：又有30天未下单（+0.80）"


def test_new_orders_and_spend_are_told_with_what_they_were() -> None:
    then = {"days_since_last": 60.0, "orders_total": 4.0, "spend_90d": 0.0}
    today = {"days_since_last": 1.0, "orders_total": 5.0, "spend_90d": 123.0}
    found = told({"recency": 1.0}, {"recency": -0.5, "frequency": -0.4}, then=then, today=today)
    assert (
        found
        == "risk down 44 points since 2026-11-01: last order 1 day ago, was 60 days (-1.50), 1 new order (-0.40)"
    )
    found = told({}, {"trend": -0.1}, then=then, today=today)
    assert found.endswith(
        "risk down 2 points since 2026-11-01: spent 120 EUR in the last 90 days, was 0 EUR (-0.10)"
    )


def test_the_first_cause_points_the_way_the_score_went() -> None:
    found = told({}, {"frequency": -0.6, "recency": 0.5, "trend": 0.4})
    assert found == (
        "risk up 7 points since 2026-11-01: time since the last order (+0.50), frequency of orders (-0.60)"
    )


def test_small_and_missing_changes_are_said_to_be_so() -> None:
    assert told({"recency": 0.1}, {"recency": 0.11}) == "risk unchanged since 2026-11-01"
    assert told({"recency": 0.1}, {"recency": 0.11}, lang="zh") == "自2026-11-01以来风险不变"
    assert told({}, {"recency": 0.04}).startswith("risk up 1 point since")
    assert "；" not in told({}, {"recency": 0.4, "spend": 0.01}, lang="zh")


def test_new_customers_are_named_as_such() -> None:
    now = contributions({"recency": 1.0}, ids="x")
    change = moved(contributions({}, ids="a"), now, same_model=True)
    empty = pd.DataFrame(index=["x"])
    moves = Moves(Explained(contributions({}, ids="a"), empty), Explained(now, empty, change), SINCE)
    assert moves.texts(lang="en")["x"] == "new since 2026-11-01"
    assert moves.texts(lang="zh")["x"] == "自2026-11-01以来新增的客户"
    assert moves.summary() == {"since": "2026-11-01", "compared": 0, "up": 0, "down": 0, "by": {}}


def test_the_summary_counts_moves_of_five_points_by_their_first_cause() -> None:
    before = contributions({}, {}, {}, {})
    now = contributions({"recency": 1.0}, {"recency": 0.3}, {"frequency": -0.9, "spend": 0.2}, {"trend": 0.1})
    change = moved(before, now, same_model=True)
    quantities = pd.DataFrame(index=now.index)
    found = Moves(Explained(before, quantities), Explained(now, quantities, change), SINCE).summary()
    assert (found["compared"], found["up"], found["down"]) == (4, 2, 1)
    assert found["by"] == {"recency": 2, "frequency": 1}


def test_what_would_be_printed_the_same_is_not_told_as_a_change() -> None:
    before = pd.DataFrame({"spend_90d": [121.0, 121.0], "gap_max": [16.4, 16.0]})
    now = pd.DataFrame({"spend_90d": [119.0, 131.0], "gap_max": [15.6, 20.0]})
    found = move_quantities(before, now)
    assert np.isnan(found["spend_90d_was"]).tolist() == [True, False]
    assert np.isnan(found["gap_max_was"]).tolist() == [True, False]


def test_every_group_and_the_model_have_words() -> None:
    assert set(MOVES) == {*GROUP_CODES, MODEL}
    for code, phrases in MOVES.items():
        assert phrases[-1].needs == ()
        assert group_name(code, "en")
        assert group_name(code, "zh")


def test_texts_say_the_direction_of_every_score_and_wrong_use_is_refused() -> None:
    draw = np.random.default_rng(3)
    index = [f"c{i}" for i in range(2_000)]
    old, new = (
        pd.DataFrame(draw.normal(0, 0.4, (2_000, len(NAMES))), columns=NAMES, index=index) for _ in "ab"
    )
    new["base"] = old["base"] = -0.5
    change = moved(old, new, same_model=True)
    quantities = pd.DataFrame({"days_since_last": draw.integers(0, 90, 2_000)}, index=index)
    moves = Moves(Explained(old, quantities), Explained(new, quantities, change), SINCE)
    texts = moves.texts(lang="en")
    points = np.round(100 * (probability(new) - probability(old)))
    assert (texts.str.contains("risk up") == (points > 0)).all()
    assert (texts.str.contains("risk down") == (points < 0)).all()
    with pytest.raises(ConfigError, match="has no texts"):
        moves.texts(lang="fr")  # type: ignore[arg-type]
    with pytest.raises(ModelError, match="change by group is missing"):
        Moves(Explained(old, quantities), Explained(new, quantities), SINCE).texts(lang="en")
