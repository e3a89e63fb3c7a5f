"""A flat table of any columns, read with the readers of the contract's tables."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from features.contract import Column, TableContract
from features.errors import InputError
from features.findings import Ledger
from features.read_files import memory_budget, read_file
from features.settings import TableSource
from retain.sources import read_head

__all__ = ["read_flat"]

_LINE = "_line"


def read_flat(path: Path) -> tuple[pd.DataFrame, list[str]]:
    """All rows and columns of one CSV, Excel or Parquet file, and what the reader had to set aside.

    Parameters
    ----------
    path : Path
        One file; the first row names the columns.

    Returns
    -------
    pandas.DataFrame
        In the order of the file; texts where the file has texts.
    list of str
        One sentence for each thing set aside or repaired.

    Raises
    ------
    InputError
        No such file, no rows, names of columns that stand twice, or a file that cannot be read without guessing.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     file = Path(folder, "customers.csv")
    ...     _ = file.write_text("id;plan;left\\n007;basic;no\\n008;plus;yes\\n")
    ...     read_flat(file)[0].to_dict("list")
    {'id': ['007', '008'], 'plan': ['basic', 'plus'], 'left': ['no', 'yes']}
    """
    if not path.is_file():
        raise InputError(f"{path}: there is no such file; name one CSV, Excel or Parquet file")
    if path.stat().st_size == 0:
        raise InputError(f"{path.name}: the file is empty; there is not even a header")
    head = read_head(path)
    names = [name for name in dict.fromkeys(head.columns) if name]
    contract = TableContract("snapshot", "Flat table", "宽表", tuple(_as_it_is(name) for name in names), None)
    source = TableSource(sheet=head.sheet or None)
    ledger = Ledger("snapshot")
    budget, held, pieces = memory_budget(), 0, []
    for piece in read_file(path, contract, source, ledger):
        held += piece.nbytes
        if held > budget:
            raise InputError(
                f"{path.name}: needs more than {budget // 2**20:,} MiB of memory; split the file"
            )
        pieces.append(piece.to_pandas())
    table = pd.concat([_plain(piece) for piece in pieces]).sort_values(
        _LINE, kind="stable", ignore_index=True
    )
    if table.empty:
        raise InputError(f"{path.name}: there are no rows below the header")
    told = [f"{path.name}: {finding.en}" + _lines(finding.lines) for finding in ledger.findings]
    told += [f"{path.name}: the sheet {head.sheet!r} is read, the others are not"] if head.sheet else []
    return table.drop(columns=_LINE), told


def _as_it_is(name: str) -> Column:
    return Column(name, "text", name, name)


def _plain(piece: pd.DataFrame) -> pd.DataFrame:
    """Dictionary texts as plain ones, so that pieces with other dictionaries can stand below them."""
    encoded = [name for name in piece.columns if isinstance(piece[name].dtype, pd.CategoricalDtype)]
    return piece.astype(dict.fromkeys(encoded, object)) if encoded else piece


def _lines(lines: tuple[int, ...]) -> str:
    return f" (line {', '.join(map(str, lines[:3]))}{' …' if len(lines) > 3 else ''})" if lines else ""
