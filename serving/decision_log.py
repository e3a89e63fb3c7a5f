"""What was decided and what came of it: an append-only log in the state database.

A decision is logged once and never changed, with the chance it had, so that later everything can be told apart by
lot. Results that come back are kept in every version; the latest counts. The log has tables and a layout version
of its own, so that a database that held only scores is given them when it is first opened as a log.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

import pandas as pd
import sqlalchemy as sa

from features.errors import InputError
from serving.given import Used
from serving.log_frames import DECISION, RESULT, check_decisions, check_results, from_rows, latest, to_rows
from serving.state_tables import StateTables
from strategies.offers import LEAVE_ALONE

__all__ = ["DecisionLog", "Saved"]

LOG_VERSION = 1
BATCH = 5_000

_metadata = sa.MetaData()
_TYPES: Final[dict[str, Any]] = {"text": sa.Text, "number": sa.Double, "flag": sa.Boolean}
_decisions = sa.Table(
    "decisions",
    _metadata,
    sa.Column("decision_id", sa.Text, primary_key=True),
    *(sa.Column(name, _TYPES[kind]) for name, kind in DECISION.items() if name != "decision_id"),
    # labels and whatever else was known on the day, as JSON: a new strategy table is tested on them
    sa.Column("more", sa.Text, nullable=False),
    sa.Index("decisions_run", "run_id"),
    sa.Index("decisions_day", "as_of"),
)
_results = sa.Table(
    "decision_results",
    _metadata,
    sa.Column("decision_id", sa.Text, primary_key=True),
    sa.Column("version", sa.Integer, primary_key=True, autoincrement=False),
    *(sa.Column(name, _TYPES[kind]) for name, kind in RESULT.items() if name != "decision_id"),
)


@dataclass(frozen=True)
class Saved:
    """What saving did: rows that were new, that were known already, and that replaced an earlier report."""

    new: int
    known: int = 0
    corrected: int = 0


class DecisionLog:
    """The log of decisions and of their results.

    Parameters
    ----------
    url : str
        SQLAlchemy address of the state database, as `serving.store.Store` takes it.

    Raises
    ------
    ConfigError
        The address cannot be used, or the log was made by another version of Retain.

    Examples
    --------
    >>> log = DecisionLog("sqlite://")
    >>> frame = pd.DataFrame({"decision_id": ["a1"], "run_id": "r1", "customer_id": "007", "offer": "call"})
    >>> frame = frame.assign(as_of=date(2026, 1, 5), arm="treat", propensity=0.9, cost=2.0, channel="phone")
    >>> frame = frame.assign(policy_version="c0ffee", strategy="rescue", status="active", value_class="gold")
    >>> log.save(frame), log.save(frame)
    (Saved(new=1, known=0, corrected=0), Saved(new=0, known=1, corrected=0))
    >>> log.decisions()[["customer_id", "propensity", "status"]].values.tolist()
    [['007', 0.9, 'active']]
    >>> log.close()
    """

    def __init__(self, url: str) -> None:
        self._tables = StateTables(
            url, _metadata, schema="decision_log_schema", version=LOG_VERSION, title="decision log"
        )

    def save(self, frame: pd.DataFrame) -> Saved:
        """Log decisions; what is there already with the same content stays as it is.

        Parameters
        ----------
        frame : DataFrame
            One row per decision: ``decision_id, run_id, as_of, customer_id, policy_version, strategy, offer,
            channel, cost, arm, propensity``, and where known ``planned_offer`` (`offer` without it),
            ``expected_gain, effect, effect_source, value_at_stake, value_class, due_date, owner``. Further
            columns (labels, churn probability …) are kept with their values.

        Returns
        -------
        Saved

        Raises
        ------
        InputError
            Columns or values are missing or make no sense; ids are doubled; or a decision is in the log with
            other content. Nothing is saved then.
        LockedError, PublishError
            Another process writes, or the database cannot be written.
        """
        check_decisions(frame)
        fresh, other = 0, []
        with self._tables.writing() as connection:
            seen = self._has_runs(connection, sorted(set(frame["run_id"])))
            for start in range(0, len(frame), BATCH):
                rows = to_rows(frame.iloc[start : start + BATCH], DECISION)
                old = self._logged(connection, [row["decision_id"] for row in rows]) if seen else {}
                known = [old.get(row["decision_id"]) for row in rows]
                pairs = list(zip(rows, known, strict=True))
                other += [start + n for n, (row, was) in enumerate(pairs, 1) if was not in (None, row)]
                new = [row for row, was in pairs if was is None]
                _insert(connection, _decisions, new)
                fresh += len(new)
            if other:
                raise InputError(
                    f"decision log: {len(other):,} of {len(frame):,} decisions are logged already with other "
                    f"content, the first in row {other[0]:,}. Logged decisions are never changed: give the run "
                    "a name of its own, or save it as it was."
                )
        return Saved(fresh, len(frame) - fresh)

    def find(self, decision_id: str) -> dict[str, Any] | None:
        """One logged decision with all that was kept of it, by column; None when the log does not have it."""
        query = sa.select(_decisions).where(_decisions.c.decision_id == decision_id)
        with self._tables.reading() as connection:
            row = connection.execute(query).mappings().first()
        return None if row is None else _whole(row)

    def once(self, decision_id: str, run_id: str, make: Callable[[Used], pd.DataFrame]) -> dict[str, Any]:
        """The decision of this id, made and logged now if it is not there; two who ask at once get the same.

        Parameters
        ----------
        decision_id : str
            Of the decision.
        run_id : str
            The run whose limits count.
        make : callable
            Gets what this run has given so far, and gives the one row to log, as `save` takes it. Nobody else
            decides meanwhile, so that no limit is broken.

        Raises
        ------
        InputError
            The row makes no sense.
        LockedError, PublishError
            Another process writes for too long, or the database cannot be written.
        """
        query = sa.select(_decisions).where(_decisions.c.decision_id == decision_id)
        with self._tables.writing() as connection:
            row = connection.execute(query).mappings().first()
            if row is None:
                made = make(_used(connection, run_id))
                check_decisions(made)
                _insert(connection, _decisions, to_rows(made, DECISION))
                row = connection.execute(query).mappings().one()
        return _whole(row)

    def decisions(self, run_id: str | None = None, *, since: date | None = None) -> pd.DataFrame:
        """Logged decisions, by day and decision.

        Parameters
        ----------
        run_id : str, optional
            Of this run only.
        since : date, optional
            With ``as_of`` on this day or later only.
        """
        query = sa.select(_decisions).order_by(_decisions.c.as_of, _decisions.c.decision_id)
        if run_id is not None:
            query = query.where(_decisions.c.run_id == run_id)
        if since is not None:
            query = query.where(_decisions.c.as_of >= since.isoformat())
        with self._tables.reading() as connection:
            rows = connection.execute(query).all()
        return from_rows(rows, [*_decisions.c.keys()], DECISION)

    def save_results(self, frame: pd.DataFrame) -> Saved:
        """Log what came back of decisions; a report that is there already is left out.

        Parameters
        ----------
        frame : DataFrame
            One row per decision: ``decision_id`` and where known ``reached``, ``accepted`` (flags),
            ``refusal_reason``, ``cost`` (money, >= 0), ``time``.

        Returns
        -------
        Saved
            ``corrected``: reports that differ from an earlier one of the same decision and take its place.

        Raises
        ------
        InputError
            A decision is not in the log, ids are doubled, or values make no sense.
        """
        check_results(frame)
        with self._tables.writing() as connection:
            return self._add_results(connection, frame)

    def add_results(self, connection: sa.Connection, frame: pd.DataFrame) -> Saved:
        """As `save_results`, within a writing transaction that `connection` has open in the same database."""
        check_results(frame)
        self._tables.lock(connection)
        return self._add_results(connection, frame)

    def known(self, connection: sa.Connection, wanted: Sequence[str]) -> set[str]:
        """Those of the decisions `wanted` that are in the log."""
        found: set[str] = set()
        for some in _chunks(wanted):
            query = sa.select(_decisions.c.decision_id).where(_decisions.c.decision_id.in_(some))
            found |= set(connection.scalars(query))
        return found

    def results(self) -> pd.DataFrame:
        """The report that counts for each decision, with ``version`` (2 or more: it was corrected).

        Notes
        -----
        The report of the latest time counts; one without a time counts as later than those before it.
        """
        with self._tables.reading() as connection:
            rows = connection.execute(sa.select(_results)).all()
        return latest(from_rows(rows, [*_results.c.keys()], RESULT))

    def close(self) -> None:
        """Let go of the database."""
        self._tables.close()

    def _has_runs(self, connection: sa.Connection, runs: Sequence[str]) -> bool:
        query = sa.select(_decisions.c.run_id).where(_decisions.c.run_id.in_(runs)).limit(1)
        return connection.scalar(query) is not None

    def _logged(self, connection: sa.Connection, wanted: Sequence[str]) -> dict[str, dict[str, Any]]:
        """What the log holds of some decisions."""
        query = sa.select(_decisions).where(_decisions.c.decision_id.in_(wanted))
        return {row["decision_id"]: dict(row) for row in connection.execute(query).mappings()}

    def _add_results(self, connection: sa.Connection, frame: pd.DataFrame) -> Saved:
        rows = to_rows(frame, RESULT)
        wanted = [row["decision_id"] for row in rows]
        known = self.known(connection, wanted)
        if unknown := [n for n, name in enumerate(wanted, 1) if name not in known]:
            raise InputError(
                f"decision log: {len(unknown):,} of {len(rows):,} results belong to no logged decision, the "
                f"first in row {unknown[0]:,}. Import the file with the ids of the list it answers."
            )
        old = self._reports(connection, wanted)
        fresh = [row for row in rows if row not in old.get(row["decision_id"], [])]
        counted = [{**row, "version": 1 + len(old.get(row["decision_id"], []))} for row in fresh]
        _insert(connection, _results, counted)
        corrected = sum(row["version"] > 1 for row in counted)
        return Saved(len(fresh) - corrected, len(rows) - len(fresh), corrected)

    def _reports(self, connection: sa.Connection, wanted: Sequence[str]) -> dict[str, list[dict[str, Any]]]:
        """All versions of the reports of some decisions."""
        found: dict[str, list[dict[str, Any]]] = {}
        for some in _chunks(wanted):
            query = sa.select(_results).where(_results.c.decision_id.in_(some))
            for row in connection.execute(query).mappings():
                report = {name: row[name] for name in RESULT}
                found.setdefault(report["decision_id"], []).append(report)
        return found


def _whole(row: Mapping[Any, Any]) -> dict[str, Any]:
    """A row of the log as one mapping, what was kept as JSON included."""
    return {**json.loads(row["more"]), **{name: row[name] for name in DECISION}}


def _used(connection: sa.Connection, run_id: str) -> Used:
    """What a run has given so far."""
    given = sa.and_(_decisions.c.run_id == run_id, _decisions.c.offer != LEAVE_ALONE)
    query = sa.select(
        _decisions.c.channel, _decisions.c.offer, sa.func.count(), sa.func.sum(_decisions.c.cost)
    )
    used = Used()
    for channel, offer, count, money in connection.execute(query.where(given).group_by("channel", "offer")):
        used = used.plus(Used(money=money, contacts=count, channels={channel: count}, offers={offer: count}))
    return used


def _chunks(ids: Sequence[str]) -> Iterator[Sequence[str]]:
    return (ids[start : start + BATCH] for start in range(0, len(ids), BATCH))


def _insert(connection: sa.Connection, table: sa.Table, rows: Sequence[dict[str, Any]]) -> None:
    for start in range(0, len(rows), BATCH):
        connection.execute(sa.insert(table), list(rows[start : start + BATCH]))
