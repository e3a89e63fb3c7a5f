"""Keys of the endpoint: who may ask, for what, about whom, until when.

A key is 32 random bytes written as text. It is shown once, when it is made; the state database holds its SHA-256
digest, so that reading the database gives nobody a key. A digest needs no salt and no slow hash where the secret is
random and long: there is nothing to guess. Keys that were revoked or have ended stay on record, so that the audit
trail can be read later, and so that the endpoint does not fall open when the last key ends.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import logging
import secrets
import threading
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import Any, Final, Literal

import sqlalchemy as sa

from features.errors import ConfigError, RetainError
from serving.scope import ScopeValues, check_scope, in_scope
from serving.state_tables import StateTables

__all__ = ["ROLES", "Key", "KeyRecord", "KeyStore", "KeyWatch", "Keys", "digest_of"]

ROLES: Final = ("score", "decide", "events", "admin")
KEYS_VERSION: Final = 1
# Lets a scanner for leaked secrets know what it has found.
_PREFIX: Final = "retain_"
_MAX_KEY_BYTES: Final = 512
_MAX_LABEL: Final = 200
_JOIN_SECONDS: Final = 5.0
_log = logging.getLogger("retain.serving")

_metadata = sa.MetaData()
_keys = sa.Table(
    "access_keys",
    _metadata,
    sa.Column("key_id", sa.Text, primary_key=True),
    sa.Column("digest", sa.Text, nullable=False, unique=True),
    sa.Column("roles", sa.Text, nullable=False),
    sa.Column("scope", sa.Text, nullable=False),
    sa.Column("label", sa.Text, nullable=False),
    sa.Column("created_at", sa.Text, nullable=False),
    sa.Column("expires_at", sa.Text),
    sa.Column("revoked_at", sa.Text),
    sa.Column("replaced_by", sa.Text),
)


@dataclass(frozen=True)
class Key:
    """What one key allows; the key itself is in nobody's memory but its owner's.

    Parameters
    ----------
    key_id : str
        Names the key in lists, logs and the audit trail.
    roles : frozenset of str
        Of `ROLES`.
    scope : mapping of label to values
        Customers it covers; empty for all.
    label : str
        Whose it is, in the operator's words.
    expires_at : datetime, optional
        From this moment on it opens nothing.
    """

    key_id: str
    roles: frozenset[str]
    scope: ScopeValues = field(default_factory=lambda: MappingProxyType({}))
    label: str = ""
    expires_at: datetime | None = None

    def covers(self, row: Mapping[str, Any]) -> bool:
        """Whether a row of the list, or a live one, is of a customer this key may see."""
        return in_scope(self.scope, row)


@dataclass(frozen=True)
class KeyRecord:
    """A key as it stands on record."""

    key: Key
    created_at: datetime
    revoked_at: datetime | None = None
    replaced_by: str | None = None

    def state(self, now: datetime) -> Literal["valid", "ended", "revoked"]:
        """Whether it opens anything at `now`, and why not."""
        if self.revoked_at is not None:
            return "revoked"
        ends = self.key.expires_at
        return "ended" if ends is not None and ends <= now else "valid"


@dataclass(frozen=True)
class Keys:
    """The keys at one moment; true as soon as a key was ever made, even if none is left that opens.

    Parameters
    ----------
    known : tuple of (digest, Key)
        Keys that were not revoked.
    closed : bool
        A key was made at some time.

    Examples
    --------
    >>> keys = Keys(((digest_of("correct horse"), Key("k1", frozenset({"score"}))),))
    >>> now = datetime(2026, 1, 5, tzinfo=UTC)
    >>> keys.find(b"correct horse", now).key_id, keys.find(b"wrong horse", now)
    ('k1', None)
    """

    known: tuple[tuple[bytes, Key], ...] = field(default=(), repr=False)
    closed: bool = False

    def __bool__(self) -> bool:
        return self.closed or bool(self.known)

    def find(self, presented: bytes, now: datetime) -> Key | None:
        """The key that was presented, unless it has ended; as quick whichever it is, and for a wrong one."""
        if not presented or len(presented) > _MAX_KEY_BYTES:
            return None
        digest = hashlib.sha256(presented).digest()
        # Every digest is compared, so that the time does not tell which one it is.
        same = [hmac.compare_digest(digest, known) for known, _ in self.known]
        if True not in same:
            return None
        key = self.known[same.index(True)][1]
        return None if key.expires_at is not None and key.expires_at <= now else key


def digest_of(key: str) -> bytes:
    """The SHA-256 digest of a key; the database holds it in hexadecimal."""
    return hashlib.sha256(key.encode()).digest()


class KeyStore:
    """The keys in the state database.

    Parameters
    ----------
    url : str
        SQLAlchemy address of the state database, as `serving.store.Store` takes it.

    Raises
    ------
    ConfigError
        The address cannot be used, or the keys were made by another version of Retain.

    Examples
    --------
    >>> store = KeyStore("sqlite://")
    >>> text, key = store.add(["score"], label="till", scope={"value_class": ("gold",)})
    >>> found = store.snapshot().find(text.encode(), datetime.now(UTC))
    >>> found == key, found.covers({"value_class": "gold"}), found.covers({"value_class": "lead"})
    (True, True, False)
    >>> store.revoke(key.key_id)
    >>> store.snapshot().find(text.encode(), datetime.now(UTC)) is None, bool(store.snapshot())
    (True, True)
    >>> store.close()
    """

    def __init__(self, url: str) -> None:
        self._tables = StateTables(url, _metadata, schema="keys_schema", version=KEYS_VERSION, title="keys")

    def add(
        self,
        roles: Collection[str],
        *,
        scope: ScopeValues | None = None,
        label: str = "",
        expires_at: datetime | None = None,
    ) -> tuple[str, Key]:
        """Make a key; its text is given here and never again.

        Raises
        ------
        ConfigError
            A role or the scope is unknown, the label is too long, or the end has passed or has no zone.
        """
        now = datetime.now(UTC)
        _check(roles, scope or {}, label, expires_at, now)
        text, row = _fresh(roles, scope or {}, label, expires_at=expires_at, now=now)
        with self._tables.writing() as connection:
            connection.execute(sa.insert(_keys), row)
        return text, _record(row).key

    def revoke(self, key_id: str) -> None:
        """End a key at once; ConfigError when there is none of that name that opens."""
        now = datetime.now(UTC)
        with self._tables.writing() as connection:
            self._valid(connection, key_id, now)
            _change(connection, key_id, revoked_at=_text(now))

    def rotate(self, key_id: str, grace: timedelta) -> tuple[str, Key]:
        """Make a key beside an old one that allows the same and lasts as long; the old one ends after `grace`.

        Raises
        ------
        ConfigError
            There is no such key, it opens nothing any more or was replaced before, or `grace` is negative.
        """
        if grace < timedelta():
            raise ConfigError("keys: the hours of grace are negative; give 0 to end the old key at once")
        now = datetime.now(UTC)
        with self._tables.writing() as connection:
            old = self._valid(connection, key_id, now)
            if old.replaced_by is not None:
                raise ConfigError(f"keys: {key_id} was replaced by {old.replaced_by}; replace that one")
            key, ends = old.key, old.key.expires_at
            expires_at = None if ends is None else now + (ends - old.created_at)
            text, row = _fresh(key.roles, key.scope, key.label, expires_at=expires_at, now=now)
            connection.execute(sa.insert(_keys), row)
            last = now + grace if ends is None else min(ends, now + grace)
            _change(connection, key_id, expires_at=_text(last), replaced_by=row["key_id"])
        return text, _record(row).key

    def snapshot(self) -> Keys:
        """The keys as they stand now."""
        with self._tables.reading() as connection:
            rows = connection.execute(sa.select(_keys)).mappings().all()
        left = [row for row in rows if row["revoked_at"] is None]
        known = tuple((bytes.fromhex(row["digest"]), _record(dict(row)).key) for row in left)
        return Keys(known, closed=bool(rows))

    def listed(self) -> list[KeyRecord]:
        """All keys that were ever made, the oldest first."""
        query = sa.select(_keys).order_by(_keys.c.created_at, _keys.c.key_id)
        with self._tables.reading() as connection:
            return [_record(dict(row)) for row in connection.execute(query).mappings()]

    def close(self) -> None:
        """Let go of the database."""
        self._tables.close()

    def _valid(self, connection: sa.Connection, key_id: str, now: datetime) -> KeyRecord:
        found = connection.execute(sa.select(_keys).where(_keys.c.key_id == key_id)).mappings().first()
        if found is None:
            raise ConfigError(f"keys: there is no key {key_id!r}; `retain keys list` shows them")
        record = _record(dict(found))
        if (state := record.state(now)) != "valid":
            raise ConfigError(f"keys: {key_id} is {state} already and opens nothing")
        return record


class KeyWatch:
    """The keys of a running process, read anew every second, so that they change without a restart.

    When the database cannot be read the keys stay as they were; their ends hold all the same.

    Parameters
    ----------
    store : KeyStore
        Read once at once, and left open by `stop`.
    seconds : float
        Between two readings, > 0.
    """

    def __init__(self, store: KeyStore, seconds: float = 1.0) -> None:
        self._store, self._seconds = store, seconds
        self._keys = store.snapshot()
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None
        self.problem = ""

    @property
    def keys(self) -> Keys:
        """The keys as last read; costs nothing."""
        return self._keys

    def start(self) -> None:
        """Begin to read; in the process that asks, as threads do not survive a fork."""
        self._thread = threading.Thread(target=self._run, name="retain-keys", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Read no more."""
        self._stopped.set()
        if self._thread is not None:
            self._thread.join(_JOIN_SECONDS)

    def refresh(self) -> None:
        """Read once; ``problem`` says why the keys are older than they should be, or is empty."""
        try:
            self._keys, self.problem = self._store.snapshot(), ""
        except Exception as error:  # noqa: BLE001 - whatever it is, the next reading may go well
            told = str(error) if isinstance(error, RetainError) else type(error).__name__
            if not self.problem:
                _log.warning("keys stay as they were: %s", told)
            self.problem = told

    def _run(self) -> None:
        while not self._stopped.wait(self._seconds):
            self.refresh()


def _check(
    roles: Collection[str], scope: ScopeValues, label: str, expires_at: datetime | None, now: datetime
) -> None:
    unknown = sorted(set(roles) - set(ROLES))
    if unknown or not roles:
        told = f"{', '.join(unknown)} is unknown" if unknown else "at least one is needed"
        raise ConfigError(f"role of a key: {told}; known: {', '.join(ROLES)}")
    check_scope(scope)
    if len(label) > _MAX_LABEL or not label.isprintable():
        raise ConfigError(f"label of a key: at most {_MAX_LABEL} printable characters on one line")
    if expires_at is not None and (expires_at.tzinfo is None or expires_at <= now):
        raise ConfigError("end of a key: give a moment to come, with its zone")


def _fresh(
    roles: Collection[str], scope: ScopeValues, label: str, *, expires_at: datetime | None, now: datetime
) -> tuple[str, dict[str, Any]]:
    text = _PREFIX + secrets.token_urlsafe(32)
    return text, {
        "key_id": f"key-{secrets.token_hex(5)}",
        "digest": digest_of(text).hex(),
        "roles": json.dumps([role for role in ROLES if role in roles]),
        "scope": json.dumps({name: list(values) for name, values in scope.items()}, ensure_ascii=False),
        "label": label,
        "created_at": _text(now),
        "expires_at": None if expires_at is None else _text(expires_at),
        "revoked_at": None,
        "replaced_by": None,
    }


def _change(connection: sa.Connection, key_id: str, **values: str) -> None:
    connection.execute(sa.update(_keys).where(_keys.c.key_id == key_id).values(**values))


def _record(row: dict[str, Any]) -> KeyRecord:
    scope = {name: tuple(values) for name, values in json.loads(row["scope"]).items()}
    key = Key(
        row["key_id"],
        frozenset(json.loads(row["roles"])),
        MappingProxyType(scope),
        row["label"],
        _moment(row["expires_at"]),
    )
    created = datetime.fromisoformat(row["created_at"])
    return KeyRecord(key, created, _moment(row["revoked_at"]), row["replaced_by"])


def _text(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="microseconds")


def _moment(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)
