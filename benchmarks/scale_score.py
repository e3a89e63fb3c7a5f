"""From ready features to the list with a strategy for everybody: time and peak memory of the streamed list.

::

    python benchmarks/scale_score.py --customers 1000000
    python benchmarks/scale_score.py --customers 1000000 10000000 --reasons none

A model is trained on a simulated shop; its customers' features are repeated under new ids, each with amounts and a
silence of their own, in one Parquet file. Scoring is a process of its own: its start, imports and reading count. The
last line is JSON: ``seconds``, ``cpu_seconds`` and ``peak_gb`` of the first size, and the peak of the last size over
it, ``peak_ratio``.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from steps import Measured, measure

FEATURES_FILE, MODELS, DAY = "features.parquet", "models", "day.txt"
SHOP_CUSTOMERS, SHOP_DAYS, SHOP_SEED = 2_000, 1_100, 20261123
BLOCK = 50_000
_MONEY = ("spend", "value", "margin", "monetary", "price_mean", "first_order_value", "returns_value")
_SILENCE = ("T", "days_since_last")


def make(folder: Path, customers: int) -> dict[str, Any]:
    """Train a model and write the features of so many customers."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq

    from features.frames import tables_from_frames
    from features.plan import fetch_features
    from retain.shop import ShopSettings, simulate
    from training.build import build_bundle
    from training.fit import anchored
    from training.panel import build_panel
    from training.settings import TrainingSettings

    shop = simulate(ShopSettings(customers=SHOP_CUSTOMERS, days=SHOP_DAYS, seed=SHOP_SEED))
    day, settings = shop.settings.end, TrainingSettings()
    tables = tables_from_frames(shop.tables, timezone=shop.settings.timezone, currency="EUR")
    horizons = {settings.churn.window_days, *settings.value.horizons_days}
    panel = anchored(build_panel(tables, day, sorted(horizons)))
    bundle = build_bundle(panel, settings, evidence="ml")
    (folder / MODELS).mkdir()
    version = bundle.save(folder / MODELS).version
    (folder / DAY).write_text(f"{day.isoformat()} {version}")
    known, chance = fetch_features(tables, [day]), np.random.default_rng(SHOP_SEED)
    with pq.ParquetWriter(folder / FEATURES_FILE, known.schema, write_page_checksum=True) as writer:
        for start in range(0, customers, BLOCK):
            size = min(BLOCK, customers - start)
            some = known.take(pa.array(chance.integers(0, known.num_rows, size)))
            writer.write_table(
                _others(some, start, chance.lognormal(0.0, 0.5, size), chance.integers(0, 60, size))
            )
    return {"trees": sum(head.learned for head in _heads(bundle))}


def _others(rows: Any, start: int, factor: Any, silence: Any) -> Any:
    """The rows as those of other customers: other ids, amounts times a factor, and silent for some days more."""
    import numpy as np
    import pyarrow as pa

    for place, field in enumerate(rows.schema):
        column = rows.column(place)
        if field.name == "customer_id":
            column = pa.array([f"c{start + n:09d}" for n in range(rows.num_rows)])
        elif field.name in _SILENCE:
            column = pa.array(column.to_numpy() + silence).cast(field.type)
        elif field.name.startswith(_MONEY) and pa.types.is_floating(field.type):
            column = pa.array(np.round(column.to_numpy() * factor, 4), from_pandas=True)
        rows = rows.set_column(place, field, column)
    return rows


def _heads(bundle: Any) -> list[Any]:
    return [bundle.churn, *bundle.curve.orders.values(), *bundle.curve.value.values()]


def score(folder: Path, threads: int, reasons: str) -> dict[str, Any]:
    """From the features to the list."""
    from datetime import date

    from serving.scorer import Scorer
    from serving.streamed import StreamSettings, stream_list
    from strategies.settings import StrategySettings
    from training.models.bundle import Bundle

    day, version = (folder / DAY).read_text().split()
    scorer = Scorer(Bundle.load(folder / MODELS / version), StrategySettings(), currency="EUR")
    number = {"all": None, "none": 0}[reasons] if reasons in {"all", "none"} else int(reasons)
    settings = StreamSettings(reasons=number, threads=threads)
    found = stream_list(
        scorer, folder / FEATURES_FILE, date.fromisoformat(day), folder / "list", settings=settings
    )
    return {"customers": found.rows, "files": found.files}


def measured(customers: int, options: argparse.Namespace) -> Measured:
    """One size, in processes of their own."""
    with tempfile.TemporaryDirectory(prefix="retain-score-") as name:
        folder = Path(name)
        job = [sys.executable, __file__, "--folder", name, "--customers", str(customers)]
        made = measure("make", [*job, "--job", "make"], folder, lines=customers, timeout=7_200)
        if made.exit_code:
            return made
        words = ["--job", "score", "--threads", str(options.threads), "--reasons", options.reasons]
        return measure("score", [*job, *words], folder, lines=customers, timeout=7_200)


def main(arguments: Sequence[str]) -> int:
    """Measure every size; or do one job of a size."""
    options = asked(arguments)
    if options.job:
        jobs = {
            "make": lambda: make(options.folder, options.customers[0]),
            "score": lambda: score(options.folder, options.threads, options.reasons),
        }
        print(json.dumps(jobs[options.job]()))
        return 0
    found = [measured(customers, options) for customers in options.customers]
    for job in found:
        print(
            f"{job.lines:,} customers: {job.seconds:.1f} s, {job.cpu_seconds:.1f} CPU s, "
            f"{job.peak_mb / 1_024:.2f} GB{f', failed: {job.last_line}' if job.exit_code else ''}"
        )
    first = found[0]
    print(
        json.dumps(
            {
                "customers": first.lines,
                "reasons": options.reasons,
                "seconds": round(first.seconds, 1),
                "cpu_seconds": round(first.cpu_seconds, 1),
                "peak_gb": round(first.peak_mb / 1_024, 2),
                "peak_ratio": round(found[-1].peak_mb / first.peak_mb, 3),
            }
        )
    )
    return int(any(job.exit_code for job in found))


def asked(arguments: Sequence[str]) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description="Time and memory from ready features to the list.")
    parser.add_argument("--customers", type=int, nargs="+", default=[1_000_000])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--reasons", default="10000", help="customers with reasons: a number, all or none")
    parser.add_argument("--folder", type=Path, help="of a job")
    parser.add_argument("--job", choices=("make", "score"), help="one job of a size, in this process")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
