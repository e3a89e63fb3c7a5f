"""Does another engine give what DuckDB gives? Every feature and label, over made-up shops, to 1e-9.

The shops (`features.made_up_shops`) are written into the engine as temporary tables, the same expressions run
there and in an embedded DuckDB, and each column is compared. Nothing of the engine's own tables is read.
"""

from __future__ import annotations

import math
import uuid
import warnings
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any, Literal

import ibis
import ibis.expr.types as ir
import pyarrow as pa
import pyarrow.compute as pc
from ibis.common.exceptions import UnsupportedArgumentError, UnsupportedOperationError

from features.contract import TABLES
from features.days import day_facts
from features.dialect import portable
from features.family import Family, nothing
from features.frames import connect
from features.labels import labels
from features.made_up_shops import MadeUpShop, made_up_shops
from features.own_features import own_files
from features.pipeline import FAMILIES, features_at, with_calendar
from features.progress import Progress
from features.prune import only_columns
from features.public_holidays import CALENDAR, calendar_rows
from features.snapshot import as_of_table
from features.tables import Tables

__all__ = ["TOLERANCE", "Conformance", "Finding", "State", "check_engine", "written"]

TOLERANCE = 1e-9
"""Largest difference of two numbers that count as equal, relative to the larger of 1 and the number."""

State = Literal["equal", "differs", "failed"]
_MESSAGE_LETTERS = 300


@dataclass(frozen=True)
class Finding:
    """One column of one shop: ``equal``, ``differs`` (with the worst difference) or ``failed`` (with the message).

    ``part`` is the step (``days``, ``facts``, ``features``, ``labels``), ``family`` the family of features, the file of
    features of the user's own, or the table that the column belongs to. A step that fails as a whole has ``*`` for its
    columns.
    """

    shop: str
    part: str
    family: str
    column: str
    state: State
    worst: float = 0.0
    message: str = ""


@dataclass(frozen=True)
class Conformance:
    """What came out: the engine, its version, and every column that was compared."""

    engine: str
    version: str
    findings: tuple[Finding, ...]

    @property
    def ok(self) -> bool:
        """Whether something was compared, and all of it is equal."""
        return bool(self.findings) and all(found.state == "equal" for found in self.findings)

    @property
    def faults(self) -> tuple[Finding, ...]:
        """What differs or failed."""
        return tuple(found for found in self.findings if found.state != "equal")

    @property
    def worst(self) -> float:
        """The largest difference between numbers that count as equal."""
        return max((found.worst for found in self.findings if found.state == "equal"), default=0.0)


def check_engine(
    con: Any,
    *,
    shops: Collection[MadeUpShop] | None = None,
    progress: Progress | None = None,
) -> Conformance:
    """Compare an engine with embedded DuckDB over made-up shops; what was written there is dropped again.

    Parameters
    ----------
    con : ibis backend
        Connected, and allowed to make temporary tables or else tables.
    shops : collection of MadeUpShop, optional
        All of `features.made_up_shops.made_up_shops` unless given.
    progress : callable, optional
        Told the shop at work.

    Returns
    -------
    Conformance
        Never raises for what the engine cannot do: that is found, with the engine's message.

    Examples
    --------
    >>> import ibis
    >>> report = check_engine(ibis.duckdb.connect(), shops=made_up_shops()[3:])
    >>> report.ok, report.worst
    (True, 0.0)
    """
    shops = made_up_shops() if shops is None else tuple(shops)
    found: list[Finding] = []
    with warnings.catch_warnings():
        # What the drivers and libraries beneath an engine deprecate says nothing of its answers.
        warnings.simplefilter("ignore")
        for done, shop in enumerate(shops):
            if progress is not None:
                progress(f"shop {shop.name!r}", done / len(shops))
            found += _checked(con, shop)
    return Conformance(con.name, _version(con), tuple(found))


def _version(con: Any) -> str:
    try:
        return str(con.version)
    except Exception:  # noqa: BLE001 - any engine, any error; the version is only told
        return "unknown"


@dataclass(frozen=True)
class _Step:
    """One expression that is compared: how it is made of a shop, its keys, and the family of each column."""

    part: str
    build: Callable[[Tables, MadeUpShop], ir.Table]
    keys: tuple[str, ...]
    families: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def family(self, column: str) -> str:
        """The family of a column; the step's own name where there are none."""
        return next((name for name, columns in self.families.items() if column in columns), self.part)


def _checked(con: Any, shop: MadeUpShop) -> Iterator[Finding]:
    with ExitStack() as stack:
        mine = stack.enter_context(written(connect(), shop))
        try:
            theirs = stack.enter_context(written(con, shop))
        except Exception as error:  # noqa: BLE001 - any engine, any error: it is told
            yield Finding(shop.name, "tables", "tables", "*", "failed", math.inf, _told(error))
            return
        for step in _steps(shop):
            expected = _run(mine.con, step.build(mine, shop))
            if isinstance(expected, str):
                yield from _never_right(step, shop, mine, expected)
                continue
            found = list(_compared(step, shop, expected, theirs))
            yield from found
            if step.part == "facts" and any(finding.state == "failed" for finding in found):
                return  # features and labels are made of them


def _never_right(step: _Step, shop: MadeUpShop, mine: Tables, told: str) -> Iterator[Finding]:
    """Features of the user's own that DuckDB itself cannot compute here: nothing there is to be equal to."""
    built = step.build(mine, shop)
    for name, columns in (step.families or {step.part: ()}).items():
        message = _run(mine.con, only_columns(built, [*step.keys, *columns])) if columns else told
        if isinstance(message, str):
            yield Finding(shop.name, step.part, name, "*", "failed", math.inf, f"in DuckDB itself: {message}")


def _compared(step: _Step, shop: MadeUpShop, expected: pa.Table, theirs: Tables) -> Iterator[Finding]:
    """Findings of one step; where it fails as a whole, of each family alone."""
    try:
        built = step.build(theirs, shop)
    except Exception as error:  # noqa: BLE001
        yield Finding(shop.name, step.part, step.part, "*", "failed", math.inf, _told(error))
        return
    whole = _run(theirs.con, built)
    if isinstance(whole, pa.Table):
        yield from _differences(step, shop, expected, whole)
        return
    for name, columns in (step.families or {step.part: tuple(built.columns)}).items():
        wanted = [*step.keys, *(c for c in columns if c in expected.column_names and c not in step.keys)]
        part = _run(theirs.con, only_columns(built, wanted)) if step.families else whole
        if isinstance(part, pa.Table):
            yield from _differences(step, shop, expected.select(wanted), part)
        else:
            yield Finding(shop.name, step.part, name, "*", "failed", math.inf, part)


def _run(con: Any, expression: ir.Table) -> pa.Table | str:
    """The rows, or what the engine says against them."""
    try:
        return con.to_pyarrow(expression)
    except Exception as error:  # noqa: BLE001 - each engine has errors of its own
        return _told(error)


def _told(error: BaseException) -> str:
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text[:_MESSAGE_LETTERS]}"


def _differences(step: _Step, shop: MadeUpShop, expected: pa.Table, found: pa.Table) -> Iterator[Finding]:
    mine, theirs = _by_key(expected, step.keys), _by_key(found, step.keys)
    lost, strange, twice = len(mine.keys() - theirs.keys()), len(theirs.keys() - mine.keys()), found.num_rows
    if lost or strange or twice != len(theirs):
        message = (
            f"of {len(mine)} rows {lost} are missing; {strange} others came, {twice - len(theirs)} twice"
        )
        yield Finding(shop.name, step.part, step.part, "*", "differs", math.inf, message)
    for column in expected.column_names:
        if column not in step.keys:
            gaps = {key: _gap(row[column], theirs[key][column]) for key, row in mine.items() if key in theirs}
            yield _judged(step, shop, column, gaps, mine, theirs)


def _judged(
    step: _Step, shop: MadeUpShop, column: str, gaps: Mapping[Any, float], mine: Any, theirs: Any
) -> Finding:
    worst = max(gaps.values(), default=0.0)
    family = step.family(column)
    if worst <= TOLERANCE:
        return Finding(shop.name, step.part, family, column, "equal", worst)
    wrong = [key for key, gap in gaps.items() if gap > TOLERANCE]
    key = max(wrong, key=gaps.__getitem__)
    where = ", ".join(str(value)[:20] for value in key)
    message = f"{len(wrong)} of {len(gaps)} rows; at {where}: {theirs[key][column]!r} instead of {mine[key][column]!r}"
    return Finding(shop.name, step.part, family, column, "differs", worst, message)


def _by_key(rows: pa.Table, keys: Collection[str]) -> dict[tuple[Any, ...], dict[str, Any]]:
    return {tuple(row[key] for key in keys): row for row in rows.to_pylist()}


def _gap(mine: Any, theirs: Any) -> float:
    """How far two values are apart; infinitely where one is missing or they are no numbers."""
    if mine == theirs or (mine != mine and theirs != theirs):
        return 0.0
    if not isinstance(mine, int | float) or not isinstance(theirs, int | float):
        return math.inf
    gap = abs(mine - theirs) / max(1.0, abs(mine))
    return gap if math.isfinite(gap) else math.inf


def _steps(shop: MadeUpShop) -> list[_Step]:
    days = [
        _Step("days", _days_of(name), ("customer_id", "day", "known_day"), {name: _DAYS})
        for name in shop.tables
    ]
    families: dict[str, tuple[str, ...]] = {}
    own = {name: file.path.name for file in own_files() for name in file.family.names}
    for family in FAMILIES:
        name = own.get(family.names[0]) or _family_name(family)
        families[name] = (*families.get(name, ()), *family.names)
    return [
        *days,
        _Step("facts", lambda tables, _: _facts(tables), ("customer_id", "day", "known_day")),
        _Step("features", _features, ("as_of", "customer_id"), families),
        _Step("labels", _labels, ("as_of", "customer_id")),
        *([_Step("labels", _terms, _TERMS, {"contracts": ("rows",)})] if "contracts" in shop.tables else []),
    ]


def _family_name(family: Family) -> str:
    """The table of events it reads, else the file it stands in."""
    if family.source in TABLES and family.source != "orders":
        return family.source
    stands = family.derived if family.measures is nothing else family.measures
    return stands.__module__.rpartition(".")[2]


def _features(tables: Tables, shop: MadeUpShop) -> ir.Table:
    return features_at(tables, with_calendar(as_of_table(shop.as_of), tables), _facts(tables))


def _facts(tables: Tables) -> ir.Table:
    """As the engine keeps them; DuckDB would keep them in a table that outlives the check."""
    return day_facts(tables.orders) if tables.con.name == "duckdb" else tables.facts


def _labels(tables: Tables, shop: MadeUpShop) -> ir.Table:
    """Orders and value in each horizon, and churn: no order in it."""
    found = labels(tables, shop.as_of, shop.horizons_days)
    churn = {f"churn_{h}d": (found[f"orders_{h}d"] <= 0).cast("int64") for h in shop.horizons_days}
    return portable(found.mutate(**churn), tables.con)


_TERMS = ("customer_id", "start_day", "end_day", "cancelled_day", "known_day", "plan", "monthly_charge")


def _terms(tables: Tables, _: MadeUpShop) -> ir.Table:
    """Terms as they are known, in days of the business: who ends a contract, and when, is read from them alone."""
    rows: Any = tables.contracts
    none = {"end": "timestamp", "cancelled_at": "timestamp", "plan": "string", "monthly_charge": "float64"}
    there = {n: rows[n] if n in rows.columns else ibis.null(kind) for n, kind in none.items()}
    days = {
        "start_day": rows.start.date(),
        "end_day": there["end"].date(),
        "cancelled_day": there["cancelled_at"].date(),
    }
    terms = rows.select(
        "customer_id", "known_day", **days, plan=there["plan"], monthly_charge=there["monthly_charge"]
    )
    return terms.group_by(list(_TERMS)).aggregate(rows=terms.count())


_DAYS = ("rows", "same_day", "hours", "minutes", "weekday", "day_of_year", "week", "month", "year")


def _days_of(name: str) -> Callable[[Tables, MadeUpShop], ir.Table]:
    """What the engine makes of the times of one table: they are business-local, whatever zone its session has."""

    def build(tables: Tables, _: MadeUpShop) -> ir.Table:
        rows = getattr(tables, name)
        at = rows[str(TABLES[name].time)]
        parts = {
            "rows": rows.count(),
            "same_day": (at.date() == rows.day).sum(),
            "hours": at.hour().sum(),
            "minutes": at.minute().sum(),
            "weekday": rows.day.day_of_week.index().max(),
            "day_of_year": rows.day.day_of_year().max(),
            "week": rows.day.week_of_year().max(),
            "month": rows.day.month().max(),
            "year": rows.day.year().max(),
        }
        return rows.group_by(["customer_id", "day", "known_day"]).aggregate(**parts)

    return build


@contextmanager
def written(con: Any, shop: MadeUpShop) -> Iterator[Tables]:
    """The shop's tables in an engine, under names that nobody has; gone afterwards."""
    prefix = f"retain_check_{uuid.uuid4().hex[:8]}_"
    rows = dict(shop.tables)
    if shop.country:
        rows[CALENDAR] = _calendar_near(shop)
    with ExitStack() as stack:
        made = {name: _write(con, prefix + name, table, stack) for name, table in rows.items()}
        stack.callback(_let_go, con, set(con._cache_name_to_entry))
        yield Tables(con=con, calendar=made.pop(CALENDAR, None), **made)


def _let_go(con: Any, before: set[str]) -> None:
    """What was kept of the tables goes before they do: an engine that looks at it again would miss them."""
    for name in con._cache_name_to_entry.keys() - before:
        con._finalize_cached_table(name)


def _calendar_near(shop: MadeUpShop) -> pa.Table:
    calendar = calendar_rows(shop.country)
    years = pc.year(calendar["calendar_day"])
    return calendar.filter(pc.and_(pc.greater_equal(years, 2020), pc.less_equal(years, 2026)))


def _write(con: Any, name: str, rows: pa.Table, stack: ExitStack) -> ir.Table:
    if con.name == "pyspark":
        # Through pandas, as ibis goes, missing numbers would arrive as NaN.
        con.raw_sql("SELECT 1").sparkSession.createDataFrame(rows).createOrReplaceTempView(name)
        stack.callback(con.drop_view, name, force=True)
        return con.table(name)
    try:
        con.create_table(name, rows, temp=True)
    except (NotImplementedError, UnsupportedArgumentError, UnsupportedOperationError):
        con.create_table(name, rows)
    stack.callback(con.drop_table, name, force=True)
    return con.table(name)
