"""From instants to business-local time: the wall clock of the configured zone."""

from __future__ import annotations

import pandas as pd
import pyarrow as pa

__all__ = ["to_local"]


def to_local(instants: pa.ChunkedArray | pa.Array, timezone: str) -> pa.Array:
    """Zoned timestamps as naive wall-clock times in `timezone`.

    Parameters
    ----------
    instants : pyarrow array of timestamp with a zone
    timezone : str
        IANA name, such as ``"Asia/Shanghai"``.

    Returns
    -------
    pyarrow.Array
        ``timestamp("us")`` without zone, same length, missing where missing.

    Notes
    -----
    The conversion reads Python's own zone tables, so it needs no zone files of the operating system.

    Examples
    --------
    >>> from datetime import datetime, timezone as tz
    >>> instant = pa.array([datetime(2026, 1, 31, 20, tzinfo=tz.utc)], pa.timestamp("us", "UTC"))
    >>> to_local(instant, "Asia/Shanghai")[0].as_py()
    datetime.datetime(2026, 2, 1, 4, 0)
    """
    utc = instants.cast(pa.timestamp("us", "UTC"), safe=False).cast(pa.int64())
    index = pd.to_datetime(pd.Series(utc.to_pandas(), dtype="Int64"), unit="us", utc=True)
    local = index.dt.tz_convert(timezone).dt.tz_localize(None)
    return pa.Array.from_pandas(local).cast(pa.timestamp("us"), safe=False)
