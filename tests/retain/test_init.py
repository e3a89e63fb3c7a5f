from __future__ import annotations

import gzip
import json
from datetime import date, timedelta
from pathlib import Path

import openpyxl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from retain import cli
from retain.config import Project, load_config, parse_config
from retain.toml_text import TableText, Wishes, configuration_text

HEADER = "customer_id,order_date,order_no,amount\n"


def lines(count: int, mark: str = ",", price: str = "12.5") -> str:
    first = date(2026, 1, 1)
    rows = [(f"c{n % 4}", first + timedelta(days=n), f"A{n}", price) for n in range(count)]
    return "".join(mark.join(map(str, row)) + "\n" for row in rows)


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "orders.csv").write_text(HEADER + lines(40))
    return tmp_path


def init(*words: str, window: bool = True) -> Project:
    """Run init in this folder and read what it wrote."""
    assert cli.run(["init", *words, *(["--churn-window", "60"] if window else [])]) == 0
    return load_config(Path("retain.toml"))


def test_a_bare_orders_file_gives_a_valid_configuration(place: Path) -> None:
    config = init("orders.csv").config
    orders = config.data.sources["orders"]
    assert orders.path == ("orders.csv",)
    assert orders.columns == {
        "customer_id": "customer_id", "time": "order_date", "amount": "amount", "order_id": "order_no"
    }  # fmt: skip
    assert config.churn.window_days == 60


def test_every_option_lands_in_its_key(place: Path) -> None:
    words = "--horizons 180,30 --as-of 2026-02-01 --out-dir out --timezone Asia/Shanghai --currency CNY"
    more = "--margin-rate 0.4 --date-format %Y-%m-%d --encoding utf-8"
    project = init("orders.csv", *words.split(), *more.split())
    config = project.config
    assert config.value.horizons_days == (30, 180)
    assert config.value.margin_rate == 0.4
    assert config.run.as_of == date(2026, 2, 1)
    assert project.out_dir == Path("out")
    assert (config.data.timezone, config.data.currency) == ("Asia/Shanghai", "CNY")
    source = config.data.sources["orders"]
    assert (source.date_format, source.encoding) == ("%Y-%m-%d", "utf-8")


def test_the_file_is_commented_in_both_languages_and_private(place: Path) -> None:
    init("orders.csv")
    text = (place / "retain.toml").read_text()
    assert "连续多少天没有订单即视为流失" in text
    assert "# Time of the order · 下单时间" in text
    assert "# not found · 未找到: product, category" in text
    assert (place / "retain.toml").stat().st_mode & 0o777 == 0o600
    assert [path.name for path in place.iterdir() if path.name.endswith(".part")] == []


def test_nothing_is_overwritten_without_being_told(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (place / "retain.toml").write_text("# mine\n")
    assert cli.run(["init", "orders.csv"]) == 2
    assert "--force overwrites it" in capsys.readouterr().err
    assert (place / "retain.toml").read_text() == "# mine\n"
    init("orders.csv", "--force")
    assert "[data.orders]" in (place / "retain.toml").read_text()


def test_paths_are_relative_to_the_configuration(place: Path) -> None:
    (place / "conf").mkdir()
    assert (
        cli.run(["init", "orders.csv", "-c", "conf/shop.toml", "--out-dir", "out", "--churn-window", "9"])
        == 0
    )
    project = load_config(Path("conf/shop.toml"))
    assert project.config.data.sources["orders"].path == ("../orders.csv",)
    assert project.out_dir.resolve() == place / "out"


def test_what_was_guessed_is_said(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    init("orders.csv")
    text = capsys.readouterr().out
    assert "order_date" in text
    assert "sure" in text
    assert "wrote retain.toml; next: retain check" in text


def test_json_tells_columns_and_confidence(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    init("orders.csv", "--json")
    document = json.loads(capsys.readouterr().out)
    found = document["tables"]["orders"]["columns"]["time"]
    assert found["source"] == "order_date"
    assert 0.8 < found["confidence"] <= 1
    assert document["window_days"] == 60
    assert document["config"] == "retain.toml"


def test_a_missing_column_lists_what_was_found_and_how_to_map(place: Path, capsys) -> None:
    (place / "odd.csv").write_text(
        "who,when,a,b\nx,2026-01-01,1.5,2.5\nx,2026-01-02,1.5,2.5\ny,2026-01-02,2.5,3.5\n"
    )
    assert cli.run(["init", "odd.csv"]) == 2
    text = capsys.readouterr().err
    assert "found 'who', 'when', 'a', 'b'" in text
    assert "nothing that looks like amount" in text
    assert "--map amount=" in text.replace("--map amount=TOTAL", "--map amount=")
    assert not (place / "retain.toml").exists()


def test_the_users_mapping_stands_above_every_guess(place: Path) -> None:
    (place / "odd.csv").write_text(
        "who,when,a,b\nx,2026-01-01,1.5,2.5\nx,2026-01-02,1.5,2.5\ny,2026-01-02,2.5,3.5\n"
    )
    columns = init("odd.csv", "--map", "amount=b").config.data.sources["orders"].columns
    assert columns == {"customer_id": "who", "time": "when", "amount": "b"}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["nope.csv"], "no file found at"),
        (["orders.csv", "--map", "amont=b"], "known names: customer_id, time, amount"),
        (["orders.csv", "--map", "amount=zzz"], "no column 'zzz'; orders.csv has 'customer_id'"),
        (["orders.csv", "--horizons", "a,b"], "whole numbers of days"),
        (["orders.csv", "--as-of", "soon"], "write it as 2026-01-31"),
        (["orders.csv", "--timezone", "Mars"], "timezone 'Mars' is unknown"),
        (["orders.csv", "--churn-window", "0"], "window_days is 0"),
        (["orders.csv", "--margin-rate", "7"], "margin_rate is 7.0"),
        (["empty.csv"], "the file is empty"),
        (["page.pdf"], "unknown kind of file"),
        ([], "Missing argument"),
    ],
)
def test_wrong_options_and_files_are_exit_2(words: list[str], message: str, place: Path, capsys) -> None:
    (place / "empty.csv").touch()
    (place / "page.pdf").write_text("x")
    assert cli.run(["init", *words]) == 2
    assert message in capsys.readouterr().err
    assert not (place / "retain.toml").exists()


@pytest.mark.parametrize(
    ("header", "first", "second", "currency"),
    [
        ("amount", "€12.50", "€3.00", "EUR"),
        ("amount", "12.50 USD", "3.00 USD", "USD"),
        ("amount", "$12.50", "$3.00", ""),
        ("amount,currency", "12.50,GBP", "3.00,GBP", "GBP"),
        ("amount,currency", "12.50,GBP", "3.00,EUR", ""),
    ],
)
def test_the_currency_is_taken_only_where_it_is_sure(
    header: str, first: str, second: str, currency: str, place: Path
) -> None:
    (place / "c.csv").write_text(f"customer_id,date,{header}\na,2026-01-01,{first}\na,2026-01-02,{second}\n")
    assert init("c.csv").config.data.currency == currency


def test_what_init_wrote_itself_is_not_taken_for_input(place: Path) -> None:
    (place / "retain-out" / "imported").mkdir(parents=True)
    (place / "retain-out" / "imported" / "old.csv").write_text(HEADER + lines(50))
    assert init(".").config.data.sources["orders"].path == ("orders.csv",)


def test_semicolons_and_decimal_commas(place: Path) -> None:
    (place / "de.csv").write_text(
        "customer_id;order_date;amount\n" + "a;05.01.2026;1.234,50\nb;25.01.2026;9,00\n"
    )
    config = init("de.csv").config
    assert config.data.sources["orders"].delimiter == ";"
    assert (config.data.decimal, config.data.thousands) == (",", ".")


def test_chinese_files_in_gbk_and_gzip(place: Path) -> None:
    text = "会员号,付款时间,实付金额(元)\n007,2026-01-05,12.5\n7,2026-01-06,8.0\n"
    (place / "订单.csv.gz").write_bytes(gzip.compress(text.encode("gbk")))
    config = init("订单.csv.gz").config
    source = config.data.sources["orders"]
    assert source.path == ("订单.csv.gz",)
    assert source.columns == {"customer_id": "会员号", "time": "付款时间", "amount": "实付金额(元)"}
    assert (config.data.currency, config.data.timezone) == ("CNY", "Asia/Shanghai")


def test_an_undecidable_encoding_asks_for_the_option(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (place / "mao.csv").write_bytes("customer_id,order_date,amount,name\n1,2026-01-01,2.5,毛\n".encode("gbk"))
    assert cli.run(["init", "mao.csv"]) == 2
    assert "--encoding NAME" in capsys.readouterr().err
    assert init("mao.csv", "--encoding", "gbk").config.data.sources["orders"].encoding == "gbk"


def test_a_workbook_is_read(place: Path) -> None:
    book = openpyxl.Workbook()
    book.active.append(["Customer ID", "InvoiceDate", "Invoice", "StockCode", "Quantity", "Price", None])
    book.active.append([13085, date(2009, 12, 1), 489434, "85048", 12, 6.95, None])
    book.save(place / "retail.xlsx")
    config = init("retail.xlsx").config
    assert config.data.sources["orders"].columns["unit_price"] == "Price"
    assert (config.data.currency, config.data.timezone) == ("GBP", "Europe/London")
    assert config.data.country == "GB"


def test_sheets_with_the_same_columns_become_one_file_without_their_overlap(place: Path) -> None:
    book = openpyxl.Workbook()
    first, second = book.active, book.create_sheet("2027")
    for sheet in (first, second):
        sheet.append(["customer_id", "order_date", "amount"])
    first.append(["a", date(2026, 1, 1), 2.5])
    first.append(["a", date(2026, 1, 1), 2.5])
    second.append(["a", date(2026, 1, 1), 2.5])
    second.append(["b", date(2027, 1, 1), 3.5])
    book.save(place / "years.xlsx")
    source = init("years.xlsx").config.data.sources["orders"]
    assert source.path == ("retain-out/imported/years.csv",)
    rows = (place / source.path[0]).read_text().splitlines()
    assert [row.split(",")[0] for row in rows] == ["customer_id", "a", "a", "b"]


def test_one_sheet_of_several_is_named(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    book = openpyxl.Workbook()
    book.active.append(["customer_id", "order_date", "amount"])
    book.active.append(["a", date(2026, 1, 1), 2.5])
    book.create_sheet("notes").append(["hello"])
    book.save(place / "o.xlsx")
    assert init("o.xlsx").config.data.sources["orders"].sheet == "Sheet"
    assert "only 'Sheet' is read" in capsys.readouterr().out


def test_numbered_times_set_their_format(place: Path) -> None:
    pq.write_table(
        pa.table({"user_id": ["a", "b"], "timestamp": [1767225600, 1767312000], "amount": [1.5, 2.5]}),
        place / "events.parquet",
    )
    assert init("events.parquet").config.data.sources["orders"].date_format == "epoch"


def test_a_folder_of_alike_files_stays_a_folder(place: Path) -> None:
    (place / "orders").mkdir()
    for month in ("01", "02"):
        (place / "orders" / f"{month}.csv").write_text(HEADER + lines(3, price=f"{month}.5"))
    assert init("orders").config.data.sources["orders"].path == ("orders",)


def test_several_files_become_several_tables(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (place / "customers.csv").write_text("customer_id,signup_date,country\nc1,2025-01-01,UK\n")
    (place / "complaints.csv").write_text("customer_id,created_at,resolved_at\nc1,2026-01-01,2026-01-02\n")
    (place / "weather.csv").write_text("station,temperature\nx,3.5\n")
    config = init("orders.csv", "customers.csv", "complaints.csv", "weather.csv").config
    assert set(config.data.sources) == {"orders", "customers", "interactions"}
    assert config.data.sources["interactions"].columns["resolved_at"] == "resolved_at"
    assert "weather.csv is not used: it fits no table" in capsys.readouterr().out


def test_contracts_alone_are_enough(place: Path) -> None:
    (place / "subs.csv").write_text("customer_id,start_date,cancelled_at,plan\nc1,2025-01-01,,basic\n")
    assert set(init("subs.csv").config.data.sources) == {"contracts"}


def test_the_window_is_read_from_the_rhythm_of_the_orders(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    project = init("orders.csv", "--json", window=False)
    document = json.loads(capsys.readouterr().out)
    assert document["window_days"] == project.config.churn.window_days
    assert document["window_reason"] in (place / "retain.toml").read_text()
    assert document["errors"] == []


def test_what_the_data_report_finds_wrong_is_said_at_once(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (place / "d.csv").write_text("customer_id,order_date,amount\na,01/02/2026,1.5\na,03/02/2026,2.5\n")
    assert init("d.csv", window=False).config.churn.window_days == 90
    text = capsys.readouterr().out
    assert "to put right before training" in text
    assert 'date_format = "dmy" or "mdy"' in text


def test_cdnow_text_goes_all_the_way_to_the_report(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (place / "CDNOW_sample.txt").write_text(
        " 00004 0001 19970101  2  29.33\n 00004 0001 19970118  2  29.73\n 00021 0002 19970101  3  63.34\n"
    )
    init("CDNOW_sample.txt")
    capsys.readouterr()
    assert cli.run(["check", "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)["facts"]
    assert (facts["customers"], facts["rows"], facts["one_time_buyers"]) == (2, 3, 1)


@pytest.mark.data
def test_the_real_lines_are_set_up(place: Path, shared_data: Path) -> None:
    config = init(str(shared_data / "online_retail_ii_lines.parquet")).config
    assert config.data.currency == "GBP"
    assert config.data.sources["orders"].columns["amount"] == "amount"


texts = st.text(st.characters(codec="utf-8"), min_size=1, max_size=30)


@given(texts, texts, texts)
def test_any_name_survives_the_round_trip_through_the_file(path: str, column: str, unused: str) -> None:
    table = TableText("orders", (path, "b.csv"), {"amount": column}, unused=(unused,))
    config = parse_config(configuration_text(Wishes(), [table]))
    assert config.data.sources["orders"].path == (path, "b.csv")
    assert config.data.sources["orders"].columns == {"amount": column}


def test_the_written_defaults_are_the_defaults() -> None:
    assert parse_config(configuration_text(Wishes(), [])) == parse_config("")
