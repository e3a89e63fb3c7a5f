from __future__ import annotations

import math
from typing import Any

import ibis
import ibis.expr.types as ir
import pyarrow as pa
import pytest

from features import conformance
from features.conformance import Conformance, check_engine
from features.made_up_shops import MadeUpShop, made_up_shops
from features.pipeline import FAMILIES, FEATURES
from features.prune import only_columns
from features.tables import Tables

ONE = made_up_shops()[3:]
SOME = ["as_of", "customer_id", "T", "spend_total", "gap_sd", "satisfaction_last"]


def columns(report: Conformance, shop: str, part: str) -> list[str]:
    return [found.column for found in report.findings if (found.shop, found.part) == (shop, part)]


def test_another_duckdb_gives_the_same_and_keeps_nothing() -> None:
    engine = ibis.duckdb.connect()
    engine.create_table("orders", pa.table({"mine": [1]}))
    report = check_engine(engine, shops=[made_up_shops()[0], *ONE])
    assert (report.ok, report.faults, report.worst) == (True, (), 0.0)
    assert columns(report, "whole", "features") == list(FEATURES)
    assert columns(report, "one customer", "labels") == [
        *(f"{what}_{h}d" for h in (1, 30, 365) for what in ("orders", "value")),
        *(f"churn_{h}d" for h in (1, 30, 365)),
        "rows",  # terms of contracts, of which their labels are made
    ]
    assert {f.family for f in report.findings if f.part == "labels"} == {"labels", "contracts"}
    assert {f.family for f in report.findings if f.part == "features"} >= {"rfm", "campaigns", "loyalty"}
    left = engine.con.execute("SELECT table_name FROM information_schema.tables").fetchall()
    # A table of days that ibis makes for a moment goes when Python collects it.
    assert [name for (name,) in left if not name.startswith("ibis_pyarrow_memtable")] == ["orders"]


def test_the_shops_hold_every_table_and_every_column_of_the_features() -> None:
    whole = made_up_shops()[0]
    assert set(whole.tables) == {
        "orders",
        "customers",
        "contracts",
        "interactions",
        "surveys",
        "campaigns",
        "referrals",
    }
    read = {name for family in FAMILIES for name in family.reads}
    assert read <= {name for table in whole.tables.values() for name in table.column_names}


def planted(monkeypatch: pytest.MonkeyPatch, change: Any) -> Conformance:
    """A check of an engine that does `change` to the features of a shop."""
    engine, asked, steps = ibis.duckdb.connect(), conformance._features, conformance._steps

    def features(tables: Tables, shop: MadeUpShop) -> ir.Table:
        found = only_columns(asked(tables, shop), SOME)
        return change(found) if tables.con is engine else found

    def only_features(shop: MadeUpShop) -> list[Any]:
        return [step for step in steps(shop) if step.part == "features"]

    monkeypatch.setattr(conformance, "_steps", only_features)
    monkeypatch.setattr(conformance, "_features", features)
    monkeypatch.setattr(conformance, "FAMILIES", [f for f in FAMILIES if set(f.names) & set(SOME)])
    return check_engine(engine, shops=ONE)


def test_a_planted_difference_is_found_and_named(monkeypatch: pytest.MonkeyPatch) -> None:
    report = planted(monkeypatch, lambda t: t.mutate(T=t["T"] + ibis.ifelse(t.as_of.day() == 29, 0, 1)))
    assert not report.ok
    (fault,) = report.faults
    assert (fault.shop, fault.part, fault.family, fault.column) == ("one customer", "features", "rfm", "T")
    assert (fault.state, fault.worst) == ("differs", 0.5)
    assert fault.message == "1 of 2 rows; at 2024-03-01, only: 3 instead of 2"


@pytest.mark.parametrize(("error", "state"), [(1e-12, "equal"), (1e-8, "differs")])
def test_the_limit_is_relative(monkeypatch: pytest.MonkeyPatch, error: float, state: str) -> None:
    report = planted(monkeypatch, lambda t: t.mutate(spend_total=t.spend_total * (1 + error)))
    (found,) = [f for f in report.findings if f.column == "spend_total"]
    assert found.state == state
    assert found.worst == pytest.approx(error, rel=1e-3)


def test_a_missing_value_and_a_missing_row_differ(monkeypatch: pytest.MonkeyPatch) -> None:
    report = planted(
        monkeypatch, lambda t: t.filter(t.as_of.day() == 29).mutate(satisfaction_last=ibis.null("float64"))
    )
    assert [(f.column, f.worst) for f in report.faults] == [("*", math.inf), ("satisfaction_last", math.inf)]
    assert report.faults[0].message == "of 2 rows 1 are missing; 0 others came, 0 twice"


def test_what_fails_is_told_by_family(monkeypatch: pytest.MonkeyPatch) -> None:
    @ibis.udf.scalar.builtin
    def no_such_function(x: float) -> float: ...  # type: ignore[empty-body]

    report = planted(monkeypatch, lambda t: t.mutate(gap_sd=no_such_function(t.gap_sd)))
    (fault,) = report.faults
    assert (fault.family, fault.column, fault.state) == ("rhythm", "*", "failed")
    assert "no_such_function" in fault.message
    equal = {f.column for f in report.findings if f.state == "equal"}
    assert set(SOME) & equal == {"T", "spend_total", "satisfaction_last"}


def test_an_engine_that_cannot_be_written_to_is_told() -> None:
    engine = ibis.duckdb.connect()
    engine.disconnect()
    report = check_engine(engine, shops=ONE)
    (fault,) = report.faults
    assert (fault.part, fault.state) == ("tables", "failed")
    assert "onnection" in fault.message


def test_nothing_compared_is_not_ok() -> None:
    assert not check_engine(ibis.duckdb.connect(), shops=()).ok
