"""What stands behind the scores of one run: contributions by group, and the quantities that the texts quote."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.json as pj

from serving.json_columns import number_texts, row_texts
from serving.move_texts import MODEL
from serving.reason_texts import GROUP_CODES, QUOTED
from strategies.columns import Numbers

__all__ = ["Explained", "Scored"]

_GROUPS = (*GROUP_CODES, "base")
_MOVES = (*GROUP_CODES, MODEL)
_KNOWN = frozenset((*_GROUPS, *_MOVES))
# Digits kept of a quantity; the texts print fewer.
_DIGITS = 7
_BLOCK = 10_000
_LINES_BYTES = 2**24


def _numbers(names: Iterable[str]) -> pa.StructType:
    return pa.struct([(name, pa.float64()) for name in names])


_TOLD = pa.schema(
    [("groups", _numbers(_GROUPS)), ("quantities", _numbers(QUOTED)), ("moved", _numbers(_MOVES))]
)


@dataclass(frozen=True)
class Explained:
    """The explanations of one run; each table has ``customer_id`` as its index.

    Parameters
    ----------
    groups : DataFrame
        Log-odds of churn by group, and ``base``; a row adds up to the score.
    quantities : DataFrame
        Features that the texts quote.
    moved : DataFrame or None
        Change of the log-odds since the run before, by group; a row adds up to the change of the score.
        Customers that the earlier run did not have are absent. None when there was no earlier run.

    Examples
    --------
    >>> groups = pd.DataFrame({"recency": [0.1], "base": [-1.0]}, index=["007"])
    >>> texts = list(Explained(groups, pd.DataFrame({"T": [90.0]}, index=["007"])).rows())
    >>> texts
    [('007', '{"groups":{"recency":0.1,"base":-1.0},"quantities":{"T":90.0}}')]
    >>> float(Explained.read(texts).groups.loc["007", "recency"])
    0.1
    """

    groups: pd.DataFrame
    quantities: pd.DataFrame
    moved: pd.DataFrame | None = None

    def rows(self) -> Iterator[tuple[str, str]]:
        """Each customer's id and what is known of the score as JSON text; contributions keep every bit."""
        for start in range(0, len(self.groups), _BLOCK):
            yield from self._block(slice(start, start + _BLOCK))

    def _block(self, rows: slice) -> Iterator[tuple[str, str]]:
        """Some customers at a time: as texts the tables take several times their memory."""
        weights = self.groups.iloc[rows]
        known = _records(weights, zeros=False), _records(_short(self.quantities.iloc[rows]), zeros=True)
        names, parts = ["groups", "quantities"], list(known)
        if self.moved is not None:
            there = self.moved.index.get_indexer(weights.index)
            moves = _records(self.moved.take(there[there >= 0]), zeros=True)
            places = np.cumsum(there >= 0) - 1
            names, parts = [*names, "moved"], [*parts, moves.take(pa.array(places, mask=there < 0))]
        yield from zip(map(str, weights.index), row_texts(names, parts, gaps=True).to_pylist(), strict=True)

    @classmethod
    def read(cls, rows: Iterable[tuple[str, str]]) -> Explained:
        """The explanations that `rows` wrote, in the order given.

        A group that this program does not know, from a run of an earlier one, counts as other traits.
        """
        left = iter(rows)
        blocks = [cls(*_parsed(list(islice(left, _BLOCK))))]
        while some := list(islice(left, _BLOCK)):
            blocks.append(cls(*_parsed(some)))
        found = cls.together(blocks)
        return found if found.moved is None or len(found.moved) else replace(found, moved=None)

    @classmethod
    def together(cls, parts: Sequence[Explained]) -> Explained:
        """The explanations of several lots of customers, one lot after the other."""
        groups, quantities = (
            pd.concat([getattr(part, n) for part in parts]) for n in ("groups", "quantities")
        )
        moved = [part.moved for part in parts if part.moved is not None]
        return cls(groups, quantities, pd.concat(moved) if moved else None)


@dataclass(frozen=True)
class Scored:
    """A list, and what stands behind it.

    Parameters
    ----------
    rows : DataFrame
        The list, one row per customer.
    explained : Explained
        What stands behind the scores.
    replayed : DataFrame or None
        What the model of the run before says of these customers now, by group and ``base``; None when it was
        not asked. Customers as in ``explained.groups``.
    """

    rows: pd.DataFrame
    explained: Explained
    replayed: pd.DataFrame | None = None


def _records(frame: pd.DataFrame, *, zeros: bool) -> pa.Array:
    """Each row as a JSON object, less what is missing and, unless asked for, what is zero."""
    values = frame.to_numpy(np.float64)
    kept = values if zeros else np.where(values == 0, np.nan, values)
    return row_texts(list(frame.columns), [number_texts(column) for column in kept.T], gaps=True)


def _short(frame: pd.DataFrame) -> pd.DataFrame:
    """The figures to as many digits as are kept."""
    values = frame.to_numpy(np.float64)
    size = np.floor(np.log10(np.where(values == 0, 1.0, np.abs(values))))
    # Decimals beyond the point are cut by division: a power below one would leave dust behind them.
    shift = 10.0 ** np.minimum(_DIGITS - 1 - size, _DIGITS)
    short = np.where(np.abs(shift) >= 1, np.round(values * shift) / shift, values)
    return pd.DataFrame(short, columns=frame.columns, index=frame.index)


def _parsed(rows: list[tuple[str, str]]) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Contributions, quantities, and moves of those who have one."""
    ids = pa.array([customer for customer, _ in rows], pa.string())
    told = pa.table([[], [], []], schema=_TOLD)
    if rows:
        lines = "\n".join(text for _, text in rows).encode()
        # a line must fit into a block
        blocks = pj.ReadOptions(block_size=max(_LINES_BYTES, 1 + max(len(text) for _, text in rows) * 4))
        told = pj.read_json(pa.BufferReader(lines), blocks, pj.ParseOptions(explicit_schema=_TOLD))
    groups, quantities, moves = (told[name].combine_chunks() for name in _TOLD.names)
    there = moves.is_valid()
    return (
        _frame(_by_group(groups, _GROUPS), _GROUPS, ids),
        _frame([_figures(quantities, name) for name in QUOTED], QUOTED, ids),
        _frame(_by_group(moves.filter(there), _MOVES), _MOVES, ids.filter(there)),
    )


def _by_group(weights: pa.StructArray, names: Sequence[str]) -> list[Numbers]:
    found = {name: np.nan_to_num(_figures(weights, name)) for name in names}
    for field in weights.type:
        if field.name not in _KNOWN:
            found["other"] = found["other"] + np.nan_to_num(_figures(weights, field.name))
    return list(found.values())


def _figures(values: pa.StructArray, name: str) -> Numbers:
    place = values.type.get_field_index(name)
    if place < 0:
        return np.full(len(values), np.nan)
    figures: Numbers = values.field(place).cast(pa.float64()).to_numpy(zero_copy_only=False)
    return figures


def _frame(columns: list[Numbers], names: Sequence[str], ids: pa.Array) -> pd.DataFrame:
    index = pd.Index(ids.to_numpy(zero_copy_only=False), dtype=object, name="customer_id")
    return pd.DataFrame(dict(zip(names, columns, strict=True)), index=index)
