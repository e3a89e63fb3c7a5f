"""The demo shop's tables: contract, times, identities, reproducibility."""

from __future__ import annotations

from datetime import date
from typing import Literal

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features.contract import TABLES
from retain.shop import Shop, ShopSettings, simulate
from retain.shop.hidden import BLOCK, Hidden
from retain.shop.shop import gather

TYPES = {
    "id": pa.types.is_string,
    "text": pa.types.is_string,
    "time": pa.types.is_timestamp,
    "money": pa.types.is_floating,
    "number": lambda t: pa.types.is_floating(t) or pa.types.is_integer(t),
    "flag": pa.types.is_boolean,
}


@pytest.fixture(scope="module")
def shop() -> Shop:
    return simulate(ShopSettings())


def follows_contract(shop: Shop) -> None:
    start, end = pd.Timestamp(shop.settings.start), pd.Timestamp(shop.settings.end)
    assert list(shop.tables) == list(TABLES)
    for name, table in shop.tables.items():
        contract = TABLES[name]
        assert [c for c in contract.names if c in table.column_names] == table.column_names
        for column in table.column_names:
            assert TYPES[contract.column(column).kind](table.schema.field(column).type), (name, column)
        for column in contract.required:
            assert table[column].null_count == 0
        if contract.time and table.num_rows:
            span = pc.min_max(table[contract.time]).as_py()
            assert start <= span["min"]
            assert span["max"] < end


def test_every_table_follows_the_contract(shop: Shop) -> None:
    follows_contract(shop)
    assert all(table.num_rows > 100 for table in shop.tables.values())


@settings(max_examples=40, deadline=None)
@given(
    customers=st.integers(1, 6),
    days=st.integers(1, 250),
    start=st.dates(date(1999, 1, 1), date(2030, 1, 1)),
    timing=st.sampled_from(["irregular", "regular"]),
    seasonality=st.floats(0, 1.5),
    growth=st.floats(-0.9, 10),
    every=st.integers(1, 12),
    share=st.floats(0, 0.5),
)
def test_any_small_shop_is_whole(**drawn: object) -> None:
    every, share = drawn.pop("every"), drawn.pop("share")
    asked = ShopSettings.model_validate(
        {
            **drawn,
            "campaign_every_weeks": every,
            "effect_weeks": every,
            "return_share": share,
            "late_share": share,
        }
    )
    shop = simulate(asked)
    follows_contract(shop)
    assert shop.tables["customers"].num_rows == shop.truth["customers"].num_rows == asked.customers
    assert shop.tables["campaigns"].num_rows == shop.truth["campaigns"].num_rows


def test_same_seed_same_shop_other_seed_other_shop() -> None:
    asked = ShopSettings(customers=50, days=200, seed=3)
    one, two, other = simulate(asked), simulate(asked), simulate(asked.model_copy(update={"seed": 4}))
    assert one.tables == two.tables
    assert one.truth == two.truth
    assert one.tables["orders"] != other.tables["orders"]


def test_blocks_do_not_depend_on_how_many_follow() -> None:
    asked = ShopSettings(customers=BLOCK + 10, days=60)
    whole = simulate(asked).tables["orders"]
    second = gather(asked, [Hidden.draw(asked, BLOCK, 10)]).tables["orders"]
    assert whole.slice(whole.num_rows - second.num_rows) == second
    assert pc.count_distinct(whole["order_id"]).as_py() > BLOCK


def test_amount_is_quantity_times_price_less_discount(shop: Shop) -> None:
    orders = shop.tables["orders"].to_pandas()
    expected = (orders.quantity * orders.unit_price - orders.discount).round(2)
    assert np.allclose(orders.amount, expected, atol=1e-9)
    assert (orders.amount[~orders.returned] > 0).all()
    assert (orders.amount[orders.returned] < 0).all()


def test_each_return_undoes_one_line_of_its_order(shop: Shop) -> None:
    orders = shop.tables["orders"].to_pandas()
    back = orders[orders.returned].assign(amount=lambda o: -o.amount, quantity=lambda o: -o.quantity)
    key = ["customer_id", "order_id", "product", "amount", "quantity"]
    pairs = back.merge(orders[~orders.returned], on=key, suffixes=("", "_sold"))
    assert set(pairs.index) == set(range(len(pairs)))
    assert pairs.drop_duplicates([*key, "time"]).shape[0] == back.drop_duplicates([*key, "time"]).shape[0]
    assert (pairs.time - pairs.time_sold).dt.days.between(3, 21).all()
    assert len(back) / len(orders) == pytest.approx(0.04, abs=0.01)


def test_an_order_has_one_customer_one_time_one_channel(shop: Shop) -> None:
    orders = shop.tables["orders"].to_pandas()
    sold = orders[~orders.returned].groupby("order_id")[["customer_id", "time", "channel"]].nunique()
    assert (sold == 1).all().all()


def test_late_rows_arrive_after_they_happen(shop: Shop) -> None:
    orders = shop.tables["orders"].to_pandas()
    late = orders[orders.known_at.notna()]
    assert len(late) / len(orders) == pytest.approx(0.01, abs=0.004)
    assert ((late.known_at - late.time).dt.days.between(1, 10)).all()


def test_events_lie_within_the_customers_life(shop: Shop) -> None:
    life = shop.truth["customers"].to_pandas().set_index("customer_id")
    died = life.died_at.fillna(pd.Timestamp(shop.settings.end))
    orders, said = shop.tables["orders"].to_pandas(), shop.tables["interactions"].to_pandas()
    sold, complaints = orders[~orders.returned], said[said.kind == "complaint"]
    for events in (sold, complaints):
        assert (events.time >= events.customer_id.map(life.born_at)).all()
        assert (events.time <= events.customer_id.map(died)).all()
    surveys = shop.tables["surveys"].to_pandas()
    assert (surveys.time <= surveys.customer_id.map(died) + pd.Timedelta(days=14)).all()


def test_hold_out_share_is_as_set() -> None:
    campaigns = simulate(ShopSettings(customers=3_000, treated_share=0.8)).tables["campaigns"].to_pandas()
    assert (campaigns.arm == "treat").mean() == pytest.approx(0.8, abs=0.01)
    assert (campaigns.cost[campaigns.arm == "hold-out"] == 0).all()
    assert (campaigns.groupby("campaign_id").offer.nunique() == 1).all()


def test_opted_out_customers_are_left_alone(shop: Shop) -> None:
    customers = shop.tables["customers"].to_pandas()
    out = set(customers.customer_id[customers.opted_out])
    said = shop.tables["interactions"].to_pandas()
    assert out
    assert not out & set(shop.tables["campaigns"].to_pandas().customer_id)
    assert not out & set(said.customer_id[said.kind == "contact"])


def test_contract_terms_follow_each_other_and_end_once_cancelled(shop: Shop) -> None:
    terms = shop.tables["contracts"].to_pandas().sort_values(["customer_id", "start"])
    following = terms.customer_id.eq(terms.customer_id.shift(-1))
    assert (terms.end[following] == terms.start.shift(-1)[following]).all()
    assert not terms.cancelled_at.notna()[following].any()
    assert terms.contract_id.is_unique
    cancelled = terms[terms.cancelled_at.notna()]
    assert (cancelled.cancelled_at < cancelled.end).all()


def test_who_was_referred_came_later_and_says_so(shop: Shop) -> None:
    joined = shop.tables["customers"].to_pandas().set_index("customer_id")
    referrals = shop.tables["referrals"].to_pandas()
    assert (referrals.customer_id.map(joined.joined_at) < referrals.time).all()
    referred = joined.index[joined.acquisition_channel == "referral"]
    assert set(referred) == set(referrals.referred_id)
    assert referrals.referred_id.is_unique


def test_orders_peak_before_the_years_end_and_at_the_weekend(shop: Shop) -> None:
    orders = shop.tables["orders"].to_pandas().drop_duplicates("order_id")
    months = orders[orders.time.dt.year == 2025].groupby(orders.time.dt.month).size()
    assert months.idxmax() == 12
    assert months[12] > 1.7 * months[[6, 7, 8]].mean()
    assert orders.groupby(orders.time.dt.day_of_week).size().idxmax() == 5


def test_regular_timing_has_even_gaps() -> None:
    def spread(timing: Literal["irregular", "regular"]) -> float:
        asked = ShopSettings(customers=1_000, timing=timing, seasonality=0, campaign_effect=0)
        orders = simulate(asked).tables["orders"].to_pandas()
        days = orders[~orders.returned].drop_duplicates("order_id").sort_values(["customer_id", "time"])
        gaps = days.groupby("customer_id").time.diff().dt.total_seconds().dropna()
        by = gaps.groupby(days.customer_id.loc[gaps.index])
        many = by.size() >= 8
        return float((by.std() / by.mean())[many].median())

    assert spread("irregular") > 0.8
    assert spread("regular") < 0.6
