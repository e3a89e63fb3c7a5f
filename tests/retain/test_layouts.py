from __future__ import annotations

from pathlib import Path

import pytest

from features.contract import TABLES
from features.errors import ConfigError, InputError
from retain.imports import import_olist, olist_part, read_olist
from retain.layouts import LAYOUTS, recognise, snapshot_of
from retain.proposal import propose
from retain.sources import read_head, read_heads

UCI = "InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country"
UCI_II = "Invoice,StockCode,Description,Quantity,InvoiceDate,Price,Customer ID,Country"


def known(columns: str) -> tuple[str, dict[str, str]]:
    found = recognise(columns.split(","))
    assert found is not None
    return found[0].name, found[1]


def test_online_retail_is_recognised() -> None:
    name, mapping = known(UCI)
    assert name == "UCI Online Retail"
    assert mapping["customer_id"] == "CustomerID"
    assert mapping["unit_price"] == "UnitPrice"


def test_online_retail_ii_is_recognised_in_any_order() -> None:
    name, mapping = known(",".join(reversed(UCI_II.split(","))))
    assert name == "UCI Online Retail II"
    assert mapping["order_id"] == "Invoice"
    assert mapping["unit_price"] == "Price"


def test_layouts_map_onto_the_contract() -> None:
    for layout in LAYOUTS:
        assert set(layout.columns) <= set(TABLES[layout.table].names)
        mapped = set(layout.columns) | (
            {"amount"} if {"quantity", "unit_price"} <= set(layout.columns) else set()
        )
        assert set(TABLES[layout.table].required) <= mapped


def test_a_missing_column_is_no_layout() -> None:
    assert recognise(UCI.replace(",CustomerID", "").split(",")) is None


@pytest.mark.data
@pytest.mark.parametrize(
    ("file", "layout"),
    [
        ("online_retail_ii_lines.parquet", "Online Retail II, order lines with amounts"),
        ("online_retail_ii_orders.parquet", "Online Retail II, one row per order"),
    ],
)
def test_the_real_files_are_recognised(shared_data: Path, file: str, layout: str) -> None:
    proposal = propose([read_head(shared_data / file)])
    assert proposal.business.layout == layout
    assert proposal.business.currency == "GBP"
    assert proposal.guesses[0].columns["time"] == "timestamp"


@pytest.mark.data
def test_cdnow_in_parquet_is_guessed_from_its_names(shared_data: Path) -> None:
    guess = propose([read_head(shared_data / "cdnow_sample.parquet")]).guesses[0]
    assert guess.columns == {
        "customer_id": "customer_id", "time": "timestamp", "amount": "amount", "quantity": "quantity"
    }  # fmt: skip


@pytest.mark.data
@pytest.mark.parametrize("file", ["telco_basic.parquet", "telco_joined.parquet"])
def test_telco_is_told_to_be_a_snapshot(shared_data: Path, file: str) -> None:
    with pytest.raises(ConfigError, match=r"IBM Telco customer churn.*a snapshot.*no dated orders") as caught:
        propose([read_head(shared_data / file)])
    assert "[data.contracts]" in str(caught.value)


@pytest.mark.data
@pytest.mark.parametrize("file", ["hillstrom.parquet", "smcrm_winback.parquet"])
def test_tables_without_dates_are_refused_with_their_columns(shared_data: Path, file: str) -> None:
    head = read_head(shared_data / file)
    with pytest.raises(ConfigError, match="nothing that looks like") as caught:
        propose([head])
    assert all(repr(name) in str(caught.value) for name in head.columns)


def test_any_snapshot_with_a_label_and_no_dates_is_told(tmp_path: Path) -> None:
    path = tmp_path / "bank.csv"
    path.write_text("CustomerId,Balance,Exited\n1,10.5,0\n2,11.5,1\n")
    with pytest.raises(ConfigError, match="a snapshot"):
        propose([read_head(path)])
    assert snapshot_of(["customerID", "tenure"]) is None


def test_cdnow_sample_text_is_read_by_position(tmp_path: Path) -> None:
    path = tmp_path / "CDNOW_sample.txt"
    path.write_text(
        " 00004 0001 19970101  2  29.33\n 00004 0001 19970118  2  29.73\n 00021 0002 19970101  3  63.34\n"
    )
    proposal = propose([read_head(path)])
    assert proposal.business.layout == "CDNOW, 1/10 sample"
    assert proposal.guesses[0].columns == {"customer_id": "2", "time": "3", "amount": "5", "quantity": "4"}
    assert proposal.guesses[0].head.delimiter == "whitespace"
    assert proposal.guesses[0].head.rows[0] == ("00004", "0001", "19970101", "2", "29.33")


def test_cdnow_master_text_has_four_columns(tmp_path: Path) -> None:
    path = tmp_path / "CDNOW_master.txt"
    path.write_text(" 00001 19970101  1  11.77\n 00002 19970112  1  12.00\n")
    proposal = propose([read_head(path)])
    assert proposal.business.layout == "CDNOW"
    assert proposal.guesses[0].columns["amount"] == "4"


@pytest.fixture
def olist(tmp_path: Path) -> Path:
    folder = tmp_path / "olist"
    folder.mkdir()
    (folder / "olist_orders_dataset.csv").write_text(
        '"order_id","customer_id","order_status","order_purchase_timestamp"\n'
        '"o1","k1","delivered","2017-10-02 10:56:33"\n"o2","k2","delivered","2018-01-02 11:00:00"\n'
        '"o3","k3","canceled","2018-01-03 11:00:00"\n'
    )
    (folder / "olist_customers_dataset.csv").write_text(
        '"customer_id","customer_unique_id","customer_city"\n"k1","u1","x"\n"k2","u1","x"\n"k3","u2","y"\n'
    )
    (folder / "olist_order_items_dataset.csv").write_text(
        '"order_id","order_item_id","product_id","price","freight_value"\n'
        '"o1",1,"p1",29.99,8.72\n"o2",1,"p1",10.00,1.00\n"o2",2,"p2",5.00,1.50\n"o3",1,"p1",9.00,1.00\n'
    )
    (folder / "olist_order_payments_dataset.csv").write_text(
        '"order_id","payment_sequential","payment_type","payment_value"\n"o1",1,"boleto",38.71\n'
        '"o2",1,"credit_card",17.50\n'
    )
    return folder


def test_olist_is_joined_to_the_person_behind_the_orders(olist: Path, tmp_path: Path) -> None:
    heads, notes = import_olist(read_heads([olist]), tmp_path / "imported")
    guess = propose(heads).guesses[0]
    assert [row[0] for row in guess.head.rows] == ["u1", "u1", "u1"]
    assert [row[2] for row in guess.head.rows] == ["38.71", "6.5", "11"]
    assert guess.columns["product"] == "product"
    assert "3 lines" in notes[0]


def test_olist_payments_serve_where_the_items_are_missing(olist: Path) -> None:
    files = {olist_part(head.columns): head.paths[0] for head in read_heads([olist])}
    del files["olist_order_items_dataset"]
    assert read_olist(files).column("amount").to_pylist() == [38.71, 17.5]


def test_olist_says_which_file_is_still_needed(olist: Path, tmp_path: Path) -> None:
    with pytest.raises(
        InputError, match=r"olist_customers_dataset.csv, olist_order_items_dataset.csv still needed"
    ):
        import_olist(read_heads([olist / "olist_orders_dataset.csv"]), tmp_path)


def test_olist_names_a_value_that_does_not_read(olist: Path, tmp_path: Path) -> None:
    items = olist / "olist_order_items_dataset.csv"
    items.write_text(items.read_text().replace("29.99", "cheap"))
    with pytest.raises(InputError, match="does not read"):
        import_olist(read_heads([olist]), tmp_path)
