"""The test of another policy: by hand, on a log with known truth, and where it must refuse."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from features.errors import InputError, NotEnoughData
from strategies.offline_test import OfflineTest, offline_value, overlap, predicted_outcomes


def logged(seed: int = 0, *, n: int = 4000) -> tuple[OfflineTest, float, float]:
    """A log of three offers drawn unevenly; the other policy calls whoever it pays for. Truth of both."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=n)
    brought = np.column_stack([x, 1.0 + 0 * x, 2 * x])  # leave_alone, mail, call
    chances = np.column_stack([np.full(n, 0.3), np.where(x > 0, 0.2, 0.6), np.where(x > 0, 0.5, 0.1)])
    got = (rng.random(n)[:, None] > chances.cumsum(axis=1)).sum(axis=1)
    names = np.array(["leave_alone", "mail", "call"], dtype=object)
    log = pd.DataFrame({"customer_id": np.arange(n), "offer": names[got]})
    log["propensity"] = chances[np.arange(n), got]
    other = pd.DataFrame({"leave_alone": 0.0, "mail": (x <= 0.5) * 1.0, "call": (x > 0.5) * 1.0})
    y = brought[np.arange(n), got] + rng.normal(size=n)
    truth = float((brought * other.to_numpy()).sum(axis=1).mean())
    ran = float((brought * chances).sum(axis=1).mean())
    return OfflineTest(log, y, other, pd.DataFrame({"x": x})), truth, ran


def by_hand() -> OfflineTest:
    log = pd.DataFrame({"customer_id": range(4), "offer": ["a", "a", "b", "b"]})
    log["propensity"] = [0.5, 0.25, 0.5, 0.5]
    target = pd.DataFrame({"a": [1.0, 1.0, 0.5, 0.0], "b": [0.0, 0.0, 0.5, 1.0]})
    return OfflineTest(log, np.array([1.0, 2.0, 3.0, 4.0]), target)


def test_weights_and_overlap_by_hand() -> None:
    test = by_hand()
    assert test.weights().tolist() == [2.0, 4.0, 1.0, 2.0]
    assert test.weights(3.0).tolist() == [2.0, 3.0, 1.0, 2.0]
    report = overlap(test, most=3.0).set_index("offer")
    assert report.loc["all", "effective"] == pytest.approx(8.0**2 / 18.0)
    assert report.loc["a", ["wanted", "logged", "matching", "clipped"]].tolist() == [0.625, 2.0, 2.0, 1.0]
    assert report.loc["all", "largest"] == 3.0


def test_values_by_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("strategies.offline_test.MIN_EFFECTIVE", 1.0)
    flat = pd.DataFrame({"a": np.full(4, 1.0), "b": np.full(4, 2.0)})
    ips, snips, dr = offline_value(by_hand(), predicted=flat)
    # w·y = 2, 8, 3, 8
    assert ips.value == pytest.approx(21 / 4)
    assert snips.value == pytest.approx(21 / 9)
    # policy under the model: 1, 1, 1.5, 2; corrections w (y − q): 0, 4, 1, 4
    assert dr.value == pytest.approx((5.5 + 9) / 4)
    assert ips.gain == pytest.approx(21 / 4 - 2.5)


def test_all_three_cover_the_truth_and_the_model_narrows() -> None:
    covered, widths = {"ips": 0, "snips": 0, "dr": 0}, {"ips": 0.0, "snips": 0.0, "dr": 0.0}
    for seed in range(20):
        test, truth, ran = logged(seed, n=1500)
        for value in offline_value(test):
            covered[value.estimator] += value.low <= truth <= value.high
            widths[value.estimator] += value.high - value.low
            assert value.gain_low - 0.3 <= truth - ran <= value.gain_high + 0.3
    assert min(covered.values()) >= 17
    assert widths["dr"] < 0.8 * widths["ips"]


def test_testing_the_policy_that_ran_gives_what_it_brought() -> None:
    test, _, _ = logged(3)
    share = test.log["offer"].value_counts(normalize=True)
    log = test.log.assign(propensity=test.log["offer"].map(share))
    same = pd.DataFrame({name: np.full(len(log), share[name]) for name in share.index})
    for value in offline_value(OfflineTest(log, test.outcome, same)):
        assert value.gain == pytest.approx(0, abs=1e-9) or value.estimator == "dr"
        assert value.gain_low <= 0 <= value.gain_high


def test_customers_who_come_often_count_together() -> None:
    test, _, _ = logged(4, n=1000)
    twice = OfflineTest(
        pd.concat([test.log, test.log], ignore_index=True),
        np.tile(test.outcome, 2),
        pd.concat([test.target, test.target], ignore_index=True),
    )
    once = OfflineTest(test.log, test.outcome, test.target)
    ips, again = offline_value(once)[0], offline_value(twice)[0]
    assert again.high - again.low == pytest.approx(ips.high - ips.low, rel=1e-6)


def test_a_deterministic_log_is_refused_with_what_to_do() -> None:
    test, _, _ = logged(5)
    log = test.log.assign(propensity=1.0)
    with pytest.raises(NotEnoughData, match=r"made with certainty.*Draw a hold-out"):
        offline_value(OfflineTest(log, test.outcome, test.target))


def test_offers_never_made_are_refused_by_name() -> None:
    test, _, _ = logged(6)
    new = test.target.rename(columns={"call": "visit"})
    with pytest.raises(NotEnoughData, match=r"never made the offers visit \(\d+% of customers\)"):
        offline_value(OfflineTest(test.log, test.outcome, new))


def test_customers_for_whom_nothing_was_tried_are_refused() -> None:
    n = 1000
    draw = np.arange(n) % 2
    # the first half was never called
    offer = np.where((np.arange(n) < n // 2) | (draw == 0), "leave_alone", "call")
    chance = np.where(np.arange(n) < n // 2, 1.0, 0.5)
    log = pd.DataFrame({"customer_id": range(n), "offer": offer, "propensity": chance})
    calling = pd.DataFrame({"call": np.ones(n), "leave_alone": np.zeros(n)})
    with pytest.raises(NotEnoughData, match="for about 50% of the customers the log never tried"):
        offline_value(OfflineTest(log, np.ones(n), calling))


def test_too_little_in_common_is_refused_with_the_effective_number() -> None:
    test, _, _ = logged(7, n=60)
    with pytest.raises(NotEnoughData, match=r"worth \d+ decisions about this policy"):
        offline_value(test)


def test_the_outcome_model_does_not_see_the_customer_it_predicts() -> None:
    test, _, _ = logged(8, n=500)
    before = predicted_outcomes(test)
    spiked = test.outcome.copy()
    spiked[17] = 1e6
    after = predicted_outcomes(OfflineTest(test.log, spiked, test.target, test.covariates))
    assert before.loc[17].tolist() == after.loc[17].tolist()
    assert before.loc[18].tolist() != after.loc[18].tolist()


def test_chances_that_do_not_sum_to_one_are_refused() -> None:
    test, _, _ = logged(9, n=10)
    with pytest.raises(InputError, match="rows must sum to 1"):
        OfflineTest(test.log, test.outcome, test.target * 0.9)
    with pytest.raises(InputError, match="different numbers of rows"):
        OfflineTest(test.log, test.outcome[:5], test.target)
    with pytest.raises(InputError, match=r"outside \(0, 1\]"):
        OfflineTest(test.log.assign(propensity=0.0), test.outcome, test.target)
