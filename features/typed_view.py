"""A table where it stands, in the types of the contract: one expression that the engine runs, nothing copied.

The rules are those of `features.cast`: a fault in a column without which a row means nothing sets the row
aside; in any other column the cell is emptied. What an engine would have to parse from text is refused.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from functools import cached_property, reduce
from operator import or_
from typing import Any, Literal

import ibis
import ibis.expr.types as ir

from features import cells
from features.cast import MAX_ID_LENGTH, critical_columns
from features.columns import AMOUNT_PARTS
from features.contract import Column, TableContract
from features.frames import ALWAYS_KNOWN
from features.parse_money import MAX_NUMBER
from features.settings import DataSettings

__all__ = ["Blanks", "Fault", "TypedView"]

Blanks = Literal["trimmed", "kept"]

_FIRST_TIME = datetime(1970, 1, 2)
_AFTER_LAST_TIME = datetime(2101, 1, 1)
_MAY_BE_AHEAD = {("contracts", "start"), ("contracts", "end")}
_NEVER_MISSING = ("known_at", "returned")


@dataclass(frozen=True)
class Fault:
    """One rule on one column: when it holds, and the text of the cell (missing for ids, which are never told).

    A condition that is missing does not hold.
    """

    column: str
    rule: str
    when: Any
    text: Any
    critical: bool

    @property
    def key(self) -> tuple[str, str]:
        """Column and rule."""
        return self.column, self.rule


@dataclass(frozen=True)
class TypedView:
    """The columns of one table of the contract over a lazy table of an engine.

    Parameters
    ----------
    source : ir.Table
        Has a column for each of `found`, under the names of the source.
    found : mapping of contract column to source column
        From `features.columns.match_columns`.
    contract : TableContract
    settings : DataSettings
        Zone and currency are used.
    today : date
        Times after the day after `today` are faults.
    engine : str
        Name of the ibis backend.
    suspects : frozenset of str, optional
        Columns in which something may be wrong; no others are judged. All by default.
    """

    source: ir.Table
    found: Mapping[str, str]
    contract: TableContract
    settings: DataSettings
    today: date
    engine: str
    suspects: frozenset[str] | None = None

    @cached_property
    def columns(self) -> list[Column]:
        """The contract's columns that the source has."""
        return [column for column in self.contract.columns if column.name in self.found]

    @cached_property
    def names(self) -> list[str]:
        """Columns that the view has, the computed amount among them."""
        has = {*self.found, *(["amount"] if self.computes_amount else [])}
        return [name for name in self.contract.names if name in has]

    @cached_property
    def computes_amount(self) -> bool:
        """Whether the amount is quantity × unit price, because no column carries it."""
        orders = self.contract.name == "orders" and "amount" not in self.found
        return orders and set(AMOUNT_PARTS) <= set(self.found)

    @cached_property
    def signs_returns(self) -> bool:
        """Whether lines marked as returned may have to be given their sign."""
        return {"amount", "returned"} <= set(self.names)

    @cached_property
    def faults(self) -> list[Fault]:
        """All that can be wrong with a row: what sets it aside first, in the order in which it counts."""
        critical = critical_columns(self.contract, [c.name for c in self.columns])
        by_column = {c.name: self._faults_of(c, c.name in critical) for c in self.columns}
        rows = [fault for name in critical for fault in by_column[name]]
        if self.computes_amount:
            large = cells.exceeds(self._cleaned("quantity") * self._cleaned("unit_price"), MAX_NUMBER)
            rows.append(Fault("amount", "too_large", large, ibis.null("string"), critical=True))
        if "currency" in self.found and self.settings.currency:
            code = self.cell("currency")
            foreign = code.upper() != self.settings.currency.upper()
            rows.append(Fault("currency", "foreign_currency", foreign, code, critical=True))
        others = [fault for c in self.columns if c.name not in critical for fault in by_column[c.name]]
        return [f for f in (*rows, *others) if self.suspects is None or f.column in self.suspects]

    @property
    def row_faults(self) -> list[Fault]:
        """Faults that set the row aside."""
        return [fault for fault in self.faults if fault.critical]

    @property
    def cell_faults(self) -> list[Fault]:
        """Faults that empty the cell."""
        return [fault for fault in self.faults if not fault.critical]

    def first_fault(self) -> Any:
        """Place in `row_faults` of what sets a row aside first; missing for a good row."""
        branches = [(fault.when, ibis.literal(place, "int32")) for place, fault in enumerate(self.row_faults)]
        return cells.first_of(branches, ibis.null("int32"))

    def rows(self, occurring: Collection[tuple[str, str]] | None = None, **how: Any) -> ir.Table:
        """The good rows, typed, with ``day`` and ``known_day``.

        Parameters
        ----------
        occurring : collection of (column, rule), optional
            Faults that the source has; all others need no test, where nobody can change the source. All are
            tested by default.
        **how
            See `values`.
        """
        wrong = [f.when for f in self.row_faults if occurring is None or f.key in occurring]
        rows = self.source.filter(~reduce(or_, wrong).fill_null(False)) if wrong else self.source
        here = replace(self, source=rows)
        values = here.values(occurring, **how)
        return rows.select(**values, **here._days(values))

    def values(
        self,
        occurring: Collection[tuple[str, str]] | None = None,
        *,
        blanks: Mapping[str, Blanks] | None = None,
        touched: Collection[str] | None = None,
        turned: bool = True,
    ) -> dict[str, Any]:
        """Values by contract column.

        Parameters
        ----------
        occurring : collection of (column, rule), optional
            Faults to empty cells for; all by default.
        blanks : mapping of column to {"trimmed", "kept"}, optional
            What happens to blanks around ids; they go by default.
        touched : collection of str, optional
            Columns for which `TypedView.touched` holds somewhere; all by default.
        turned : bool
            Whether returned lines may have the wrong sign.
        """
        found: dict[str, Any] = {}
        for column in self.columns:
            plain = touched is not None and column.name not in touched
            value = self.cell(column.name, blanks=(blanks or {}).get(column.name, "trimmed"), plain=plain)
            wrong = [
                fault.when
                for fault in self.cell_faults
                if fault.column == column.name and (occurring is None or fault.key in occurring)
            ]
            found[column.name] = (
                ibis.ifelse(reduce(or_, wrong), ibis.null(value.type()), value) if wrong else value
            )
        if self.computes_amount:
            found["amount"] = found["quantity"] * found["unit_price"]
        if self.signs_returns and turned:
            amount = found["amount"]
            found["amount"] = ibis.ifelse(found["returned"] & (amount > 0), -amount, amount)
        return {name: found[name] for name in self.names}

    def cell(self, name: str, *, blanks: Blanks = "trimmed", plain: bool = False) -> Any:
        """The value of a column, faults not yet judged; `plain` texts have nothing to trim."""
        column, raw = self.contract.column(name), self.source[self.found[name]]
        if column.kind == "id":
            return self._id(raw, blanks, plain)
        if column.kind == "text":
            text = raw.cast("string")
            return text if plain else cells.bare(text).nullif("")
        if column.kind == "time":
            return self._time(raw)
        if column.kind == "flag":
            return raw if raw.type().is_boolean() else ibis.cases((raw == 1, True), (raw == 0, False))
        number = raw.cast("float64")
        return number if plain or not self._may_be_infinite(raw) else cells.finite(number)

    def touched(self, name: str) -> Any:
        """Whether the text of a column has blanks around it or is empty, or its number is none or has no end."""
        if not self.raw(name).type().is_string():
            number = self.raw(name).cast("float64")
            return (number.isnan() | cells.infinite(number)).fill_null(False)
        text = self.source[self.found[name]].cast("string")
        return (cells.has_blanks(text) | (text == "")).fill_null(False)

    def suspicion(self, name: str) -> Any:
        """Whether anything may be wrong with a cell, or with its blanks: quick to ask, and never false where it is.

        NaN counts as larger than any number, on all engines.
        """
        column, raw = self.contract.column(name), self.source[self.found[name]]
        kind, needed = raw.type(), name in critical_columns(self.contract, [c.name for c in self.columns])
        found = [raw.isnull()] if needed and name not in _NEVER_MISSING else []
        if column.kind in ("id", "text") and kind.is_string():
            quick = self.engine == "duckdb"
            found.append(cells.may_have_blanks(raw) if quick else self.touched(name))
            if column.kind == "id":
                found += [raw.contains(mark) for mark in self._line_breaks()] + [raw.length() > MAX_ID_LENGTH]
        elif column.kind == "id" and not kind.is_integer():
            found.append(raw.notnull())
        elif column.kind in ("money", "number"):
            found.append(raw.abs() > float(MAX_NUMBER))
        elif column.kind == "time":
            value = self._time(raw)
            late = datetime.combine(self.today + timedelta(days=2), datetime.min.time())
            found += [value < cells.moment(_FIRST_TIME), value >= cells.moment(late)]
        elif column.kind == "flag":
            found += [raw] if name == "returned" and kind.is_boolean() else []
            found += [] if kind.is_boolean() else [raw.notnull()]
        if name == "currency" and self.settings.currency:
            found.append(raw != self.settings.currency)
        return reduce(or_, found) if found else ibis.literal(value=False)

    def has_blanks(self, name: str) -> Any:
        """Whether the text of a column has blanks around it and is more than blanks."""
        text = self.source[self.found[name]].cast("string")
        return (cells.has_blanks(text) & (cells.bare(text) != "")).fill_null(False)

    def bare(self, name: str) -> Any:
        """The text of a column without the blanks around it."""
        return cells.bare(self.source[self.found[name]].cast("string"))

    def raw(self, name: str) -> Any:
        """A column as the source has it."""
        return self.source[self.found[name]]

    def texts(self) -> list[str]:
        """Ids and texts that come as text: blanks around them are looked for."""
        kinds = ("id", "text")
        return [c.name for c in self.columns if c.kind in kinds and self.raw(c.name).type().is_string()]

    def floats(self) -> list[str]:
        """Numbers that may be none (NaN) or have no end."""
        kinds = ("money", "number")
        return [c.name for c in self.columns if c.kind in kinds and self._may_be_infinite(self.raw(c.name))]

    def _may_be_infinite(self, raw: Any) -> bool:
        # The decimals of PostgreSQL know NaN and infinity.
        kind = raw.type()
        return bool(kind.is_floating() or (kind.is_decimal() and self.engine == "postgres"))

    def _cleaned(self, name: str) -> Any:
        return self.cell(name)

    def _id(self, raw: Any, blanks: Blanks, plain: bool) -> Any:
        kind = raw.type()
        if kind.is_floating() or (kind.is_decimal() and kind.scale):
            number = raw.cast("float64")
            return ibis.ifelse(cells.is_whole(number), number.cast("int64"), ibis.null("int64")).cast(
                "string"
            )
        text = raw.cast("string")
        if plain or not kind.is_string():
            return text
        if blanks == "trimmed":
            return cells.bare(text).nullif("")
        return ibis.ifelse(cells.bare(text) == "", ibis.null("string"), text)

    def _time(self, raw: Any) -> Any:
        kind = raw.type()
        if kind.is_date():
            return raw.cast("timestamp(6)")
        if kind.timezone is None:
            return raw.cast("timestamp(6)")
        if self.engine == "pyspark":
            return cells.spark_wall_clock(raw, self.settings.timezone).cast("timestamp")
        return cells.wall_clock(self.settings.timezone, raw)

    def _faults_of(self, column: Column, critical: bool) -> list[Fault]:
        raw, value = self.raw(column.name), self.cell(column.name)
        told = value if column.kind == "time" else raw
        shown = ibis.null("string") if column.kind == "id" else told.cast("string")
        found = [*self._unreadable(column, raw), *self._out_of_bounds(column, value)]
        if critical and column.name not in _NEVER_MISSING:
            rule = "no_customer" if column.name == "customer_id" else "missing"
            found.append((rule, value.isnull()))
        return [Fault(column.name, rule, when, shown, critical) for rule, when in found]

    def _unreadable(self, column: Column, raw: Any) -> list[tuple[str, Any]]:
        kind = raw.type()
        if column.kind == "id" and kind.is_string():
            broken = [raw.contains(mark) for mark in self._line_breaks()]
            long = raw.length() > MAX_ID_LENGTH
            return [("bad_id", reduce(or_, broken, long))]
        if column.kind == "id" and (kind.is_floating() or (kind.is_decimal() and kind.scale)):
            number = raw.cast("float64")
            lost = number.notnull() & ~number.isnan() & ~cells.is_whole(number)
            return [("id_digits_lost", lost)]
        if column.kind == "flag" and not kind.is_boolean():
            return [("not_a_flag", raw.notnull() & ~raw.isin([0, 1]))]
        if column.kind in ("money", "number") and self._may_be_infinite(raw):
            return [("not_finite", cells.infinite(raw.cast("float64")))]
        return []

    def _line_breaks(self) -> list[Any]:
        # PostgreSQL keeps no zero bytes in texts, and refuses to be asked for one.
        zero = [] if self.engine == "postgres" else [cells.character(0)]
        return ["\n", "\r", *zero]

    def _out_of_bounds(self, column: Column, value: Any) -> list[tuple[str, Any]]:
        if column.kind in ("money", "number"):
            return [("too_large", cells.exceeds(value, MAX_NUMBER))]
        if column.kind != "time":
            return []
        first, last = cells.moment(_FIRST_TIME), cells.moment(_AFTER_LAST_TIME)
        out = (value < first) | (value >= last)
        found = [("out_of_range", out)]
        if (self.contract.name, column.name) not in _MAY_BE_AHEAD:
            late = datetime.combine(self.today + timedelta(days=2), datetime.min.time())
            found.append(("future_date", ~out & (value >= cells.moment(late))))
        return found

    def _days(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """The day of the event, and the day from which the row was known."""
        time = self.contract.time
        days = [values[name].date() for name in (time, "known_at") if name is not None and name in values]
        known = [*days, *([ibis.literal(ALWAYS_KNOWN)] if self.contract.name == "customers" else [])]
        latest = ibis.greatest(*known) if len(known) > 1 else known[0]
        dated = {"day": days[0]} if time is not None and time in values else {}
        return {**dated, "known_day": latest}
