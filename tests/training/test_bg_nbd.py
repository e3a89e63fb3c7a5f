"""BG/NBD against the published numbers of its paper."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from training.models.bg_nbd import BgNbd


def cdnow(folder, cut="1997-09-30"):
    """Repeat purchase *days* up to and with the cut, weeks, and purchase days in the 39 weeks after."""
    lines = pd.read_parquet(folder / "cdnow_sample.parquet")
    days = lines[["customer_id", "timestamp"]].drop_duplicates()
    end = pd.Timestamp(cut)
    past = days[days.timestamp <= end].groupby("customer_id").timestamp
    x = (past.count() - 1).astype(float)
    first = past.min()
    t_x, T = (past.max() - first).dt.days / 7, (end - first).dt.days / 7
    future = days[days.timestamp > end].groupby("customer_id").size().reindex(x.index, fill_value=0)
    return x.to_numpy(), t_x.to_numpy(), T.to_numpy(), future.to_numpy()


@pytest.mark.data
def test_cdnow_gives_the_published_parameters(shared_data):
    x, t_x, T, _ = cdnow(shared_data)
    assert (x.size, (x > 0).sum()) == (2357, 946)
    model = BgNbd.fit(x, t_x, T)
    assert model.log_likelihood(x, t_x, T).sum() == pytest.approx(-9582.4, abs=0.05)
    assert [model.r, model.alpha, model.a, model.b] == pytest.approx([0.243, 4.414, 0.793, 2.426], abs=0.0006)


@pytest.mark.data
def test_cdnow_holdout_error_is_the_measured_one(shared_data):
    x, t_x, T, future = cdnow(shared_data)
    expected = BgNbd.fit(x, t_x, T).expected_orders(x, t_x, T, 39)
    assert np.abs(expected - future).mean() == pytest.approx(0.7855, abs=0.0005)


def test_published_example_customer():
    # Two repeat purchases, the last in week 30.43, seen for 38.86 weeks: 1.226 purchases in 39 weeks.
    model = BgNbd(r=0.243, alpha=4.414, a=0.793, b=2.426)
    assert model.expected_orders([2], [30.43], [38.86], 39)[0] == pytest.approx(1.226, abs=0.0005)


def test_one_time_buyers_are_always_alive_but_order_ever_less():
    model = BgNbd(r=0.243, alpha=4.414, a=0.793, b=2.426)
    T = np.array([1.0, 10.0, 100.0])
    zero = np.zeros(3)
    assert model.p_alive(zero, zero, T).tolist() == [1, 1, 1]
    assert (np.diff(model.p_order_within(zero, zero, T, 13)) < 0).all()


def test_p_alive_by_hand():
    # x=1, t_x=1, T=3, all parameters 1: 1 / (1 + 1/1 · (4/2)²) = 0.2
    model = BgNbd(r=1.0, alpha=1.0, a=1.0, b=1.0)
    assert model.p_alive([1], [1], [3])[0] == pytest.approx(0.2)
    # Alive, the next order within 4: 1 − (4/8)² = 0.75
    assert model.p_order_within([1], [1], [3], 4)[0] == pytest.approx(0.15)


def test_likelihood_by_hand():
    # x=1, t_x=1, T=3, all 1: Γ(2)·[B(1,2)·4⁻² + B(2,1)·2⁻²] = 0.5/16 + 0.5/4
    assert BgNbd(1.0, 1.0, 1.0, 1.0).log_likelihood([1], [1], [3])[0] == pytest.approx(np.log(0.15625))
    # x=0: α/(α+T) with r = 1, dropout impossible
    assert BgNbd(1.0, 1.0, 1.0, 1.0).log_likelihood([0], [0], [3])[0] == pytest.approx(np.log(0.25))
