"""One column of a flat table: how its cells become numbers for a regression and for trees.

Nothing of a single customer is kept: knots are rounded quantiles, levels are those that many share.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from features.errors import InputError
from features.parse_money import MISSING, NumberStyle, parse_number

__all__ = ["FlatColumn", "numbers_of", "texts_of"]

Floats = npt.NDArray[np.float64]
_COMMA = NumberStyle(decimal=",", thousands=".")
_POINT = NumberStyle()


@dataclass(frozen=True)
class FlatColumn:
    """How one column is read.

    Parameters
    ----------
    name : str
        Name in the table.
    kind : {"number", "category"}
        Numbers bend at their knots; categories have a place per level.
    levels : tuple of str
        Levels of a category that have a place of their own; all others share one.
    knots : tuple of float
        Where the effect of a number may bend, rising.
    centre, scale : float
        What stands in for a missing number, and the unit of one step.
    comma : bool
        Numbers written as text have a decimal comma.
    """

    name: str
    kind: Literal["number", "category"]
    levels: tuple[str, ...] = ()
    knots: tuple[float, ...] = ()
    centre: float = 0.0
    scale: float = 1.0
    comma: bool = False

    def read(self, cells: pd.Series) -> pd.Series:
        """Cells as numbers (NaN where missing) or texts (None where missing).

        Raises
        ------
        InputError
            Cells of a number that are none: how many, and one of them.

        Examples
        --------
        >>> FlatColumn("charge", "number").read(pd.Series(["1,200.50", " ", 3])).tolist()
        [1200.5, nan, 3.0]
        """
        if self.kind == "category":
            return texts_of(cells)
        numbers, wrong = numbers_of(cells, comma=self.comma)
        if wrong.any():
            example = str(cells[wrong].iloc[0])[:40]
            raise InputError(
                f"column {self.name!r}: {int(wrong.sum())} of {len(cells)} cells are no numbers, such as {example!r}; "
                "the model learned numbers there. Repair the column, or train again"
            )
        return numbers

    def codes(self, values: pd.Series) -> Floats:
        """What trees see: the number, or the place of the level; a missing and an unknown text have their own."""
        if self.kind == "number":
            return values.to_numpy(np.float64)
        places = pd.Index(self.levels).get_indexer(pd.Index(values, dtype=object)).astype(np.float64)
        return np.where(values.isna(), len(self.levels), np.where(places < 0, len(self.levels) + 1, places))

    def basis(self, values: pd.Series) -> Floats:
        """What a regression sees, shape (rows, `width`).

        Notes
        -----
        A number x is a line that bends: ``x, max(x - k, 0)`` for each knot k, in units of `scale`, held still
        beyond the outer knots, and a flag where it is missing. A category has a flag per level, one for missing,
        one for all others.
        """
        if self.kind == "category":
            return np.asarray(self.codes(values)[:, None] == np.arange(self.width), dtype=np.float64)
        x = values.to_numpy(np.float64)
        gone = np.isnan(x)
        x = np.where(gone, self.centre, x)
        if self.knots:
            x = np.clip(x, self.knots[0], self.knots[-1])
        bends = [np.maximum(x - knot, 0.0) for knot in self.knots[1:-1]]
        return np.column_stack([(x - self.centre) / self.scale, *(b / self.scale for b in bends), gone])

    @property
    def width(self) -> int:
        """Columns of `basis`."""
        return len(self.levels) + 2 if self.kind == "category" else 2 + max(0, len(self.knots) - 2)

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> FlatColumn:
        """The column written by `to_json`."""
        return cls(**{**values, "levels": tuple(values["levels"]), "knots": tuple(values["knots"])})


def texts_of(cells: pd.Series) -> pd.Series:
    """Cells as trimmed texts, None where nothing stands; whole numbers lose the ``.0`` of a gap in the column."""
    made = {cell: _text(cell) for cell in pd.unique(cells.dropna().astype(object))}
    found = cells.astype(object).map(made).astype(object)
    return found.where(found.notna() & (found != ""), None)


def numbers_of(cells: pd.Series, *, comma: bool = False) -> tuple[pd.Series, npt.NDArray[np.bool_]]:
    """Cells as numbers, NaN where missing, and where a cell is neither a number nor missing."""
    if pd.api.types.is_numeric_dtype(cells) and not pd.api.types.is_bool_dtype(cells):
        numbers = pd.Series(cells.to_numpy(np.float64, na_value=np.nan), index=cells.index)
        return numbers, np.isinf(numbers.to_numpy())
    style = _COMMA if comma else _POINT
    known = {cell: _number(cell, style) for cell in pd.unique(cells.dropna().astype(object))}
    found = cells.astype(object).map({cell: number for cell, (number, _) in known.items()}).astype(np.float64)
    bad = {cell for cell, (_, wrong) in known.items() if wrong}
    return found, cells.isin(bad).to_numpy(bool)


def _text(cell: Any) -> str:
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))
    return str(cell).strip()


def _number(cell: Any, style: NumberStyle) -> tuple[float, bool]:
    """The number, and whether there should be one and is none."""
    if isinstance(cell, bool):
        return float("nan"), True
    text = repr(float(cell)) if isinstance(cell, int | float) else str(cell).strip()
    if text.lower() in MISSING:
        return float("nan"), False
    value = parse_number(text, _POINT if isinstance(cell, int | float) else style, money=False).value
    return (float("nan"), True) if value is None else (float(value), False)
