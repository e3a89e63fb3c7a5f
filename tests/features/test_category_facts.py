"""What may be bought next: what is told, what is missing, and that the chances are right on simulated shops."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import pandas as pd
import pytest

from features.adoption import Baskets, adoption_of
from features.category_facts import CATEGORY_FACTS, MAX_CATEGORIES, category_facts
from features.frames import tables_from_frames
from features.price_bands import Moves, band_facts
from retain.shop import ShopSettings, simulate

AS_OF = date(2026, 1, 1)


def lines(rows: list[tuple[str, int, str | None, float]], **columns: object) -> pd.DataFrame:
    """Customer, days before the cut, category, amount."""
    found = pd.DataFrame(rows, columns=["customer_id", "time", "category", "amount"])
    found["time"] = pd.Timestamp(AS_OF) - pd.to_timedelta(found["time"], unit="D")
    return found.assign(**columns)


def outlook(ids: str, alive: float = 0.8, orders: float = 3.0) -> pd.DataFrame:
    return pd.DataFrame({"alive": alive, "orders": orders}, index=pd.Index(list(ids), name="customer_id"))


def facts(orders: pd.DataFrame, ids: str, as_of: date = AS_OF) -> pd.DataFrame:
    return category_facts(tables_from_frames({"orders": orders}), as_of, outlook(ids), margin_rate=0.5)


def test_the_next_category_is_one_not_bought_within_a_year() -> None:
    rows = [("a", 400, "tea", 9.0), ("a", 20, "soap", 9.0), ("b", 365, "tea", 9.0), ("b", 10, "soap", 9.0)]
    found = facts(lines(rows), "ab")
    assert found.loc["a", "next_category"] == "tea"
    assert pd.isna(found.loc["b", "next_category"])
    assert found.loc["b", "new_category_margin"] == 0.0


def test_margin_is_the_chance_times_what_those_who_took_it_up_brought() -> None:
    old = [(c, 500, "soap", 9.0) for c in "abc"]
    new = [("a", 30, "tea", 40.0), ("a", 20, "tea", -10.0), ("b", 30, "tea", 20.0), ("c", 30, "soap", 9.0)]
    found = facts(lines([*old, *new]), "abc").loc["c"]
    # Half of 40 - 10 and of 20: 25 on average.
    assert found["next_category"] == "tea"
    assert found["next_category_margin"] == pytest.approx(found["next_category_probability"] * 12.5)
    assert found["new_category_margin"] == found["next_category_margin"]


def test_costs_count_where_they_are_known() -> None:
    rows = [("a", 500, "soap", 9.0), ("b", 500, "soap", 9.0), ("a", 30, "tea", 40.0), ("b", 30, "soap", 1.0)]
    found = facts(lines(rows, cost=[1.0, 1.0, 30.0, None]), "b").iloc[0]
    assert found["next_category_margin"] == pytest.approx(found["next_category_probability"] * 10.0)


def test_the_future_is_not_looked_at() -> None:
    rows = [("a", 400, "tea", 9.0), ("a", 20, "soap", 9.0), ("b", 50, "tea", 9.0)]
    later = [("b", -1, "soap", 99.0), ("a", 0, "tea", 50.0), ("c", -3, "gin", 9.0)]
    pd.testing.assert_frame_equal(facts(lines([*rows, *later]), "ab"), facts(lines(rows), "ab"))


def test_without_categories_and_prices_nothing_is_told() -> None:
    found = facts(lines([("a", 20, None, 9.0)]).drop(columns="category"), "a")
    assert list(found.columns) == list(CATEGORY_FACTS)
    assert found.isna().all(axis=None)
    assert facts(lines([("a", 20, None, 9.0)]), "a").isna().all(axis=None)


def test_who_has_no_outlook_or_no_line_has_no_chance() -> None:
    orders = lines([("a", 20, "tea", 9.0), ("b", 20, "soap", 9.0)])
    given = outlook("abz")
    given.loc["a"] = np.nan
    found = category_facts(tables_from_frames({"orders": orders}), AS_OF, given, margin_rate=0.5)
    assert found.loc[["a", "z"]].isna().all(axis=None)
    assert found.loc["b", "next_category"] == "tea"


def test_the_fifty_categories_with_most_orders_are_looked_at() -> None:
    rows = [(c, 20 + n, f"k{n:03d}", 9.0) for n in range(60) for c in ("ab" if n >= 10 else "a")]
    found = facts(lines([*rows, ("c", 20, "k059", 9.0)]), "c").iloc[0]
    assert found["next_category"] == "k010"
    assert MAX_CATEGORIES == 50


def test_owning_one_category_can_raise_the_chance_of_another() -> None:
    """Of 200 who own tea all take up a kettle, of 200 who own soap none does."""
    n = 400
    ever = np.zeros((n, 3), dtype=np.float32)
    lately, before = ever.copy(), np.zeros((n, 3), dtype=bool)
    before[:200, 0] = before[200:, 1] = True
    lately[:200, 2] = 1.0
    ever[before] = 2.0
    two = np.full(n, 2.0)
    found = adoption_of(Baskets(ever + lately, lately, before, orders=two + 1.0, orders_lately=two / 2))
    assert found.lift_of[0, 2] > 1.5 * found.lift_of[1, 2]


def test_dearer_goods_are_told_by_price_bands() -> None:
    rows = [(c, 500, "tea", 1.0) for c in "abcdef"] + [("a", 30, "tea", 9.0), ("b", 30, "tea", 1.0)]
    found = facts(lines(rows, quantity=1.0), "ab")
    assert found.loc["b", "next_band_probability"] > 0
    assert found["next_band_margin"].ge(0).all()


def test_a_band_rises_as_often_as_it_did() -> None:
    low, high = np.tile([4.0, 0.0, 0.0], (100, 1)), np.tile([0.0, 0.0, 4.0], (100, 1))
    moved = np.arange(100)[:, None] < 25
    moves = Moves(low, np.where(moved, high, low), np.full(100, 2.0), np.where(moved[:, 0], 60.0, 20.0))
    found = band_facts(moves, np.full(100, 0.5), np.full(100, 9.0))
    assert found["next_band_probability"][-1] == pytest.approx(0.25 * 0.5, rel=1e-3)
    # 30 an order against 10, drawn to 0 as 25 of 75; 0.5 * 9 orders are expected.
    assert found["next_band_margin"][-1] == pytest.approx(0.25 * (20.0 / 3) * 4.5)


@pytest.fixture(scope="module")
def judged() -> tuple[pd.DataFrame, pd.DataFrame]:
    """Facts of a simulated shop given the orders that came, and whether each category not owned was bought."""
    settings = ShopSettings(customers=1_500, days=1_460, seed=71)
    orders = simulate(settings).tables["orders"].to_pandas()
    cut = settings.start + timedelta(days=1_095)
    tables = tables_from_frames({"orders": orders[orders["time"] < pd.Timestamp(cut)]})
    bought = orders[orders["amount"] > 0]
    bought = bought.assign(ahead=(bought["time"].dt.normalize() - pd.Timestamp(cut)).dt.days)
    past, later = bought[bought["ahead"] < 0], bought[bought["ahead"].between(0, 364)]
    ids = pd.Index(sorted(past["customer_id"].unique()), name="customer_id")
    came = later.groupby("customer_id")["ahead"].nunique().reindex(ids).fillna(0.0)
    found = category_facts(tables, cut, pd.DataFrame({"alive": 1.0, "orders": came}), margin_rate=0.4)
    taken = pd.crosstab(later["customer_id"], later["category"]).reindex(ids).fillna(0.0) > 0
    owned = past[past["ahead"] >= -365]
    lately = pd.crosstab(owned["customer_id"], owned["category"]).reindex(ids).fillna(0.0) > 0
    return found, taken.astype("float64").mask(lately)


def test_chances_are_right_by_tenths(judged: tuple[pd.DataFrame, pd.DataFrame]) -> None:
    found, taken = judged
    told = found[found["next_category"].notna()]
    hit = np.array([taken.at[i, c] for i, c in told["next_category"].items()])
    tenth = pd.qcut(told["next_category_probability"].rank(method="first"), 10, labels=False)
    gap = (told["next_category_probability"] - hit).groupby(tenth).mean().abs()
    assert gap.mean() < 0.04
    assert gap.max() < 0.12


def test_the_next_category_is_bought_more_often_than_another(
    judged: tuple[pd.DataFrame, pd.DataFrame],
) -> None:
    found, taken = judged
    told = found[found["next_category"].notna()]
    hit = np.mean([taken.at[i, c] for i, c in told["next_category"].items()])
    assert hit > 1.15 * taken.loc[told.index].mean(axis=1).mean()


def test_a_shop_without_categories_still_has_price_bands() -> None:
    day = pd.Timestamp("2026-01-05")
    orders = pd.DataFrame({"customer_id": list("abc"), "time": [day] * 3, "amount": [1.0, 2.0, 9.0]})
    orders["unit_price"] = orders["amount"]
    outlook = pd.DataFrame({"alive": [0.9] * 3, "orders": [4.0] * 3}, index=list("abc"))
    found = category_facts(tables_from_frames({"orders": orders}), date(2026, 2, 1), outlook, margin_rate=0.4)
    assert found["next_category"].isna().all()
    assert found["next_band_margin"].notna().any()
