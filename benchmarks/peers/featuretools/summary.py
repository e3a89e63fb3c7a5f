"""The nearest that featuretools has to a customer table: its aggregates over the lines known before the day.

``summary.py IN OUT AS_OF`` reads order lines from one Parquet file and writes one row per customer to another.
"""

import json
import sys
import warnings

import featuretools as ft
import pandas as pd

COLUMNS = ("customer_id", "time", "amount", "known_at")
PRIMITIVES = (
    "count",
    "sum",
    "mean",
    "min",
    "max",
    "std",
    "first",
    "last",
    "time_since_first",
    "time_since_last",
)


def main(given, wanted, as_of):
    """Read, add up, write."""
    day = pd.Timestamp(as_of)
    lines = pd.read_parquet(given)
    lines = lines[[c for c in COLUMNS if c in lines]]
    known = lines["time"] if "known_at" not in lines else lines[["time", "known_at"]].max(axis=1)
    lines = lines[known < day].drop(columns="known_at", errors="ignore").reset_index(drop=True)
    entities = ft.EntitySet("shop")
    entities.add_dataframe(lines, "lines", index="line", make_index=True, time_index="time")
    entities.normalize_dataframe("lines", "customers", "customer_id", make_time_index=False)
    found, features = ft.dfs(
        entityset=entities,
        target_dataframe_name="customers",
        agg_primitives=list(PRIMITIVES),
        trans_primitives=[],
        cutoff_time=day,
        max_depth=1,
    )
    found.reset_index().to_parquet(wanted)
    print(json.dumps({"customers": len(found), "columns": len(features)}))


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    main(*sys.argv[1:])
