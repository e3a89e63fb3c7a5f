"""The audit trail: who asked for what, with which model, when, and how it was answered; nothing about customers.

Entries are written in blocks. Each block carries the SHA-256 over its number, its time, its entries and the hash of
the block before it, so that a block that is changed, taken out, put in or moved no longer fits its neighbours. Whoever
can write to the database could make the whole chain anew, or cut off its end: against that, note the head that `verify`
gives somewhere else, and hand it to the next `verify`.
"""

from __future__ import annotations

import logging
import re
import threading
from collections import deque
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, Final

import sqlalchemy as sa

from features.errors import InputError, RetainError
from serving.state_tables import StateTables
from serving.trail_chain import ORIGIN, Entry, Verified, extend, follow, moment, read_block

__all__ = ["LOST_ROUTE", "STRANGERS_ROUTE", "Entry", "Trail", "TrailWriter", "Verified"]

TRAIL_VERSION: Final = 1
# The route of the entry that tells how many entries were lost before it.
LOST_ROUTE: Final = "(lost)"
# The route of the entry that tells how many requests of one minute came from callers who are nobody.
STRANGERS_ROUTE: Final = "(strangers)"
_NOBODY: Final = frozenset({401, 403})
_HEAD: Final = re.compile("[0-9a-f]{64}")
_BLOCKS_AT_A_TIME: Final = 500
_MOST_WAITING: Final = 100_000
_MOST_IN_A_BLOCK: Final = 5_000
_log = logging.getLogger("retain.serving")

_metadata = sa.MetaData()
_blocks = sa.Table(
    "trail_blocks",
    _metadata,
    sa.Column("number", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("time", sa.Text, nullable=False, index=True),
    sa.Column("entries", sa.Text, nullable=False),
    sa.Column("before", sa.Text, nullable=False),
    sa.Column("hash", sa.Text, nullable=False),
)


class Trail:
    """The audit trail in the state database; several processes may append to it.

    Parameters
    ----------
    url : str
        SQLAlchemy address of the state database, as `serving.store.Store` takes it.

    Raises
    ------
    ConfigError
        The address cannot be used, or the trail was made by another version of Retain.

    Examples
    --------
    >>> trail = Trail("sqlite://")
    >>> asked = Entry(datetime(2026, 1, 5, tzinfo=UTC), "key-1", "/v1/score", "v1", "ab" * 32, 1, 200)
    >>> trail.append([asked])
    >>> trail.verify().entries, list(trail.entries()) == [asked]
    (1, True)
    >>> trail.close()
    """

    def __init__(self, url: str) -> None:
        self._tables = StateTables(
            url, _metadata, schema="trail_schema", version=TRAIL_VERSION, title="audit trail"
        )

    def append(self, entries: Sequence[Entry]) -> None:
        """Add one block; no entries make no block.

        Raises
        ------
        LockedError, PublishError
            Another process writes, or the database cannot be written. Nothing was added then.
        """
        if not entries:
            return
        last = sa.select(_blocks.c.number, _blocks.c.hash).order_by(_blocks.c.number.desc()).limit(1)
        with self._tables.writing() as connection:
            number, before = connection.execute(last).one_or_none() or (0, ORIGIN)
            connection.execute(sa.insert(_blocks), extend(number, before, entries))

    def verify(self, head: str = "") -> Verified:
        """Check every block against the one before it.

        Parameters
        ----------
        head : str
            The hash of a block, as an earlier `verify` gave it: it must be in the chain still.

        Raises
        ------
        InputError
            The chain is broken (the first block at fault is named), or does not hold `head`.
        """
        if head and not _HEAD.fullmatch(head):
            raise InputError(
                "audit trail: a head is 64 hexadecimal digits, as `retain trail verify` prints them"
            )
        found, noted = Verified(0, 0, ORIGIN), head in ("", ORIGIN)
        with self._streaming(sa.select(_blocks)) as blocks:
            for block in blocks:
                found = follow(found, block)
                noted = noted or found.head == head
        if not noted:
            raise InputError(
                f"audit trail: its {found.blocks:,} blocks fit together, but the head noted earlier is not among "
                f"them: blocks at the end were taken out, or the trail was made anew. Compare with a copy."
            )
        return found

    def entries(self, since: datetime | None = None) -> Generator[Entry]:
        """The entries in the order of writing, from `since` (with zone) on.

        Raises
        ------
        InputError
            The database cannot be read.
        """
        query = sa.select(_blocks)
        if since is not None:
            query = query.where(_blocks.c.time >= moment(since))
        with self._streaming(query) as blocks:
            for block in blocks:
                yield from (entry for entry in read_block(block) if since is None or entry.time >= since)

    def close(self) -> None:
        """Let go of the database."""
        self._tables.close()

    @contextmanager
    def _streaming(self, query: sa.Select[Any]) -> Iterator[Iterator[dict[str, Any]]]:
        options, ordered = {"yield_per": _BLOCKS_AT_A_TIME}, query.order_by(_blocks.c.number)
        with (
            self._tables.reading() as connection,
            connection.execute(ordered, execution_options=options) as found,
        ):
            yield map(dict, found.mappings())


class TrailWriter:
    """Takes entries without making anybody wait.

    Callers who have no good key cannot make the trail grow as they like: refusals of theirs are counted, and each
    minute an entry of route ``(strangers)`` tells how many there were with one status.

    While the database cannot be written entries wait in memory, at most `most` of them; what comes on top is lost and
    counted, and once the database can be written again an entry of route ``(lost)`` says how many are missing there.

    Parameters
    ----------
    trail : Trail
        Where to write; left open by `stop`.
    seconds : float
        Between two writings, > 0.
    most : int
        Entries that may wait, >= 1.

    Examples
    --------
    >>> trail = Trail("sqlite://")
    >>> writer = TrailWriter(trail)
    >>> writer.note(Entry(datetime(2026, 1, 5, tzinfo=UTC), "key-1", "/v1/score", "v1", "ab" * 32, 1, 200))
    >>> writer.flush(), trail.verify().entries, writer.lost
    (True, 1, 0)
    >>> trail.close()
    """

    def __init__(self, trail: Trail, seconds: float = 0.2, *, most: int = _MOST_WAITING) -> None:
        self._trail, self._seconds, self._most = trail, seconds, most
        self._waiting: deque[Entry] = deque()
        self._block: list[Entry] = []
        self._strangers: dict[tuple[datetime, int], int] = {}
        self._told = 0
        self._counting, self._writing = threading.Lock(), threading.Lock()
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None
        self.lost = 0
        self.problem = ""

    def note(self, entry: Entry) -> None:
        """Take an entry; from any thread, never waits, never raises."""
        if entry.status in _NOBODY and not entry.key_id:
            minute = entry.time.replace(second=0, microsecond=0)
            with self._counting:
                self._strangers[minute, entry.status] = self._strangers.get((minute, entry.status), 0) + 1
        elif len(self._waiting) < self._most:
            self._waiting.append(entry)
        else:
            with self._counting:
                self.lost += 1

    def start(self) -> None:
        """Begin to write; in the process that asks, as threads do not survive a fork."""
        self._thread = threading.Thread(target=self._run, name="retain-trail", daemon=True)
        self._thread.start()

    def stop(self, seconds: float = 5.0) -> None:
        """Write what waits and end; after `seconds` what is not written is given up, and the log tells how many."""
        self._stopped.set()
        if self._thread is not None:
            self._thread.join(seconds)
        if left := len(self._waiting) + len(self._block) + len(self._strangers):
            _log.error("audit trail: ended with %d entries that could not be written", left)

    def flush(self) -> bool:
        """Write all that waits now; False when the database cannot be written, ``problem`` says why."""
        with self._writing:
            try:
                while self._fill():
                    self._trail.append(self._block)
                    self._block = []
            except Exception as error:  # noqa: BLE001 - whatever it is, the next try may go well
                self._say(str(error) if isinstance(error, RetainError) else type(error).__name__)
                return False
            self._say("")
            return True

    def _fill(self) -> bool:
        """Take the next block out, unless one that could not be written is there still."""
        if not self._block:
            self._count_strangers()
            taken, lost = min(len(self._waiting), _MOST_IN_A_BLOCK), self.lost
            self._block = [self._waiting.popleft() for _ in range(taken)]
            if lost > self._told:
                self._block.append(Entry(datetime.now(UTC), "", LOST_ROUTE, "", "", lost - self._told, 0))
                self._told = lost
        return bool(self._block)

    def _count_strangers(self) -> None:
        """One entry for each minute that is over; at the end for the last one, too."""
        now, over = datetime.now(UTC).replace(second=0, microsecond=0), self._stopped.is_set()
        with self._counting:
            done = [key for key in self._strangers if over or key[0] < now]
            counts = [
                (minute, status, self._strangers.pop((minute, status))) for minute, status in sorted(done)
            ]
        # At most two a minute: they may be more than may wait.
        self._waiting.extend(
            Entry(at, "", STRANGERS_ROUTE, "", "", count, status) for at, status, count in counts
        )

    def _say(self, problem: str) -> None:
        if problem and not self.problem:
            _log.warning("audit trail: entries wait in memory, at most %d: %s", self._most, problem)
        elif self.problem and not problem:
            _log.warning("audit trail: written again, %d entries were lost", self._told)
        self.problem = problem

    def _run(self) -> None:
        while not self._stopped.wait(self._seconds):
            self.flush()
        self.flush()
