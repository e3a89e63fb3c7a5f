"""The state between runs: which runs there were, and the latest scores by customer.

One SQL database through SQLAlchemy: a SQLite file by default, PostgreSQL by address. A run is saved in one
transaction, so that a reader or a crash sees the earlier run whole or the new one whole. Scores of earlier
runs are dropped, their records stay; what explains the scores is also kept of the last run for an earlier day, so
that the next list can tell why scores moved. A row is kept as JSON text: Python writes floats in the shortest
form that reads back to the same bits, so the answer to a look-up equals the list.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime
from itertools import islice
from typing import Any, TypeVar

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import sqlalchemy as sa

from features.errors import InputError
from serving.explained import Explained
from serving.json_columns import column_texts, row_texts
from serving.state_tables import StateTables, insert_many

__all__ = ["LATEST", "LEFT_OUT", "SCORES", "RunInfo", "Store"]

SCHEMA_VERSION = 4
BATCH = 5_000
IDS_PER_QUERY = 500

_Row = TypeVar("_Row")
_metadata = sa.MetaData()
_runs = sa.Table(
    "runs",
    _metadata,
    # the order of saving, not the clock, says which run is the latest: clocks jump
    sa.Column("position", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("run_id", sa.Text, nullable=False, unique=True),
    sa.Column("as_of", sa.Text, nullable=False),
    sa.Column("model_version", sa.Text, nullable=False),
    sa.Column("config_hash", sa.Text, nullable=False),
    sa.Column("rows", sa.Integer, nullable=False),
    sa.Column("created_at", sa.Text, nullable=False),
    sa.Column("list_sha256", sa.Text, nullable=False),
    sa.Column("events_seen", sa.BigInteger, nullable=False),
)
LATEST = sa.select(_runs).order_by(_runs.c.position.desc()).limit(1).subquery("latest")
"""The record of the run saved last, for statements that join it."""

SCORES = sa.Table(
    "scores",
    _metadata,
    sa.Column("run_id", sa.Text, primary_key=True),
    sa.Column("customer_id", sa.Text, primary_key=True),
    sa.Column("row", sa.Text, nullable=False),
)
LEFT_OUT = sa.Table("left_out", _metadata, sa.Column("customer_id", sa.Text, primary_key=True))
"""Customers whom the latest run left out because they want no contact; nothing else is kept of them."""

_explanations = sa.Table(
    "explanations",
    _metadata,
    sa.Column("run_id", sa.Text, primary_key=True),
    sa.Column("customer_id", sa.Text, primary_key=True),
    sa.Column("row", sa.Text, nullable=False),
)


@dataclass(frozen=True)
class RunInfo:
    """The record of one scoring run.

    Parameters
    ----------
    run_id : str
        Its name; saving the same name again replaces that run.
    as_of : date
        The day scored for.
    model_version, config_hash : str
        What it was made with.
    rows : int
        Customers scored, >= 0.
    created_at : datetime
        With zone; kept in UTC.
    list_sha256 : str
        SHA-256 of the list published in the same run, ``""`` for none.
    events_seen : int
        Place of the last event that had arrived when the run began to read its data, 0 for none: the data may
        hold it already. Events of later places cannot be in the list, whatever the clocks said.
    """

    run_id: str
    as_of: date
    model_version: str
    config_hash: str
    rows: int
    created_at: datetime
    list_sha256: str = ""
    events_seen: int = 0


class Store:
    """The state database.

    Parameters
    ----------
    url : str
        SQLAlchemy address, e.g. ``sqlite:///state/retain.db`` or ``postgresql+psycopg://…``. A SQLite file
        is made with mode 0600, a missing folder with 0700.

    Raises
    ------
    ConfigError
        The address cannot be used, or the database was made by another version of Retain.

    Examples
    --------
    >>> store = Store("sqlite://")
    >>> run = RunInfo("r1", date(2011, 6, 12), "v1", "c0ffee", 1, datetime(2011, 6, 12, tzinfo=UTC))
    >>> store.save_run(run, pd.DataFrame({"customer_id": ["007"], "clv": [0.1]}))
    >>> store.latest_run() == run, store.get(["007", "8"])
    (True, {'007': {'customer_id': '007', 'clv': 0.1}})
    >>> store.close()
    """

    def __init__(self, url: str) -> None:
        self._tables = StateTables(
            url,
            _metadata,
            schema="retain_schema",
            version=SCHEMA_VERSION,
            title="scored lists",
        )

    def save_run(
        self,
        run: RunInfo,
        frame: pd.DataFrame,
        explained: Explained | None = None,
        left_out: Collection[str] = (),
    ) -> None:
        """Make a run the latest: its record, all its scores and what explains them, or nothing.

        Parameters
        ----------
        run : RunInfo
            ``rows`` must be the number of rows of `frame`.
        frame : pandas.DataFrame
            One row per customer, with a text column ``customer_id``.
        explained : Explained, optional
            What stands behind the scores.
        left_out : collection of str
            Customers who want no contact: they must not pass for new ones later.

        Raises
        ------
        InputError
            Ids are missing, doubled or no text, a value is infinite or no plain value, or the numbers of
            rows differ.
        LockedError, PublishError, RetainError
            Another process writes, or the database cannot be written; the earlier run still stands.
        """
        _check_scores(run, frame)
        with self._tables.writing() as connection:
            connection.execute(sa.delete(SCORES))
            connection.execute(sa.delete(_runs).where(_runs.c.run_id == run.run_id))
            connection.execute(sa.insert(_runs), _record(run))
            # by customer, as the key's index is kept: in the order of the list every row hits another page
            order = pc.sort_indices(pa.array(frame["customer_id"], pa.string())).to_numpy()
            for start in range(0, len(frame), BATCH):
                rows = _rows(frame.iloc[order[start : start + BATCH]])
                insert_many(connection, SCORES, [(run.run_id, *row) for row in rows])
            connection.execute(sa.delete(LEFT_OUT))
            for some in _batched(sorted(left_out), BATCH):
                connection.execute(sa.insert(LEFT_OUT), [{"customer_id": customer} for customer in some])
            self._save_explained(connection, run, explained)

    def latest_run(self) -> RunInfo | None:
        """The run saved last, or None when there is none."""
        with self._tables.reading() as connection:
            found = connection.execute(sa.select(LATEST)).mappings().first()
        return None if found is None else _run(dict(found))

    def get(self, customer_ids: Sequence[str]) -> dict[str, dict[str, Any]]:
        """Scores of the latest run.

        Parameters
        ----------
        customer_ids : sequence of str

        Returns
        -------
        dict
            Customer id to its row of the list (floats to the bit, missing values None, dates as ISO text).
            Customers the run does not know are absent.
        """
        wanted = list(dict.fromkeys(customer_ids))
        latest = sa.select(LATEST.c.run_id).scalar_subquery()
        rows = sa.select(SCORES.c.customer_id, SCORES.c.row).where(SCORES.c.run_id == latest)
        found: dict[str, dict[str, Any]] = {}
        with self._tables.reading() as connection:
            for start in range(0, len(wanted), IDS_PER_QUERY):
                some = wanted[start : start + IDS_PER_QUERY]
                query = rows.where(SCORES.c.customer_id.in_(some))
                found |= {customer: json.loads(row) for customer, row in connection.execute(query)}
        return {customer: found[customer] for customer in wanted if customer in found}

    def run_before(self, as_of: date) -> RunInfo | None:
        """The run of the latest day before `as_of` whose explanations are kept, or None."""
        with self._tables.reading() as connection:
            return _run_before(connection, as_of)

    def explained(self, run_id: str, customer_ids: Sequence[str] | None = None) -> Explained:
        """What stands behind the scores of a run.

        Parameters
        ----------
        run_id : str
            A run whose explanations are kept: the latest, and the one before it.
        customer_ids : sequence of str, optional
            Whom to read; all customers without it.

        Returns
        -------
        Explained
            Customers the run does not know are absent.
        """
        with self._tables.reading() as connection:
            return Explained.read(_explained(connection, run_id, customer_ids))

    @contextmanager
    def explaining(self, run_id: str) -> Iterator[Callable[[Sequence[str]], Explained]]:
        """`explained` of a run for some customers after others, all of one instant."""
        with self._tables.reading() as connection:
            yield lambda customer_ids: Explained.read(_explained(connection, run_id, customer_ids))

    def _save_explained(self, connection: sa.Connection, run: RunInfo, explained: Explained | None) -> None:
        before = _run_before(connection, run.as_of)
        kept = [] if before is None else [before.run_id]
        connection.execute(sa.delete(_explanations).where(_explanations.c.run_id.not_in(kept)))
        if explained is not None:
            for rows in _batched(explained.rows(), BATCH):
                insert_many(connection, _explanations, [(run.run_id, *row) for row in rows])

    def close(self) -> None:
        """Let go of the database."""
        self._tables.close()


def _check_scores(run: RunInfo, frame: pd.DataFrame) -> None:
    if "customer_id" not in frame.columns:
        raise InputError("scores: the column customer_id is missing. Save the list as the scorer made it.")
    if run.rows != len(frame):
        raise InputError(
            f"scores: the run tells of {run.rows:,} rows, the list has {len(frame):,}. Use one list."
        )
    if run.created_at.tzinfo is None:
        raise InputError("scores: created_at has no zone. Use datetime.now(UTC).")
    ids = frame["customer_id"]
    strange = int((~ids.map(lambda value: isinstance(value, str)).astype(bool)).sum())
    doubled = int(ids.duplicated().sum())
    if strange or doubled:
        raise InputError(
            f"scores, column customer_id: {strange:,} ids are missing or no text, {doubled:,} are there "
            f"before. Give one row per customer."
        )


def _batched(rows: Iterable[_Row], size: int) -> Iterator[list[_Row]]:
    """`rows` in lists of `size`, the last one shorter."""
    left = iter(rows)
    while some := list(islice(left, size)):
        yield some


def _rows(frame: pd.DataFrame) -> Iterator[tuple[str, str]]:
    """Ids, and rows as JSON texts."""
    # reasons stand last, so that who does not want them cuts the text
    told = sorted(name for name in frame.columns if name.startswith("reasons"))
    names = [*(name for name in frame.columns if name not in told), *told]
    try:
        columns = [column_texts(frame[name]) for name in names]
    except TypeError as error:
        raise InputError(f"scores: {error}. Give text, numbers, flags, dates or lists of them.") from None
    except ValueError:
        raise InputError("scores: a value is infinite or, inside a list, not a number. Repair it.") from None
    return zip(frame["customer_id"].tolist(), row_texts(names, columns).to_pylist(), strict=True)


def _explained(
    connection: sa.Connection, run_id: str, customer_ids: Sequence[str] | None
) -> Iterator[tuple[str, str]]:
    query = sa.select(_explanations.c.customer_id, _explanations.c.row)
    query = query.where(_explanations.c.run_id == run_id)
    if customer_ids is None:
        for customer, row in connection.execute(query, execution_options={"yield_per": BATCH}):
            yield customer, row
        return
    for some in _batched(customer_ids, BATCH):
        for customer, row in connection.execute(query.where(_explanations.c.customer_id.in_(some))):
            yield customer, row


def _run_before(connection: sa.Connection, as_of: date) -> RunInfo | None:
    kept = sa.exists().where(_explanations.c.run_id == _runs.c.run_id)
    query = sa.select(_runs).where(_runs.c.as_of < as_of.isoformat(), kept)
    query = query.order_by(_runs.c.as_of.desc(), _runs.c.position.desc()).limit(1)
    found = connection.execute(query).mappings().first()
    return None if found is None else _run(dict(found))


def _record(run: RunInfo) -> dict[str, Any]:
    created = run.created_at.astimezone(UTC).isoformat()
    return {**asdict(run), "as_of": run.as_of.isoformat(), "created_at": created}


def _run(record: dict[str, Any]) -> RunInfo:
    del record["position"]
    record["as_of"] = date.fromisoformat(record["as_of"])
    record["created_at"] = datetime.fromisoformat(record["created_at"])
    return RunInfo(**record)
