"""The checks of the contract, run by the engine that holds the table: counts come back, rows stay.

One statement counts everything that can be wrong with the rows of a table; only what it finds is looked at
again. Findings have the rules and the words of the reading of files (`features.quality`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from functools import cached_property, reduce
from operator import or_
from typing import Any

import ibis
import ibis.expr.types as ir
import pyarrow as pa

from features.cells import BLANKS, first_of
from features.exact import to_units
from features.findings import MAX_LINES, Ledger
from features.ledger import UNUSED, unused_lines
from features.parse_money import MAX_NUMBER
from features.report import State
from features.typed_view import Blanks, TypedView

__all__ = ["Counted", "PushedChecks"]

Fetch = Callable[[Any], pa.Table]

_EXAMPLE_LENGTH = 40
_LISTED = 10_000
"""Rows set aside that are listed; their number is always counted in full."""
_BAD_CUSTOMERS = (
    ("customer_id", "bad_id"),
    ("customer_id", "id_digits_lost"),
    ("customer_id", "no_customer"),
)


@dataclass(frozen=True)
class Counted:
    """What the first statement counted: rows, faults by column and rule, and what asks for a repair."""

    rows: int = 0
    faults: Mapping[tuple[str, str], int] = field(default_factory=dict)
    touched: Mapping[str, int] = field(default_factory=dict)
    blanks: Mapping[str, int] = field(default_factory=dict)
    zoned: Mapping[str, int] = field(default_factory=dict)
    whole: Mapping[str, int] = field(default_factory=dict)
    turned: int = 0

    @property
    def occurring(self) -> list[tuple[str, str]]:
        """Faults that are there."""
        return [key for key, rows in self.faults.items() if rows]


@dataclass(frozen=True)
class PushedChecks:
    """The checks of one table of the contract.

    Parameters
    ----------
    view : TypedView
    ledger : Ledger
        Takes the findings.
    fetch : callable
        Runs an expression in the engine and gives its rows.
    source : str
        What the table is called in findings.
    lines : callable, optional
        Gives a view of the same rows with ``_source`` and ``_line``, where the engine knows them.
    """

    view: TypedView
    ledger: Ledger
    fetch: Fetch
    source: str
    lines: Callable[[], TypedView] | None = None

    def count(self) -> Counted:
        """Counts all faults and repairs of the table in one statement, and writes the findings down."""
        counted = self._counted()
        if not counted.rows:
            self.ledger.note("no_rows", "warning", 0)
        self._note_repairs(counted)
        if counted.occurring:
            self._note_faults()
        return counted

    @cached_property
    def _first_look(self) -> dict[str, int]:
        """Rows, zoned times, and cells by column that something may be wrong with."""
        view = self.view
        zoned = [c.name for c in view.columns if _is_zoned(view.raw(c.name).type())]
        marks = {f"suspect_{c.name}": view.suspicion(c.name) for c in view.columns}
        marked = view.source.select(**marks, **{f"zoned_{name}": view.raw(name) for name in zoned})
        sums = {name: _number(marked[name]) for name in marks}
        sums |= {f"zoned_{name}": marked[f"zoned_{name}"].count() for name in zoned}
        found = self.fetch(marked.aggregate(rows=marked.count(), **sums)).to_pylist()[0]
        return {name: int(value or 0) for name, value in found.items()}

    @cached_property
    def _suspects(self) -> frozenset[str]:
        found = {c.name for c in self.view.columns if self._first_look[f"suspect_{c.name}"]}
        # An amount that is computed may be too large though no part of it is.
        return frozenset({*found, "amount"} if self.view.computes_amount else found)

    @cached_property
    def _exact(self) -> TypedView:
        return replace(self.view, suspects=self._suspects)

    def _counted(self) -> Counted:
        look = self._first_look
        zoned = {n.removeprefix("zoned_"): rows for n, rows in look.items() if n.startswith("zoned_")}
        if not self._suspects:
            return Counted(rows=look["rows"], zoned=zoned)
        view = self._exact
        rows, cells = view.row_faults, view.cell_faults
        texts = [name for name in view.texts() if name in self._suspects]
        ids = [name for name in texts if view.contract.column(name).kind == "id"]
        floats = [name for name in view.floats() if name in self._suspects]
        whole = [c.name for c in view.columns if c.kind == "id" and _is_fraction(view.raw(c.name).type())]
        marks = {
            "fault": view.first_fault(),
            **{f"cell_{i}": fault.when for i, fault in enumerate(cells)},
            **{f"touched_{name}": view.touched(name) for name in [*texts, *floats]},
            **{f"blanks_{name}": view.has_blanks(name) for name in ids},
            **{f"whole_{name}": view.cell(name).notnull() for name in whole},
            **({"turned": self._turned()} if view.signs_returns and "returned" in self._suspects else {}),
        }
        marked = view.source.select(**marks)
        sums = {f"row_{i}": _number(marked.fault == i) for i, _ in enumerate(rows)}
        good = marked.fault.isnull()
        sums |= {f"cell_{i}": _number(marked[f"cell_{i}"] & good) for i, _ in enumerate(cells)}
        sums |= {
            name: _number(marked[name]) for name in marks if name != "fault" and not name.startswith("cell_")
        }
        found = self.fetch(marked.aggregate(**sums)).to_pylist()[0]
        counts = {name: int(value or 0) for name, value in found.items()}
        return Counted(
            rows=look["rows"],
            faults={f.key: counts[f"row_{i}"] for i, f in enumerate(rows)}
            | {f.key: counts[f"cell_{i}"] for i, f in enumerate(cells)},
            touched={name: counts[f"touched_{name}"] for name in [*texts, *floats]},
            blanks={name: counts[f"blanks_{name}"] for name in ids},
            zoned=zoned,
            whole={name: counts[f"whole_{name}"] for name in whole},
            turned=counts.get("turned", 0),
        )

    def _turned(self) -> Any:
        """Lines marked as returned whose amount is positive, among those that can be read."""
        values = self.view.values(turned=False)
        wrong = [f.when for f in self._exact.row_faults if f.column in ("amount", "returned")]
        unread = reduce(or_, wrong, ibis.literal(value=False)).fill_null(False)
        return values["returned"] & (values["amount"] > 0) & ~unread

    def _note_repairs(self, counted: Counted) -> None:
        for name, rows in counted.whole.items():
            if rows:
                self.ledger.note("whole_number_id", "repaired", rows, column=name)
        for name, rows in counted.zoned.items():
            if rows:
                self.ledger.note("zoned", "repaired", rows, column=name, detail=self.view.settings.timezone)
        if self.view.computes_amount:
            self.ledger.note("amount_computed", "repaired", counted.rows, column="amount")
        if counted.turned:
            self.ledger.note("negated_return", "repaired", counted.turned, column="amount")

    def blanks(self, counted: Counted) -> dict[str, Blanks]:
        """What happens to blanks around ids: they go only when that makes no two ids one."""
        found: dict[str, Blanks] = {}
        for name, rows in counted.blanks.items():
            if not rows:
                found[name] = "kept" if counted.touched[name] else "trimmed"
                continue
            apart = self._stay_apart(name)
            found[name] = "kept" if apart else "trimmed"
            state: State = "warning" if apart else "repaired"
            self.ledger.note("id_blanks_kept" if apart else "id_blanks", state, rows, column=name)
        return found

    def _stay_apart(self, name: str) -> bool:
        """Whether ids that differ only by blanks would become one."""
        ids = self.view.source.select(
            id=self.view.raw(name).cast("string"), bare=self.view.bare(name), blank=self.view.has_blanks(name)
        )
        with_blanks = ids.filter(ids.blank).select("id", "bare").distinct()
        row = self.fetch(
            with_blanks.aggregate(ids=with_blanks.count(), bares=with_blanks.bare.nunique())
        ).to_pylist()[0]
        if row["ids"] != row["bares"]:
            return True
        alike = ids.filter(~ids.blank).semi_join(with_blanks.select("bare"), ids.id == with_blanks.bare)
        return bool(self.fetch(alike.aggregate(rows=alike.count())).to_pylist()[0]["rows"])

    @cached_property
    def _placed(self) -> TypedView:
        return self._exact if self.lines is None else replace(self.lines(), suspects=self._suspects)

    @cached_property
    def _judged(self) -> ir.Table:
        """Rows with their first fault (its place in the row faults), its text, and where they stand."""
        view = self._placed
        faults = view.row_faults
        text = first_of([(fault.when, fault.text) for fault in faults], ibis.null("string"))
        where = {n: view.source[n] for n in ("_source", "_line") if self.lines is not None}
        found = {"customer_": self._known_customer(view), "fault_": view.first_fault(), "text_": text}
        if view.contract.name == "orders":
            found |= self._money(view)
        judged = view.source.select(**where, **found)
        return judged if where else judged.mutate(_source=ibis.literal(self.source), _line=ibis.null("int64"))

    def _known_customer(self, view: TypedView) -> Any:
        """The customer of a row, where the id can be used."""
        bad = [fault.when for fault in view.row_faults if fault.key in _BAD_CUSTOMERS]
        return first_of([(when, ibis.null("string")) for when in bad], view.cell("customer_id"))

    def _money(self, view: TypedView) -> dict[str, Any]:
        """Day and money of a line that can be read, whatever else is wrong with it."""
        values = view.values(turned=True)
        wrong = {name: [f.when for f in view.row_faults if f.column == name] for name in ("time", "amount")}
        parts = [
            f.when for f in view.row_faults if f.column in ("quantity", "unit_price") and view.computes_amount
        ]
        wrong["amount"] += parts
        clean = {}
        for name, cases in wrong.items():
            value = values[name]
            clean[name] = first_of([(when, ibis.null(value.type())) for when in cases], value)
        amount = ibis.ifelse(
            clean["amount"].abs() <= float(MAX_NUMBER), clean["amount"], ibis.null("float64")
        )
        if "currency" in values and view.settings.currency:
            code = view.cell("currency")
            ours = code.isnull() | (code.upper() == view.settings.currency.upper())
            amount = ibis.ifelse(ours, amount, ibis.null("float64"))
        return {"day_": clean["time"].date(), "amount_": amount}

    @cached_property
    def _faulty(self) -> ir.Table:
        return self._judged.filter(self._judged.fault_.notnull())

    def _note_faults(self) -> None:
        """One finding per source, column and rule: rows set aside, and cells emptied."""
        rows = self._faulty.group_by(["_source", "fault_"]).aggregate(
            rows=self._faulty.count(), text=self._faulty.text_.min()
        )
        faults = self._placed.row_faults
        found = self.fetch(rows).to_pylist()
        listed = self.listed.to_pylist() if any(row["fault_"] is not None for row in found) else []
        for row in sorted(found, key=lambda r: (r["_source"], faults[r["fault_"]].key)):
            fault = faults[row["fault_"]]
            place = (row["_source"], *fault.key)
            lines = [
                r["line"] for r in listed if (r["source"], r["column"], r["rule"]) == place and r["line"]
            ]
            state: State = "warning" if fault.rule == "no_customer" else "quarantined"
            self._note(fault.column, fault.rule, state, row, lines)
        for fault in self._placed.cell_faults:
            self._note_emptied(fault)

    def _note_emptied(self, fault: Any) -> None:
        view = self._placed
        where = view.source["_source"] if self.lines is not None else ibis.literal(self.source)
        line = view.source["_line"] if self.lines is not None else ibis.null("int64")
        bad = view.source.filter(fault.when & view.first_fault().isnull())
        bad = bad.select(_source=where, line=line, text=fault.text)
        found = bad.group_by("_source").aggregate(rows=bad.count(), text=bad.text.min())
        for row in sorted(self.fetch(found).to_pylist(), key=lambda r: str(r["_source"])):
            first = bad.filter(bad._source == row["_source"]).order_by("line").select("line").limit(MAX_LINES)
            lines = [] if self.lines is None else self.fetch(first)["line"].to_pylist()
            self._note(fault.column, fault.rule, "warning", row, lines)

    def _note(self, column: str, rule: str, state: State, row: Mapping[str, Any], lines: list[int]) -> None:
        text = row["text"]
        self.ledger.note(
            rule,
            state,
            row["rows"],
            column=column,
            source=row["_source"],
            lines=sorted(lines)[:MAX_LINES],
            example="" if text is None else repr(text[:_EXAMPLE_LENGTH]),
            detail=self.view.settings.currency,
        )

    @cached_property
    def listed(self) -> pa.Table:
        """Rows set aside, the first of them: ``source, line, column, rule, value``."""
        faults = self._placed.row_faults
        rows = self.fetch(
            self._faulty.select("_source", "_line", "fault_", "text_").limit(_LISTED)
        ).to_pylist()
        found = [
            {
                "source": row["_source"],
                "line": row["_line"] or 0,
                "column": faults[row["fault_"]].column,
                "rule": faults[row["fault_"]].rule,
                "value": row["text_"] or "",
            }
            for row in rows
        ]
        names = ("source", "line", "column", "rule", "value")
        schema = pa.schema([(n, pa.int64() if n == "line" else pa.string()) for n in names])
        return pa.Table.from_pylist(sorted(found, key=lambda r: (r["source"], r["line"])), schema)

    def note_lost_customers(self) -> None:
        """Warns of customers all of whose rows were set aside."""
        rows = self._judged
        known = rows.filter(rows.customer_.notnull())
        by = known.group_by("customer_").aggregate(good=_number(known.fault_.isnull()))
        lost = by.filter(by.good == 0)
        count = self.fetch(lost.aggregate(rows=lost.count())).to_pylist()[0]["rows"]
        if count:
            self.ledger.note("lost_customers", "warning", count, column="customer_id")

    def unused_money(self) -> pa.Table:
        """Rows set aside with the money that can still be read of them; see `features.ledger.UNUSED`."""
        rows, faults = self._faulty, self._placed.row_faults
        units = to_units(rows.amount_)
        found = rows.group_by(["fault_", "day_"]).aggregate(
            rows=rows.count(), readable=rows.amount_.count(), amount_u=units.sum().cast("int64")
        )
        by: dict[tuple[str, date | None], list[int]] = {}
        for row in self.fetch(found).to_pylist():
            sums = by.setdefault((faults[row["fault_"]].rule, row["day_"]), [0, 0, 0])
            for i, name in enumerate(("rows", "readable", "amount_u")):
                sums[i] += int(row[name] or 0)
        names = ("rule", "day", "rows", "readable", "amount_u")
        ordered = sorted(by.items(), key=lambda item: (item[0][0], item[0][1] or date.max))
        return pa.Table.from_pylist(
            [dict(zip(names, (*key, *sums), strict=True)) for key, sums in ordered], UNUSED
        )

    def note_currencies(self) -> None:
        """Several currencies where none is configured are an error."""
        view = self.view
        if "currency" not in view.found or view.settings.currency:
            return
        good = view.source.filter(self._exact.first_fault().isnull()).select(code=view.raw("currency"))
        by_code = good.group_by("code").aggregate(rows=good.count())
        by_name: Counter[str] = Counter()
        for row in self.fetch(by_code).to_pylist():
            code = str(row["code"] or "").strip(BLANKS).upper()
            by_name.update({code: row["rows"]} if code else {})
        codes = sorted(by_name.items(), key=lambda found: (-found[1], found[0]))
        if len(codes) > 1:
            names = ", ".join(code for code, _ in codes[:10])
            total = by_name.total()
            self.ledger.note("several_currencies", "error", total, column="currency", detail=names)

    def note_duplicates(self, good: ir.Table) -> pa.Table:
        """Counts good rows that equal an earlier one, which are dropped; gives them as `UNUSED` does."""
        kept = good.distinct()
        before, after = (self._used(table) for table in (good, kept))
        rows, units = before[0] - after[0], before[1] - after[1]
        if rows:
            self.ledger.note("duplicates_dropped", "repaired", rows)
        return unused_lines("duplicates_dropped", rows, rows, units)

    def _used(self, table: ir.Table) -> tuple[int, int]:
        units = to_units(table.amount).sum().cast("int64") if "amount" in table.columns else ibis.literal(0)
        row = self.fetch(table.aggregate(rows=table.count(), units=units)).to_pylist()[0]
        return int(row["rows"]), int(row["units"] or 0)


def _number(condition: Any) -> Any:
    return ibis.ifelse(condition, 1, 0).cast("int64").sum()


def _is_zoned(kind: Any) -> bool:
    return bool(kind.is_timestamp() and kind.timezone is not None)


def _is_fraction(kind: Any) -> bool:
    return bool(kind.is_floating() or (kind.is_decimal() and kind.scale))
