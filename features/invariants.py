"""What must hold for every feature on any shop, checked by computing it again in another way.

The features of Retain are held to these laws by its tests; ``retain features --test`` holds features of your own to
them, on a made-up shop. Two computations agree when they agree in every bit, missing values included.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from features.catalogue import catalogue
from features.contract import TABLES
from features.errors import ConfigError
from features.frames import tables_from_frames
from features.pipeline import EVENT_TABLES, FEATURES
from features.plan import FeatureEngine, fetch_features

__all__ = ["LAWS", "Broken", "Found", "check_invariants"]

Frames = Mapping[str, pa.Table]

LAWS: dict[str, str] = {
    "rows": "the order of rows changes no bit",
    "alone": "a customer alone has the same bits as in the shop",
    "ids": "a customer's id changes no bit, whatever it is made of",
    "days": "many days at once give the same bits as each day alone",
    "future": "what happens on the day or later changes no bit",
    "arrival": "what arrives on the day or later changes no bit",
    "outcome": "what is told of a row on the day or later (solved, cancelled) changes no bit",
    "endpoint": "the endpoint gives the same bits as the list",
    "absent": "it is missing where its table is, and numbers elsewhere do not need columns that may be absent",
    "missing": "it is missing only where the formula of its catalogue entry says so",
}
"""The laws, by code."""

_KEYS = ("as_of", "customer_id")
_IDS = ("7", "007", " 7", "7 ", "a b", "客户七", "o'neil", "NULL", "1e3", "=1+1")
_ALONE = 3
_ASKED = 12
_EVERY = 5


@dataclass(frozen=True)
class Broken:
    """A law that a feature does not keep, with one example of the made-up shop."""

    feature: str
    law: str
    example: str


@dataclass(frozen=True)
class Found:
    """The laws that are broken, and features that are the same for everyone, of which little is shown thereby."""

    broken: list[Broken]
    constant: list[str]


def check_invariants(
    frames: Frames, as_of: Sequence[date], names: Sequence[str] = FEATURES, *, country: str = ""
) -> Found:
    """Hold features to `LAWS` on the rows of a shop.

    Parameters
    ----------
    frames : mapping of table name to pyarrow.Table
        Rows in the contract's columns; times with some of them after the days.
    as_of : sequence of date
        At least two cut-off days, with customers known before each.
    names : sequence of str
        Features to look at.
    country : str
        ISO 3166 code of the country whose public holidays count; empty for none.

    Returns
    -------
    Found
        Its ``broken`` has one entry per feature and law that it breaks; empty when all is well.

    Raises
    ------
    ConfigError
        A name is no feature, or fewer than two days are given.
    """
    if unknown := [name for name in names if name not in FEATURES]:
        raise ConfigError(f"{unknown[0]!r} is no feature; `retain features --catalogue` lists them")
    if len(set(as_of)) < 2:
        raise ConfigError("laws of time need at least two days")
    check = _Check({name: _whole(name, rows) for name, rows in frames.items()}, sorted(as_of), names, country)
    constant = [name for name in names if len(check.usual[name].unique()) < 2]
    return Found([broken for law in check.laws() for broken in law], constant)


class _Check:
    """One shop, its features as the list has them, and the same computed otherwise."""

    def __init__(self, frames: Frames, days: list[date], names: Sequence[str], country: str) -> None:
        self.frames, self.days, self.names, self.country = frames, days, names, country
        self.day = days[len(days) // 2]
        self.usual = self._run(frames, days)
        self.today = _of_day(self.usual, self.day)
        self.ids = self.today["customer_id"].to_pylist()

    def laws(self) -> Iterator[list[Broken]]:
        for law in (
            self.rows, self.alone, self.odd_ids, self.each_day, self.future, self.arrival, self.outcome, self.endpoint,
            self.absent, self.missing,
        ):  # fmt: skip
            yield law()

    def rows(self) -> list[Broken]:
        draw = np.random.default_rng(7)
        mixed = {name: rows.take(draw.permutation(rows.num_rows)) for name, rows in self.frames.items()}
        return self._compared("rows", self.usual, self._run(mixed, self.days))

    def alone(self) -> list[Broken]:
        found: list[Broken] = []
        places = np.linspace(0, len(self.ids) - 1, _ALONE).astype(int)
        half = set(self.ids[::2])
        for some in ({self.ids[place]} for place in places), [half]:
            for ids in some:
                here = {name: _of(rows, ids) for name, rows in self.frames.items()}
                found += self._compared("alone", _of(self.today, ids), self._run(here, [self.day]))
        return _once(found)

    def odd_ids(self) -> list[Broken]:
        odd = dict(zip(self.ids, _IDS, strict=False))
        renamed = {name: _renamed(rows, odd) for name, rows in self.frames.items()}
        back = _renamed(self._run(renamed, [self.day]), {new: old for old, new in odd.items()})
        return self._compared("ids", self.today, back.sort_by("customer_id"))

    def each_day(self) -> list[Broken]:
        found: list[Broken] = []
        for day in self.days:
            found += self._compared("days", _of_day(self.usual, day), self._run(self.frames, [day]))
        return _once(found)

    def future(self) -> list[Broken]:
        past = {name: self._before(name, rows) for name, rows in self.frames.items()}
        return self._compared("future", self._run(past, [self.day]), self.today)

    def arrival(self) -> list[Broken]:
        """Every few rows arrive at the very start of the day; the others as they did."""
        late, gone = {}, {}
        for name, rows in self.frames.items():
            chosen = pa.array(np.arange(rows.num_rows) % _EVERY == 0)
            known = pc.if_else(chosen, pa.scalar(self._midnight, pa.timestamp("us")), rows["known_at"])
            late[name] = _with(rows, "known_at", known)
            gone[name] = rows.filter(pc.invert(chosen))
        return self._compared("arrival", self._run(gone, [self.day]), self._run(late, [self.day]))

    def outcome(self) -> list[Broken]:
        told = dict(self.frames)
        for name, rows in self.frames.items():
            for column in TABLES[name].columns:
                if column.kind == "time" and column.name not in (TABLES[name].time, "known_at", "end"):
                    later = pc.greater_equal(rows[column.name], self._midnight)
                    none = pa.scalar(None, pa.timestamp("us"))
                    told[name] = _with(told[name], column.name, pc.if_else(later, none, rows[column.name]))
        return self._compared("outcome", self._run(told, [self.day]), self.today)

    def endpoint(self) -> list[Broken]:
        tables = [name for name in self.frames if name == "orders" or name in EVENT_TABLES]
        engine = FeatureEngine(country=self.country, tables=tables)
        found: list[Broken] = []
        for customer in self.ids[:: max(1, len(self.ids) // _ASKED)]:
            mine = {name: _of(self.frames[name], {customer}) for name in tables}
            answer = engine.fetch(mine, self.day).select([*_KEYS, *self.names])
            found += self._compared("endpoint", _of(self.today, {customer}), answer)
        return _once(found)

    def absent(self) -> list[Broken]:
        bare = {
            name: rows.select(list(dict.fromkeys(TABLES[name].required)))
            for name, rows in self.frames.items()
        }
        sources = {doc.name: doc.source for doc in catalogue()}
        alone = self._run({"orders": bare["orders"]}, [self.day])
        self._run(bare, [self.day])
        return [
            Broken(name, "absent", f"{alone.num_rows - alone[name].null_count} customers have a value")
            for name in self.names
            if sources[name] in EVENT_TABLES and alone[name].null_count < alone.num_rows
            and not name.startswith("loyalty")
        ]  # fmt: skip

    def missing(self) -> list[Broken]:
        formulas = {doc.name: doc.formula for doc in catalogue()}
        return [
            Broken(name, "missing", f"missing in {self.usual[name].null_count} of {self.usual.num_rows} rows")
            for name in self.names
            if self.usual[name].null_count and "missing" not in formulas[name]
        ]

    @property
    def _midnight(self) -> datetime:
        return datetime.combine(self.day, time())

    def _before(self, name: str, rows: pa.Table) -> pa.Table:
        when = TABLES[name].time
        return rows.filter(pc.less(rows[when], self._midnight)) if when else rows

    def _run(self, frames: Frames, days: Sequence[date]) -> pa.Table:
        tables = tables_from_frames(frames, country=self.country)
        found = fetch_features(tables, days).select([*_KEYS, *self.names])
        tables.con.disconnect()
        return found.sort_by([(key, "ascending") for key in _KEYS])

    def _compared(self, law: str, usual: pa.Table, other: pa.Table) -> list[Broken]:
        if usual["customer_id"].to_pylist() != other["customer_id"].to_pylist():
            text = f"{usual.num_rows} rows, computed otherwise {other.num_rows}"
            return [Broken(name, law, text) for name in self.names]
        pairs = ((name, usual[name].combine_chunks(), other[name].combine_chunks()) for name in self.names)
        return [Broken(name, law, _example(one, two)) for name, one, two in pairs if not one.equals(two)]


def _example(one: pa.Array, other: pa.Array) -> str:
    """The first pair of values that differ; of a made-up shop."""
    pairs = list(zip(one.to_pylist(), other.to_pylist(), strict=True))
    differ = [pair for pair in pairs if pair[0] != pair[1]]
    shown = differ[0] if differ else pairs[0]
    return f"{shown[0]!r}, computed otherwise {shown[1]!r} ({len(differ)} of {len(pairs)} rows differ)"


def _once(found: list[Broken]) -> list[Broken]:
    """The first example of each feature and law."""
    return list({(broken.feature, broken.law): broken for broken in reversed(found)}.values())[::-1]


def _whole(name: str, rows: pa.Table) -> pa.Table:
    """The rows with all columns of the contract that have a time, which the laws change."""
    for column in TABLES[name].columns:
        if column.kind == "time":
            there = column.name in rows.column_names
            times = rows[column.name] if there else pa.nulls(rows.num_rows, pa.timestamp("us"))
            rows = _with(rows, column.name, times.cast(pa.timestamp("us")))
    return rows


def _with(rows: pa.Table, name: str, values: pa.Array) -> pa.Table:
    place = rows.schema.get_field_index(name)
    return rows.append_column(name, values) if place < 0 else rows.set_column(place, name, values)


def _of(rows: pa.Table, ids: set[str]) -> pa.Table:
    return rows.filter(pc.is_in(rows["customer_id"], pa.array(sorted(ids))))


def _of_day(rows: pa.Table, day: date) -> pa.Table:
    return rows.filter(pc.equal(rows["as_of"], day))


def _renamed(rows: pa.Table, names: Mapping[str, str]) -> pa.Table:
    ids = [names.get(name, name) for name in rows["customer_id"].to_pylist()]
    return _with(rows, "customer_id", pa.array(ids, pa.string()))
