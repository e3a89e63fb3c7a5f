"""One customer as plain values: byte for byte the row that the list stores, without a data frame on the way."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

import lightgbm
import numpy as np
import pandas as pd
import pytest

from features.errors import InputError
from features.frames import tables_from_frames
from features.pipeline import FEATURES
from features.rfm import buyers
from retain.shop import ShopSettings, simulate
from serving.lookup import Lookup
from serving.scorer import Scorer
from serving.store import RunInfo, Store
from strategies.frameworks import FrameworkSettings
from strategies.life_cycle import LIFE_CYCLE
from strategies.rfm_scores import RFM_COLUMNS, RfmEdges, scores
from strategies.satisfaction import SATISFACTION
from strategies.satisfaction_loyalty import SATISFACTION_LOYALTY
from strategies.settings import StrategySettings
from strategies.status import risk, status
from strategies.strategy_table import StrategyTable, assign
from strategies.value_at_stake import value_at_stake
from strategies.value_class import ValueCuts, value_axes, value_class
from training.build import build_bundle
from training.fit import anchored
from training.models.bundle import Bundle
from training.models.head import Head
from training.models.level import LevelCurve
from training.models.rows import Rows, matrix_of
from training.models.trees import Trees
from training.panel import Panel, build_panel
from training.settings import ChurnSettings, TrainingSettings, ValueSettings

SHOP = simulate(ShopSettings(customers=320, days=500, seed=31, late_share=0.1))
DAY = SHOP.settings.end
HORIZONS = (30, 90)
STRATEGIES = """value_class,status,strategy,reason,en,zh
gold|platinum,,rescue,best,call,致电
,lapsed|lost,win_back,gone,write,写信
,,observe,others,wait,观察
"""


@pytest.fixture(scope="module")
def panel() -> Panel:
    tables = tables_from_frames(SHOP.tables, timezone=SHOP.settings.timezone, currency="EUR")
    return anchored(build_panel(tables, DAY, HORIZONS))


@pytest.fixture(scope="module")
def bundle(panel: Panel) -> Bundle:
    """A model with trees for churn, whether they are any good or not."""
    churn, value = ChurnSettings(window_days=90), ValueSettings(horizons_days=HORIZONS)
    closed = build_bundle(panel, TrainingSettings(churn=churn, value=value), evidence="btyd")
    rows = panel.labelled(90, by=DAY)
    data = lightgbm.Dataset(
        rows[list(FEATURES)].to_numpy(float), np.sin(rows["T"] * 7), feature_name=list(FEATURES)
    )
    options = {"objective": "regression", "num_leaves": 15, "num_threads": 1, "verbosity": -1}
    trees = Trees(lightgbm.train(options, data, num_boost_round=40).model_to_string())
    level = LevelCurve((date(2023, 3, 2),), (0.1,), weight=1.0)
    return replace(closed, evidence="ml", churn=Head(trees, level, 0.3, learned_days=90))


@pytest.fixture(scope="module")
def scorer(bundle: Bundle, tmp_path_factory: pytest.TempPathFactory) -> Scorer:
    table = tmp_path_factory.mktemp("own") / "mine.csv"
    table.write_text(STRATEGIES, encoding="utf-8")
    return Scorer(bundle, StrategySettings(table=table), currency="EUR")


@pytest.fixture(scope="module")
def known(panel: Panel) -> pd.DataFrame:
    """Features of everybody, in no order."""
    return buyers(panel.at(DAY).reset_index(drop=True)).sample(frac=1.0, random_state=1).copy()


@pytest.fixture(scope="module")
def listed(scorer: Scorer, known: pd.DataFrame) -> pd.DataFrame:
    return scorer.rows(known, DAY)


@pytest.fixture(scope="module")
def stored(listed: pd.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lookup]:
    """The stored list, made of everybody at once."""
    url = f"sqlite:///{tmp_path_factory.mktemp('state') / 'retain.db'}"
    run = RunInfo("r", DAY, "v", "c", len(listed), datetime(2026, 3, 1, tzinfo=UTC))
    with closing(Store(url)) as store:
        store.save_run(run, listed)
    with closing(Lookup(url)) as lookup:
        yield lookup


def asked(known: pd.DataFrame) -> tuple[Rows, list[str]]:
    return Rows(FEATURES, matrix_of(known, FEATURES)), known["customer_id"].tolist()


def text(row: dict[str, Any]) -> str:
    """As JSON, which knows neither days nor numpy's numbers."""
    return json.dumps(row, ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def test_everybody_at_once_is_the_stored_list_byte_for_byte(
    scorer: Scorer, known: pd.DataFrame, stored: Lookup
) -> None:
    rows, ids = asked(known)
    found = scorer.answer_rows(rows, ids, DAY, explain=True)
    assert scorer.answer_texts(rows, ids, DAY, explain=True) == [text(row) for row in found]
    assert len(found) == len(known) > 250
    for customer, row in zip(ids, found, strict=True):
        kept = stored.get(customer)
        assert kept is not None
        assert text(row) == kept.row


def test_one_at_a_time_is_the_stored_list_byte_for_byte(
    scorer: Scorer, known: pd.DataFrame, stored: Lookup
) -> None:
    rows, ids = asked(known)
    for place, customer in enumerate(ids):
        (row,) = scorer.answer_rows(rows.matrix[place : place + 1], [customer], DAY, explain=True)
        kept = stored.get(customer)
        assert kept is not None
        assert text(row) == kept.row


def test_without_reasons_a_row_lacks_these_two_alone(scorer: Scorer, known: pd.DataFrame) -> None:
    rows, ids = asked(known.head(20))
    plain, told = (scorer.answer_rows(rows, ids, DAY, explain=flag) for flag in (False, True))
    for one, other in zip(plain, told, strict=True):
        assert [*one, "reasons", "reasons_zh"] == list(other)
        assert one == {name: other[name] for name in one}


def test_one_customer_costs_no_object_of_pandas(
    scorer: Scorer, known: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows, ids = asked(known.head(1))
    scorer.answer_rows(rows, ids, DAY, explain=True)  # what is worked out once for ever

    def refused(self: object, *given: object, **named: object) -> None:
        pytest.fail(f"a {type(self).__name__} is made")

    for kind in (pd.Series, pd.DataFrame, pd.Index):
        monkeypatch.setattr(kind, "__init__", refused)
    monkeypatch.setattr(pd.Index, "__new__", refused)
    assert scorer.answer_rows(rows, ids, DAY, explain=True)[0]["customer_id"] == ids[0]


def test_a_matrix_of_another_shape_is_refused(scorer: Scorer, known: pd.DataFrame) -> None:
    rows, ids = asked(known.head(3))
    with pytest.raises(
        InputError, match=r"2 customers and a matrix of \(3, \d+\); expected a row per customer"
    ):
        scorer.answer_rows(rows, ids[:2], DAY)
    with pytest.raises(InputError, match=r"columns of features\.pipeline\.FEATURES in their order"):
        scorer.answer_rows(Rows(FEATURES[::-1], rows.matrix), ids, DAY)


def test_the_labels_are_those_that_each_framework_tells(
    scorer: Scorer, known: pd.DataFrame, listed: pd.DataFrame
) -> None:
    settings, people = FrameworkSettings(), known.assign(status=listed["status"])
    content = SATISFACTION.label(people, {}, settings.satisfaction, None).columns["satisfaction"]
    assert content.notna().sum() > 50
    stage = LIFE_CYCLE.label(people, {}, settings.life_cycle, None)
    cell = SATISFACTION_LOYALTY.label(
        people.assign(satisfaction=content), {}, settings.satisfaction_loyalty, None
    )
    assert listed["lifecycle_stage"].tolist() == stage.columns["lifecycle_stage"].tolist()
    assert listed["satisfaction_loyalty"].tolist() == cell.columns["satisfaction_loyalty"].tolist()
    assert listed["lifecycle_stage"].nunique() >= 3
    assert listed["satisfaction_loyalty"].nunique() >= 3


def test_values_and_scores_are_those_of_the_functions_for_tables(
    scorer: Scorer, known: pd.DataFrame, listed: pd.DataFrame
) -> None:
    bundle = scorer.bundle
    predicted = bundle.predict(known[list(FEATURES)], DAY)
    axes = value_axes(known, predicted, margin_rate=bundle.curve.margin_rate)
    pd.testing.assert_frame_equal(listed[list(axes)], axes, check_exact=True)
    worth = value_class(axes, ValueCuts.from_dict(bundle.reference["value_cuts"]))
    pd.testing.assert_series_equal(listed["value_class"], worth)
    stake = value_at_stake(listed["churn_probability"], predicted["expected_margin_90d"])
    pd.testing.assert_series_equal(listed["value_at_stake"], stake, check_exact=True)
    digits = scores(known[list(RFM_COLUMNS)], RfmEdges.from_dict(bundle.reference["rfm_edges"]))
    pd.testing.assert_series_equal(listed["rfm_score"], digits["rfm_score"])
    pd.testing.assert_series_equal(listed["status"], status(known["days_since_last"], 90, scorer.settings))
    pd.testing.assert_series_equal(listed["risk"], risk(listed["churn_probability"], scorer.settings))


def test_a_table_of_ones_own_decides_alike_for_one_and_for_all(
    listed: pd.DataFrame,
) -> None:
    table = StrategyTable.parse(STRATEGIES, source="mine.csv")
    chosen = assign(listed, table)
    assert set(chosen["strategy"]) == {"rescue", "win_back", "observe"}
    for name in ("strategy", "strategy_reason_en", "strategy_reason_zh"):
        pd.testing.assert_series_equal(listed[name], chosen[name])
