"""Protected attributes decide nothing, and bias against a group is seen."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from features.errors import ConfigError, InputError
from strategies.protected import ANY_OFFER, fairness, is_protected, protected_names, refuse_protected
from strategies.settings import StrategySettings


def group(name: str, customers: int, called: int) -> tuple[list[str], list[str | None]]:
    return [name] * customers, ["call"] * called + ["leave_alone"] * (customers - called)


def table(*groups: tuple[list[str], list[str | None]], **options: int) -> pd.DataFrame:
    people = pd.DataFrame({"region": [name for names, _ in groups for name in names]})
    offer = pd.Series([one for _, offers in groups for one in offers])
    found = fairness(people, offer, ["region"], **options)
    return found[found["offer"] == "call"].set_index("group")


def test_the_ratio_and_its_interval_by_hand() -> None:
    found = table(group("a", 100, 20), group("b", 100, 10)).loc["b"]
    # ratio 0.1 / 0.2; spread 1.959964 · √(1/10 − 1/100 + 1/20 − 1/100) = 0.706675
    assert found["ratio"] == pytest.approx(0.5)
    assert found["ratio_low"] == pytest.approx(0.5 * np.exp(-0.706675), rel=1e-5)
    assert found["ratio_high"] == pytest.approx(0.5 * np.exp(0.706675), rel=1e-5)
    assert found["below_four_fifths"]
    assert not found["alarm"], "the interval reaches beyond 1"
    measure = table(group("a", 100, 20), group("b", 100, 10)).loc["a"]
    assert measure[["ratio", "ratio_low", "ratio_high"]].tolist() == [1, 1, 1]


def test_a_clear_difference_raises_the_alarm() -> None:
    found = table(group("a", 1_000, 200), group("b", 1_000, 100))
    assert found["alarm"].tolist() == [False, True]
    assert not table(group("a", 10_000, 2_000), group("b", 10_000, 1_700))["below_four_fifths"].any()


def test_a_group_that_is_never_chosen_is_seen() -> None:
    found = table(group("a", 500, 100), group("b", 500, 0)).loc["b"]
    assert (found["ratio"], found["ratio_low"]) == (0, 0)
    assert 0 < found["ratio_high"] < 0.1
    assert found["alarm"]


def test_small_groups_are_shown_and_not_judged() -> None:
    found = table(group("a", 100, 50), group("b", 100, 50), group("tiny", 2, 2), group("none", 3, 0))
    assert found.loc[["a", "b"], "ratio"].tolist() == [1, 1]
    assert found.loc[["none", "tiny"], "reason"].tolist() == ["few_customers"] * 2
    assert found.loc[["none", "tiny"], "ratio"].isna().all()
    assert not found["alarm"].any()


def test_every_offer_and_contact_at_all_are_compared() -> None:
    people = pd.DataFrame({"region": ["n", "s"] * 100, "segment": ["x"] * 100 + [None] * 100})
    offer = pd.Series(["call", "mail"] * 50 + [None, "leave_alone"] * 50)
    found = fairness(people, offer, ["region", "segment", "age"])
    assert found.groupby("attribute")["offer"].unique().map(list).to_dict() == {
        name: [ANY_OFFER, "call", "mail"] for name in ("age", "region", "segment")
    }
    named = found.set_index(["attribute", "offer", "group"])
    assert named.loc[("region", ANY_OFFER, "n"), "rate"] == 0.5
    assert named.loc[("segment", "call", "unknown"), ["selected", "ratio"]].tolist() == [0, 0]
    assert named.loc[("age", "call", "unknown"), "reason"] == "no_column"
    assert np.isnan(named.loc[("age", "call", "unknown"), "ratio"])


def test_nobody_chosen_is_no_alarm() -> None:
    people = pd.DataFrame({"region": ["n", "s"] * 50})
    found = fairness(people, pd.Series(["leave_alone"] * 100), ["region"])
    assert found["reason"].tolist() == ["nobody_selected"] * 2
    assert found["ratio"].isna().all()
    assert not found["alarm"].any()
    assert fairness(people, pd.Series([None] * 100), []).empty


def drawn(rng: np.random.Generator, rates: dict[str, float]) -> pd.DataFrame:
    names = rng.choice(list(rates), 2_000)
    called = rng.random(2_000) < pd.Series(names).map(rates).to_numpy()
    return fairness(
        pd.DataFrame({"region": names}), pd.Series(np.where(called, "call", "leave_alone")), ["region"]
    )


def test_chance_raises_the_alarm_rarely_and_bias_mostly() -> None:
    rng = np.random.default_rng(7)
    fair = dict.fromkeys("abcdef", 0.1)
    false = [drawn(rng, fair)["alarm"].any() for _ in range(60)]
    assert np.mean(false) <= 0.05
    low = [drawn(rng, {**fair, "a": 0.04, "b": 0.2})["alarm"].any() for _ in range(10)]
    assert np.mean(low) >= 0.9


def test_the_fairness_table_needs_one_offer_per_customer() -> None:
    with pytest.raises(InputError, match="2 customers but 1 offers"):
        fairness(pd.DataFrame({"region": ["n", "s"]}), pd.Series(["call"]))


def test_protected_attributes_are_refused_as_inputs() -> None:
    names = protected_names(StrategySettings(protected=("age",)))
    assert names == ("region", "segment", "age")
    with pytest.raises(ConfigError, match="effects: region, AGE_group is protected and may not decide"):
        refuse_protected(["region", "frequency", "AGE_group", "agent"], names, step="effects")
    assert not is_protected("regional", names)
