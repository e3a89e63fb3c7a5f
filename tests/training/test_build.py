"""From a panel to a bundle: the rung, and what is frozen."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from features.pipeline import FEATURES
from tests.training.small_shops import (
    SETTINGS,
    day,
    drawn,
    features_of,
    history,
    settings,
    shop,
    snapshots,
    telling_rows,
)
from training.build import build_bundle, evidence_for
from training.fit import anchored, follow_head
from training.head_kind import HeadKind
from training.learnable import lead_horizon, lead_of
from training.models.anchor import Anchor
from training.models.head import logit
from training.models.mean_nbd import MeanNbd
from training.models.prepared import Prepared
from training.models.rows import Rows
from training.panel import Panel, build_panel


def one_day(size: int, repeaters: int):
    rows = history(size).assign(frequency=0.0, recency=0.0, purchase_days=1.0, tenure_days=50.0)
    rows.loc[: repeaters - 1, ["frequency", "recency", "purchase_days"]] = [1.0, 20.0, 2.0]
    return snapshots({day(100): rows.assign(orders_ahead_60=0.0)}, day(100), 60)


@pytest.mark.parametrize(
    ("size", "repeaters", "rung", "why"),
    [
        (
            29,
            29,
            "rule",
            "29 customers, 29 with a repeat purchase; fitting needs at least 30 customers and 10",
        ),
        (500, 9, "rule", "500 customers, 9 with a repeat purchase"),
        (30, 10, "btyd", "trees need more: 0 labelled rows of at least 400"),
    ],
)
def test_the_rung_says_why_it_is_not_higher(size, repeaters, rung, why):
    found, reason = evidence_for(one_day(size, repeaters), 60)
    assert found == rung
    assert reason.startswith(why)


def test_the_top_rung_needs_no_excuse(demo_panel):
    assert evidence_for(demo_panel, 60) == ("ml", "")


def test_the_rung_on_a_past_day_sees_only_that_past(demo_panel):
    early = demo_panel.before(demo_panel.days[3])
    assert evidence_for(early, 60)[0] != "ml"
    assert evidence_for(early, 60)[1]


def test_trees_learn_at_the_window_and_the_other_horizons_follow(demo_bundle):
    for heads in (demo_bundle.curve.orders, demo_bundle.curve.value):
        assert sorted(heads) == [30, 60, 365]
        assert heads[30].trees is heads[60].trees
        assert heads[30].free is heads[60].free


@pytest.fixture(scope="module")
def young() -> Panel:
    """Eleven months, in which nobody has lived through 300 days twice."""
    return anchored(build_panel(shop(telling_rows(drawn(450, 330, gap=25.0))), day(330), [30, 90, 300]))


def test_a_horizon_nobody_has_lived_through_follows_without_a_level(young):
    lead = build_bundle(young, settings(300, 300), evidence="ml").churn
    assert lead.learned
    rows = young.at(young.as_of)
    for kind in (HeadKind("churn", 300), HeadKind("orders", 300)):
        year = follow_head(young, kind, lead, lambda trees: trees.raw(rows))
        assert not year.level.days
        assert year.trees is lead.trees
        closed = kind.closed_form(rows)
        told = kind.answer(year.raw(closed, rows, young.as_of))
        assert told.sum() == pytest.approx(kind.answer(closed).sum(), rel=1e-6)
        assert not np.allclose(told, kind.answer(closed))


def test_a_window_longer_than_the_history_is_learned_at_a_shorter_horizon(young):
    assert lead_horizon(young, "churn", 300) == 90
    assert lead_horizon(young, "churn", 90) == 90
    assert lead_horizon(young.before(young.days[2]), "churn", 300) is None
    assert evidence_for(young, 300) == ("ml", "")
    bundle = build_bundle(young, settings(300, 300), evidence="ml")
    assert bundle.churn.learned_days == 90
    found = bundle.predict(features_of(young, young.as_of), young.as_of)
    short = build_bundle(young, settings(90, 90), evidence="ml").predict(
        features_of(young, young.as_of), young.as_of
    )
    matrix = features_of(young, young.as_of).to_numpy(np.float64)
    together, parts = bundle.explained(Rows(FEATURES, matrix), young.as_of)
    assert np.array_equal(together["churn_probability"], found["churn_probability"])
    assert logit(together["churn_probability"]) == pytest.approx(parts.matrix.sum(axis=1), abs=1e-9)
    prepared = Prepared(bundle, young.as_of)
    for place in range(20):
        assert prepared.churn_probability(matrix[place]) == together["churn_probability"][place]
        assert prepared.predict(matrix[place])["clv"] == together["clv"][place]
    ranks = [each["churn_probability"].rank() for each in (found, short)]
    assert ranks[0].corr(ranks[1]) > 0.9


def test_few_customers_are_no_reason_to_learn_at_a_shorter_horizon(demo_panel):
    few = demo_panel.frame["customer_id"].isin(demo_panel.frame["customer_id"].unique()[:22])
    panel = replace(demo_panel, frame=demo_panel.frame[few].reset_index(drop=True))
    assert lead_horizon(panel, "churn", 30) == 30
    assert lead_horizon(panel, "churn", 90) is None


def test_a_young_and_growing_shop_learns_at_a_shorter_horizon_meanwhile(young):
    found = [lead_horizon(young.before(d), "churn", 90) for d in young.days[4:]]
    assert found[-1] == 90
    assert None not in found[found.index(30) :]


def test_a_far_horizon_has_trees_of_its_own(demo_panel):
    assert lead_of(demo_panel, HeadKind("orders", 30), 60) == HeadKind("orders", 60)
    assert lead_of(demo_panel, HeadKind("orders", 365), 60) == HeadKind("orders", 90)
    assert lead_of(demo_panel.before(demo_panel.days[2]), HeadKind("orders", 365), 60) == HeadKind(
        "orders", 365
    )


def test_only_the_heads_that_lost_go_without_trees(demo_panel):
    lost = HeadKind("churn", 60)
    bundle = build_bundle(demo_panel, SETTINGS, evidence="ml", without_trees=frozenset({lost}))
    assert not bundle.churn.learned
    assert bundle.churn.level.days
    whole = build_bundle(demo_panel, SETTINGS, evidence="ml")
    (name, heads), *_ = [(n, h) for n in ("orders", "value") if (h := getattr(whole.curve, n))[60].learned]
    found = build_bundle(demo_panel, SETTINGS, evidence="ml", without_trees=frozenset({HeadKind(name, 60)}))
    assert not getattr(found.curve, name)[60].learned
    assert getattr(found.curve, name)[30].trees.text == heads[30].trees.text


def test_contacts_that_leave_nobody_alone_teach_nothing(demo_panel):
    panel = replace(demo_panel, frame=demo_panel.frame.assign(weight_60=0.0))
    assert lead_horizon(panel, "churn", 60) == 30
    assert evidence_for(panel, 60) == ("ml", "")
    nobody = replace(demo_panel, frame=demo_panel.frame.assign(weight_60=0.0, weight_30=0.0))
    assert lead_horizon(nobody, "churn", 60) is None
    assert evidence_for(nobody, 60)[1].startswith("trees need more: ")


def test_the_churn_grid_gives_percentiles_of_the_reference(demo_panel, demo_bundle):
    found = demo_bundle.predict(features_of(demo_panel, demo_panel.as_of), demo_panel.as_of)
    share = found["churn_probability"].rank(method="min", pct=True) * 100
    assert np.abs(found["churn_percentile"] - share).max() < 2.5
    assert found["churn_percentile"].between(0, 100).all()


def test_golden_rows_are_made_up_and_agree_with_themselves(demo_panel, demo_bundle):
    golden = pd.DataFrame(demo_bundle.golden["rows"], columns=demo_bundle.golden["columns"], dtype=float)
    assert list(golden.columns) == list(FEATURES)
    real = demo_panel.at(demo_panel.as_of)[list(FEATURES)].round(2)
    assert len(golden.merge(real, on=["frequency", "recency", "T", "value_mean", "spend_total"])) == 0
    assert (golden["recency"] <= golden["T"]).all()
    demo_bundle.check_golden()


def test_golden_rows_of_a_one_customer_shop_are_not_that_customer():
    rows = history(1).assign(value_mean=987_654.3125, spend_total=987_654.3125, value_max=987_654.3125)
    ahead = {f"{kind}_ahead_{h}": 0.0 for kind in ("orders", "value") for h in (30, 60, 365)}
    panel = anchored(snapshots({day(100): rows.assign(tenure_days=50.0, **ahead)}, day(100), 30, 60, 365))
    bundle = build_bundle(panel, SETTINGS, evidence="rule")
    assert "987654" not in str(bundle.golden)
    bundle.check_golden()


def test_a_window_that_is_no_horizon_is_predicted_too(demo_panel):
    bundle = build_bundle(demo_panel, settings(60, 30, 365), evidence="btyd")
    found = bundle.predict(features_of(demo_panel, demo_panel.as_of), demo_panel.as_of)
    rows = demo_panel.at(demo_panel.as_of)
    anchor = Anchor.fit(rows, alone=True).no_order_probability(rows, 60)
    assert found["churn_probability"].to_numpy() == pytest.approx(anchor, rel=1e-9)
    assert "expected_orders_60d" not in found


def test_progress_counts_to_the_end(demo_panel):
    told: list[tuple[str, float]] = []
    build_bundle(
        demo_panel, settings(60, 60), evidence="ml", progress=lambda stage, share: told.append((stage, share))
    )
    assert told == [("fitted churn 60 d", 1 / 3), ("fitted orders 60 d", 2 / 3), ("fitted value 60 d", 1.0)]


def test_closed_form_of_the_head_is_that_of_the_bundle(demo_panel, demo_bundle):
    rows = demo_panel.at(demo_panel.as_of)
    ahead = demo_bundle.anchor.ahead(rows, (60,))
    assert np.log(ahead.value[0]) == pytest.approx(HeadKind("value", 60).closed_form(rows))


def test_a_closed_form_that_nothing_is_learned_on_is_a_mean_of_two(demo_panel, demo_bundle):
    alone = build_bundle(demo_panel, settings(60, 60), evidence="btyd")
    assert isinstance(alone.anchor.buying, MeanNbd)
    assert not isinstance(demo_bundle.anchor.buying, MeanNbd)
    few = build_bundle(demo_panel, settings(60, 60), evidence="rule")
    assert not isinstance(few.anchor.buying, MeanNbd)
