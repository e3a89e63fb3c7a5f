"""The closed form every head starts from."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features.errors import ModelError, NotEnoughData
from features.load import tables_from_frames
from retain.shop import ShopSettings, simulate
from tests.training.small_shops import history
from training.models.anchor import Anchor
from training.models.gamma_gamma import GammaGamma
from training.models.mbg_cnbd_k import MbgCnbdK
from training.models.mbg_nbd import MbgNbd
from training.models.mean_nbd import MeanNbd
from training.models.pareto_nbd import ParetoNbd
from training.panel import build_panel

ANCHOR = Anchor(
    MbgNbd(r=0.5, alpha=60.0, a=0.9, b=2.5),
    GammaGamma(p=6.0, q=4.0, v=15.0),
    orders_per_day=1.25,
    kept_share=0.8,
)
ROWS = history(400)


def test_each_quantity_is_its_model_times_what_the_shop_does():
    x, t_x, T = (ROWS[n].to_numpy() for n in ("frequency", "recency", "T"))
    days = ANCHOR.buying.expected_orders(x, t_x, T, 90)
    spend = ANCHOR.spending.conditional_value(ROWS["purchase_days"], ROWS["value_mean"])
    columns = ANCHOR.columns(ROWS, (30, 90))
    assert np.allclose(columns["btyd_orders_90"], 1.25 * days, rtol=1e-12)
    assert np.allclose(columns["btyd_order_value"], spend * 0.8 / 1.25, rtol=1e-12)
    assert np.allclose(columns["btyd_value_90"], days * spend * 0.8, rtol=1e-12)
    assert np.allclose(
        columns["btyd_no_order_90"], 1 - ANCHOR.buying.p_order_within(x, t_x, T, 90), rtol=1e-9
    )


def test_fit_takes_orders_per_day_and_the_share_kept_from_the_shop():
    rows = history(200, seed=3)
    found = Anchor.fit(rows)
    assert found.orders_per_day == rows["orders_total"].sum() / rows["purchase_days"].sum()
    assert found.kept_share == pytest.approx(0.9)
    assert Anchor.fit(rows.assign(value_total=-1.0)).kept_share == 0.0
    assert (Anchor.fit(rows.assign(value_total=-1.0)).value_per_order(rows) > 0).all()


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 400))
def test_expectations_rise_with_the_horizon_and_stay_finite(seed, step):
    rows = history(20, seed)
    columns = ANCHOR.columns(rows, (step, 2 * step, 9 * step))
    assert np.isfinite(columns).all(axis=None)
    for kind, sign in (("orders", 1), ("value", 1), ("no_order", -1)):
        values = columns[[f"btyd_{kind}_{h}" for h in (step, 2 * step, 9 * step)]].to_numpy()
        assert (sign * np.diff(values, axis=1) >= -1e-12).all()


def test_extremes_are_finite_and_have_logarithms():
    rows = history(4).assign(
        frequency=[0.0, 9_999.0, 1.0, 0.0],
        recency=[0.0, 10_000.0, 1.0, 0.0],
        T=[0.0, 10_000.0, 20_000.0, 20_000.0],
    )
    rows = rows.assign(purchase_days=rows["frequency"] + 1, value_mean=[np.nan, 1e-4, 9e10, 0.0])
    found = ANCHOR.columns(rows, (1, 3650))
    assert np.isfinite(np.log(found)).all(axis=None)
    assert np.isfinite(np.log1p(-found[["btyd_no_order_1", "btyd_no_order_3650"]])).all(axis=None)


def test_one_row_alone_has_the_bits_of_the_batch():
    together = ANCHOR.columns(ROWS, (30, 365))
    alone = pd.concat([ANCHOR.columns(ROWS.iloc[[i]], (30, 365)) for i in range(len(ROWS))])
    pd.testing.assert_frame_equal(alone, together, check_exact=True)


def test_nobody_who_bought_is_not_enough():
    rows = history(7).assign(value_mean=0.0, spend_total=0.0)
    with pytest.raises(NotEnoughData, match="none of 7 customers has a purchase with a positive amount"):
        Anchor.fit(rows)


def test_json_keeps_every_bit():
    assert Anchor.from_json(json.loads(json.dumps(ANCHOR.to_json()))) == ANCHOR


@pytest.mark.parametrize("size", [1, 5])
def test_a_handful_of_customers_is_fitted_with_a_ridge(size):
    rows = history(size, seed=2)
    found = Anchor.fit(rows, ridge=1.0).columns(rows, (30, 365))
    assert np.isfinite(np.log(found)).all(axis=None)
    assert (found["btyd_orders_365"] < 365 * 3).all()


def known_outcome(timing: str, seed: int) -> pd.DataFrame:
    """Customers of a simulated shop 90 days before its end, with what they did then."""
    shop = simulate(ShopSettings(customers=900, days=730, seed=seed, timing=timing))
    tables = tables_from_frames(
        {"orders": shop.tables["orders"]}, timezone=shop.settings.timezone, currency="EUR"
    )
    panel = build_panel(tables, shop.settings.end, (90,))
    last = max(day for day in panel.days if day <= shop.settings.end - timedelta(days=90))
    return panel.at(last)


def log_loss(rows: pd.DataFrame, no_order: np.ndarray) -> float:
    silent = rows["orders_ahead_90"].to_numpy() == 0
    return float(-np.log(np.where(silent, no_order, 1 - no_order)).mean())


@pytest.mark.parametrize("seed", [31, 32])
def test_a_shop_with_a_rhythm_is_predicted_better_for_it(seed):
    rows = known_outcome("regular", seed)
    found = Anchor.fit(rows)
    assert isinstance(found.buying, MbgCnbdK)
    assert found.buying.k > 1
    plain = replace(found, buying=MbgNbd.fit(rows["frequency"], rows["recency"], rows["T"], ridge=1e-3))
    with_rhythm, without = (log_loss(rows, a.no_order_probability(rows, 90)) for a in (found, plain))
    assert with_rhythm < without - 0.02
    assert Anchor.from_json(json.loads(json.dumps(found.to_json()))) == found


def test_a_shop_without_a_rhythm_keeps_mbg_nbd():
    assert isinstance(Anchor.fit(known_outcome("irregular", 33)).buying, MbgNbd)


def test_alone_the_closed_form_is_a_mean_of_two():
    rows = known_outcome("irregular", 33)
    found = Anchor.fit(rows, alone=True)
    assert isinstance(found.buying, MeanNbd)
    assert found.buying.at_purchase == Anchor.fit(rows).buying
    assert Anchor.from_json(json.loads(json.dumps(found.to_json()))) == found
    assert log_loss(rows, found.no_order_probability(rows, 90)) < 0.69


def test_a_mean_of_two_keeps_the_bits_of_the_batch():
    mean = MeanNbd(ANCHOR.buying, ParetoNbd(0.5, 20.0, 0.6, 300.0))
    found = replace(ANCHOR, buying=mean)
    together = found.columns(ROWS, (30, 365))
    for i in range(0, len(ROWS), 7):
        pd.testing.assert_frame_equal(
            found.columns(ROWS.iloc[[i]], (30, 365)), together.iloc[[i]], check_exact=True
        )


def test_a_rhythm_keeps_the_bits_of_the_batch():
    found = replace(ANCHOR, buying=MbgCnbdK(k=3, r=0.5, alpha=20.0, a=0.9, b=2.5))
    together = found.columns(ROWS, (30, 365))
    for i in range(0, len(ROWS), 7):
        pd.testing.assert_frame_equal(
            found.columns(ROWS.iloc[[i]], (30, 365)), together.iloc[[i]], check_exact=True
        )


def test_columns_of_all_horizons_are_those_of_each():
    columns = ANCHOR.columns(ROWS, (30, 90))
    for h in (30, 90):
        assert np.array_equal(columns[f"btyd_no_order_{h}"], ANCHOR.no_order_probability(ROWS, h))
        assert np.array_equal(columns[f"btyd_orders_{h}"], ANCHOR.expected_orders(ROWS, h))


def test_a_record_of_another_kind_is_refused():
    record = ANCHOR.to_json()
    with pytest.raises(ModelError, match="got 'prophecy'"):
        Anchor.from_json({**record, "buying": {**record["buying"], "model": "prophecy"}})


def test_nobody_gives_no_rows():
    assert ANCHOR.columns(ROWS.iloc[:0], (30, 365)).shape == (0, 8)
