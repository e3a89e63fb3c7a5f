"""Keys: shown once, kept as digests, bound to roles, scopes and time, changed while the endpoint runs."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone

import pytest
import sqlalchemy as sa

from features.errors import ConfigError, RetainError
from serving import keys as module
from serving.keys import ROLES, Key, Keys, KeyStore, KeyWatch, digest_of

NOW = datetime(2026, 1, 5, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


@pytest.fixture
def keys(state_url: str) -> Iterator[KeyStore]:
    opened = KeyStore(state_url)
    yield opened
    opened.close()


def now() -> datetime:
    return datetime.now(UTC)


def soon() -> datetime:
    return now() + HOUR


def test_digest_is_sha256_of_the_key() -> None:
    # "abc" is the first example of FIPS 180-4.
    assert digest_of("abc").hex() == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def test_a_key_is_found_again_with_all_it_allows(keys: KeyStore) -> None:
    scope = {"value_class": ("gold", "platinum"), "strategy": ("挽回",)}
    text, key = keys.add(["events", "score"], scope=scope, label="收银台", expires_at=soon())
    other, _ = keys.add(["admin"])
    found = keys.snapshot().find(text.encode(), now())
    assert found == key
    assert (found.roles, dict(found.scope), found.label) == ({"score", "events"}, scope, "收银台")
    assert keys.snapshot().find(other.encode(), now()).roles == {"admin"}


def test_a_key_is_32_random_bytes_and_the_database_holds_its_digest_only(state_url: str) -> None:
    keys = KeyStore(state_url)
    text, _ = keys.add(ROLES)
    keys.close()
    assert text.startswith("retain_")
    assert len(text) == len("retain_") + 43  # 32 bytes in base64
    engine = sa.create_engine(state_url)
    with engine.connect() as connection:
        row = connection.execute(sa.text("SELECT * FROM access_keys")).mappings().one()
    engine.dispose()
    assert row["digest"] == digest_of(text).hex()
    assert text.removeprefix("retain_") not in str(dict(row))


@pytest.mark.parametrize("presented", [b"", b"one ", b" one", b"ONE", b"x" * 513, digest_of("one"), b"\xff"])
def test_nothing_but_the_key_itself_opens(presented: bytes) -> None:
    keys = Keys(((digest_of("one"), Key("k1", frozenset(ROLES))),))
    assert keys.find(presented, NOW) is None
    assert keys.find(b"one", NOW).key_id == "k1"


def test_every_digest_is_compared_whichever_key_is_presented(monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[bytes] = []
    monkeypatch.setattr(module.hmac, "compare_digest", lambda a, b: compared.append(b) or a == b)
    known = tuple((digest_of(name), Key(name, frozenset(ROLES))) for name in ("a", "b", "c"))
    for presented in (b"a", b"c", b"wrong"):
        compared.clear()
        Keys(known).find(presented, NOW)
        assert compared == [digest for digest, _ in known]


def test_a_key_opens_until_the_very_moment_of_its_end() -> None:
    keys = Keys(((digest_of("one"), Key("k1", frozenset(ROLES), expires_at=NOW)),))
    assert keys.find(b"one", NOW - timedelta(microseconds=1)).key_id == "k1"
    assert keys.find(b"one", NOW) is None
    assert keys.find(b"one", NOW.astimezone(timezone(HOUR * 8))) is None


def test_no_keys_is_false_until_one_was_ever_made(keys: KeyStore) -> None:
    assert not keys.snapshot()
    text, key = keys.add(["score"])
    keys.revoke(key.key_id)
    # the endpoint must not fall open because its last key was taken away
    assert keys.snapshot()
    assert keys.snapshot().find(text.encode(), now()) is None


def test_texts_and_digests_do_not_show_in_repr(keys: KeyStore) -> None:
    text, key = keys.add(["score"])
    shown = repr((keys.snapshot(), key, keys.listed()))
    assert text not in shown
    assert digest_of(text).hex()[:8] not in shown


def test_revoked_twice_or_unknown_is_told(keys: KeyStore) -> None:
    _, key = keys.add(["score"])
    keys.revoke(key.key_id)
    with pytest.raises(ConfigError, match="revoked already"):
        keys.revoke(key.key_id)
    with pytest.raises(ConfigError, match=r"no key 'key-0'.*retain keys list"):
        keys.rotate("key-0", HOUR)


def test_rotation_leaves_both_open_and_ends_the_old_one(keys: KeyStore) -> None:
    old_text, old = keys.add(["score"], scope={"risk": ("high",)}, label="till", expires_at=now() + 48 * HOUR)
    new_text, new = keys.rotate(old.key_id, 2 * HOUR)
    snapshot = keys.snapshot()
    assert snapshot.find(old_text.encode(), now()).key_id == old.key_id
    assert snapshot.find(old_text.encode(), now() + 3 * HOUR) is None
    found = snapshot.find(new_text.encode(), now() + 47 * HOUR)
    assert found == new
    assert (new.roles, new.scope, new.label) == (old.roles, old.scope, old.label)
    assert snapshot.find(new_text.encode(), now() + 49 * HOUR) is None


def test_a_key_is_replaced_once(keys: KeyStore) -> None:
    _, old = keys.add(["score"])
    _, new = keys.rotate(old.key_id, HOUR)
    with pytest.raises(ConfigError, match=f"replaced by {new.key_id}; replace that one"):
        keys.rotate(old.key_id, HOUR)
    _, last = keys.rotate(new.key_id, HOUR)
    assert last.expires_at is None
    assert [record.replaced_by for record in keys.listed()] == [new.key_id, last.key_id, None]


def test_grace_never_lengthens_the_life_of_a_key(keys: KeyStore) -> None:
    _, old = keys.add(["score"], expires_at=soon())
    keys.rotate(old.key_id, 90 * HOUR)
    assert keys.listed()[0].key.expires_at == old.expires_at


def test_rotation_without_grace_ends_the_old_one_at_once(keys: KeyStore) -> None:
    text, old = keys.add(["score"])
    keys.rotate(old.key_id, timedelta())
    assert keys.snapshot().find(text.encode(), now()) is None
    assert [record.state(now()) for record in keys.listed()] == ["ended", "valid"]
    with pytest.raises(ConfigError, match="ended already"):
        keys.rotate(old.key_id, HOUR)
    with pytest.raises(ConfigError, match="negative"):
        keys.rotate(keys.listed()[1].key.key_id, -HOUR)


@pytest.mark.parametrize(
    ("roles", "more", "match"),
    [
        ([], {}, "at least one is needed; known: score, decide"),
        (["score", "root"], {}, "root is unknown"),
        (["score"], {"scope": {"clv": ("1",)}}, "no label of the list; known: value_class"),
        (["score"], {"scope": {"risk": ("hihg",)}}, "hihg is unknown; known: low, high"),
        (["score"], {"scope": {"risk": ()}}, "no customer would be covered"),
        (["score"], {"label": "two\nlines"}, "on one line"),
        (["score"], {"expires_at": NOW - 999 * HOUR}, "a moment to come"),
        (["score"], {"expires_at": datetime(2999, 1, 1)}, "with its zone"),
    ],
)
def test_keys_that_make_no_sense_are_refused(roles: list[str], more: dict[str, object], match: str) -> None:
    keys = KeyStore("sqlite://")
    with pytest.raises(ConfigError, match=match):
        keys.add(roles, **more)
    assert keys.listed() == []
    keys.close()


def test_scope_covers_rows_with_every_label_and_no_row_without_one() -> None:
    key = Key("k1", frozenset({"score"}), {"value_class": ("gold",), "risk": ("high", "unknown")})
    assert key.covers({"value_class": "gold", "risk": "unknown"})
    assert not key.covers({"value_class": "gold", "risk": "low"})
    assert not key.covers({"value_class": "gold", "risk": None})
    assert not key.covers({"value_class": "gold"})
    assert Key("k2", frozenset({"score"})).covers({})


def test_watch_sees_keys_come_and_go_without_a_restart(keys: KeyStore) -> None:
    watch = KeyWatch(keys, seconds=0.001)
    assert not watch.keys
    text, key = keys.add(["score"])
    watch.refresh()
    assert watch.keys.find(text.encode(), now()) == key
    watch.start()
    keys.revoke(key.key_id)
    until = now() + timedelta(seconds=20)
    while watch.keys.find(text.encode(), now()) and now() < until:
        pass
    watch.stop()
    assert watch.keys.find(text.encode(), now()) is None


def test_watch_keeps_its_keys_while_the_database_cannot_be_read(monkeypatch: pytest.MonkeyPatch) -> None:
    keys = KeyStore("sqlite://")
    text, key = keys.add(["score"], expires_at=soon())
    watch = KeyWatch(keys)

    def fail() -> Keys:
        raise RetainError("state database: could not be read")

    monkeypatch.setattr(keys, "snapshot", fail)
    watch.refresh()
    assert watch.problem == "state database: could not be read"
    assert watch.keys.find(text.encode(), now()) == key
    assert watch.keys.find(text.encode(), soon() + HOUR) is None
    monkeypatch.undo()
    watch.refresh()
    assert watch.problem == ""
    keys.close()
