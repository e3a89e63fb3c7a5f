"""Features of the user's own on other engines: what DuckDB gives, file by file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import ibis
import pytest

from features import conformance
from features.address import connect_backend
from features.conformance import Conformance, check_engine
from features.family import Family
from features.made_up_shops import made_up_shops
from features.prune import only_columns
from tests.features.own_in_process import FOR_ENGINES, take_in

SHOPS = made_up_shops()
FILES = sorted(path.name for path in FOR_ENGINES.glob("[a-z]*.py"))


@pytest.fixture
def own(monkeypatch: pytest.MonkeyPatch) -> tuple[str, ...]:
    """The features of the folder, compared without Retain's: those have tests of their own."""
    files = take_in(FOR_ENGINES, monkeypatch)
    names = tuple(name for file in files for name in file.family.names)
    asked = conformance._features
    monkeypatch.setattr(conformance, "FAMILIES", conformance.FAMILIES[-len(files) :])
    monkeypatch.setattr(
        conformance, "_features", lambda *of: only_columns(asked(*of), ["as_of", "customer_id", *names])
    )
    return names


def only_own(report: Conformance) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for finding in report.findings:
        if finding.family in FILES:
            found.setdefault(finding.family, []).append(finding.column)
    return found


def agrees(con: Any, own: tuple[str, ...], shops: tuple[str, ...] = ("whole", "one customer")) -> None:
    report = check_engine(con, shops=[shop for shop in SHOPS if shop.name in shops])
    assert report.faults == ()
    assert sorted(only_own(report)) == FILES
    assert {name for names in only_own(report).values() for name in names} == set(own)
    assert report.worst <= 1e-9


def test_on_postgresql(postgres_url: str, own: tuple[str, ...]) -> None:
    con = connect_backend(postgres_url)
    agrees(con, own)
    con.disconnect()


@pytest.mark.spark
@pytest.mark.filterwarnings("ignore")  # of the libraries beneath
def test_on_spark(spark: Any, own: tuple[str, ...]) -> None:
    agrees(spark, own)


def test_they_say_something_on_the_made_up_shop(own: tuple[str, ...]) -> None:
    """A feature that is the same for everyone would be equal anywhere."""
    with conformance.written(conformance.connect(), SHOPS[0]) as tables:
        rows = tables.con.to_pyarrow(conformance._features(tables, SHOPS[0]))
    alike = [name for name in own if len(set(rows[name].to_pylist())) < 2]
    assert alike == ["plan_number"]  # no plan of the shop is a number


FAILS = """
from features.family import ColumnDoc, Family
DOCS = (ColumnDoc("of_nothing", "Logarithm", "对数", "number", "all", "ln"),)
FAMILY = Family("orders", DOCS, lambda days: {"of_nothing": (days.age * 0).ln().max()})
"""


def test_one_that_duckdb_itself_cannot_compute_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "of_nothing.py").write_text(FAILS)
    take_in(tmp_path, monkeypatch)
    families = [family for family in conformance.FAMILIES if isinstance(family, Family)]
    monkeypatch.setattr(conformance, "FAMILIES", families[-1:])
    report = check_engine(ibis.duckdb.connect(), shops=SHOPS[3:])
    (fault,) = report.faults
    assert (fault.part, fault.family, fault.state) == ("features", "of_nothing.py", "failed")
    assert "in DuckDB itself: OutOfRangeException" in fault.message
