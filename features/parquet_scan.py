"""Parquet files as the embedded engine reads them where they are: files, folders, globs, partitions, object stores.

Every footer is read before the first row, so that a torn part, a column that is missing in one part or has
another type there is told by name, and the engine never has to guess.
"""

# ruff: noqa: S608  (what stands in the statements is quoted)
from __future__ import annotations

import os
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb

from features.columns import match_columns
from features.contract import TableContract
from features.errors import ConfigError, InputError
from features.find_files import Mark, file_kind, find_files, mark_of
from features.findings import Ledger
from features.page_checksums import check_pages
from features.partitions import gaps, name_of_part, partition_keys
from features.settings import TableSource

__all__ = ["ParquetScan", "is_remote", "scan_parquet"]

_EXTENSIONS = {
    "s3": "httpfs",
    "gs": "httpfs",
    "gcs": "httpfs",
    "r2": "httpfs",
    "http": "httpfs",
    "https": "httpfs",
    "az": "azure",
    "azure": "azure",
    "abfss": "azure",
}
_PARTITION_TYPES = {"time": "TIMESTAMP", "money": "DOUBLE", "number": "DOUBLE", "flag": "BOOLEAN"}
_NAMED = 3


@dataclass(frozen=True)
class ParquetScan:
    """The files of one table, and how the engine is to read them.

    Parameters
    ----------
    found : dict of contract column to column of the files
    statement : str
        What stands after FROM.
    files : tuple of str
    marks : dict of path to mark
        Identity, size and time of change of each local file when its footer was read.
    source : str
        What the table is called in findings.
    """

    found: dict[str, str]
    statement: str
    files: tuple[str, ...]
    marks: dict[Path, Mark]
    source: str

    @property
    def lines_statement(self) -> str:
        """The same with the file (``_file``) and the place in it (``file_row_number``) of each row."""
        return f"{self.statement[:-1]}, filename = '_file', file_row_number = true)"

    def names(self) -> dict[str, str]:
        """File names by path; with their folders where several files have the same name."""
        short = Counter(Path(file).name for file in self.files)
        unique = all(count == 1 for count in short.values())
        top = os.path.commonpath(self.files) if len(self.files) > 1 and not unique else ""
        return {f: Path(f).name if unique else os.path.relpath(f, top) for f in self.files}

    def refuse_change(self) -> None:
        """Refuses files that were replaced or written since their footers were read.

        Raises
        ------
        InputError
            With the name of the first one.
        """
        for path, mark in self.marks.items():
            if mark_of(path) != mark:
                raise InputError(
                    f"{name_of_part(path)}: the file changed while it was read; run again when it is complete"
                )


def is_remote(pattern: str) -> bool:
    """Whether a path is a url of an object store or a web server."""
    return "://" in pattern


def scan_parquet(
    con: Any, contract: TableContract, source: TableSource, base: Path, ledger: Ledger
) -> ParquetScan:
    """Finds the files of a table and judges their footers and, where they carry them, the checksums of their pages.

    Parameters
    ----------
    con : duckdb connection
    contract : TableContract
    source : TableSource
        Its ``path`` and ``columns`` are used.
    base : Path
        Folder that relative paths start from.
    ledger : Ledger
        Takes what is odd and yet read: columns absent in some parts, types that differ, partitions missing.

    Raises
    ------
    InputError
        No files; a file that is damaged, cut off or no Parquet; parts that do not fit together.
    ConfigError
        An object store that the engine cannot read here.
    """
    remote = [p for p in source.path if is_remote(p)]
    local = [p for p in source.path if not is_remote(p)]
    _allow(con, remote)
    labels = {*contract.names, *source.columns.values()}
    paths = find_files(local, base, ledger, columns=labels) if local else []
    _refuse_others(paths)
    marks = {path: mark_of(path) for path in paths}
    files = [os.fspath(path) for path in paths] + [file for p in remote for file in _remote_files(con, p)]
    shapes = _shapes(con, files)
    keys = {file: partition_keys(file) for file in files}
    shared = set.intersection(*(set(k) for k in keys.values()))
    header = list(dict.fromkeys(label for shape in shapes.values() for label in shape))
    header += sorted(shared - set(header))
    name = Path(files[0]).name if len(files) == 1 else f"{Path(source.path[0]).name or source.path[0]}"
    found = match_columns(contract, source.columns, header, name)
    of_keys = {column: label for column, label in found.items() if label in shared}
    inside = {column: label for column, label in found.items() if label not in shared}
    by_name = _settle_shapes(con, contract, inside, shapes, ledger)
    missing = gaps(list(keys.values()))
    if missing:
        ledger.note("missing_partition", "warning", 0, detail=_listed(missing))
    check_pages(paths, set(inside.values()))
    statement = _statement(files, contract, of_keys, by_name)
    return ParquetScan(found, statement, tuple(files), marks, name)


def _allow(con: Any, patterns: Sequence[str]) -> None:
    """Loads what the engine needs for the object stores that are named, and tells it the secrets of the environment."""
    for scheme in sorted({pattern.partition("://")[0].lower() for pattern in patterns}):
        extension = _EXTENSIONS.get(scheme)
        if extension is None:
            known = ", ".join(f"{name}://" for name in _EXTENSIONS)
            raise ConfigError(f"path {scheme}:// is not read in place; what is: files, {known}")
        try:
            try:
                con.execute(f"LOAD {extension}")
            except duckdb.Error:
                con.execute(f"INSTALL {extension}")
                con.execute(f"LOAD {extension}")
        except duckdb.Error as error:
            raise ConfigError(
                f"{scheme}:// needs DuckDB's extension {extension}, which cannot be loaded "
                f"({str(error).splitlines()[0]}); run once, with network: "
                f"python -c \"import duckdb; duckdb.sql('INSTALL {extension}')\""
            ) from None
        _tell_secrets(con, scheme)


def _tell_secrets(con: Any, scheme: str) -> None:
    """Keys of the environment; those of S3 (AWS_ACCESS_KEY_ID and its kin) DuckDB reads itself."""
    known = os.environ.get
    if scheme in ("gs", "gcs") and known("GCS_KEY_ID"):
        key, secret = _text(known("GCS_KEY_ID", "")), _text(known("GCS_SECRET", ""))
        con.execute(f"CREATE OR REPLACE SECRET retain_gcs (TYPE gcs, KEY_ID {key}, SECRET {secret})")
    if scheme in ("az", "azure", "abfss") and known("AZURE_STORAGE_CONNECTION_STRING"):
        text = _text(known("AZURE_STORAGE_CONNECTION_STRING", ""))
        con.execute(f"CREATE OR REPLACE SECRET retain_azure (TYPE azure, CONNECTION_STRING {text})")


def _remote_files(con: Any, pattern: str) -> list[str]:
    if not any(mark in pattern for mark in "*?["):
        return [pattern]
    try:
        found = con.execute("SELECT file FROM glob(?) ORDER BY file", [pattern]).fetchall()
    except duckdb.Error as error:
        raise InputError(f"{pattern}: cannot be listed ({str(error).splitlines()[0]})") from None
    if not found:
        raise InputError(f"no file found at {pattern!r}; check the path and the access")
    return [row[0] for row in found]


def _refuse_others(paths: Sequence[Path]) -> None:
    others = [path.name for path in paths if file_kind(path) != "parquet"]
    if others:
        raise InputError(
            f"{_listed(others)}: in place only Parquet and databases are read; save the data as Parquet, or set "
            "in_place = false"
        )


def _shapes(con: Any, files: Sequence[str]) -> dict[str, dict[str, str]]:
    """Types by column of each file, from its footer."""
    shapes, faults = {}, []
    for file in files:
        try:
            found = con.execute(f"DESCRIBE SELECT * FROM {_read([file])}").fetchall()
            shapes[file] = {row[0]: row[1] for row in found}
        except duckdb.Error as error:
            cause = str(error).splitlines()[0].partition("Error: ")[2].replace(f"'{file}'", "it")
            faults.append(f"{name_of_part(file)}: the Parquet file is damaged or cut off ({cause})")
    if faults:
        more = f"\n… and {len(faults) - 20} more files" if len(faults) > 20 else ""
        raise InputError("\n".join(faults[:20]) + more)
    return shapes


def _settle_shapes(
    con: Any,
    contract: TableContract,
    inside: Mapping[str, str],
    shapes: Mapping[str, Mapping[str, str]],
    ledger: Ledger,
) -> bool:
    """Whether parts have to be brought together by name; parts that do not fit together are refused."""
    faults, by_name = [], len({tuple(shape) for shape in shapes.values()}) > 1
    for name, label in inside.items():
        absent = [file for file, shape in shapes.items() if label not in shape]
        if absent and contract.column(name).required:
            faults.append(f"column {label!r} (for {name}) is missing in {_parts(absent)}")
        elif absent:
            rows = _rows(con, absent)
            ledger.note("absent_in_parts", "warning", rows, column=name, detail=_parts(absent))
        types: dict[str, list[str]] = defaultdict(list)
        for file, shape in shapes.items():
            if label in shape:
                types[shape[label]].append(file)
        if len(types) == 1:
            continue
        by_name = True
        rare = min(types, key=lambda kind: len(types[kind]))
        usual = max(types, key=lambda kind: len(types[kind]))
        told = f"{rare} in {_parts(types[rare])} and {usual} elsewhere"
        if not _go_together({_family(kind) for kind in types}, contract.column(name).kind):
            faults.append(f"column {label!r} (for {name}) is {told}; write these parts again in one type")
        else:
            ledger.note("types_differ", "warning", _rows(con, types[rare]), column=name, detail=told)
    if faults:
        raise InputError(f"the parts do not fit together: {'; '.join(faults)}")
    return by_name


def _go_together(families: set[str], kind: str) -> bool:
    if len(families) == 1:
        return True
    if kind in ("money", "number"):
        return families <= {"whole", "number"}
    return kind in ("id", "text") and families <= {"whole", "text"}


def _family(kind: str) -> str:
    if kind.endswith("WITH TIME ZONE"):
        return "zoned time"
    if kind.startswith(("TIMESTAMP", "DATE")):
        return "time"
    if kind.startswith("DECIMAL"):
        return "whole" if kind.endswith(",0)") else "number"
    if kind in ("FLOAT", "DOUBLE"):
        return "number"
    if kind.endswith(("INT", "INTEGER")):
        return "whole"
    return "text" if kind.startswith(("VARCHAR", "ENUM")) else kind


def _rows(con: Any, files: Sequence[str]) -> int:
    found = con.execute(f"SELECT sum(num_rows) FROM parquet_file_metadata([{', '.join(map(_text, files))}])")
    return int(found.fetchone()[0])


def _statement(
    files: Sequence[str], contract: TableContract, of_keys: Mapping[str, str], by_name: bool
) -> str:
    options = ["union_by_name = true"] if by_name else []
    if of_keys:
        types = {
            label: _PARTITION_TYPES.get(contract.column(name).kind, "VARCHAR")
            for name, label in of_keys.items()
        }
        listed = ", ".join(f"{_text(label)}: {kind}" for label, kind in types.items())
        options += ["hive_partitioning = true", "hive_types_autocast = false", f"hive_types = {{{listed}}}"]
    else:
        options += ["hive_partitioning = false"]
    return _read(files, *options)


def _read(files: Sequence[str], *options: str) -> str:
    listed = ", ".join(_text(file) for file in files)
    given = options or ("hive_partitioning = false",)
    return f"read_parquet([{listed}], binary_as_string = true, {', '.join(given)})"


def _parts(files: Sequence[str]) -> str:
    """Names of some parts: the end of the path says the partition too."""
    return _listed([os.path.join(*Path(file).parts[-2:]) for file in files])  # noqa: PTH118


def _listed(names: Sequence[str]) -> str:
    more = f" … ({len(names)} in all)" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more


def _text(value: str) -> str:
    return "'{}'".format(value.replace("'", "''"))
