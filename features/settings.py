"""The ``[data]`` section of ``retain.toml``: where the tables are and how to read them."""

from __future__ import annotations

import re
from typing import Literal
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, Field, field_validator

from features.contract import TABLES
from features.errors import ConfigError

__all__ = ["DataSettings", "TableSource", "memory_bytes"]


_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([KMGT]?)(i?)B", re.IGNORECASE)
_LEAST_MEMORY = 256 * 10**6


def memory_bytes(text: str) -> int:
    """A size as people write it, in bytes.

    Raises
    ------
    ValueError
        Not a size.

    Examples
    --------
    >>> memory_bytes("2GB"), memory_bytes("512 MiB")
    (2000000000, 536870912)
    """
    found = _SIZE.fullmatch(text.strip())
    if found is None:
        raise ValueError(f"{text!r} is no size; write e.g. '2GB' or '512MB'")
    step = 1024 if found[3] else 1000
    return int(float(found[1]) * step ** " KMGT".index(found[2].upper() or " "))


class TableSource(BaseModel):
    """Where one table is and how its columns are called there.

    ``path`` takes files, globs (``**`` for folders at any depth) or folders (CSV, CSV.GZ, TSV, XLSX, Parquet);
    folders named ``key=value`` give a column ``key``. ``url`` takes ``duckdb:///FILE`` or a SQLAlchemy database
    address (``env:NAME`` reads it from the environment) with ``table`` naming the table. Read in place, `path` takes
    Parquet only, also on object stores (``s3://…``), and `url` any engine that ibis connects to.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    path: tuple[str, ...] = ()
    url: str | None = None
    table: str | None = None
    sheet: str | None = None
    columns: dict[str, str] = Field(default_factory=dict)
    encoding: str = "auto"
    delimiter: str = "auto"
    date_format: str = "auto"

    @field_validator("path", mode="before")
    @classmethod
    def _one_or_many(cls, value: object) -> object:
        return (value,) if isinstance(value, str) else value


class DataSettings(BaseModel):
    """How the business writes its data: zone, currency, number style, and the tables.

    ``country`` (ISO 3166 code such as ``GB``) is whose public holidays count: how near they are, and which
    customers shop before them, become features. ``retain init`` takes the country of the zone; empty for none.
    ``decimal`` and ``thousands`` are the marks in numbers written as text. ``exact_duplicates`` says what
    happens to a row that equals an earlier one in every column: real shops scan two alike items as two lines,
    so ``keep`` is the default and their number is reported.

    With ``in_place`` tables are read where they are, Parquet by the embedded engine and tables of one database by
    that database: nothing is copied, checks and features run there, and nothing is parsed from text.
    ``memory_limit`` (such as ``2GB``) and ``threads`` bound the embedded engine; empty stands for half of the memory,
    and 0 for all cores, that the machine or container has.

    With ``keep_facts`` what was summed up of each customer's days stays in ``facts`` under ``out_dir``, and a run sums up
    only what is new.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    timezone: str = "UTC"
    currency: str = ""
    country: str = ""
    decimal: Literal[".", ","] = "."
    thousands: Literal[",", ".", " ", "'", ""] = ","
    exact_duplicates: Literal["keep", "drop"] = "keep"
    max_quarantined_share: float = Field(default=0.2, ge=0, le=1)
    in_place: bool = False
    keep_facts: bool = False
    memory_limit: str = ""
    threads: int = Field(default=0, ge=0, le=1024)
    orders: TableSource | None = None
    customers: TableSource | None = None
    contracts: TableSource | None = None
    interactions: TableSource | None = None
    surveys: TableSource | None = None
    campaigns: TableSource | None = None
    referrals: TableSource | None = None

    @field_validator("timezone")
    @classmethod
    def _known_zone(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (KeyError, ValueError, OSError) as error:
            raise ValueError(f"timezone {value!r} is unknown; use a name such as 'Europe/London'") from error
        return value

    @field_validator("memory_limit")
    @classmethod
    def _a_size(cls, value: str) -> str:
        if value and memory_bytes(value) < _LEAST_MEMORY:
            raise ValueError(f"memory_limit {value!r} is below 256 MB; the engine needs at least that")
        return value

    @field_validator("country")
    @classmethod
    def _known_country(cls, value: str) -> str:
        if not value:
            return value
        from features.public_holidays import check_country

        try:
            check_country(value)
        except ConfigError as error:
            raise ValueError(str(error)) from error
        return value

    @property
    def memory_limit_bytes(self) -> int | None:
        """The configured limit; None for none."""
        return memory_bytes(self.memory_limit) if self.memory_limit else None

    @property
    def sources(self) -> dict[str, TableSource]:
        """The tables that are configured, by contract name."""
        found = {name: getattr(self, name) for name in TABLES}
        return {name: source for name, source in found.items() if source is not None}
