"""What can be wrong around a run: the machine, the libraries, the folder, the addresses, the keys."""

from __future__ import annotations

import ctypes
import os
import platform
import re
import shutil
import socket
import sqlite3
import stat
import sys
import time
import zoneinfo
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from importlib.metadata import PackageNotFoundError, requires, version
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Literal
from urllib.parse import urlsplit

from features.errors import RetainError
from retain.config import Project, RetainConfig, load_config

if TYPE_CHECKING:
    from serving.keys import KeyRecord

__all__ = ["Check", "State", "examine"]

State = Literal["ok", "warning", "broken", "unsafe"]

_LEAST_FREE_BYTES = 200 * 2**20
_SOME_FREE_BYTES = 2 * 2**30
_CONNECT_SECONDS = 2.0
_SOON = timedelta(days=14)
# A clock before this moment cannot be right: the code did not exist.
_RELEASED = 1_767_225_600.0  # 2026-01-01
_OPENMP = {
    "linux": "apt-get install libgomp1, or: yum install libgomp, or: apk add libgomp",
    "darwin": "brew install libomp",
}
_LOOPBACK = {"127.0.0.1", "::1", "localhost"}
_PORTS = {"http": 80, "https": 443, "postgresql": 5432, "mysql": 3306, "mssql": 1433}
_SQLITE = "sqlite:///"


@dataclass(frozen=True)
class Check:
    """One thing that was looked at: its state, what was found, what to do when it is not ok."""

    name: str
    state: State
    found: str
    advice: str = ""


def examine(path: Path) -> list[Check]:
    """Look at everything; never raises for what it finds.

    Parameters
    ----------
    path : Path
        The configuration; without one the defaults are examined.
    """
    found = [_python(), *_libraries(), _openmp(), _clock()]
    first, project = _configuration(path)
    found.append(first)
    checks: tuple[Callable[[Project], Check], ...] = (
        _zone,
        _disk,
        _folder,
        _secrets,
        _tracking,
        _keys,
        _port,
    )
    return [*found, *(check(project) for check in checks)]


def _python() -> Check:
    good = sys.version_info >= (3, 11)
    return Check(
        "python", "ok" if good else "broken", platform.python_version(), "" if good else "needs 3.11 or later"
    )


def _libraries() -> Iterator[Check]:
    try:
        lines = [line for line in requires("retain") or [] if "extra ==" not in line]
    except PackageNotFoundError:
        yield Check("libraries", "broken", "retain is not installed", "run `make setup`")
        return
    wrong = [fault for fault in map(_library_fault, lines) if fault]
    for fault in wrong:
        yield Check("library", "broken", fault, "run `make setup`: it installs the locked versions")
    if not wrong:
        yield Check("libraries", "ok", f"{len(lines)} libraries within their bounds")


def _library_fault(requirement: str) -> str:
    """What is wrong with one installed library; ``""`` when it satisfies ``name>=1.2,<2``."""
    text, _, marker = requirement.partition(";")
    if "win32" in marker and sys.platform == "win32":
        return ""
    name = re.match(r"[A-Za-z0-9._-]+", text.strip())
    if name is None:
        return ""
    try:
        installed = version(name.group())
    except PackageNotFoundError:
        return f"{name.group()} is not installed"
    for sign, bound in re.findall(r"(>=|<)\s*([0-9.]+)", text):
        have, want = _numbers(installed), _numbers(bound)
        if (sign == ">=" and have < want) or (sign == "<" and have >= want):
            return f"{name.group()} {installed}, needed {sign}{bound}"
    return ""


def _numbers(text: str) -> tuple[int, ...]:
    parts = [int(number) for number in re.findall(r"\d+", text)[:3]]
    return tuple(parts + [0] * (3 - len(parts)))


def _openmp() -> Check:
    """LightGBM's library needs the OpenMP runtime, which slim images lack; loading it alone is quick."""
    spec = find_spec("lightgbm")
    folder = Path(spec.origin).parent if spec and spec.origin else None
    library = next(folder.glob("**/lib_lightgbm.*"), None) if folder else None
    if library is None:
        return Check("openmp", "broken", "LightGBM is not installed", "run `make setup`")
    try:
        ctypes.CDLL(str(library))
    except OSError as error:
        advice = _OPENMP.get(sys.platform, "install the OpenMP runtime")
        return Check("openmp", "broken", f"LightGBM cannot load: {error}", advice)
    return Check("openmp", "ok", f"LightGBM {version('lightgbm')} and its OpenMP runtime load")


def _clock() -> Check:
    now = time.time()
    shown = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(now))
    if now < _RELEASED:
        return Check(
            "clock", "broken", shown, "the clock is in the past: set it; days of orders depend on it"
        )
    return Check("clock", "ok", shown)


def _configuration(path: Path) -> tuple[Check, Project]:
    defaults = Project(RetainConfig(), path)
    if not path.exists():
        advice = "`retain init YOUR_ORDERS_FILE` writes it"
        return Check("configuration", "warning", f"{path} is not there; defaults examined", advice), defaults
    try:
        return Check("configuration", "ok", str(path)), load_config(path)
    except RetainError as error:
        return Check(
            "configuration", "broken", str(error), "correct the file; defaults examined below"
        ), defaults


def _zone(project: Project) -> Check:
    zone = project.config.data.timezone
    try:
        zoneinfo.ZoneInfo(zone)
        zoneinfo.ZoneInfo("Asia/Shanghai")
    except (KeyError, OSError):
        return Check("time zones", "broken", "time zone data is missing", "run: pip install tzdata")
    return Check("time zones", "ok", f"data is there; the business runs on {zone}")


def _disk(project: Project) -> Check:
    free = shutil.disk_usage(_existing(project.out_dir)).free
    found = f"{free / 2**30:.1f} GiB free for {project.out_dir}"
    if free < _LEAST_FREE_BYTES:
        return Check("disk", "broken", found, "free at least 200 MiB, or set [paths] out_dir")
    if free < _SOME_FREE_BYTES:
        return Check("disk", "warning", found, "less than 2 GiB: large data may not fit")
    return Check("disk", "ok", found)


def _folder(project: Project) -> Check:
    folder = project.out_dir
    if folder.exists() and not folder.is_dir():
        return Check("output folder", "broken", f"{folder} is a file", "remove it, or set [paths] out_dir")
    if not os.access(_existing(folder), os.W_OK | os.X_OK):
        return Check("output folder", "broken", f"{folder} cannot be written", "set [paths] out_dir")
    if not folder.exists():
        return Check("output folder", "ok", f"{folder} will be made, for its owner only")
    mode = stat.S_IMODE(folder.stat().st_mode)
    if mode & 0o077:
        advice = f"others may read customers' scores; run: chmod -R go-rwx {folder}"
        return Check("output folder", "unsafe", f"{folder} has mode {mode:04o}", advice)
    return Check("output folder", "ok", f"{folder} is its owner's only")


def _secrets(project: Project) -> Check:
    """A password in the configuration belongs in the environment."""
    urls = [source.url or "" for source in project.config.data.sources.values()]
    urls.append(project.config.tracking.uri or "")
    if not any(_password_of(url) for url in urls):
        return Check("secrets", "ok", "no password in the configuration")
    mode = stat.S_IMODE(project.path.stat().st_mode)
    state: State = "unsafe" if mode & 0o077 else "warning"
    found = f"an address in {project.path.name} holds a password (file mode {mode:04o})"
    return Check("secrets", state, found, 'write url = "env:NAME" and put the address into the environment')


def _tracking(project: Project) -> Check:
    uri = project.tracking_uri
    if uri.startswith(_SQLITE):
        return _sqlite(Path(uri.removeprefix(_SQLITE)))
    parts = urlsplit(uri)
    port = parts.port or _PORTS.get(parts.scheme.partition("+")[0])
    if not parts.hostname or port is None:
        return Check("tracking", "warning", f"{parts.scheme or 'path'}: not examined", "")
    where = f"{parts.hostname}:{port}"
    try:
        socket.create_connection((parts.hostname, port), timeout=_CONNECT_SECONDS).close()
    except OSError as error:
        advice = "start the server, or correct MLFLOW_TRACKING_URI or [tracking] uri"
        return Check("tracking", "broken", f"{where} does not answer ({error})", advice)
    if parts.scheme == "http" and parts.hostname not in _LOOPBACK:
        return Check("tracking", "warning", f"{where} answers, without encryption", "put it behind https")
    return Check("tracking", "ok", f"{where} answers")


def _sqlite(path: Path) -> Check:
    if not path.exists():
        return Check("tracking", "ok", f"{path} will be made")
    try:
        connection = sqlite3.connect(
            f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=_CONNECT_SECONDS
        )
        try:
            connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
        finally:
            connection.close()
    except sqlite3.Error as error:
        return Check("tracking", "broken", f"{path}: {error}", "restore it from a backup, or move it away")
    return Check("tracking", "ok", f"{path} opens")


def _keys(project: Project) -> Check:
    host, url = project.config.serving.host, project.store_url
    try:
        records = _key_records(url)
    except RetainError as error:
        return Check("endpoint keys", "broken", str(error))
    now = datetime.now(UTC)
    valid = [record.key for record in records if record.state(now) == "valid"]
    soon = [key for key in valid if key.expires_at is not None and key.expires_at - now < _SOON]
    if not records and host in _LOOPBACK:
        return Check("endpoint keys", "ok", f"no keys, and only {host} is listened on")
    if not records:
        advice = "set [serving] host to 127.0.0.1, or make a key: retain keys add --role score"
        return Check("endpoint keys", "unsafe", f"{host} is open to the network without keys", advice)
    if not valid:
        found = f"none of {len(records)} keys opens any more: the endpoint answers nobody"
        return Check("endpoint keys", "warning", found, "retain keys add --role score")
    if soon:
        first = min(soon, key=lambda key: key.expires_at or now)
        found = f"{len(soon)} of {len(valid)} keys end within {_SOON.days} days, the first is {first.key_id}"
        return Check("endpoint keys", "warning", found, f"retain keys rotate {first.key_id}")
    return Check("endpoint keys", "ok", f"{len(valid)} keys; the endpoint asks for one")


def _key_records(url: str) -> list[KeyRecord]:
    """The keys on record; a database that is not there yet is not made."""
    if url.startswith(_SQLITE) and not Path(url.removeprefix(_SQLITE)).exists():
        return []
    from serving.keys import KeyStore

    with closing(KeyStore(url)) as store:
        return store.listed()


def _port(project: Project) -> Check:
    host, port = project.config.serving.host, project.config.serving.port
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((host, port))
    except OSError as error:
        advice = "an endpoint may be running already; else choose another [serving] port"
        return Check("endpoint port", "warning", f"{host}:{port} cannot be taken ({error.strerror})", advice)
    return Check("endpoint port", "ok", f"{host}:{port} is free")


def _password_of(url: str) -> str:
    return "" if url.startswith("env:") else urlsplit(url).password or ""


def _existing(path: Path) -> Path:
    """The path itself or the nearest folder above it that exists."""
    path = path.absolute()
    while not path.exists():
        path = path.parent
    return path
