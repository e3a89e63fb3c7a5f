"""MBG/NBD: the dropout chance after the first purchase, and the measured hold-out error."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from training.models.bg_nbd import BgNbd
from training.models.mbg_nbd import MbgNbd


@pytest.mark.data
def test_cdnow_holdout_beats_bg_nbd(shared_data):
    days = pd.read_parquet(shared_data / "cdnow_sample.parquet")[
        ["customer_id", "timestamp"]
    ].drop_duplicates()
    end = pd.Timestamp("1997-09-30")
    past = days[days.timestamp <= end].groupby("customer_id").timestamp
    x, first = (past.count() - 1).astype(float), past.min()
    t_x, T = (past.max() - first).dt.days / 7, (end - first).dt.days / 7
    future = days[days.timestamp > end].groupby("customer_id").size().reindex(x.index, fill_value=0)
    model = MbgNbd.fit(x, t_x, T)
    assert [model.r, model.alpha, model.a, model.b] == pytest.approx([0.525, 6.183, 0.891, 1.614], abs=0.0006)
    assert np.abs(model.expected_orders(x, t_x, T, 39) - future).mean() == pytest.approx(0.765, abs=0.0005)
    assert model.log_likelihood(x, t_x, T).sum() > BgNbd.fit(x, t_x, T).log_likelihood(x, t_x, T).sum()


def test_a_new_customer_stops_with_the_mean_dropout_probability():
    # No time has passed: P(alive) = 1 − E[p] = b/(a+b)
    assert MbgNbd(r=0.5, alpha=6.0, a=1.0, b=3.0).p_alive([0], [0], [0])[0] == pytest.approx(0.75)


def test_p_alive_by_hand():
    # x=1, t_x=1, T=3, all parameters 1: 1 / (1 + 1/2 · (4/2)²) = 1/3
    model = MbgNbd(r=1.0, alpha=1.0, a=1.0, b=1.0)
    assert model.p_alive([1], [1], [3])[0] == pytest.approx(1 / 3)
    # Alive, the next order within 4: 1 − (4/8)² = 0.75
    assert model.p_order_within([1], [1], [3], 4)[0] == pytest.approx(0.25)


def test_likelihood_by_hand():
    # x=1, t_x=1, T=3, all 1: Γ(2)·[B(1,3)·4⁻² + B(2,2)·2⁻²] = (1/3)/16 + (1/6)/4
    model = MbgNbd(1.0, 1.0, 1.0, 1.0)
    assert model.log_likelihood([1], [1], [3])[0] == pytest.approx(np.log(1 / 48 + 1 / 24))
    # x=0: B(1,2)·(1/4) + B(2,1)·1
    assert model.log_likelihood([0], [0], [3])[0] == pytest.approx(np.log(1 / 8 + 1 / 2))


def test_one_time_buyers_fade():
    model = MbgNbd(r=0.525, alpha=6.183, a=0.891, b=1.614)
    alive = model.p_alive(np.zeros(3), np.zeros(3), [1.0, 10.0, 100.0])
    assert (np.diff(alive) < 0).all()
