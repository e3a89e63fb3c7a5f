"""Reasons: additive, grouped, quoted, in both languages, alone as in the batch."""

from __future__ import annotations

import re
import time

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features.catalogue import catalogue
from features.errors import ConfigError, ModelError
from features.pipeline import FEATURES as PIPELINE
from serving import explain
from serving.explain import WEIGHTS as WEIGHT_NAMES
from serving.explain import group_contributions, log_odds, phrases_of, probability, reasons, sentences
from serving.reason_texts import DERIVED, GROUP_CODES, GROUPS, QUOTED, WORKED_OUT, group_of
from strategies.columns import Columns

FEATURES = tuple(doc.name for doc in catalogue())
ANCHOR = ("anchor_frequency", "anchor_gap", "anchor_silence", "season")
MODEL_COLUMNS = (*FEATURES, *ANCHOR, "btyd_alive", "btyd_orders_90", "never_heard_of", "base")
WEIGHTS = st.lists(st.floats(-5, 5), min_size=len(MODEL_COLUMNS), max_size=len(MODEL_COLUMNS))


def shop(rows: int, seed: int = 7, missing: float = 0.0) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Features and contributions without meaning, for shape and speed."""
    draw = np.random.default_rng(seed)
    values = draw.gamma(2.0, 40.0, (rows, len(FEATURES)))
    values[draw.random(values.shape) < missing] = np.nan
    weights = draw.normal(0, 0.3, (rows, len(MODEL_COLUMNS)))
    index = pd.Index([f"c{i}" for i in range(rows)])
    return (
        pd.DataFrame(values, columns=list(FEATURES), index=index),
        pd.DataFrame(weights, columns=list(MODEL_COLUMNS), index=index),
    )


def ada() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "days_since_last": [41],
            "gap_mean": [16.2],
            "overdue_ratio": [2.53],
            "orders_365d": [1],
            "orders_total": [1234],
            "spend_90d": [87.4],
            "spend_change_90d": [-1234.5],
            "frequency": [0],
        }
    )


def test_every_feature_of_the_catalogue_belongs_to_exactly_one_named_group() -> None:
    owners = {name: [g.code for g in GROUPS if g.holds(name)] for name in FEATURES}
    assert {name: found for name, found in owners.items() if len(found) != 1} == {}


def test_every_pattern_catches_a_feature() -> None:
    names = (*FEATURES, *ANCHOR, "btyd_alive")
    idle = [
        p
        for g in GROUPS
        for p in g.features
        if not any(type(g)(g.code, "", "", (p,), ()).holds(n) for n in names)
    ]
    assert idle == []


@pytest.mark.parametrize(
    ("feature", "group"),
    [
        ("anchor_silence", "recency"),
        ("anchor_gap", "rhythm"),
        ("anchor_frequency", "frequency"),
        ("season", "season"),
        ("season_sin", "calendar"),
        ("holiday_days_next_30", "calendar"),
        ("days_to_next_holiday", "calendar"),
        ("btyd_value_365", "expected"),
        ("days_since_last", "recency"),
        ("recency", "tenure"),
        ("T", "tenure"),
        ("margin_365d", "spend"),
        ("complaints_open", "satisfaction"),
        ("campaigns_90d", "contacts"),
        ("shoe_size", "other"),
        ("", "other"),
        ("days_since_last ", "other"),
    ],
)
def test_known_and_unknown_features_find_their_group(feature: str, group: str) -> None:
    assert group_of(feature) == group


def test_phrases_quote_columns_that_exist_and_end_without_any() -> None:
    for group in GROUPS:
        assert group.phrases[-1].needs == ()
        for phrase in group.phrases:
            assert set(phrase.needs) <= {*FEATURES, *DERIVED, *WORKED_OUT}
            en, zh = (sorted(n for _, n, _ in phrase.parts[lang] if n) for lang in ("en", "zh"))
            assert en == zh


@given(WEIGHTS)
@settings(max_examples=50)
def test_groups_and_base_add_up_to_the_score(weights: list[float]) -> None:
    contributions = pd.DataFrame([weights], columns=list(MODEL_COLUMNS))
    found = group_contributions(contributions)
    assert list(found) == [*GROUP_CODES, "base"]
    assert found.to_numpy().sum() == pytest.approx(sum(weights), abs=1e-6)
    assert found.loc[0, "other"] == contributions.loc[0, "never_heard_of"]


def test_the_order_of_the_columns_changes_no_bit() -> None:
    _, contributions = shop(50)
    swapped = contributions[contributions.columns[::-1]]
    pd.testing.assert_frame_equal(
        group_contributions(swapped), group_contributions(contributions), check_exact=True
    )


def test_groups_are_added_up_one_by_one_in_the_order_of_the_names(monkeypatch: pytest.MonkeyPatch) -> None:
    _, contributions = shop(12)
    told = {code: [0.0] * 12 for code in WEIGHT_NAMES}
    for name in sorted(MODEL_COLUMNS):
        group = told["base" if name == "base" else group_of(name)]
        for row, weight in enumerate(contributions[name].tolist()):
            group[row] += weight
    for block in (5, 12, 5_000):
        monkeypatch.setattr(explain, "_BLOCK", block)
        assert group_contributions(contributions).to_dict("list") == told


def test_the_score_has_the_same_bits_for_one_and_for_many() -> None:
    _, contributions = shop(200)
    found = group_contributions(contributions)
    alone = [log_odds(found.iloc[[row]])[0] for row in range(200)]
    assert log_odds(found).tolist() == alone == [sum(row) for row in found.to_numpy().tolist()]


def test_both_languages_at_once_are_what_each_is_alone() -> None:
    features, contributions = shop(60, missing=0.3)
    groups = group_contributions(contributions)
    both = sentences(Columns.of(features), groups.to_numpy(), ("en", "zh"), top=4, currency="EUR")
    for lang in ("en", "zh"):
        assert both[lang] == reasons(features, groups, lang=lang, top=4, currency="EUR").tolist()


def test_damaged_contributions_are_refused() -> None:
    with pytest.raises(ModelError, match="but no base"):
        group_contributions(pd.DataFrame({"T": [1.0]}))
    with pytest.raises(ModelError, match="one of them twice"):
        group_contributions(pd.DataFrame([[1.0, 1.0, 0.0]], columns=["T", "T", "base"]))
    with pytest.raises(ModelError, match="contribution of T is not finite in 1 of 2 rows"):
        group_contributions(pd.DataFrame({"T": [1.0, np.nan], "base": 0.0}))


def test_reasons_in_english_name_quantity_direction_and_weight() -> None:
    parts = pd.DataFrame(
        {
            "overdue_ratio": [0.6],
            "days_since_last": [0.3],
            "orders_total": [-0.5],
            "spend_change_90d": [0.4],
            "base": [9.0],
        }
    )
    found = reasons(ada(), group_contributions(parts), lang="en", currency="GBP")[0].split("; ")
    assert found == [
        "no order for 41 days, usual gap 16 days (raises the risk, +0.90)",
        "1 order in the last 365 days, 1,234 in all (lowers the risk, -0.50)",
        "spent 87 GBP in the last 90 days, 1,300 GBP in the 90 days before (raises the risk, +0.40)",
        "everything else +0.00, starting point +9.00: together +9.80, a risk of >99%",
    ]


def test_reasons_in_chinese_say_the_same() -> None:
    parts = pd.DataFrame(
        {"overdue_ratio": [0.9], "orders_total": [-0.5], "spend_change_90d": [0.4], "base": [0.0]}
    )
    assert reasons(ada(), group_contributions(parts), lang="zh")[0].split("；") == [
        "已41天未下单，通常间隔16天（风险升高，+0.90）",
        "近365天1笔订单，累计1,234笔（风险降低，-0.50）",
        "近90天消费87，之前90天1,300（风险升高，+0.40）",
        "其余因素+0.00，起点+0.00：合计+0.80，即风险69%",
    ]


def test_missing_quantities_fall_back_to_a_phrase_that_needs_none() -> None:
    frame = pd.DataFrame({"days_since_last": [41.0, None], "gap_mean": [None, 16.0]}, index=["a", "b"])
    parts = pd.DataFrame({"days_since_last": [1.0, 1.0], "base": 0.0}, index=["a", "b"])
    found = reasons(frame, group_contributions(parts), lang="en")
    assert found["a"].startswith("no order for 41 days (raises")
    assert found["b"].startswith("time since the last order (raises")


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_every_phrase_can_be_said(lang: str) -> None:
    frame, parts = shop(400, missing=0.3)
    found = reasons(frame, group_contributions(parts), lang=lang, top=len(GROUPS), currency="CNY")  # type: ignore[arg-type]
    counts = found.str.count("；" if lang == "zh" else "; ")
    assert (counts == len(GROUPS)).all()
    assert not found.str.contains(r"nan|inf|[{}]|-0\.00").any()


def test_a_model_of_one_feature_still_gives_three_reasons() -> None:
    parts = pd.DataFrame({"gap_sd": [0.2], "base": [0.0]})
    found = reasons(ada(), group_contributions(parts), lang="en")[0].split("; ")
    assert len(found) == 4
    assert found[0] == "rhythm of the purchases (raises the risk, +0.20)"
    assert all(reason.endswith("(hardly changes the risk)") for reason in found[1:3])


def test_one_row_answers_as_the_batch() -> None:
    frame, parts = shop(60, missing=0.2)
    groups = group_contributions(parts)
    batch = reasons(frame, groups, lang="en", top=5)
    alone = pd.concat([reasons(frame.iloc[[i]], groups.iloc[[i]], lang="en", top=5) for i in range(60)])
    pd.testing.assert_series_equal(batch, alone)
    assert reasons(frame.iloc[:0], groups.iloc[:0], lang="en").empty


def test_wrong_use_is_refused() -> None:
    frame, parts = shop(3)
    with pytest.raises(ConfigError, match="language 'de' has no texts"):
        reasons(frame, group_contributions(parts), lang="de")  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="top is 2; expected 3 to 17"):
        reasons(frame, group_contributions(parts), lang="en", top=2)
    with pytest.raises(ModelError, match="both need the same index"):
        reasons(frame, group_contributions(parts).iloc[::-1], lang="en")


def test_a_shop_of_six_thousand_is_explained_in_two_seconds() -> None:
    frame, parts = shop(6_000)
    start = time.process_time()
    found = reasons(frame, group_contributions(parts), lang="en", currency="GBP")
    assert time.process_time() - start < 2.0
    assert len(found) == 6_000


@given(WEIGHTS)
@settings(max_examples=60, deadline=None)
@pytest.mark.parametrize("lang", ["en", "zh"])
def test_what_is_printed_adds_up_to_the_score(lang: str, weights: list[float]) -> None:
    groups = group_contributions(pd.DataFrame([weights], columns=list(MODEL_COLUMNS)))
    text = reasons(ada().iloc[:1], groups, lang=lang)[0]  # type: ignore[arg-type]
    *named, total = re.split("；" if lang == "zh" else "; ", text)
    pushes = [float(n) for part in named for n in re.findall(r"[+-]\d+\.\d\d(?=[)）])", part)]
    rest, base, score = (float(n) for n in re.findall(r"[+-]\d+\.\d\d", total))
    assert round(sum(pushes) + rest + base, 2) == score
    assert score == pytest.approx(log_odds(groups)[0], abs=0.00501)


def test_no_quantity_is_told_by_two_groups() -> None:
    owners: dict[str, set[str]] = {}
    for group in GROUPS:
        for name in {n for phrase in group.phrases for n in phrase.needs}:
            for column in WORKED_OUT.get(name, DERIVED.get(name, (name,))):
                owners.setdefault(column, set()).add(group.code)
    shared = {column for column, codes in owners.items() if len(codes) > 1}
    # the longest gap is only told where it is longer than the usual one
    assert shared == {"gap_mean"}
    assert set(owners) == set(QUOTED)


def test_a_single_gap_is_told_once() -> None:
    people = pd.DataFrame(
        {"days_since_last": 9.0, "gap_mean": 16.0, "gap_last": 16.0, "gap_max": [16.0, 40.0]}
    )
    groups = group_contributions(pd.DataFrame({"gap_max": [1.0, 1.0], "base": 0.0}))
    one, several = phrases_of(people, groups, lang="en")["rhythm"]
    assert one == "rhythm of the purchases"
    assert several == "longest gap between purchases 40 days, the last one 16 days"


def test_every_feature_of_the_pipeline_has_words_in_both_languages() -> None:
    codes = {group_of(name) for name in PIPELINE}
    assert "other" not in codes
    told = [g for g in GROUPS if g.code in codes]
    assert all(g.phrases[-1].en and re.search(r"[\u4e00-\u9fff]", g.phrases[-1].zh) for g in told)
    assert all(g.en and re.search(r"[\u4e00-\u9fff]", g.zh) for g in GROUPS)


@pytest.mark.parametrize(
    ("season", "en", "zh"),
    [
        # by their rhythm 62.2 % would order; with the season 50 % do: 1 - 0.5 / 0.622 = 0.197
        (0.5, "as a year ago, 20% fewer such customers order", "应有的少20%"),
        # by their rhythm 37.8 % would; with the season 50 % do: 0.5 / 0.378 - 1 = 0.324
        (-0.5, "as a year ago, 32% more such customers order", "应有的多32%"),
        (0.001, "the season, by what it was a year ago", "参照去年同期"),
    ],
)
def test_the_season_is_told_in_customers_who_order(season: float, en: str, zh: str) -> None:
    groups = group_contributions(pd.DataFrame({"season": [season], "base": [-season]}))
    assert en in phrases_of(ada(), groups, lang="en")["season"][0]
    assert zh in phrases_of(ada(), groups, lang="zh")["season"][0]


def test_the_probability_is_what_the_groups_add_up_to() -> None:
    groups = group_contributions(pd.DataFrame({"T": [1.0, 0.0], "base": -1.0}))
    assert log_odds(groups).tolist() == [0.0, -1.0]
    assert probability(groups) == pytest.approx([0.5, 0.2689414])
