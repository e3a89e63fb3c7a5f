"""Day facts on disk: parts that never change, a list of the parts that count, and hashes of all of them.

A *version* adds parts beside those of earlier versions: day facts of new lines, what was counted of each customer so
far, and the customers whose rows in earlier parts no longer count. Only the list, ``facts.json``, is ever replaced, in
one step, after everything it names is on the disk. So a reader has the old facts whole or the new facts whole, and
what a killed writer left behind is in no list and goes with the next one's start.
"""

# ruff: noqa: S608  (identifiers in the statements are names of our own)
from __future__ import annotations

import fcntl
import json
import os
import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from secrets import token_hex
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from features.errors import PublishError
from features.files import explained, settle, sync_folder
from features.publish import (
    output_lock,
    publish_file,
    scratch_folder,
    sha256_file,
    sweep_parts,
    verify,
)

__all__ = ["GONE", "Contents", "FactsStore", "Part", "rows_of"]

GONE = "gone"
"""Kind of the parts that name customers whose rows in parts of earlier versions no longer count."""

_LIST = "facts.json"
_READERS = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC


@dataclass(frozen=True)
class Part:
    """One file of rows: what they are (`kind`), the version that wrote them, and what its bytes must be."""

    kind: str
    file: str
    made: int
    rows: int
    bytes: int
    sha256: str


@dataclass(frozen=True)
class Contents:
    """What a store holds.

    Parameters
    ----------
    definition : dict
        What the facts are made by; with any other definition they are of no use.
    version : int
        Counts up with each change.
    last : str
        The last ``known_day`` of all lines inside, ISO; empty without lines.
    floor : str
        The day from which on counts of single days are kept, ISO.
    sources : dict
        Mark of each file whose lines are inside, by path; empty where lines are not told apart by file.
    columns : dict of kind to dict
        The engine's type of each column.
    parts : tuple of Part
        In the order of writing.
    """

    definition: dict[str, str]
    version: int = 0
    last: str = ""
    floor: str = ""
    sources: dict[str, str] = field(default_factory=dict)
    columns: dict[str, dict[str, str]] = field(default_factory=dict)
    parts: tuple[Part, ...] = ()

    @classmethod
    def from_json(cls, text: str) -> Contents:
        """The contents as `FactsStore` wrote them."""
        found = json.loads(text)
        return cls(**{**found, "parts": tuple(Part(**part) for part in found["parts"])})

    def of(self, kind: str) -> list[Part]:
        """The parts of a kind, oldest first."""
        return [part for part in self.parts if part.kind == kind]


class FactsStore:
    """A folder of parts and their list.

    Parameters
    ----------
    folder : Path
        Made when it is not there; readable by its owner alone.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> engine = duckdb.connect()
    >>> with TemporaryDirectory() as place:
    ...     store = FactsStore(Path(place) / "facts")
    ...     with store.held():
    ...         made = store.add(engine, Contents({}), {"days": "SELECT 'a' AS customer_id, 7 AS n"})
    ...         engine.execute(store.rows(made, "days")).fetchall()
    [('a', 7)]
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.list = folder / _LIST
        self.readers = folder / ".readers"

    @contextmanager
    def held(self) -> Iterator[None]:
        """The store is ours until the end of the block, and cleared of what dead writers left.

        Raises
        ------
        LockedError
            Another process has it.
        PublishError
            The folder cannot be made or written.
        """
        with explained(self.folder):
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with output_lock(self.list):
            sweep_parts(self.folder)
            yield

    def read(self) -> Contents | None:
        """What the store holds, every file held against its hash; None when there is nothing yet.

        Raises
        ------
        PublishError
            The list or a part is missing, torn or changed.
        """
        if not self.list.exists():
            return None
        verify(self.list)
        try:
            contents = Contents.from_json(self.list.read_text(encoding="utf-8"))
        except (ValueError, KeyError, TypeError) as error:
            raise PublishError(f"{self.list}: cannot be read ({error})") from error
        for part in contents.parts:
            self._check(part)
        self._sweep(contents)
        return contents

    @contextmanager
    def filled(
        self, schemas: Mapping[str, pa.Schema], parts: Iterable[Mapping[str, pa.Table]]
    ) -> Iterator[dict[str, Path]]:
        """Files of rows by kind, which `add` takes in; those that it does not are gone after the block.

        Raises
        ------
        PublishError
            They cannot be written.
        """
        with ExitStack() as lent:
            with _refused(self.folder), ExitStack() as files:
                folder = lent.enter_context(scratch_folder(self.folder / f".rows.{os.getpid()}.part"))
                paths = {kind: folder / f"{kind}.parquet" for kind in schemas}
                writers = {
                    kind: files.enter_context(pq.ParquetWriter(paths[kind], schema, compression="zstd"))
                    for kind, schema in schemas.items()
                }
                for part in parts:
                    for kind, rows in part.items():
                        writers[kind].write_table(rows)
            yield paths

    def add(
        self,
        engine: Any,
        contents: Contents,
        pieces: Mapping[str, str | Path],
        *,
        alone: bool = False,
        before: Callable[[], None] = lambda: None,
    ) -> Contents:
        """Write the next version and put it in force.

        Parameters
        ----------
        engine : duckdb connection
            Runs the statements.
        contents : Contents
            What the store will hold, but for the version and the parts that are written here.
        pieces : mapping of kind to statement or file
            The rows to add, of which a file is taken in as it is; kinds without rows get no part.
        alone : bool
            Whether the new parts are all that counts from now on.
        before : callable
            Called when the parts are written and none is in force; may still refuse by raising.

        Raises
        ------
        PublishError
            They cannot be written; what was in force still is.
        """
        version = contents.version + 1
        earlier = () if alone else contents.parts
        columns, made = dict(contents.columns), list[Part]()
        try:
            for kind, piece in pieces.items():
                columns[kind] = _types(engine, f"FROM {rows_of(piece)}" if isinstance(piece, Path) else piece)
                made.append(self._write(engine, kind, version, piece))
            with explained(self.list):
                sync_folder(self.folder)
            before()
            told = tuple(part for part in made if part.rows)
            found = replace(contents, version=version, columns=columns, parts=(*earlier, *told))
            text = json.dumps(asdict(found), indent=1) + "\n"
            publish_file(self.list, lambda part: _fill(part, text), kind="day facts")
        except BaseException:
            # What is in force may name any other part, so only these go; a list that names them stays whole.
            if not self._in_force(version, made):
                for part in made:
                    (self.folder / part.file).unlink(missing_ok=True)
            raise
        self._sweep(found)
        return found

    def read_by(self, owner: Any) -> None:
        """No part is taken away while `owner` lives: it reads them when it likes, after the store is let go."""
        handle = os.open(self.readers, _READERS, 0o600)
        fcntl.flock(handle, fcntl.LOCK_SH)
        weakref.finalize(owner, os.close, handle)

    def rows(self, contents: Contents, kind: str) -> str:
        """The statement that gives all rows of a kind that count, in the engine's own types."""
        columns = contents.columns[kind]
        fields = ", ".join(f'CAST("{name}" AS {sort}) AS "{name}"' for name, sort in columns.items())
        names = ", ".join(f'part."{name}"' for name in columns)
        parts, gone = contents.of(kind), contents.of(GONE)
        if not parts:
            none = (f'CAST(NULL AS {sort}) AS "{name}"' for name, sort in columns.items())
            return f"SELECT {', '.join(none)} WHERE false"
        all_rows = self._union(parts, fields)
        if not any(part.made < later.made for part in parts for later in gone):
            return f"SELECT {names} FROM ({all_rows}) AS part"
        return (
            f"SELECT {names} FROM ({all_rows}) AS part ANTI JOIN ({self._union(gone, 'customer_id')}) AS gone "
            "ON part.customer_id = gone.customer_id AND part.made < gone.made"
        )

    def _union(self, parts: list[Part], fields: str) -> str:
        each = (f"SELECT {fields}, {p.made} AS made FROM {rows_of(self.folder / p.file)}" for p in parts)
        return " UNION ALL ".join(each)

    def _write(self, engine: Any, kind: str, version: int, piece: str | Path) -> Part:
        # No part is ever written over: the name is new even where an earlier list cannot be read.
        path = self.folder / f"{kind}-{version:06d}-{token_hex(4)}.parquet"
        with explained(self.list, path), _refused(path):
            if isinstance(piece, Path):
                settle(piece)
                piece.replace(path)
            else:
                target = str(path).replace("'", "''")
                engine.execute(
                    f"COPY ({piece}) TO '{target}' (FORMAT parquet, COMPRESSION zstd, USE_TMP_FILE false)"
                )
                settle(path)
            rows = pq.read_metadata(path).num_rows
            return Part(kind, path.name, version, rows, path.stat().st_size, sha256_file(path))

    def _check(self, part: Part) -> None:
        path = self.folder / part.file
        try:
            size, digest = path.stat().st_size, sha256_file(path)
        except OSError as error:
            raise PublishError(f"{path}: cannot be read ({error.strerror})") from error
        if (size, digest) != (part.bytes, part.sha256):
            raise PublishError(
                f"{path}: {size:,} bytes with SHA-256 {digest[:12]}…, expected {part.bytes:,} bytes with "
                f"{part.sha256[:12]}…; it was changed or damaged after it was written"
            )

    def _in_force(self, version: int, made: list[Part]) -> bool:
        try:
            there = Contents.from_json(self.list.read_text(encoding="utf-8"))
        except (OSError, ValueError, KeyError, TypeError):
            return False
        return there.version == version and bool(made) and made[0] in there.parts

    def _sweep(self, contents: Contents) -> None:
        """Removes files of parts that are in no list, unless somebody may still read them; then a later run does."""
        kept = {part.file for part in contents.parts}
        handle = os.open(self.readers, _READERS, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            for path in self.folder.glob("*.parquet"):
                if path.name not in kept:
                    path.unlink(missing_ok=True)
        except BlockingIOError:
            pass
        finally:
            os.close(handle)


def _fill(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")


def _types(engine: Any, statement: str) -> dict[str, str]:
    return {row[0]: row[1] for row in engine.execute(f"DESCRIBE {statement}").fetchall()}


@contextmanager
def _refused(path: Path) -> Iterator[None]:
    """What the engine and others say of a full disk is the system's word, in longer sentences."""
    try:
        yield
    except (duckdb.IOException, OSError) as error:
        if path.is_file():
            path.unlink()
        raise PublishError(
            f"{path}: cannot be written: {str(error).splitlines()[0]}. Free some space or choose another disk. "
            "The stored day facts are as they were."
        ) from error


def rows_of(path: Path) -> str:
    """What stands for the rows of a Parquet file in a statement; the engine takes some characters for patterns."""
    plain = "".join(f"[{c}]" if c in "*?[" else c for c in str(path))
    return "read_parquet('{}')".format(plain.replace("'", "''"))
