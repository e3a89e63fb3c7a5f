"""The url of a database: what it names, how it is shown, and the engine behind it."""

from __future__ import annotations

import atexit
import importlib
import importlib.util
import os
import re
import shutil
import socket
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from features.dialect import portable
from features.errors import ConfigError, InputError

__all__ = ["connect_backend", "engine_name", "local_file", "resolve_url", "show_url", "without_secrets"]

_FILES = ("duckdb", "sqlite")
_EXTRAS = {"postgres": "retain[postgres]", "pyspark": "retain[spark]"}
_MODULES = {"postgres": "psycopg", "pyspark": "pyspark"}
_CONNECT_PORT = 15002
_SECONDS = 10.0
_ALIASES = {"postgresql": "postgres", "spark": "pyspark", "sc": "pyspark"}


def resolve_url(url: str) -> str:
    """The url itself; ``env:NAME`` is looked up in the environment.

    Raises
    ------
    ConfigError
        The variable is not set.
    """
    if not url.startswith("env:"):
        return url
    found = os.environ.get(url[4:], "")
    if not found:
        raise ConfigError(f"the environment variable {url[4:]} is not set; it should hold the url")
    return found


def engine_name(url: str) -> str:
    """Which engine a url names, as ibis calls it.

    Raises
    ------
    ConfigError
        The text is no url.

    Examples
    --------
    >>> [engine_name(url) for url in ("postgresql+psycopg://host/db", "sc://host:15002", "duckdb:///a.duckdb")]
    ['postgres', 'pyspark', 'duckdb']
    """
    scheme, found, _ = url.partition("://")
    if not found or not scheme:
        raise ConfigError("url is not a database address such as postgresql://user@host/name")
    name = scheme.partition("+")[0].lower()
    return _ALIASES.get(name, name)


def show_url(url: str) -> str:
    """The url as it may be shown: without its password and without options (after ``?``, of Spark Connect ``;``).

    Examples
    --------
    >>> show_url("postgresql://shop:secret@db/orders?options=x")
    'postgresql://shop:***@db/orders'
    >>> show_url("sc://host:15002/;token=secret")
    'sc://host:15002/'
    """
    scheme, _, rest = _parted(url)[0].partition("://")
    login, at, place = rest.rpartition("@")
    user, colon, _ = login.partition(":")
    return f"{scheme}://{user}{colon and ':***'}{at}{place}"


def _parted(url: str) -> tuple[str, str]:
    bare, _, options = url.partition(";" if url.startswith("sc://") else "?")
    return bare, options


def without_secrets(text: str, url: str) -> str:
    """First line of what an engine said, without the password of the url and without the url's options."""
    line = next(iter(text.strip().splitlines()), "")
    bare, options = _parted(url)
    password = bare.partition("://")[2].rpartition("@")[0].partition(":")[2]
    secrets = {url, options, password, unquote(password)}
    secrets |= {pair.partition("=")[2] for pair in re.split("[&;]", options)}
    for secret in sorted(secrets, key=len, reverse=True):
        line = line.replace(secret, "***") if secret else line
    return line


def local_file(url: str, base: Path) -> Path | None:
    """The file that a url of DuckDB or SQLite names, relative to `base`; None for any other url.

    Raises
    ------
    ConfigError
        The url names no file.
    InputError
        There is no such file.
    """
    engine = engine_name(url)
    if engine not in _FILES:
        return None
    name = unquote(url.partition("://")[2].partition("?")[0])
    # Three slashes stand before a relative path, four before an absolute one, as everywhere.
    path = base / name.removeprefix("/")
    if not name.removeprefix("/"):
        raise ConfigError(f"{show_url(url)} names no file; write {engine}:///folder/shop.{engine}")
    if not path.is_file() and Path(name).is_file():
        path = Path(name)
    if not path.is_file():
        raise InputError(f"there is no file {path} (url {show_url(url)}); check the path")
    return path


def connect_backend(url: str, *, threads: int | None = None) -> Any:
    """The ibis backend behind a url, its session in UTC, made to answer as DuckDB would (`features.dialect`).

    Parameters
    ----------
    url : str
        ``postgresql://…``, ``spark://local`` (a session of this machine), ``spark://host:7077``, ``sc://host:15002``
        (Spark Connect), or any url that ibis connects to.
    threads : int, optional
        Cores that a Spark session of this machine may use.

    Raises
    ------
    ConfigError
        The engine is unknown, or its driver is not installed.
    InputError
        The server cannot be reached or refuses. No message holds a password.
    """
    import ibis

    engine = engine_name(url)
    if not _is_installed(engine):
        extra = _EXTRAS.get(engine, f"ibis-framework[{engine}]")
        raise ConfigError(f"no driver for {show_url(url)}; install it: pip install '{extra}'")
    try:
        if engine == "postgres":
            return _speaking_as_duckdb(_postgres(url))
        if engine == "pyspark":
            return _speaking_as_duckdb(_spark(url, threads))
        return _speaking_as_duckdb(ibis.connect(url))
    except ImportError as error:
        extra = _EXTRAS.get(engine, f"ibis-framework[{engine}]")
        raise ConfigError(
            f"no driver for {show_url(url)} ({error.name or _first_line(error, url)}); install it: pip install '{extra}'"
        ) from None
    except Exception as error:  # noqa: BLE001  (each driver has errors of its own)
        cause = _first_line(error, url)
        raise InputError(f"cannot connect to {show_url(url)}: {cause}") from None


def _first_line(error: Exception, url: str) -> str:
    return without_secrets(str(error), url) or type(error).__name__


def _speaking_as_duckdb(con: Any) -> Any:
    """The backend itself; what is asked of it is put such that it answers as DuckDB would."""
    kind = type(con)

    def to_pyarrow(self: Any, expression: Any, /, **how: Any) -> Any:
        return kind.to_pyarrow(self, portable(expression, self), **how)

    def to_pyarrow_batches(self: Any, expression: Any, /, **how: Any) -> Any:
        return kind.to_pyarrow_batches(self, portable(expression, self), **how)

    def disconnect(self: Any) -> None:
        # Afterwards the temporary tables cannot be dropped any more, and each would complain.
        for name in list(self._cache_name_to_entry):
            self._finalize_cached_table(name)
        kind.disconnect(self)

    asked = {"to_pyarrow": to_pyarrow, "to_pyarrow_batches": to_pyarrow_batches, "disconnect": disconnect}
    con.__class__ = type("Backend", (kind,), asked)
    return con


def _is_installed(engine: str) -> bool:
    if engine in _MODULES:
        return importlib.util.find_spec(_MODULES[engine]) is not None
    with suppress(ModuleNotFoundError):
        return importlib.util.find_spec(f"ibis.backends.{engine}") is not None
    return False


def _postgres(url: str) -> Any:
    import ibis
    import psycopg
    import sqlalchemy as sa

    address = sa.make_url(url)
    named = {
        "host": address.host,
        "port": address.port,
        "user": address.username,
        "password": None if address.password is None else str(address.password),
        "database": address.database,
    }
    given = {name: value for name, value in named.items() if value is not None}
    con = ibis.postgres.connect(**given, **{str(k): str(v) for k, v in address.query.items()})
    # Compiling a statement of so many columns takes PostgreSQL half a minute, running it a few milliseconds.
    with suppress(psycopg.Error):  # servers that only speak its language know no such setting
        con.raw_sql("SET jit = off").close()
    return con


def _refuse_silence(url: str) -> None:
    """Spark Connect would try for ten minutes where nobody listens."""
    place = urlsplit(_parted(url)[0])
    with socket.create_connection((place.hostname or "localhost", place.port or _CONNECT_PORT), _SECONDS):
        pass


def _spark(url: str, threads: int | None) -> Any:
    import ibis

    if url.startswith("sc://"):
        _refuse_silence(url)
    session = importlib.import_module("pyspark.sql").SparkSession
    builder = session.builder.appName("retain").config("spark.sql.session.timeZone", "UTC")
    if url.startswith("sc://"):
        return ibis.pyspark.connect(builder.remote(url).getOrCreate())
    place = url.partition("://")[2].strip("/")
    if place in ("", "local"):
        cores = "*" if threads is None else str(threads)
        # Spark would make the folder of its own tables, of which there are none, where the command runs.
        own = tempfile.mkdtemp(prefix="retain-spark-")
        atexit.register(shutil.rmtree, own, ignore_errors=True)
        builder = builder.config("spark.sql.warehouse.dir", own)
        builder = builder.config("spark.ui.enabled", "false").config("spark.ui.showConsoleProgress", "false")
        builder = builder.master(f"local[{cores}]")
    else:
        builder = builder.master(url)
    return ibis.pyspark.connect(builder.getOrCreate())
