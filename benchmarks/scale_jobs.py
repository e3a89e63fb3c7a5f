"""The jobs of `scale.py`, each run in a process of its own; each prints one JSON line.

``features FILE OUT MEMORY DAY [DAY ...]`` writes the whole customer table of so many days, read in place.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any


def simulate(folder: str, lines: str, orders_per_year: str) -> dict[str, Any]:
    """Write so many simulated order lines; say where the data end."""
    from retain.shop import ShopSettings, write_orders

    settings = ShopSettings(orders_per_year=float(orders_per_year))
    file = write_orders(settings, Path(folder), lines=int(lines))
    return {"file": file.name, "bytes": file.stat().st_size, "end": settings.end.isoformat()}


def features(file: str, out: str, memory: str, *days: str) -> dict[str, Any]:
    """The feature table of the days, from the file to a file."""
    import pyarrow.parquet as pq

    from features.load import load
    from features.settings import DataSettings, TableSource
    from features.streams import stream_features

    settings = DataSettings(
        timezone="Europe/Berlin",
        currency="EUR",
        in_place=True,
        memory_limit=memory,
        orders=TableSource(path=(file,)),
    )
    tables = load(settings, describe=False).tables
    cuts = [date.fromisoformat(day) for day in days]
    rows, writer = 0, None
    for batch in stream_features(tables, cuts):
        writer = writer or pq.ParquetWriter(out, batch.schema)
        writer.write_batch(batch)
        rows += batch.num_rows
    if writer is None:
        raise RuntimeError("no customer is known before any of the days")
    writer.close()
    return {"rows": rows, "columns": len(batch.schema)}


def same(ours: str, theirs: str) -> dict[str, Any]:
    """How many columns of two customer tables are equal to 1e-9, of those that both have."""
    import numpy as np
    import pandas as pd

    one, two = (pd.read_parquet(f).set_index("customer_id").sort_index() for f in (ours, theirs))
    names = [name for name in two.columns if name in one.columns]
    if not one.index.equals(two.index):
        raise RuntimeError(f"the tables have {len(one):,} and {len(two):,} customers, not the same ones")
    apart = [n for n in names if not np.allclose(one[n], two[n], rtol=1e-9, atol=1e-9, equal_nan=True)]
    return {"columns": len(names), "apart": apart}


JOBS: dict[str, Callable[..., dict[str, Any]]] = {"simulate": simulate, "features": features, "same": same}

if __name__ == "__main__":
    print(json.dumps(JOBS[sys.argv[1]](*sys.argv[2:])))
