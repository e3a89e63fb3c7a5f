"""The tables of a project with their stored day facts: which lines are new, and what happens when the store cannot help.

The store saves time and is never needed: where another run has it, or it cannot be written, the day facts are summed up
as they are without it, and it is told why.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import ibis.expr.types as ir
from ibis.util import gen_name

from features.contract import TABLES
from features.errors import InputError, PublishError
from features.facts_update import FactsUpdate, up_to_date
from features.find_files import find_files
from features.findings import Ledger
from features.line_counts import LineCounts
from features.load import Loaded, load
from features.progress import Progress, silent
from features.settings import DataSettings
from features.source_files import SourceFiles

__all__ = ["FOLDER", "source_files", "with_kept_facts"]

FOLDER = "facts"
"""Name of the store in the folder of all that Retain writes."""

_BY_ALL = frozenset(
    {
        "id_blanks",
        "id_blanks_kept",
        "whole_number_id",
        "future_date",
        "types_differ",
        "absent_in_parts",
        "several_currencies",
        "date_order",
    }
)
"""Findings with which a line may be read in another way beside other lines, or on another day."""


def with_kept_facts(
    loaded: Loaded,
    settings: DataSettings,
    folder: Path,
    *,
    base: Path = Path(),
    note: Callable[[str], None] = lambda text: None,
    progress: Progress | None = None,
) -> Loaded:
    """`loaded` with its day facts from the store in `folder`, brought up to date.

    Parameters
    ----------
    loaded : Loaded
        From `features.load.load` with `settings`.
    settings : DataSettings
    folder : Path
        The store; made when it is not there.
    base : Path
        Folder that relative paths start from.
    note : callable
        Told in one line when everything was summed up anew, and why, or that the store was of no help.
    progress : callable, optional
        Told the stage and the share done.

    Examples
    --------
    >>> from datetime import date
    >>> from tempfile import TemporaryDirectory
    >>> from features.settings import TableSource
    >>> with TemporaryDirectory() as place:
    ...     file = Path(place, "orders.csv")
    ...     _ = file.write_text("customer_id,time,amount\\n7,2026-01-05,12.5\\n7,2026-01-06,2\\n")
    ...     settings = DataSettings(orders=TableSource(path=(str(file),)))
    ...     loaded = load(settings, today=date(2026, 2, 1))
    ...     kept = with_kept_facts(loaded, settings, Path(place, "facts"), note=print)
    ...     kept.tables.con.to_pyarrow(kept.tables.facts.spend_u.sum()).as_py()
    stored day facts: all 2 lines summed up, because there were none yet
    145000
    """
    tables = loaded.tables
    if tables.con.name != "duckdb":
        note(f"[data] keep_facts has no use here: {tables.con.name} sums up in place")
        return loaded
    try:
        files = source_files(loaded, settings, base)
        update = up_to_date(tables, folder, files=files, progress=progress or silent)
    except PublishError as error:
        note(f"stored day facts are not used in this run: {error}")
        return loaded
    if update.rebuilt:
        note(_told(update))
    return Loaded(update.tables, loaded.report, loaded.quarantine, loaded.unused)


def source_files(loaded: Loaded, settings: DataSettings, base: Path) -> SourceFiles | None:
    """The files of the order lines where each can be read alone, with the same lines as beside all others.

    Those are Parquet files that are read in place; None for anything else, and where a finding says that what a line
    means may depend on other lines.
    """
    orders = settings.orders
    if not settings.in_place or orders is None or orders.url is not None or not _apart(loaded):
        return None
    if any("://" in path for path in orders.path):
        return None
    names = [*TABLES["orders"].names, *orders.columns.values()]
    paths = find_files(orders.path, base, Ledger("orders"), columns=set(names))
    others = dict.fromkeys(name for name in TABLES if name != "orders")
    alone = settings.model_copy(update={**others, "exact_duplicates": "keep"})
    wanted = loaded.tables.orders.columns

    def read(some: Sequence[Path]) -> ir.Table:
        source = orders.model_copy(update={"path": tuple(str(path) for path in some)})
        found = load(alone.model_copy(update={"orders": source}), base=base, describe=False)
        if not _apart(found) or found.tables.orders.columns != wanted:
            raise InputError("they mean the same only beside all others")
        lines = found.tables.orders.select(*LineCounts(wanted).columns)
        name, engine = gen_name("new_lines"), loaded.tables.con
        engine.con.register(name, found.tables.con.to_pyarrow(lines))
        found.tables.still()
        fresh: ir.Table = engine.table(name)
        return fresh

    nowhere = {"orders": orders.model_copy(update={"path": ()}), "memory_limit": "", "threads": 0}
    said = alone.model_copy(update={**nowhere, "max_quarantined_share": 1.0})
    return SourceFiles(paths, read, said.model_dump_json(), settings.exact_duplicates == "drop")


def _apart(loaded: Loaded) -> bool:
    return not any(f.table == "orders" and f.rule in _BY_ALL for f in loaded.report.findings)


def _told(update: FactsUpdate) -> str:
    return f"stored day facts: all {update.added_lines:,} lines summed up, because {update.rebuilt}"
