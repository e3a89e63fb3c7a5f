"""The day that separates past from future in one run."""

from __future__ import annotations

from datetime import date, timedelta
from typing import TYPE_CHECKING

from features.errors import ConfigError, NotEnoughData

if TYPE_CHECKING:
    from features.tables import Tables
    from retain.config import RunSettings

__all__ = ["as_of_day", "parse_day"]


def parse_day(text: str) -> date:
    """A day as the command line takes it.

    Examples
    --------
    >>> parse_day("2011-06-12")
    datetime.date(2011, 6, 12)
    """
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise ConfigError(f"--as-of {text!r} is no day; write it as 2026-01-31") from None


def as_of_day(tables: Tables, run: RunSettings, given: str | None = None) -> date:
    """The day of a run: the option, else ``[run] as_of``, else the day after the last order.

    Parameters
    ----------
    tables : Tables
        Loaded tables; asked only when the day is ``auto``.
    run : RunSettings
        The ``[run]`` section.
    given : str, optional
        What ``--as-of`` said.

    Raises
    ------
    ConfigError
        The option is no day.
    NotEnoughData
        The day is ``auto`` and there is no order.
    """
    if given is not None and given != "auto":
        return parse_day(given)
    if given is None and run.as_of != "auto":
        return run.as_of
    last = tables.con.to_pyarrow(tables.orders.day.max()).as_py()
    if last is None:
        raise NotEnoughData("there are no orders to take the day from; give --as-of DATE")
    return last + timedelta(days=1)
