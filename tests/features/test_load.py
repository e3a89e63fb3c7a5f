"""Bad input end to end: a clear error, or rows set aside with their lines; never a wrong number."""

from __future__ import annotations

import gzip
from datetime import date, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from features.errors import InputError
from features.load import Loaded, load
from features.settings import DataSettings, TableSource

TODAY = date(2026, 2, 1)
HEAD = "customer_id,time,amount\n"
GOOD = "".join(f"c{i},2026-01-{i:02d},{i}.5\n" for i in range(1, 21))


def load_text(tmp_path: Path, text: str | bytes, *, strict: bool = True, source=None, **settings) -> Loaded:
    path = tmp_path / "orders.csv"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    orders = TableSource(path=("orders.csv",), **(source or {}))
    return load(DataSettings(orders=orders, **settings), base=tmp_path, strict=strict, today=TODAY)


def rows(loaded: Loaded, *names: str, table: str = "orders") -> list[tuple]:
    frame = loaded.tables.con.to_pyarrow(getattr(loaded.tables, table)).select(list(names))
    return sorted(zip(*(frame[name].to_pylist() for name in names), strict=True), key=repr)


def aside(loaded: Loaded) -> list[tuple[int, str, str]]:
    return [(row.line, row.column, row.rule) for row in loaded.quarantine]


def found(loaded: Loaded, rule: str):
    return next(f for f in loaded.report.findings if f.rule == rule)


def test_who_only_returned_or_paid_nothing_is_told(tmp_path):
    loaded = load_text(tmp_path, HEAD + "a,2026-01-05,12\nb,2026-01-05,-3\nc,2026-01-06,0\n")
    assert found(loaded, "never_bought").rows == 2


def test_a_clean_file_is_read_whole(tmp_path):
    loaded = load_text(tmp_path, HEAD + "007,2026-01-05 10:30,12.5\n7,2026-01-05 11:00,9\n7,2026-01-06,-3\n")
    assert rows(loaded, "customer_id", "amount") == [("007", 12.5), ("7", -3.0), ("7", 9.0)]
    assert rows(loaded, "time", "day", "known_day")[0] == (
        datetime(2026, 1, 5, 10, 30),
        date(2026, 1, 5),
        date(2026, 1, 5),
    )
    assert (aside(loaded), loaded.report.findings) == ([], [])
    assert loaded.report.facts["return_rows"] == 1


def test_an_empty_file_is_refused(tmp_path):
    for text in ("", "\n\n"):
        with pytest.raises(InputError, match=r"orders\.csv: the file is empty"):
            load_text(tmp_path, text)


def test_a_header_alone_gives_no_rows_and_a_warning(tmp_path):
    for text in (HEAD, HEAD.strip()):
        loaded = load_text(tmp_path, text)
        assert rows(loaded, "customer_id") == []
        assert {"day", "known_day"} <= set(loaded.tables.orders.columns)
        assert found(loaded, "no_rows").state == "warning"


def test_one_customer_is_enough_to_load(tmp_path):
    loaded = load_text(tmp_path, HEAD + "7,2026-01-06,3\n")
    assert (loaded.report.facts["customers"], loaded.report.facts["one_time_buyers"]) == (1, 1)
    assert loaded.report.facts["suggested_window_days"] == 90


def test_a_torn_last_line_is_set_aside(tmp_path):
    loaded = load_text(tmp_path, HEAD + GOOD + "c21,2026-01-21,1")
    assert aside(loaded) == [(22, "", "torn_last_line")]
    assert "end the file with" in found(loaded, "torn_last_line").en
    assert len(rows(loaded, "customer_id")) == 20


def test_a_closing_quote_proves_the_last_line_whole(tmp_path):
    loaded = load_text(tmp_path, HEAD + 'c1,2026-01-21,"1,234.50"')
    assert rows(loaded, "amount") == [(1234.5,)]


def test_ragged_rows_are_set_aside_with_their_lines(tmp_path):
    loaded = load_text(tmp_path, HEAD + "a,2026-01-01\n" + GOOD + "b,2026-01-02,1,2\n\n")
    assert aside(loaded) == [(2, "", "ragged_row"), (23, "", "ragged_row")]
    assert len(rows(loaded, "customer_id")) == 20


def test_lines_are_counted_through_quoted_newlines(tmp_path):
    text = "customer_id,note,time,amount\r\n" + 'a,"two\r\nlines",2026-01-01,1\r\n' + "b,x,2026-01-02,bad\r\n"
    loaded = load_text(tmp_path, text, max_quarantined_share=0.5)
    assert aside(loaded) == [(4, "amount", "not_a_number")]


def test_an_unclosed_quote_names_the_line_it_begins_on(tmp_path):
    with pytest.raises(InputError, match=r"record that begins on line 22 .*quote"):
        load_text(tmp_path, HEAD + GOOD + 'c21,2026-01-21,"1\nc22,2026-01-22,2\n')


def test_duplicate_columns_are_refused(tmp_path):
    with pytest.raises(InputError, match="column 'amount' is there more than once"):
        load_text(tmp_path, "customer_id,time,amount,amount\na,2026-01-01,1,2\n")


def test_missing_columns_are_named_with_what_is_there(tmp_path):
    with pytest.raises(InputError) as caught:
        load_text(tmp_path, "customer,time,total\n", source={"columns": {"amount": "totl"}})
    text = str(caught.value)
    assert "'totl' (mapped to amount) is missing (did you mean 'total'?)" in text
    assert "no column for customer_id" in text
    assert "Columns found: 'customer', 'time', 'total'" in text


@pytest.mark.parametrize("codec", ["utf-8-sig", "utf-16", "utf-32"])
def test_marks_are_understood(tmp_path, codec):
    loaded = load_text(tmp_path, (HEAD + "客户七,2026-01-05,1\n").encode(codec))
    assert rows(loaded, "customer_id") == [("客户七",)]


def test_gbk_is_read_and_said(tmp_path):
    text = "客户,时间,金额\n王小明,2026年1月5日,￥1.5\n毛泽东,2026年1月6日,2元\n"
    source = {"columns": {"customer_id": "客户", "time": "时间", "amount": "金额"}}
    loaded = load_text(tmp_path, text.encode("gbk"), source=source, currency="CNY")
    assert rows(loaded, "customer_id", "amount") == [("毛泽东", 2.0), ("王小明", 1.5)]
    assert found(loaded, "encoding_guessed").state == "repaired"


def test_the_mao_file_is_asked_about(tmp_path):
    with pytest.raises(
        InputError, match=r'line 2 can be read as UTF-8 and as GBK.*set encoding = "utf-8" or "gbk"'
    ):
        load_text(tmp_path, HEAD.encode() + "毛,2026-01-05,1\n".encode("gbk"))
    loaded = load_text(
        tmp_path, HEAD.encode() + "毛,2026-01-05,1\n".encode("gbk"), source={"encoding": "gbk"}
    )
    assert rows(loaded, "customer_id") == [("毛",)]


def test_lines_of_another_encoding_are_set_aside(tmp_path):
    mixed = (HEAD + GOOD + "李雷,2026-01-21,1\n").encode() + "毛,2026-01-22,2\n王芳,2026-01-23,3\n".encode(
        "gbk"
    )
    loaded = load_text(tmp_path, mixed)
    assert aside(loaded) == [(23, "", "undecodable"), (24, "", "undecodable")]
    assert ("李雷",) in rows(loaded, "customer_id")
    assert found(loaded, "mixed_encoding").state == "warning"


def test_ids_are_text_and_never_merged(tmp_path):
    ids = [
        "007",
        "7",
        "7.0",
        "NA",
        "null",
        "None",
        "12345678901234567890123",
        "e\u0301",
        "\u00e9",
        "=1+1",
        "a",
        "A",
    ]
    loaded = load_text(tmp_path, HEAD + "".join(f"{i},2026-01-05,1\n" for i in ids))
    assert [row[0] for row in rows(loaded, "customer_id")] == sorted(ids, key=lambda i: repr((i,)))


def test_rows_without_customer_are_counted_and_no_error(tmp_path):
    loaded = load_text(tmp_path, HEAD + ",2026-01-05,1\n  ,2026-01-05,bad\na,2026-01-05,1\n")
    assert aside(loaded) == [(2, "customer_id", "no_customer"), (3, "customer_id", "no_customer")]
    assert (found(loaded, "no_customer").state, found(loaded, "no_customer").rows) == ("warning", 2)
    assert loaded.report.errors == []


def test_broken_ids_are_set_aside(tmp_path):
    text = HEAD + GOOD + '"a\nb",2026-01-05,1\nc\x00d,2026-01-05,1\n' + "x" * 300 + ",2026-01-05,1\n"
    assert aside(load_text(tmp_path, text)) == [(n, "customer_id", "bad_id") for n in (22, 24, 25)]


def test_money_is_read_by_contract_or_set_aside(tmp_path):
    good = ["1,234.50", "¥12.5", "(12.00)", "１２３", "1.2万"]
    bad = ["1,23", "inf", "1e400", "-Infinity", "$5", "", "nan"]
    text = HEAD + "".join(f'c{i},2026-01-05,"{amount}"\n' for i, amount in enumerate([*good, *bad]))
    loaded = load_text(tmp_path, text, currency="CNY", max_quarantined_share=1)
    assert [row[1] for row in rows(loaded, "customer_id", "amount")] == [1234.5, 12.5, -12.0, 123.0, 12000.0]
    rules = ["not_a_number", "not_finite", "not_finite", "not_finite", "other_currency", "missing", "missing"]
    assert aside(loaded) == [(7 + i, "amount", rule) for i, rule in enumerate(rules)]
    repairs = {f.rule for f in loaded.report.of("repaired")}
    assert repairs == {"thousands", "currency_sign", "parentheses", "full_width", "unit"}
    assert found(loaded, "lost_customers").rows == len(bad)


def test_decimal_commas_follow_the_contract(tmp_path):
    text = "customer_id;time;amount\na;2026-01-05;12,5\nb;2026-01-05;1.234,50\n"
    loaded = load_text(tmp_path, text, decimal=",", thousands=".")
    assert rows(loaded, "customer_id", "amount") == [("a", 12.5), ("b", 1234.5)]


def test_two_currency_signs_without_a_currency_are_set_aside(tmp_path):
    text = HEAD + "a,2026-01-05,$5\nb,2026-01-05,€5\nc,2026-01-05,5\n"
    assert aside(load_text(tmp_path, text, max_quarantined_share=1)) == [
        (2, "amount", "other_currency"),
        (3, "amount", "other_currency"),
    ]


def test_too_many_rows_set_aside_are_an_error(tmp_path):
    with pytest.raises(
        InputError,
        match=r"66\.7% of the rows.*most of them \(orders\.csv, line 2\): Not a number",
    ):
        load_text(tmp_path, HEAD + "a,2026-01-05,x\nb,2026-01-05,y\nc,2026-01-05,5\n")


def test_dates_out_of_this_world_are_set_aside(tmp_path):
    days = ["2026-02-03", "9999-12-31", "1970-01-01", "0001-01-01", "2026-02-30", "2026-02-02"]
    text = HEAD + GOOD + "".join(f"d{i},{day},1\n" for i, day in enumerate(days))
    loaded = load_text(tmp_path, text)
    rules = ["future_date", "out_of_range", "out_of_range", "out_of_range", "not_a_date"]
    assert aside(loaded) == [(22 + i, "time", rule) for i, rule in enumerate(rules)]
    assert found(loaded, "future_date").example == "'2026-02-03'"


def test_an_ambiguous_date_format_is_asked_about(tmp_path):
    text = HEAD + "a,01/02/2026,1\n"
    with pytest.raises(InputError, match=r"orders.time: ambiguous date format, e.g. '01/02/2026'"):
        load_text(tmp_path, text)
    loaded = load_text(tmp_path, text, source={"date_format": "mdy"})
    assert rows(loaded, "day") == [(date(2026, 1, 2),)]
    loaded = load_text(tmp_path, text + "b,13/01/2026 10:30,1\n")
    assert rows(loaded, "time") == [(datetime(2026, 1, 13, 10, 30),), (datetime(2026, 2, 1),)]
    assert found(loaded, "date_order").en == "Dates read as day/month/year, the only order that fits them all"


def test_zoned_times_are_cut_at_business_midnight(tmp_path):
    text = HEAD + "a,2026-01-31T20:00:00Z,1\nb,2026-01-31 20:00,1\n"
    loaded = load_text(tmp_path, text, timezone="Asia/Shanghai")
    assert rows(loaded, "customer_id", "day") == [("a", date(2026, 2, 1)), ("b", date(2026, 1, 31))]
    assert (found(loaded, "zoned").rows, found(loaded, "mixed_zones").rows) == (1, 1)


def test_excel_serial_days_only_on_request(tmp_path):
    text = HEAD + "a,46027,1\n"
    loaded = load_text(tmp_path, text, source={"date_format": "excel"})
    assert rows(loaded, "day") == [(date(2026, 1, 5),)]
    assert aside(load_text(tmp_path, text, max_quarantined_share=1)) == [(2, "time", "not_a_date")]


def test_returns_keep_their_sign_and_marked_ones_get_it(tmp_path):
    text = "customer_id,time,amount,returned\na,2026-01-05,10,no\na,2026-01-06,10,yes\nb,2026-01-06,-4,是\n"
    loaded = load_text(tmp_path, text)
    assert rows(loaded, "customer_id", "amount") == [("a", -10.0), ("a", 10.0), ("b", -4.0)]
    assert found(loaded, "negated_return").rows == 1
    assert loaded.report.facts["return_rows"] == 2


def test_amount_is_computed_from_quantity_and_price(tmp_path):
    text = "customer_id,time,quantity,unit_price\na,2026-01-05,3,2.5\nb,2026-01-05,-1,2\nc,2026-01-05,x,2\n"
    loaded = load_text(tmp_path, text, max_quarantined_share=0.5)
    assert rows(loaded, "customer_id", "amount") == [("a", 7.5), ("b", -2.0)]
    assert aside(loaded) == [(4, "quantity", "not_a_number")]
    assert found(loaded, "amount_computed").state == "repaired"


def test_a_bad_cell_that_is_not_needed_is_emptied_and_told(tmp_path):
    text = "customer_id,time,amount,quantity\na,2026-01-05,1,two\nb,2026-01-05,1,\n"
    loaded = load_text(tmp_path, text)
    assert rows(loaded, "customer_id", "quantity") == [("a", None), ("b", None)]
    finding = found(loaded, "not_a_number")
    assert (finding.state, finding.column, finding.rows, finding.lines, finding.example) == (
        "warning",
        "quantity",
        1,
        (2,),
        "'two'",
    )


def test_a_bad_arrival_time_sets_the_row_aside(tmp_path):
    text = (
        "customer_id,time,amount,known_at\na,2026-01-05,1,2026-01-20\nb,2026-01-05,1,soon\nc,2026-01-05,1,\n"
    )
    loaded = load_text(tmp_path, text, max_quarantined_share=0.5)
    assert rows(loaded, "customer_id", "known_day") == [("a", date(2026, 1, 20)), ("c", date(2026, 1, 5))]
    assert aside(loaded) == [(3, "known_at", "not_a_date")]


def test_currencies_are_never_added(tmp_path):
    text = "customer_id,time,amount,currency\na,2026-01-05,1,CNY\nb,2026-01-05,1,usd\nc,2026-01-05,1,CNY\n"
    with pytest.raises(InputError, match=r"several currencies \(CNY, USD\)"):
        load_text(tmp_path, text)
    loaded = load_text(tmp_path, text, currency="CNY", max_quarantined_share=0.5)
    assert rows(loaded, "customer_id") == [("a",), ("c",)]
    assert aside(loaded) == [(3, "currency", "foreign_currency")]


def test_exact_duplicates_are_counted_and_dropped_on_request(tmp_path):
    text = HEAD + "a,2026-01-05,1\na,2026-01-05,1\na,2026-01-05,2\n"
    loaded = load_text(tmp_path, text)
    assert (len(rows(loaded, "amount")), found(loaded, "exact_duplicates").rows) == (3, 1)
    loaded = load_text(tmp_path, text, exact_duplicates="drop")
    assert rows(loaded, "amount") == [(1.0,), (2.0,)]
    assert found(loaded, "duplicates_dropped").rows == 1


def test_a_file_in_cents_is_warned_of(tmp_path):
    for name, factor in (("a.csv", 1), ("b.csv", 1), ("c.csv", 100)):
        lines = "".join(f"{name}{i},2026-01-{i:02d},{(i + 10) * factor}\n" for i in range(1, 25))
        (tmp_path / name).write_text(HEAD + lines)
    loaded = load(DataSettings(orders=TableSource(path=("*.csv",))), base=tmp_path, today=TODAY)
    finding = found(loaded, "maybe_cents")
    assert (finding.state, finding.rows) == ("warning", 24)
    assert '"c.csv"' in finding.en


def test_a_giant_amount_is_warned_of(tmp_path):
    loaded = load_text(tmp_path, HEAD + GOOD + "x,2026-01-05,99999999999\n")
    assert found(loaded, "outlier_amount").lines == (22,)
    assert found(loaded, "outlier_amount").example == "1e+11"


@pytest.mark.parametrize(
    ("amounts", "rule", "rows", "example"),
    [
        (("-1", "-2", "0"), "no_purchases", 3, "-1"),
        (("0", "0", "0"), "no_purchases", 3, "0"),
        (("5", "-9", "-1"), "returns_exceed", 2, "-5"),
    ],
)
def test_amounts_that_leave_no_purchases_are_warned_of(tmp_path, amounts, rule, rows, example):
    lines = "".join(f"c{i},2026-01-05,{amount}\n" for i, amount in enumerate(amounts))
    finding = found(load_text(tmp_path, HEAD + lines), rule)
    assert (finding.state, finding.rows, finding.example) == ("warning", rows, example)
    assert "amount" in finding.en or "signs" in finding.en


def test_the_same_file_fed_twice_counts_once(tmp_path):
    for name in ("a.csv", "b.csv"):
        (tmp_path / name).write_text(HEAD + "a,2026-01-05,1\n")
    (tmp_path / "c.csv").write_text(HEAD + "b,2026-01-05,1\n")
    loaded = load(DataSettings(orders=TableSource(path=("*.csv", "a.csv"))), base=tmp_path, today=TODAY)
    assert rows(loaded, "customer_id") == [("a",), ("b",)]
    assert "a.csv" in found(loaded, "fed_twice").en


def test_all_errors_come_at_once(tmp_path):
    (tmp_path / "orders.csv").write_text("")
    (tmp_path / "surveys.csv").write_text("customer_id,time\n")
    settings = DataSettings(
        orders=TableSource(path=("orders.csv",)), surveys=TableSource(path=("surveys.csv",))
    )
    with pytest.raises(InputError, match=r"(?s)orders\.csv: the file is empty.*no column for score"):
        load(settings, base=tmp_path, today=TODAY)
    loaded = load(settings, base=tmp_path, strict=False, today=TODAY)
    assert [f.table for f in loaded.report.errors] == ["orders", "surveys"]
    assert (rows(loaded, "customer_id"), loaded.tables.surveys) == ([], None)


def test_row_order_and_file_split_change_nothing(tmp_path):
    lines = GOOD.splitlines(keepends=True)
    whole = rows(load_text(tmp_path, HEAD + GOOD), "customer_id", "time", "amount")
    (tmp_path / "split").mkdir()
    (tmp_path / "split" / "1.csv").write_text(HEAD + "".join(reversed(lines[:7])))
    with gzip.open(tmp_path / "split" / "2.csv.gz", "wt") as stream:
        stream.write(HEAD + "".join(lines[7:]))
    loaded = load(DataSettings(orders=TableSource(path=("split",))), base=tmp_path, today=TODAY)
    assert rows(loaded, "customer_id", "time", "amount") == whole


def test_ids_of_typed_files_become_text(tmp_path):
    table = pa.table(
        {"customer_id": [7.0, None, 2.0**60], "time": [date(2026, 1, 5)] * 3, "amount": [1, 2, 3]}
    )
    pq.write_table(table, tmp_path / "orders.parquet")
    settings = DataSettings(orders=TableSource(path=("orders.parquet",)), max_quarantined_share=0.5)
    loaded = load(settings, base=tmp_path, today=TODAY)
    assert rows(loaded, "customer_id", "amount") == [("7", 1.0)]
    assert aside(loaded) == [(2, "customer_id", "no_customer"), (3, "customer_id", "id_digits_lost")]
    assert found(loaded, "whole_number_id").rows == 1
