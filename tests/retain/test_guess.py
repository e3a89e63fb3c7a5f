from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.contract import TABLES
from retain.guess import guess_columns, guess_table
from retain.heads import Head, look_at, time_format
from retain.synonyms import COLUMN_NAMES, plain


def head(name: str, columns: dict[str, list[str]]) -> Head:
    rows = tuple(zip(*columns.values(), strict=True))
    return Head((Path(name),), tuple(columns), rows)


def days(count: int) -> list[str]:
    return [(date(2026, 1, 1) + timedelta(days=n)).isoformat() for n in range(count)]


IDS = ["c1", "c2", "c1", "c3", "c2", "c1"]
AMOUNTS = ["12.50", "8.00", "9.99", "1.20", "30.10", "7.75"]


@pytest.mark.parametrize(
    ("customer", "time", "amount"),
    [
        ("customer_id", "order_date", "amount"),
        ("Customer ID", "InvoiceDate", "Total Price"),
        ("client", "created_at", "grand_total"),
        ("user_id", "purchased_at", "revenue"),
        ("客户编号", "下单时间", "实付金额"),
        ("会员号", "付款时间", "订单金额(元)"),
        ("买家ID", "订单日期", "金额"),
    ],
)
def test_names_in_english_and_chinese_are_known(customer: str, time: str, amount: str) -> None:
    guess = guess_table(head("data.csv", {amount: AMOUNTS, customer: IDS, time: days(6)}))
    assert guess.table == "orders"
    assert guess.columns == {"customer_id": customer, "time": time, "amount": amount}
    assert guess.missing == ()
    assert all(match.why == "name" for match in guess.matches)


def test_every_optional_column_of_an_order_line_is_found() -> None:
    columns = {
        "会员号": IDS,
        "下单时间": days(6),
        "订单号": IDS,
        "商品编码": IDS,
        "品类": IDS,
        "数量": ["1"] * 6,
        "单价": AMOUNTS,
        "折扣": AMOUNTS,
        "实付金额": AMOUNTS,
        "成本": AMOUNTS,
        "渠道": IDS,
        "币种": ["CNY"] * 6,
        "是否退货": ["否"] * 6,
        "到达时间": days(6),
    }
    guess = guess_columns(head("订单.csv", columns), "orders")
    assert set(guess.columns) == set(TABLES["orders"].names)
    assert guess.columns["discount"] == "折扣"
    assert guess.columns["known_at"] == "到达时间"


def test_values_that_do_not_look_the_part_are_not_believed() -> None:
    guess = guess_columns(
        head("o.csv", {"customer_id": IDS, "date": ["x"] * 6, "order_date": days(6), "amount": ["n"] * 6}),
        "orders",
    )
    assert guess.columns["time"] == "order_date"
    assert guess.missing == ("amount",)


def test_values_decide_where_names_say_nothing_and_only_one_column_can_be_meant() -> None:
    guess = guess_columns(head("o.csv", {"a": IDS, "b": days(6), "c": AMOUNTS}), "orders")
    assert guess.columns == {"customer_id": "a", "time": "b", "amount": "c"}
    assert {match.why for match in guess.matches} == {"values"}
    assert max(match.confidence for match in guess.matches) < 0.5


def test_two_columns_that_could_be_meant_are_not_chosen_between() -> None:
    columns = {"a": IDS, "b": days(6), "c": AMOUNTS, "d": AMOUNTS[::-1]}
    assert guess_columns(head("o.csv", columns), "orders").missing == ("amount",)


def test_quantity_and_price_stand_for_the_amount() -> None:
    columns = {"customer": IDS, "date": days(6), "qty": ["2"] * 6, "price": AMOUNTS}
    guess = guess_columns(head("o.csv", columns), "orders")
    assert guess.missing == ()
    assert guess.columns["unit_price"] == "price"
    assert "amount" not in guess.columns


def test_a_price_without_quantity_is_the_amount() -> None:
    guess = guess_columns(head("o.csv", {"customer": IDS, "date": days(6), "price": AMOUNTS}), "orders")
    assert guess.columns["amount"] == "price"
    assert "unit_price" not in guess.columns


def test_tax_and_shipping_are_no_amount() -> None:
    columns = {"customer": IDS, "date": days(6), "tax_amount": AMOUNTS, "order_amount_eur": AMOUNTS}
    assert guess_columns(head("o.csv", columns), "orders").columns["amount"] == "order_amount_eur"


@pytest.mark.parametrize(
    ("name", "columns", "table"),
    [
        (
            "customers.csv",
            {"customer_id": ["a", "b"], "signup_date": days(2), "country": ["UK", "FR"]},
            "customers",
        ),
        ("投诉.csv", {"客户编号": IDS, "投诉时间": days(6), "解决时间": days(6)}, "interactions"),
        ("nps.csv", {"customer": IDS, "date": days(6), "score": ["9"] * 6}, "surveys"),
        ("mailings.csv", {"customer": IDS, "sent_at": days(6), "campaign": IDS, "arm": IDS}, "campaigns"),
        (
            "subs.csv",
            {"customer": IDS, "start_date": days(6), "plan": IDS, "monthly_fee": AMOUNTS},
            "contracts",
        ),
        ("invites.csv", {"referrer_id": IDS, "date": days(6), "referred_id": IDS}, "referrals"),
        ("x.csv", {"customer": IDS, "date": days(6), "amount": AMOUNTS}, "orders"),
    ],
)
def test_files_are_assigned_by_columns_and_name(name: str, columns: dict[str, list[str]], table: str) -> None:
    guess = guess_table(head(name, columns))
    assert guess.table == table
    assert guess.missing == ()


def test_a_header_without_rows_is_enough_for_names() -> None:
    empty = Head((Path("o.csv"),), ("customer_id", "date", "amount"), ())
    assert guess_table(empty).columns == {"customer_id": "customer_id", "time": "date", "amount": "amount"}


def test_each_source_column_is_used_once() -> None:
    guess = guess_columns(head("s.csv", {"customer": IDS, "date": days(6), "score": ["9"] * 6}), "surveys")
    assert len(set(guess.columns.values())) == len(guess.columns)


def test_synonyms_cover_exactly_the_contract() -> None:
    for name, table in TABLES.items():
        assert set(COLUMN_NAMES[name]) == set(table.names)


@given(st.text())
def test_plain_names_are_stable(name: str) -> None:
    assert plain(plain(name)) == plain(name)


@given(st.permutations(["customer_id", "order_date", "amount", "quantity", "note"]))
def test_the_order_of_columns_does_not_matter(order: list[str]) -> None:
    values = {
        "customer_id": IDS, "order_date": days(6), "amount": AMOUNTS, "quantity": ["1"] * 6, "note": ["x"] * 6
    }  # fmt: skip
    guess = guess_table(head("o.csv", {name: values[name] for name in order}))
    assert guess.columns == {
        "customer_id": "customer_id", "time": "order_date", "amount": "amount", "quantity": "quantity"
    }  # fmt: skip


def test_looks_count_only_values_that_are_there() -> None:
    look = look_at(["2", "", "2.5", "x"])
    assert (look.filled, look.numbers, look.whole, look.distinct) == (0.75, 2 / 3, 1 / 3, 3)
    assert look_at(["", " "]).filled == 0.0


def test_decimal_commas_are_seen() -> None:
    assert look_at(["1.234,50", "2,00"]).commas == 1.0
    assert look_at(["1,234.50", "2.00"]).commas == 0.0


@pytest.mark.parametrize(
    ("values", "name"),
    [
        (["1294214400"], "epoch"),
        (["1294214400000"], "epoch_ms"),
        (["40179.3229"], "excel"),
        (["20110105"], ""),
        (["40179", "2011-01-05"], ""),
    ],
)
def test_numbered_times_are_told_apart(values: list[str], name: str) -> None:
    assert time_format(values) == name
