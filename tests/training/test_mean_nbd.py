"""The mean of two closed forms: by hand, bit for bit, and where it is taken."""

from __future__ import annotations

import json

import numpy as np
import pytest

from features.errors import ModelError
from training.models.mbg_nbd import MbgNbd
from training.models.mean_nbd import MeanNbd
from training.models.pareto_nbd import ParetoNbd

X, T_X, T = np.array([0.0, 2.0, 9.0]), np.array([0.0, 30.0, 200.0]), np.array([38.0, 40.0, 210.0])
MODEL = MeanNbd(MbgNbd(0.5, 20.0, 0.9, 2.5), ParetoNbd(0.5, 20.0, 0.6, 30.0))


def test_the_chance_is_the_mean_in_log_odds_and_orders_the_geometric_mean():
    both = (MODEL.at_purchase, MODEL.any_time)
    one, other = (m.p_order_within(X, T_X, T, 90) for m in both)
    odds = np.sqrt(one / (1 - one) * other / (1 - other))
    assert MODEL.p_order_within(X, T_X, T, 90) == pytest.approx(odds / (1 + odds), rel=1e-12)
    one, other = (m.expected_orders(X, T_X, T, 90) for m in both)
    assert MODEL.expected_orders(X, T_X, T, 90) == pytest.approx(np.sqrt(one * other), rel=1e-12)


def test_all_horizons_at_once_are_each_and_one_customer_is_the_batch_bit_for_bit():
    alive, some, orders = MODEL.ahead(X, T_X, T, (30, 365))
    parts = [m.p_alive(X, T_X, T) for m in (MODEL.at_purchase, MODEL.any_time)]
    assert np.array_equal(alive, 0.5 * (parts[0] + parts[1]))
    for place, h in enumerate((30, 365)):
        assert np.array_equal(some[place], MODEL.p_order_within(X, T_X, T, h))
        assert np.array_equal(orders[place], MODEL.expected_orders(X, T_X, T, h))
    for i in range(3):
        alone = MODEL.ahead(X[i : i + 1], T_X[i : i + 1], T[i : i + 1], (30, 365))
        for found, batch in zip(alone, (alive, some, orders), strict=True):
            assert np.array_equal(found[..., 0], batch[..., i])


def test_both_are_fitted_on_the_same_customers():
    rng = np.random.default_rng(5)
    age = rng.integers(50, 400, 600).astype(float)
    count = rng.poisson(age / 60).astype(float)
    last = np.where(count > 0, np.floor(age * rng.random(600) ** (1 / np.maximum(count, 1))), 0.0)
    last = np.maximum(last, count)
    age = np.maximum(age, last)
    found = MeanNbd.fit(count, last, age, ridge=1e-3)
    assert found.at_purchase == MbgNbd.fit(count, last, age, ridge=1e-3)
    assert found.any_time == ParetoNbd.fit(count, last, age, ridge=1e-3)
    assert MeanNbd.from_json(json.loads(json.dumps(found.to_json()))) == found


def test_a_lost_part_is_told():
    record = MODEL.to_json()
    with pytest.raises(ModelError):
        MeanNbd.from_json({"model": "mean_nbd", "at_purchase": record["at_purchase"]})
    with pytest.raises(ModelError):
        MeanNbd.from_json({**record, "any_time": record["at_purchase"]})
