"""Effects of offers: assumptions drawn towards randomised results, by hand."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import beta

from features.errors import InputError
from strategies.effects import (
    BELIEF_COLUMNS,
    Estimate,
    assumed_effect,
    believed_effects,
    kept_estimate,
    margin_estimate,
    response_rate,
    shrink,
    spread_between,
)
from strategies.settings import OfferSettings

CALL = OfferSettings(channel="phone", cost=4.0, assumed_effect=0.2, strength=100)


def test_without_results_the_assumption_stands_with_an_error_of_one_over_root_strength() -> None:
    found = assumed_effect("call", CALL)
    assert (found.mean, found.source, found.campaigns, found.weight) == (0.2, "assumed", 0, 0.0)
    assert found.low == pytest.approx(0.2 - 1.959964 * 0.1)
    assert found.high == pytest.approx(0.2 + 1.959964 * 0.1)


def test_two_agreeing_campaigns_by_hand() -> None:
    # Precisions 100, 1 / 0.05² = 400 and 1 / 0.1² = 100; the results agree, so nothing moved between them.
    found = shrink("call", CALL, [Estimate(0.1, 0.05), Estimate(0.1, 0.1)])
    assert found.mean == pytest.approx((100 * 0.2 + 400 * 0.1 + 100 * 0.1) / 600)
    assert found.high - found.low == pytest.approx(2 * 1.959964 / 600**0.5)
    assert (found.source, found.campaigns, found.weight) == ("measured", 2, pytest.approx(500 / 600))


def test_campaigns_that_disagree_count_less() -> None:
    # τ² = 0.07: each result is worth 1 / (0.01 + 0.07) = 12.5 customers instead of 100.
    found = shrink("call", CALL, [Estimate(0.0, 0.1), Estimate(0.4, 0.1)])
    assert found.mean == pytest.approx((100 * 0.2 + 12.5 * 0.4) / 125)
    assert found.weight == pytest.approx(0.2)
    assert spread_between([Estimate(0.0, 0.1)]) == 0.0


def test_an_offer_is_stopped_only_when_measured_to_do_harm() -> None:
    harmful = OfferSettings(channel="phone", cost=1.0, assumed_effect=-0.9, strength=1000)
    assert assumed_effect("nag", harmful).high < 0
    assert not assumed_effect("nag", harmful).stop
    assert shrink("nag", CALL, [Estimate(-0.5, 0.05)]).stop
    assert not shrink("nag", CALL, [Estimate(-0.5, 0.5)]).stop


def test_counts_become_a_share_of_leavers_saved() -> None:
    found = kept_estimate(99, 79, 99, 59)
    left_t, left_h = 20.5 / 100, 40.5 / 100
    assert found.value == pytest.approx(1 - left_t / left_h)
    v_t, v_h = left_t * (1 - left_t) / 99, left_h * (1 - left_h) / 99
    assert found.error == pytest.approx(((v_t + (left_t / left_h) ** 2 * v_h) ** 0.5) / left_h)


def test_the_error_of_counts_covers_the_truth() -> None:
    rng = np.random.default_rng(3)
    left_t, left_h = rng.binomial(400, 0.24, 2000), rng.binomial(400, 0.3, 2000)
    found = [kept_estimate(400, 400 - t, 400, 400 - h) for t, h in zip(left_t, left_h, strict=True)]
    covered = np.mean([abs(f.value - 0.2) < 1.96 * f.error for f in found])
    assert 0.935 < covered < 0.965


def test_money_is_divided_by_what_was_at_stake() -> None:
    assert margin_estimate(-3.0, 1.0, 20.0) == Estimate(-0.15, 0.05)
    with pytest.raises(InputError, match="mean value at stake is 0"):
        margin_estimate(1.0, 1.0, 0.0)


def test_response_rate_is_beta_binomial() -> None:
    mean, low, high = response_rate(0.1, 20, 8, 20)
    assert mean == 0.25
    assert (low, high) == (pytest.approx(beta(10, 30).ppf(0.025)), pytest.approx(beta(10, 30).ppf(0.975)))
    assert response_rate(0.1, 20, 0, 0)[0] == pytest.approx(0.1)


def test_the_catalogue_keeps_its_order_and_each_offer_its_own_results() -> None:
    catalogue = {"call": CALL, "gift": CALL, "mail": OfferSettings(channel="email", cost=0.1)}
    results = pd.DataFrame({"offer": ["gift", "gift"], "effect": [0.1, 0.1], "error": [0.05, 0.1]})
    found = believed_effects(catalogue, results)
    assert tuple(found.columns) == BELIEF_COLUMNS
    assert found["offer"].tolist() == ["call", "gift", "mail"]
    assert found["effect_source"].tolist() == ["assumed", "measured", "assumed"]
    assert found["campaigns"].tolist() == [0, 2, 0]
    assert found["effect"].tolist() == [0.2, pytest.approx(70 / 600), 0.0]


def test_strange_results_are_refused() -> None:
    with pytest.raises(
        InputError, match=r"results of 1 offer\(s\) that the catalogue does not have, such as 'x'"
    ):
        believed_effects({"call": CALL}, pd.DataFrame({"offer": ["x"], "effect": [0.1], "error": [0.1]}))
    with pytest.raises(InputError, match=r"an error above 0, this one has 0\.1 and 0"):
        believed_effects({"call": CALL}, pd.DataFrame({"offer": ["call"], "effect": [0.1], "error": [0.0]}))
    with pytest.raises(InputError, match="lacks 1 column"):
        believed_effects({"call": CALL}, pd.DataFrame({"offer": ["call"], "effect": [0.1]}))
    with pytest.raises(InputError, match="5 kept of 4 treated"):
        kept_estimate(4, 5, 4, 2)
    with pytest.raises(InputError, match="3 accepted of 2"):
        response_rate(0.1, 10, 3, 2)


@given(
    st.floats(-1, 1),
    st.floats(1, 1e4),
    st.lists(st.tuples(st.floats(-3, 3), st.floats(1e-3, 2)), max_size=5),
)
def test_beliefs_lie_between_assumption_and_results(
    mean: float, strength: float, told: list[tuple[float, float]]
) -> None:
    settings = OfferSettings(channel="mail", cost=0.0, assumed_effect=mean, strength=strength)
    found = shrink("x", settings, [Estimate(*one) for one in told])
    reach = [mean, *(value for value, _ in told)]
    assert max(-1.0, min(reach)) - 1e-9 <= found.mean <= min(1.0, max(reach)) + 1e-9
    assert -1 <= found.low <= found.mean <= found.high <= 1
    assert 0 <= found.weight < 1
    assert found.source == ("measured" if told else "assumed")
