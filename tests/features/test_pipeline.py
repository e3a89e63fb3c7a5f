"""What must hold for any shop: time is law, rows have no order, customers do not touch each other."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features.catalogue import catalogue
from features.errors import ConfigError
from features.frames import tables_from_frames
from features.pipeline import customer_features
from tests.features.feature_runs import (
    LOOSE,
    START,
    assert_close,
    demo_shop,
    features,
    line_rows,
    lines_frame,
    orders,
    random_events,
    random_shop,
    run,
    same_bits,
    shifted,
    shop,
    table,
)

DAY = date(2025, 1, 1)
AS_OF = str(DAY)
DOCS = {d.name: d for d in catalogue()}
shops = st.one_of(
    line_rows().map(lines_frame), st.integers(0, 999).map(lambda seed: random_shop(seed, customers=150))
)
few = settings(max_examples=5)


def of(frame: pd.DataFrame, *as_of: str) -> pa.Table:
    return features({"orders": frame}, *(as_of or (AS_OF,)))


@few
@given(shops, st.integers(0, 2**32 - 1))
def test_the_order_of_rows_changes_no_bit(frame, seed):
    assert same_bits(of(frame), of(frame.sample(frac=1, random_state=seed)))


@few
@given(shops, line_rows(), st.booleans())
def test_what_comes_or_arrives_later_changes_no_bit(frame, rows, arrives):
    later = lines_frame(rows)
    cut = pd.Timestamp(DAY)
    if arrives:
        later["known_at"] = cut + (later["time"] - START)
    else:
        later["time"] = cut + (later["time"] - START)
    assert same_bits(of(frame), of(pd.concat([later, frame, later])))


def test_what_arrives_later_does_enter_later():
    columns = "customer_id time amount known_at"
    lines = orders(("a", "2024-11-01", 5.0, None), ("a", "2024-12-01", 7.0, AS_OF), columns=columns)
    after = str(DAY + timedelta(days=1))
    found = run({"orders": lines}, AS_OF, after)
    assert found["spend_total"].tolist() == [5.0, 12.0]
    assert found["days_since_last"].tolist() == [61, 32]


@few
@given(shops, st.lists(st.integers(0, 900), min_size=2, max_size=3, unique=True))
def test_many_days_at_once_equal_each_day_alone(frame, offsets):
    days = [str((START + timedelta(days=k)).date()) for k in sorted(offsets)]
    assert same_bits(of(frame, *days), pa.concat_tables([of(frame, d) for d in days]))


@few
@given(shops, st.data())
def test_a_customer_alone_has_the_same_bits_as_in_the_shop(frame, data):
    customer = data.draw(st.sampled_from(sorted(set(frame["customer_id"]))))
    together = of(frame)
    alone = of(frame[frame["customer_id"] == customer])
    assert same_bits(together.filter(pc.equal(together["customer_id"], customer)), alone)


@few
@given(shops, st.integers(-4, 4))
def test_only_the_calendar_tells_years_of_364_days_apart(frame, years):
    calendar = [n for n in DOCS if n.startswith(("season_", "first_season_", "months_active"))]
    there = of(shifted(frame, 364 * years), str(DAY + timedelta(days=364 * years)))
    assert same_bits(of(frame).drop(["as_of", *calendar]), there.drop(["as_of", *calendar]))


@few
@given(shops)
def test_another_unit_of_money_scales_money_and_nothing_else(frame):
    plain = run({"orders": frame}, AS_OF)
    cents = frame.assign(**{c: frame[c] * 100 for c in ("amount", "discount", "cost")})
    scaled = run({"orders": cents}, AS_OF)
    for name in plain.columns.difference(["as_of", "value_log_sd"]):
        if DOCS[name].unit.startswith("currency"):
            scaled[name] /= 100
    assert_close(scaled, plain.drop(columns=["as_of", "value_log_sd"]), LOOSE)


@few
@given(shops)
def test_pieces_change_the_price_and_nothing_else(frame):
    doubled = frame.assign(quantity=frame["quantity"] * 2)
    one, other = run({"orders": frame}, AS_OF), run({"orders": doubled}, AS_OF)
    assert (other["price_mean"] * 2).equals(one["price_mean"])
    assert other.drop(columns="price_mean").equals(one.drop(columns="price_mean"))


@few
@given(shops)
def test_arrival_on_the_day_itself_is_the_same_as_no_arrival_time(frame):
    same_day = frame.assign(known_at=frame["time"].dt.normalize() + pd.Timedelta(hours=23))
    assert same_bits(of(same_day), of(frame.drop(columns="known_at")))


def test_threads_change_no_bit():
    frames = {"orders": random_shop(7, customers=11_000)}
    assert len(frames["orders"]) > 122_880, "one row group is never split among threads"
    assert same_bits(features(frames, AS_OF, threads=1), features(frames, AS_OF, threads=2))


def test_events_keep_to_the_same_laws():
    lines, events = random_shop(5), random_events(5)
    mixed = {name: frame.sample(frac=1, random_state=1) for name, frame in events.items()}
    whole = features(shop(lines, **events), AS_OF)
    assert same_bits(whole, features(shop(lines, **mixed), AS_OF))
    alone = {name: frame[frame["customer_id"] == "17"] for name, frame in events.items()}
    one = features(shop(lines[lines["customer_id"] == "17"], **alone), AS_OF)
    assert same_bits(whole.filter(pc.equal(whole["customer_id"], "17")), one)


def test_tables_that_are_absent_leave_missing_columns_of_the_same_types():
    lines = random_shop(5)
    whole, bare = features(shop(lines, **random_events(5)), AS_OF), of(lines)
    assert bare.schema == whole.schema
    loyalty = [n for n in DOCS if n.startswith("loyalty")]
    ours = [n for n in DOCS if DOCS[n].source in ("orders", "calendar") and n not in loyalty]
    assert same_bits(
        bare.select(["as_of", "customer_id", *ours]), whole.select(["as_of", "customer_id", *ours])
    )
    theirs = [n for n in DOCS if DOCS[n].source not in ("orders", "calendar")]
    assert all(bare[n].null_count == bare.num_rows for n in theirs)


def test_tables_may_lack_every_optional_column():
    frames = {"orders": table("customer_id time amount", ("a", "2024-06-01", 5.0))}
    for name in ("interactions", "campaigns", "referrals"):
        frames[name] = table("customer_id time", ("a", "2024-12-01"))
    frames["surveys"] = table("customer_id time score", ("a", "2024-12-01", 8.0))
    frames["contracts"] = table("customer_id start", ("a", "2024-12-01"))
    found = run(frames, AS_OF).loc["a"]
    assert found[["contacts_90d", "campaigns_90d", "referrals_total", "contracts_active"]].tolist() == [
        1,
        1,
        1,
        1,
    ]
    assert found[["complaints_open", "satisfaction_last", "contract_charge"]].tolist() == [0, 8.0, 0.0]
    assert found[["orders_total", "discount_value", "discount_share", "lines_per_order"]].tolist() == [
        1,
        0,
        0,
        1,
    ]
    missing = ["products", "products_entropy", "categories", "price_mean", "margin_365d"]
    assert found[missing].isna().all()
    missing = ["satisfaction_gap", "recommend_mean", "resolution_days", "contract_days_left"]
    assert found[missing].isna().all()


def test_numbers_are_finite_and_missing_only_where_the_catalogue_says_so():
    found = features(demo_shop(), "2023-03-01", "2023-09-01", "2024-02-05")
    assert found.num_rows > 300
    for name, doc in DOCS.items():
        column = found[name]
        assert np.isfinite(column.drop_null().to_numpy()).all(), name
        assert column.null_count == 0 or "missing" in doc.formula, name


def test_whole_numbers_are_never_missing():
    rows = [("a", AS_OF, -1.0, "2023-01-01"), ("b", "2024-12-31", 0.0, None), ("c", "2024-12-31", 1.0, None)]
    lines = orders(*rows, ("d", "2020-02-29", -3.0, None), columns="customer_id time amount known_at")
    found = of(lines)
    assert found["customer_id"].to_pylist() == ["b", "c", "d"]
    whole = [n for n in DOCS if pa.types.is_integer(found.schema.field(n).type)]
    assert {"frequency", "orders_total", "returns_count", "orders_30d"} <= set(whole)
    assert all(found[n].null_count == 0 for n in whole)
    assert all(np.isfinite(found[n].drop_null().to_numpy()).all() for n in DOCS)


def test_shares_and_loyalty_lie_within_0_and_1():
    found = run(shop(random_shop(6), **random_events(6)), AS_OF)
    # More may come back than was bought in the data.
    # Without a country there are no holidays.
    unbounded = ("returns_share", "holiday_share_7d", "holiday_share_14d")
    bounded = [n for n in DOCS if ("share" in n or n.startswith("loyalty")) and n not in unbounded]
    assert len(bounded) > 10
    for name in bounded:
        assert found[name].notna().sum() > 100
        assert found[name].dropna().between(0, 1).all(), name


def test_the_statement_run_in_these_tests_is_what_users_run():
    lines = random_shop(8)
    tables = tables_from_frames({"orders": lines})
    found = tables.con.to_pyarrow(customer_features(tables, [DAY])).sort_by("customer_id")
    assert same_bits(found, of(lines))


def test_no_day_is_an_error():
    with pytest.raises(ConfigError, match="no as_of date"):
        customer_features(tables_from_frames({}), [])
