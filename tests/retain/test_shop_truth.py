"""The demo shop's truth: what happens on average is what the truth says."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import pandas as pd
import pytest
from scipy.stats import rankdata

from features.errors import ConfigError
from retain.shop import Shop, ShopSettings, future_truth, simulate
from retain.shop.arrays import Cumulative
from retain.shop.assortment import Assortment, mean_basket
from retain.shop.hidden import Hidden
from retain.shop.outcomes import expect


@pytest.fixture(scope="module")
def big() -> Shop:
    return simulate(ShopSettings(customers=25_000))


def auc(score: np.ndarray, label: np.ndarray) -> float:
    ranks, positive = rankdata(score), label.astype(bool)
    n = positive.sum()
    return float((ranks[positive].sum() - n * (n + 1) / 2) / (n * (~positive).sum()))


def realised(shop: Shop, start: pd.Timestamp, until: pd.Timestamp) -> pd.DataFrame:
    orders = shop.tables["orders"].to_pandas()
    sold = orders[~orders.returned & (orders.time >= start) & (orders.time < until)]
    return sold.groupby("customer_id").agg(orders=("order_id", "nunique"), spend=("amount", "sum"))


def campaign_outcomes(shop: Shop) -> pd.DataFrame:
    truth = shop.truth["campaigns"].to_pandas()
    parts = []
    for (start, until), rows in truth.groupby(["start", "until"]):
        seen = realised(shop, start, until).reindex(rows.customer_id).fillna(0)
        parts.append(rows.assign(orders=seen.orders.to_numpy(), spend=seen.spend.to_numpy()))
    return pd.concat(parts)


@pytest.fixture(scope="module")
def outcomes(big: Shop) -> pd.DataFrame:
    return campaign_outcomes(big)


def difference(rows: pd.DataFrame, measure: pd.Series) -> tuple[float, float]:
    treated = rows.arm == "treat"
    one, zero = measure[treated], measure[~treated]
    return float(one.mean() - zero.mean()), float(np.sqrt(one.var() / len(one) + zero.var() / len(zero)))


@pytest.mark.parametrize("offer", ["voucher_10", "service_call", "gift"])
def test_realised_effect_on_orders_is_the_true_one(outcomes: pd.DataFrame, offer: str) -> None:
    rows = outcomes[outcomes.offer == offer]
    # Against what each customer was expected to do anyway, the difference is much less noisy.
    surprise = rows.orders - np.where(rows.arm == "treat", rows.orders_y1, rows.orders_y0)
    effect = (rows.orders_y1 - rows.orders_y0).mean()
    gap, error = difference(rows, surprise)
    assert effect > 0.02
    assert abs(gap) < 3 * error
    assert error < 0.3 * effect


def test_levels_of_both_arms_are_the_true_ones(outcomes: pd.DataFrame) -> None:
    for arm, y in (("treat", "y1"), ("hold-out", "y0")):
        rows = outcomes[outcomes.arm == arm]
        assert rows.orders.mean() == pytest.approx(rows[f"orders_{y}"].mean(), rel=0.02)
        assert (rows.orders == 0).mean() == pytest.approx(rows[f"churn_{y}"].mean(), abs=0.005)
        assert rows.spend.mean() * 0.96 == pytest.approx(rows[f"value_{y}"].mean(), rel=0.04)


def test_true_effect_tells_whom_a_contact_helps(outcomes: pd.DataFrame) -> None:
    effect = outcomes.churn_y1 - outcomes.churn_y0
    assert (effect > 0.005).mean() > 0.02
    helped = outcomes[effect <= effect.quantile(0.1)]
    harmed = outcomes[effect >= effect.quantile(0.95)]
    assert difference(helped, (helped.orders == 0).astype(float))[0] < -0.03
    assert difference(harmed, (harmed.orders == 0).astype(float))[0] > 0


def test_arms_are_random_and_the_dead_expect_nothing(outcomes: pd.DataFrame) -> None:
    treated = outcomes.arm == "treat"
    assert treated.mean() == pytest.approx(0.5, abs=0.005)
    assert outcomes.p_saved[treated].mean() == pytest.approx(outcomes.p_saved[~treated].mean(), abs=0.005)
    dead = outcomes[~outcomes.alive]
    assert (dead.orders == 0).all()
    assert (dead.orders_y1 == 0).all()
    assert (dead.churn_y0 == 1).all()


def test_without_campaign_effect_both_outcomes_are_equal() -> None:
    truth = simulate(ShopSettings(customers=500, campaign_effect=0)).truth["campaigns"].to_pandas()
    assert np.allclose(truth.orders_y0, truth.orders_y1)
    assert np.allclose(truth.churn_y0, truth.churn_y1)


def test_future_truth_meets_what_happens(big: Shop) -> None:
    as_of = date(2025, 6, 4)
    truth = future_truth(big.settings, as_of, 90).to_pandas().set_index("customer_id")
    seen = realised(big, pd.Timestamp(as_of), pd.Timestamp(as_of + timedelta(days=90)))
    seen = seen.reindex(truth.index).fillna(0)
    assert seen.orders.sum() == pytest.approx(truth.expected_orders.sum(), rel=0.03)
    assert (seen.orders == 0).mean() == pytest.approx(truth.churn_probability.mean(), abs=0.006)
    assert seen.spend.sum() * 0.96 == pytest.approx(truth.expected_value.sum(), rel=0.05)
    decile = pd.qcut(truth.churn_probability[truth.alive], 10, labels=False)
    by = pd.DataFrame({"p": truth.churn_probability, "y": seen.orders == 0}).loc[decile.index].groupby(decile)
    assert np.allclose(by.p.mean(), by.y.mean(), atol=0.03)


@pytest.mark.parametrize(
    ("as_of", "days"), [(date(2025, 12, 1), 90), (date(2022, 1, 1), 30), (date(2025, 1, 1), 0)]
)
def test_future_outside_the_data_is_refused(as_of: date, days: int) -> None:
    with pytest.raises(ConfigError, match="not within the shop's data"):
        future_truth(ShopSettings(customers=5), as_of, days)


def test_demo_shop_is_worth_learning_from() -> None:
    shop = simulate(ShopSettings())
    orders = shop.tables["orders"].to_pandas()
    sold = orders[~orders.returned]
    silent = pd.Timestamp(shop.settings.end) - sold.groupby("customer_id").time.max()
    assert 0.4 <= (silent.dt.days >= 90).mean() <= 0.7
    count = sold.groupby("customer_id").order_id.nunique()
    assert 0.15 <= (count == 1).mean() <= 0.35
    assert count.mean() > 4


def test_hidden_traits_and_history_predict_churn_well_but_not_perfectly() -> None:
    shop, as_of = simulate(ShopSettings()), pd.Timestamp("2025-06-04")
    sold = shop.tables["orders"].to_pandas().query("not returned")
    past = sold[sold.time < as_of].groupby("customer_id").time.max()
    label = ~past.index.isin(realised(shop, as_of, as_of + pd.Timedelta(days=90)).index)
    traits = shop.truth["customers"].to_pandas().set_index("customer_id").loc[past.index]
    leave = traits.hazard_per_day * np.exp(-0.45 * (traits.satisfaction - 7))
    buy, gap = traits.orders_per_day, (as_of - past).dt.total_seconds() / 86_400
    alive = 1 / (1 + leave / (buy + leave) * np.expm1((buy + leave) * gap))
    found = auc((1 - alive * -np.expm1(-buy * 90)).to_numpy(), label)
    assert 0.78 < found < 0.87
    assert found > auc(gap.to_numpy(), label) + 0.03


def test_closed_form_basket_is_the_mean_of_baskets() -> None:
    asked = ShopSettings(customers=1_500, treated_share=0.001, orders_per_year=60, late_share=0)
    shop = simulate(asked)
    hidden = Hidden.draw(asked, 0, 1_500)
    basket = mean_basket(asked, Assortment.of(asked), hidden.traits)
    orders = shop.tables["orders"].to_pandas()
    sold = orders[~orders.returned].groupby("customer_id")
    count = sold.order_id.nunique()
    expected = pd.Series(basket.amount, index=hidden.traits.ids.to_pylist())
    assert sold.amount.sum().sum() == pytest.approx((count * expected.loc[count.index]).sum(), rel=0.01)
    # The margin of the shop: what is paid less what the goods cost.
    assert ((basket.amount - basket.cost) > 0.1 * basket.amount).all()


def test_expectation_over_pieces_equals_one_piece() -> None:
    one = expect(np.array([[0.3]]), np.array([[0.05]]), np.array([4.0]))
    many = expect(np.full((1, 4), 0.3), np.full((1, 4), 0.05), np.ones(4))
    assert many.orders.sum() == pytest.approx(one.orders.sum())
    assert many.silent == pytest.approx(one.silent)
    # 0.3 / 0.05 · (1 − e^−0.2) and 1/7 · (1 − e^−1.4) + e^−1.4
    assert one.orders[0, 0] == pytest.approx(1.0876154)
    assert one.silent[0] == pytest.approx(0.3542260)


def test_cumulative_inverts_itself() -> None:
    rng = np.random.default_rng(5)
    course = Cumulative(rng.uniform(0.01, 3, (40, 30)))
    row, clock = rng.integers(0, 40, 500), rng.uniform(0, 30, 500)
    assert np.allclose(course.invert(row, course.at(row, clock)), clock, atol=1e-9)
