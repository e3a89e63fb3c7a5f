"""Amounts in another unit in one part of the data: cents here and whole units there, thousands there and units here.

Amounts are compared by file, month, stretch of lines, channel and the way they are written, because a change of
unit comes with a change of system, of export, or of the people who keep the books.
"""

# ruff: noqa: S608  (identifiers in the statements are names of the contract, never texts of the user)
from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

__all__ = ["Part", "UnitShift", "shift_of_parts", "split_parts", "unit_shift"]

_LEAST_ROWS = 20
_MOST_ROWS = 250_000
_STRETCHES = 40
# Half a decade less than a factor of 100: medians of parts scatter, units do not.
_LEAST_GAP = 1.5
_MOST_NAMED = 3
_NEAR = 0.35
_WRITTEN = {"true": "1234", "false": "12.34"}


@dataclass(frozen=True)
class Part:
    """One part of the data: its name, rows with an amount, and the median of log₁₀ |amount|."""

    name: str
    rows: int
    log_typical: float


@dataclass(frozen=True)
class UnitShift:
    """Two groups of parts whose typical amounts lie 30 times or more apart.

    Parameters
    ----------
    names : tuple of str
        Parts of the smaller group.
    rows : int
        Rows of the smaller group.
    typical, others : float
        Typical amount of the smaller group and of the other one.
    in_a_row : bool
        Whether the parts follow each other, so that first and last name them all.
    """

    names: tuple[str, ...]
    rows: int
    typical: float
    others: float
    in_a_row: bool = False

    @property
    def where(self) -> str:
        """The parts by name: the first and the last of neighbours, at most three of others."""
        if self.in_a_row and len(self.names) > 1:
            return f"{self.names[0]} … {self.names[-1]}"
        more = " …" if len(self.names) > _MOST_NAMED else ""
        return ", ".join(self.names[:_MOST_NAMED]) + more

    @property
    def example(self) -> str:
        """Typical amounts of the two groups, and the larger over the smaller."""
        high, low = max(self.typical, self.others), min(self.typical, self.others)
        return f"{self.typical:,.6g} : {self.others:,.6g} (×{float(f'{high / low:.2g}'):,.0f})"


@dataclass(frozen=True)
class _Kind:
    """A way to part the rows: an expression, the name of its values, and what it takes to believe a gap."""

    key: str
    label: Callable[[str], str]
    ordered: bool = False
    least_share: float = 0.0
    decimal: bool = False

    def believes(self, found: UnitShift, rows: int) -> bool:
        """Whether the smaller group is large enough, and the factor near 100 or 1,000 where that is asked."""
        factor = abs(np.log10(found.typical / found.others))
        near = min(abs(factor - 2.0), abs(factor - 3.0)) <= _NEAR
        return found.rows >= self.least_share * rows and (near or not self.decimal)


def unit_shift(con: Any, table: str, *, columns: Sequence[str], sources: Sequence[str]) -> UnitShift | None:
    """The clearest change of unit between parts of the data; None when there is none.

    Parameters
    ----------
    con : DuckDB connection
        Holds the table.
    table : str
        Cast rows with ``amount``, ``_file``, ``_line`` and ``_fault``.
    columns : sequence of str
        Contract columns that the table has.
    sources : sequence of str
        Names of the files by their number.

    Notes
    -----
    The median of log₁₀ |amount| of each part with at least 20 rows; parts fall into two groups at the widest gap
    between neighbouring medians, and a gap of 1.5 or more (× 32) is told: season, growth and price rises move
    the typical amount of a part by less. One part may lie between the two groups, because the unit may change
    in the middle of a month or of a stretch of lines. Channels, and amounts with and without decimals, may differ
    by nature: there the factor must be near 100 or 1,000, and the smaller group hold a tenth of the rows. A large
    table is looked at by every so many lines.
    """
    rows, last = con.execute(f'SELECT count(*), max(_line) FROM "{table}"').fetchone()
    one_in, stretch = max(1, rows // _MOST_ROWS), max(2 * _LEAST_ROWS, (last or 0) // _STRETCHES + 1)
    kinds = _kinds(columns, sources, stretch)
    return _clearest((kind, _parts(con, table, kind, one_in)) for kind in kinds)


def shift_of_parts(
    months: Sequence[Part], channels: Sequence[Part], written: Sequence[Part]
) -> UnitShift | None:
    """`unit_shift` where the parts are summed up already: by month, by channel, and whole amounts or not.

    Parts are named as they are to be shown, whole amounts ``true`` and others ``false``.
    """
    shown = [replace(part, name=_WRITTEN[part.name]) for part in written]
    named = [replace(part, name=f'channel "{part.name}"') for part in channels]
    by_kind = {"time": months, "channel": named, "amount": shown}
    kinds = [kind for kind in _kinds(["channel"], [""], 1) if not kind.key.startswith("_line")]
    order = ["time", "channel", "amount"]
    enough = {name: [part for part in by_kind[name] if part.rows >= _LEAST_ROWS] for name in order}
    return _clearest((kind, enough[name]) for kind, name in zip(kinds, order, strict=True))


def _clearest(parted: Iterable[tuple[_Kind, Sequence[Part]]]) -> UnitShift | None:
    scattered = None
    for kind, parts in parted:
        found = split_parts(parts, ordered=kind.ordered)
        if found is None or not kind.believes(found, _rows(parts)):
            continue
        if found.in_a_row or not kind.ordered:
            return found
        scattered = scattered or found
    return scattered


def split_parts(parts: Sequence[Part], *, ordered: bool = False) -> UnitShift | None:
    """The two groups of parts, when a wide gap lies between them.

    Parameters
    ----------
    parts : sequence of Part
        In their own order.
    ordered : bool
        Whether that order means something (months, lines).

    Examples
    --------
    >>> months = [Part("2026-01", 90, 1.4), Part("2026-02", 80, 1.5), Part("2026-03", 70, 3.4)]
    >>> found = split_parts(months, ordered=True)
    >>> found.where, found.rows, found.example
    ('2026-03', 70, '2,511.89 : 27.9936 (×90)')
    """
    by_size = sorted(parts, key=lambda p: p.log_typical)
    best: tuple[float, int, int] | None = None
    for skipped in (0, 1):
        for i in range(len(by_size) - 1 - skipped):
            gap = by_size[i + 1 + skipped].log_typical - by_size[i].log_typical
            if gap >= _LEAST_GAP and (best is None or gap > best[0]):
                best = gap, i + 1, i + 1 + skipped
        if best is not None:
            break
    if best is None:
        return None
    low, high = by_size[: best[1]], by_size[best[2] :]
    odd, rest = (low, high) if _rows(low) < _rows(high) else (high, low)
    names = tuple(part.name for part in parts if part in odd)
    places = [place for place, part in enumerate(p for p in parts if p in odd or p in rest) if part in odd]
    in_a_row = ordered and places[-1] - places[0] == len(places) - 1
    return UnitShift(names, _rows(odd), _typical(odd), _typical(rest), in_a_row)


def _rows(parts: Sequence[Part]) -> int:
    return sum(part.rows for part in parts)


def _typical(parts: Sequence[Part]) -> float:
    weights = np.array([part.rows for part in parts], dtype=np.float64)
    return float(10.0 ** np.average([part.log_typical for part in parts], weights=weights))


def _kinds(columns: Sequence[str], sources: Sequence[str], lines: int) -> list[_Kind]:
    """Ways to part the rows, the most telling first; `lines` make a stretch."""
    file = _Kind("_file", lambda name: f'"{sources[int(name)]}"')
    month = _Kind("date_trunc('month', time)", lambda name: name[:7], ordered=True)
    stretch = _Kind(
        f"_line // {lines} * {lines} + 1", lambda name: f"line {name}", ordered=True, least_share=0.1
    )
    channel = _Kind("channel", lambda name: f'channel "{name}"', least_share=0.1, decimal=True)
    written = _Kind("amount = round(amount)", _WRITTEN.__getitem__, least_share=0.1, decimal=True)
    one_file = [month, stretch] if len(sources) == 1 else [file, month]
    return [*one_file, *([channel] if "channel" in columns else []), written]


def _parts(con: Any, table: str, kind: _Kind, one_in: int) -> list[Part]:
    found = con.execute(
        f"SELECT CAST(key AS VARCHAR) AS part, count(*), median(log10(abs(amount))) "
        f'FROM (SELECT amount, {kind.key} AS key FROM "{table}" '
        f"WHERE _fault IS NULL AND amount <> 0 AND _line % {one_in} = 0) "
        f"WHERE key IS NOT NULL GROUP BY key HAVING count(*) >= {_LEAST_ROWS} ORDER BY length(part), part"
    ).fetchall()
    return [Part(kind.label(str(name)), int(rows) * one_in, float(middle)) for name, rows, middle in found]
