"""What is kept of win-back learning: who comes back, and what the second life is worth if they do.

Plain values, nothing that could run. `training.win_back` makes it.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from features.errors import ModelError
from training.models.effect import Line
from training.models.flat_column import FlatColumn
from training.models.text_files import json_text, parsing, read_kind, write_texts

__all__ = ["MoneyLine", "WinBackModel"]

Floats = npt.NDArray[np.float64]
_KIND = "win-back"
_FILE = "win_back.json"


@dataclass(frozen=True)
class MoneyLine:
    """A regression for money, on the scale of money or of its logarithm.

    Parameters
    ----------
    line : Line
        On the design of the model's columns.
    log : bool
        Whether the line gives the logarithm of money.
    factor : float
        Turns exp(line) into money so that the customers learned from get their sum: the mean of what an exponent of
        a mean leaves out (Duan 1983).
    least, most : float
        Money foretold stays within what was seen.

    Examples
    --------
    >>> MoneyLine(Line(0.0, (1.0,)), log=True, factor=2.0, least=0.0, most=9.0).value(np.array([[0.0], [5.0]])).tolist()
    [2.0, 9.0]
    """

    line: Line
    log: bool
    factor: float
    least: float
    most: float

    def value(self, design: Floats) -> Floats:
        """Expected money, one per row."""
        raw = self.line.value(design)
        # Beyond the largest number there is only the bound.
        money = self.factor * np.exp(np.minimum(raw, 700.0)) if self.log else raw
        return np.clip(money, self.least, self.most)

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> MoneyLine:
        """The line written by ``asdict``."""
        return cls(**{**values, "line": Line.from_json(values["line"])})


@dataclass(frozen=True)
class WinBackModel:
    """Chance that a lost customer comes back, and the value of the second life if so.

    Parameters
    ----------
    columns : tuple of FlatColumn
        What is known before the offer.
    regained : Line
        Log-odds of coming back.
    value : MoneyLine
        Value of the second life of those who come back.
    otherwise : float
        Mean value of those who do not, such as the cost of an offer declined; 0 where nothing is recorded.
    figures : dict of str to float
        How it did out of fold, from `training.win_back`.
    horizon_days, life_days : int
        Days within which a customer comes back, and days of the second life that are counted; 0 when the table says
        neither.
    """

    columns: tuple[FlatColumn, ...]
    regained: Line
    value: MoneyLine
    otherwise: float = 0.0
    figures: dict[str, float] = field(default_factory=dict)
    horizon_days: int = 0
    life_days: int = 0

    def design(self, table: pd.DataFrame) -> Floats:
        """Bases of all columns side by side, shape (n, width).

        Raises
        ------
        ModelError
            Columns are missing: how many, and the first of them.
        """
        missing = [column.name for column in self.columns if column.name not in table.columns]
        if missing:
            raise ModelError(
                f"win-back: {len(missing)} of {len(self.columns)} columns are missing, such as {missing[0]!r}; "
                "give the columns the model was learned on, or learn it again"
            )
        return np.hstack([column.basis(column.read(table[column.name])) for column in self.columns])

    def predict(self, table: pd.DataFrame) -> pd.DataFrame:
        """What is expected of lost customers.

        Parameters
        ----------
        table : DataFrame
            With the model's columns.

        Returns
        -------
        DataFrame
            Index of `table`: ``regain_probability`` in [0, 1], ``regain_margin`` (value of the second life if regained,
            money), ``second_life`` = P · value + (1 − P) · otherwise, money.
        """
        design = self.design(table)
        chance, money = self.regained.value(design), self.value.value(design)
        expected = chance * money + (1 - chance) * self.otherwise
        columns = {"regain_probability": chance, "regain_margin": money, "second_life": expected}
        return pd.DataFrame(columns, index=table.index)

    def write(self, folder: Path) -> str:
        """Writes the model to ``folder/<version>`` and gives the version."""
        return write_texts(folder, {_FILE: json_text(self.to_json())}, {"kind": _KIND})

    @classmethod
    def load(cls, path: Path) -> WinBackModel:
        """The model of one version, after every hash was checked.

        Raises
        ------
        ModelError
            It is missing, changed, or something else.
        """
        files = read_kind(path, _KIND)
        with parsing(path.name):
            return cls.from_json(json.loads(files[_FILE]))

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> WinBackModel:
        """The model written by `to_json`."""
        parts = {
            "columns": tuple(FlatColumn.from_json(column) for column in values["columns"]),
            "regained": Line.from_json(values["regained"]),
            "value": MoneyLine.from_json(values["value"]),
        }
        return cls(**{**values, **parts})
