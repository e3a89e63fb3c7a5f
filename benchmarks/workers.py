"""The small jobs of the benchmarks, each run in a process of its own.

``simulate FOLDER LINES`` writes the order file; ``pandas FILE`` and ``duckdb FILE`` aggregate it per
customer, the least that any tool has to do with it. Each prints one JSON line.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any


def simulate(folder: str, lines: str) -> dict[str, Any]:
    """Write so many simulated order lines; say where the data end."""
    from retain.shop import ShopSettings, write_orders

    settings = ShopSettings()
    file = write_orders(settings, Path(folder), lines=int(lines))
    return {"file": file.name, "bytes": file.stat().st_size, "end": settings.end.isoformat()}


def plain_pandas(file: str) -> dict[str, Any]:
    """Read the whole file, group by customer: count, sum, min, max."""
    import pandas as pd

    frame = pd.read_parquet(file)
    by = frame.groupby("customer_id").agg(
        lines=("amount", "count"), spend=("amount", "sum"), first=("time", "min"), last=("time", "max")
    )
    return {
        "customers": len(by),
        "lines": int(by["lines"].sum()),
        "spend": round(float(by["spend"].sum()), 2),
    }


def bare_duckdb(file: str) -> dict[str, Any]:
    """The same aggregate inside DuckDB, which reads only the columns it needs, on all cores."""
    import duckdb

    con = duckdb.connect()
    con.execute(
        """
        create temp table by_customer as
        select customer_id, count(amount) as lines, sum(amount) as spend,
               min(time) as first, max(time) as last
        from read_parquet(?)
        group by customer_id
        """,
        [file],
    )
    found = con.execute("select count(*), sum(lines), sum(spend) from by_customer").fetchone()
    if found is None:
        raise RuntimeError("an aggregate without a group gave no row")
    return {"customers": found[0], "lines": int(found[1]), "spend": round(found[2], 2)}


JOBS: dict[str, Callable[..., dict[str, Any]]] = {
    "simulate": simulate,
    "pandas": plain_pandas,
    "duckdb": bare_duckdb,
}

if __name__ == "__main__":
    print(json.dumps(JOBS[sys.argv[1]](*sys.argv[2:])))
