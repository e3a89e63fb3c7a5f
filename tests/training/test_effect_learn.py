"""Effects by customer from a decision log: found where they are, and not where they are not."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from strategies.chances import write_chances
from training.effects.learn import Learnt, learn_effects
from training.models.effect_columns import effect_features, margin_of_stayers


def log(gold: float, lead: float, rows: int = 6000, chance: float = 0.7) -> pd.DataFrame:
    """Customers with 100 at stake; a call saves these shares of it, by value class."""
    rng = np.random.default_rng(11)
    kind = np.where(rng.random(rows) < 0.5, "gold", "lead")
    p = rng.uniform(0.3, 0.7, rows)
    got = rng.random(rows) < chance
    share = np.where(kind == "gold", gold, lead)
    brings = 100.0 / (p * (1 - p))
    stays = rng.random(rows) < (1 - p) * (1 + got * share * p)
    frame = pd.DataFrame({"customer_id": [f"c{i}" for i in range(rows)], "value_class": kind})
    frame = frame.assign(
        churn_probability=p, value_at_stake=100.0, offer=np.where(got, "call", "leave_alone")
    )
    chances = np.tile([1 - chance, chance], (rows, 1))
    return frame.assign(margin=stays * brings, chances=write_chances(chances, ["call"]))


def effects(found: Learnt, known: pd.DataFrame) -> pd.Series:
    share = found.models["call"].predict(effect_features(known))[:, 0]
    p = known["churn_probability"]
    return pd.Series(share / (p * (1 - p))).groupby(known["value_class"]).mean()


def test_differences_are_found_and_never_overstated() -> None:
    known = log(gold=0.6, lead=-0.4)
    found = learn_effects(known, {"call": 5.0})
    row = found.tried.iloc[0]
    assert row["used"]
    assert 0 < row["slope_low"] < row["slope"] <= 1
    told = effects(found, known)
    assert 0.3 < told["gold"] < 0.75
    assert -0.55 < told["lead"] < -0.05


def test_one_effect_for_all_leaves_the_average() -> None:
    found = learn_effects(log(gold=0.3, lead=0.3), {"call": 5.0})
    assert not found.models
    assert found.tried["offer"].tolist() == ["call"]


def test_without_chance_or_with_few_rows_nothing_is_learnt() -> None:
    known = log(gold=0.6, lead=-0.4)
    assert learn_effects(known.drop(columns="chances"), {"call": 5.0}).tried.empty
    assert learn_effects(known.head(60), {"call": 5.0}).tried.empty
    sure = known.assign(chances='{"call": 1.0}')
    assert learn_effects(sure, {"call": 5.0}).tried.empty


def test_protected_attributes_are_not_read() -> None:
    found = learn_effects(log(gold=0.6, lead=-0.4), {"call": 5.0}, protected=("value_class",))
    assert all("value_class" not in [c.name for c in model.columns] for model in found.models.values())


def test_the_margin_of_stayers() -> None:
    found = margin_of_stayers(pd.Series([0.5, 0.2, 0.0]), pd.Series([25.0, 16.0, 0.0]))
    assert found[:2] == pytest.approx([100.0, 100.0])
    assert np.isnan(found[2])
