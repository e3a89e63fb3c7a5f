"""Effects per offer, class and channel: by hand, pooled over runs, judged, and told in words."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from features.errors import InputError
from strategies.pooled_effect import interval, pooled_effect
from strategies.result_notes import note, smallest_effect
from strategies.results import campaign_effects, campaign_rates, with_plan


def trial(
    effect: float, *, run: str = "r1", n: int = 200, offer: str = "call", seed: int = 0
) -> pd.DataFrame:
    """A run in which half get an offer worth `effect` and half are held out."""
    rng = np.random.default_rng(seed)
    held = np.arange(n) % 2 == 1
    frame = pd.DataFrame({"run_id": run, "customer_id": [f"{offer}{i}" for i in range(n)]})
    frame["arm"] = np.where(held, "hold_out", "treat")
    frame["offer"], frame["planned_offer"] = np.where(held, "leave_alone", offer), offer
    frame["channel"] = np.where(held, "none", f"{offer} channel")
    frame = frame.assign(propensity=0.5, value_class="gold", expected_gain=2.0)
    known = rng.normal(10, 2, n)
    frame["margin_before"] = known
    frame["margin"] = known + np.where(held, 0.0, effect) + rng.normal(0, 1, n)
    frame["net_margin"] = frame["margin"] - np.where(held, 0.0, 1.0)
    frame["orders"] = rng.poisson(1.0, n).astype(float)
    return frame.assign(churn=(frame["orders"] == 0) * 1.0)


def net(found: pd.DataFrame, dimension: str = "offer") -> pd.DataFrame:
    rows = found[(found["dimension"] == dimension) & (found["outcome"] == "net_margin")]
    return rows.set_index("group")


def test_offers_are_judged_by_the_margin_less_cost() -> None:
    log = pd.concat([trial(5.0), trial(-2.0, offer="voucher", seed=1), trial(1.0, offer="mail", seed=2)])
    found = net(campaign_effects(log))
    assert found["verdict"].to_dict() == {"call": "works", "mail": "open", "voucher": "stop"}
    assert found.loc["call", "effect"] == pytest.approx(4.0, abs=0.6)
    assert (found["high"] - found["low"] < found["plain_high"] - found["plain_low"]).all()
    assert set(campaign_effects(log)["source"]) == {"measured"}


def test_classes_and_channels_stand_beside_and_counts_reconcile() -> None:
    log = pd.concat([trial(5.0), trial(1.0, offer="mail", seed=2).assign(value_class="lead")])
    found = campaign_effects(log)
    assert set(net(found, "channel").index) == {"call channel", "mail channel"}
    assert set(net(found, "value_class").index) == {"gold", "lead"}
    for dimension in ("all", "offer", "value_class", "channel"):
        assert net(found, dimension)[["treated", "held_out"]].sum().tolist() == [200, 200]


def test_runs_are_pooled_by_how_well_they_know() -> None:
    log = pd.concat([trial(3.0), trial(3.0, run="r2", n=800, seed=1)])
    alone = [net(campaign_effects(log[log["run_id"] == run])).loc["call"] for run in ("r1", "r2")]
    both = net(campaign_effects(log)).loc["call"]
    weights = [1 / part["se"] ** 2 for part in alone]
    expected = sum(w * part["effect"] for w, part in zip(weights, alone, strict=True)) / sum(weights)
    assert both["effect"] == pytest.approx(expected)
    assert both["se"] == pytest.approx(sum(weights) ** -0.5)
    assert both["total"] == pytest.approx(100 * alone[0]["effect"] + 400 * alone[1]["effect"])
    assert both["runs"] == 2


def test_runs_that_differ_are_told() -> None:
    log = pd.concat([trial(9.0), trial(-9.0, run="r2", seed=1)])
    row = net(campaign_effects(log)).loc["call"]
    assert row["differ"] < 1e-6
    assert "the 2 runs differ more than chance allows" in row["note_en"]


def test_small_runs_are_put_together() -> None:
    log = pd.concat([trial(6.0, run=f"r{i}", n=20, seed=i) for i in range(8)])
    row = net(campaign_effects(log)).loc["call"]
    assert (row["treated"], row["held_out"], row["runs"]) == (80, 80, 1)
    assert row["verdict"] == "works"


def test_too_few_have_an_effect_and_no_interval() -> None:
    row = net(campaign_effects(trial(5.0, n=40))).loc["call"]
    assert row["verdict"] == "too_few"
    assert np.isfinite(row["effect"])
    assert np.isnan(row["low"])
    assert row["note_en"].startswith("20 left alone and 20 treated: an interval needs 30 of each")


def test_an_outcome_that_hardly_varies_has_no_interval() -> None:
    log = trial(5.0).assign(churn=np.arange(200) < 3)
    found = campaign_effects(log.assign(churn=log["churn"].astype(float)))
    rows = found[(found["dimension"] == "offer") & (found["outcome"] == "churn")]
    assert rows["low"].isna().all()
    assert rows["verdict"].tolist() == [""]


def test_open_verdicts_tell_how_many_would_be_needed() -> None:
    row = net(campaign_effects(trial(1.0))).loc["call"]
    assert row["verdict"] == "open"
    seen = smallest_effect(row["se"], row["df"], 0.95)
    assert f"less than {seen:.2f} per customer cannot be told" in row["note_en"]
    words = {"outcome": "net_margin", "verdict": "open", "se": 2.0, "df": 1e9, "differ": np.nan}
    en, zh = note({**words, "treated": 900, "held_out": 100, "runs": 1}, 1.0, 0.95)
    # (2.8016 · 2 / 1)² · 1000
    assert "the 1.00 expected would need about 31,396 customers, there are 1,000" in en
    assert "31,396" in zh


def test_what_exploration_gave_instead_counts_for_neither_arm() -> None:
    log = trial(5.0)
    log.loc[:3, ["arm", "offer"]] = ["explore", "mail"]
    planned = with_plan(log)
    assert planned["trial_arm"].tolist()[:6] == [-1, -1, -1, -1, 1, 0]
    assert net(campaign_effects(log)).loc["call", ["treated", "held_out"]].tolist() == [98, 98]


def test_those_whom_nothing_was_meant_for_are_left_out() -> None:
    log = pd.concat([trial(5.0), trial(0.0, offer="leave_alone", seed=3)])
    assert net(campaign_effects(log), "all")[["treated", "held_out"]].to_numpy().tolist() == [[100, 100]]


def test_a_hold_out_without_its_offer_is_refused() -> None:
    log = trial(5.0).drop(columns="planned_offer")
    with pytest.raises(
        InputError, match="100 customers were held out and the log does not say from which offer"
    ):
        campaign_effects(log)


def test_no_decisions_give_an_empty_table() -> None:
    assert campaign_effects(trial(0.0, offer="leave_alone")).empty


def test_rates_are_of_those_who_reported() -> None:
    log = trial(5.0, n=8).assign(cost_paid=1.0)
    log["reached"] = pd.array([True, None, True, None, False, None, None, None], dtype="boolean")
    log["accepted"] = pd.array([True, None, False, None, None, None, None, None], dtype="boolean")
    row = campaign_rates(log).set_index("dimension").loc["offer"]
    assert row[["treated", "reported", "reached", "accepted", "cost"]].tolist() == [4, 0.75, 2 / 3, 0.5, 4.0]


def test_skewness_moves_both_bounds_to_the_long_tail() -> None:
    table = pd.DataFrame({"effect": [0.0, 0.0], "se": 1.0, "df": 1e9, "third": [0.2, -0.2]})
    low, high = interval(table, "effect", 0.95)
    assert low[0] == pytest.approx(-high[1])
    assert high[0] == pytest.approx(-low[1])
    assert high[0] > 1.96 > -low[0]


def test_parts_that_say_nothing_are_left_out() -> None:
    names = ["effect", "se", "df", "third", "plain", "plain_se", "plain_df", "plain_third", "left_alone"]
    part = pd.DataFrame([[2.0, 1.0, 50.0, 0.0] * 2 + [5.0]], columns=names, index=["margin"])
    part = part.assign(treated=10, held_out=5, method="lin")
    silent = part.assign(effect=99.0, se=np.nan)
    found = pooled_effect([part, silent]).loc["margin"]
    assert (found["effect"], found["runs"], found["treated"]) == (2.0, 1, 20)
    assert np.isnan(pooled_effect([silent]).loc["margin", "se"])
