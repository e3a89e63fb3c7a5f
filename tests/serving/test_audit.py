"""The audit of a simulated shop: every part adds up to the orders, and the page says what the tables say."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import date
from html.parser import HTMLParser

import pandas as pd
import pytest

from features.errors import NotEnoughData
from features.frames import tables_from_frames
from features.tables import Tables
from retain.shop import ShopSettings, simulate
from serving.audit import Audit, audit
from serving.audit_page import audit_page
from serving.audit_texts import HEADS, LABELS, NOTES, TITLES
from serving.scorer import Scorer
from strategies.settings import StrategySettings
from training.build import build_bundle
from training.fit import anchored
from training.panel import build_panel
from training.settings import TrainingSettings

SHOP = simulate(ShopSettings(customers=150, days=800, seed=11))


@pytest.fixture(scope="module")
def tables() -> Tables:
    return tables_from_frames(SHOP.tables, currency="EUR")


@pytest.fixture(scope="module")
def day(tables: Tables) -> date:
    return tables.con.to_pyarrow(tables.orders.day.max()).as_py()


@pytest.fixture(scope="module")
def scorer(tables: Tables, day: date) -> Scorer:
    training = TrainingSettings()
    horizons = {training.churn.window_days, *training.value.horizons_days}
    panel = anchored(build_panel(tables, day, sorted(horizons)))
    return Scorer(build_bundle(panel, training, evidence="rule"), StrategySettings(), currency="EUR")


@pytest.fixture(scope="module")
def found(tables: Tables, day: date, scorer: Scorer) -> Audit:
    return audit(tables, day, margin_rate=0.3, scorer=scorer)


def cents(tables: Tables, day: date) -> int:
    """Revenue before the day, straight from the orders."""
    orders = tables.con.to_pyarrow(tables.orders.select("day", "amount")).to_pandas()
    return round(100 * orders[orders["day"] < day]["amount"]).sum()


def test_every_part_adds_up_to_the_orders(found: Audit, tables: Tables, day: date) -> None:
    assert found.reconciles
    assert {"cohorts", "whole_base", "bridge", "equity", "equity_by_value_class"} <= set(
        found.tables["checks"]["check"]
    )
    assert round(100 * found.tables["equity"]["past_revenue"].iloc[0]) == cents(tables, day)
    ledger = found.tables["ledger"].set_index("place")
    assert ledger["rows"].sum() == SHOP.tables["orders"].num_rows
    assert ledger.loc["later", "rows"] > 0


def test_equity_is_the_sum_of_the_list(found: Audit, tables: Tables, day: date, scorer: Scorer) -> None:
    listed = scorer.score(tables, day)
    total = found.tables["equity"].iloc[0]
    assert total["equity"] == pytest.approx(listed["clv"].sum())
    assert total["valued"] == len(listed)
    by = found.tables["equity_by"]
    assert by.groupby("split")["equity"].sum().tolist() == pytest.approx(
        [listed["clv"].sum()] * by["split"].nunique()
    )


def test_elasticities_have_the_textbooks_signs(found: Audit) -> None:
    slopes = found.tables["elasticities"].set_index("driver")["elasticity"]
    assert slopes["margin"] == pytest.approx(1.0)
    assert slopes["retention"] > 0 > slopes["discount"]
    assert -1 < slopes["acquisition"] < 0


def test_a_discount_of_nothing_moves_nothing(tables: Tables, day: date, scorer: Scorer) -> None:
    curve = replace(scorer.bundle.curve, discount_rate=0.0)
    free = Scorer(replace(scorer.bundle, curve=curve), StrategySettings(), currency="EUR")
    slopes = audit(tables, day, margin_rate=0.3, scorer=free).tables["elasticities"].set_index("driver")
    assert slopes.loc["discount", "elasticity"] == 0.0
    assert slopes.loc["retention", "elasticity"] > 0.0


def test_further_labels_split_equity(tables: Tables, day: date, scorer: Scorer) -> None:
    listed = scorer.score(tables, day)
    tiers = pd.DataFrame({"customer_id": listed["customer_id"].iloc[1:], "pyramid_tier": "silver"})
    by = audit(tables, day, margin_rate=0.3, scorer=scorer, labels=tiers).tables["equity_by"]
    assert by[by["split"] == "pyramid_tier"]["label"].tolist() == ["silver", "no_segment"]


def test_levers_of_customers_add_up_to_the_bridge(found: Audit) -> None:
    levers, steps = found.tables["bridge_customers"], found.tables["bridge"].set_index("part")["amount"]
    parts = [name for name in steps.index if name not in ("before", "after")]
    assert levers["customer_id"].is_unique
    assert [round(levers[name].sum(), 2) for name in parts] == [round(steps[name], 2) for name in parts]


def test_without_a_model_there_is_no_equity(tables: Tables, day: date) -> None:
    plain = audit(tables, day, margin_rate=0.3)
    assert plain.reconciles
    assert not {"equity", "equity_by", "elasticities"} & set(plain.tables)
    page = audit_page(plain, margin_rate=0.3)
    assert "retain train" in page
    assert "Why it is so" in audit_page(plain, margin_rate=0.3, missing={"en": "Why it is so", "zh": "原因"})


def test_before_the_first_order_there_is_nothing(tables: Tables) -> None:
    with pytest.raises(NotEnoughData, match="no order before 2001-01-01"):
        audit(tables, date(2001, 1, 1), margin_rate=0.3)


def test_one_customer_is_a_base_too() -> None:
    orders = pd.DataFrame({"customer_id": ["a"], "time": [pd.Timestamp("2026-01-05")], "amount": [9.5]})
    found = audit(tables_from_frames({"orders": orders}), date(2026, 1, 6), margin_rate=0.3)
    assert found.reconciles
    assert "9.50" in audit_page(found, margin_rate=0.3)


class Tags(HTMLParser):
    """Open tags, ids, and the words shown by language."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.names: list[str] = []
        self.ids: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.append(tag)
        self.ids += [value for name, value in attrs if name == "id" and value]


@pytest.fixture(scope="module")
def page(found: Audit) -> str:
    return audit_page(found, margin_rate=0.3, lifetime_days=1825)


def test_the_page_stands_alone(page: str) -> None:
    tags = Tags(page)
    assert not {"script", "link", "iframe", "img", "object", "embed", "form"} & set(tags.names)
    assert "default-src 'none'" in page
    assert tags.names.count("svg") == 6
    assert len(set(tags.ids)) == len(tags.ids)


def test_the_page_names_no_customer(page: str, found: Audit) -> None:
    assert not [name for name in found.tables["bridge_customers"]["customer_id"] if name in page]


def test_the_page_says_what_the_tables_say(page: str, found: Audit) -> None:
    assert f"{found.tables['equity']['equity'].iloc[0]:,.0f}" in page
    assert f"{found.tables['ledger']['amount'].sum():,.2f}" in page
    assert ": 0 differ." in page
    assert all(f"{amount:,.2f}" in page for amount in found.tables["bridge"]["amount"] if amount)


def test_both_languages_say_the_same(page: str) -> None:
    english, chinese = (len(re.findall(f'class="{lang}"', page)) for lang in ("en", "zh"))
    assert english == chinese
    assert "客户资产" in page
    assert 'id="show-zh" checked' not in page


def test_chinese_shows_first_when_asked(found: Audit) -> None:
    page = audit_page(found, margin_rate=0.3, lang="zh")
    assert '<html lang="zh">' in page
    assert 'id="show-zh" checked' in page


def test_the_same_audit_gives_the_same_page(found: Audit, page: str) -> None:
    assert audit_page(found, margin_rate=0.3, lifetime_days=1825) == page


def test_a_sum_that_differs_is_shouted(found: Audit) -> None:
    checks = found.tables["checks"].assign(difference=0.01)
    broken = replace(found, tables={**found.tables, "checks": checks})
    assert not broken.reconciles
    assert "do not rely on this page" in audit_page(broken, margin_rate=0.3)


@pytest.mark.parametrize("texts", [HEADS, LABELS, NOTES, TITLES])
def test_texts_are_whole(texts: dict[str, dict[str, str]]) -> None:
    assert all(set(text) == {"en", "zh"} and all(text.values()) for text in texts.values())
    assert all(text["en"].count("{}") == text["zh"].count("{}") for text in texts.values())
