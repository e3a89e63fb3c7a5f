from __future__ import annotations

from typing import Any

import pytest

from features.address import connect_backend
from features.conformance import check_engine
from features.made_up_shops import MadeUpShop, made_up_shops
from features.pipeline import FEATURES

SHOPS = {shop.name: shop for shop in made_up_shops()}


def agrees(con: Any, shop: MadeUpShop) -> None:
    report = check_engine(con, shops=[shop])
    assert report.faults == ()
    assert [f.column for f in report.findings if f.part == "features"] == list(FEATURES)
    assert report.worst <= 1e-9


@pytest.mark.parametrize("name", SHOPS)
def test_postgresql_gives_what_duckdb_gives(postgres_url: str, name: str) -> None:
    con = connect_backend(postgres_url)
    agrees(con, SHOPS[name])
    assert not [table for table in con.list_tables() if table.startswith("retain_check")]
    con.disconnect()


@pytest.mark.spark
@pytest.mark.parametrize("name", SHOPS)
def test_spark_gives_what_duckdb_gives(spark: Any, name: str) -> None:
    agrees(spark, SHOPS[name])
    assert not [table for table in spark.list_tables() if table.startswith("retain_check")]
