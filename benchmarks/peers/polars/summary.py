"""The features of recency, frequency, value and rhythm, written by hand with Polars.

``summary.py IN OUT AS_OF`` reads order lines from one Parquet file and writes one row per customer to another.
"""

import json
import sys
from datetime import date

import polars as pl

WINDOWS = (7, 14, 30, 60, 90, 180, 365)
COLUMNS = ("customer_id", "order_id", "time", "amount", "cost", "known_at")
UNITS = 10_000


def units(value):
    """Money as whole ten-thousandths, so that sums are exact."""
    return (value.fill_null(0.0) * UNITS).round().cast(pl.Int64)


def known_days(file, as_of):
    """One row per customer and day, from the lines known before the day."""
    there = pl.read_parquet_schema(file)
    lines = pl.scan_parquet(file).select([c for c in COLUMNS if c in there])
    lines = lines.with_columns(day=pl.col("time").dt.date())
    known = pl.max_horizontal("day", pl.col("known_at").dt.date()) if "known_at" in there else pl.col("day")
    amount = pl.col("amount")
    bought = amount > 0
    cost = pl.col("cost") if "cost" in there else pl.lit(None, pl.Float64)
    order = (
        pl.col("order_id").filter(bought).n_unique() if "order_id" in there else bought.any().cast(pl.Int64)
    )
    margin = amount - pl.when(amount >= 0).then(cost).otherwise(-cost.abs())
    return (
        lines.filter(known < as_of)
        .group_by("customer_id", "day")
        .agg(
            orders=order.cast(pl.Int64),
            spend=units(pl.when(bought).then(amount).otherwise(0.0)).sum(),
            net=units(amount).sum(),
            margin=units(margin).sum(),
            costed=cost.is_not_null().sum().cast(pl.Int64),
        )
        .with_columns(age=(pl.lit(as_of) - pl.col("day")).dt.total_days(), bought=pl.col("orders") > 0)
        .sort("customer_id", "bought", "day")
        .with_columns(gap=_gap())
    )


def _gap():
    """Days since the purchase day before; rows are sorted by customer, bought and day."""
    gap = pl.col("day").diff().dt.total_days()
    first = (pl.col("customer_id") != pl.col("customer_id").shift()) | (
        pl.col("bought") != pl.col("bought").shift()
    )
    return pl.when(pl.col("bought") & ~first.fill_null(value=True)).then(gap)


def measures():
    """What is added up per customer."""
    bought, age = pl.col("bought"), pl.col("age")
    paid = age.filter(bought)
    found = {
        "first_age": pl.coalesce(paid.max(), age.max()),
        "last_age": pl.coalesce(paid.min(), age.min()),
        "purchase_days": bought.sum().cast(pl.Int64),
        "orders_total": pl.col("orders").sum(),
        "spend": pl.col("spend").sum(),
        "first_spend": pl.col("spend").filter(bought & pl.col("gap").is_null()).sum(),
        "net": pl.col("net").sum(),
        "value_365d": pl.col("net").filter(age <= 365).sum() / UNITS,
        "margin": pl.col("margin").filter(age <= 365).sum() / UNITS,
        "costed": pl.col("costed").sum(),
        "gap_mean": pl.col("gap").mean(),
        "gap_median": pl.col("gap").median(),
        "gap_sd": pl.col("gap").std(),
        "gap_max": pl.col("gap").max().cast(pl.Float64),
        "gap_last": pl.col("gap").filter(bought).last().cast(pl.Float64),
    }
    for w in WINDOWS:
        found[f"spend_{w}d"] = pl.col("spend").filter(age <= w).sum() / UNITS
        found[f"orders_{w}d"] = pl.col("orders").filter(age <= w).sum()
    return found


def derived():
    """What is made of the sums."""
    frequency = (pl.col("purchase_days") - 1).clip(0)
    repeat = (pl.col("spend") - pl.col("first_spend")) / UNITS
    since = pl.col("last_age")
    return {
        "frequency": frequency,
        "recency": pl.when(frequency > 0).then(pl.col("first_age") - since).otherwise(0),
        "T": pl.col("first_age"),
        "days_since_last": since,
        "monetary_value": pl.when(frequency > 0).then(repeat / frequency).otherwise(0.0),
        "spend_total": pl.col("spend") / UNITS,
        "value_total": pl.col("net") / UNITS,
        "margin_365d": pl.when(pl.col("costed") > 0).then(pl.col("margin")),
        "irregularity": pl.col("gap_sd") / pl.col("gap_mean"),
        "overdue_ratio": since / pl.col("gap_mean"),
        "overdue_max_ratio": since / pl.col("gap_max"),
        "gap_last_ratio": pl.col("gap_last") / pl.col("gap_mean"),
    }


def main(given, wanted, as_of):
    """Read, add up, write."""
    day = date.fromisoformat(as_of)
    rows = known_days(given, day).group_by("customer_id", maintain_order=False).agg(**measures())
    rows = rows.with_columns(**derived())
    found = rows.drop("first_age", "last_age", "spend", "first_spend", "net", "margin", "costed").collect()
    found.write_parquet(wanted)
    print(json.dumps({"customers": found.height, "columns": found.width - 1}))


if __name__ == "__main__":
    main(*sys.argv[1:])
