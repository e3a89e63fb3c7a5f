"""Labels of a million customers in every framework, beside the same customers split into fifths by pandas.

::

    python benchmarks/segments.py --out docs/benchmark_segments.md

The customers are drawn, not simulated over time: only the work is measured here. The peer is the recipe most often
written by hand: recency, frequency and money into fifths (``pandas.qcut``) and one label by rule per row
(``DataFrame.apply``), measured on a hundredth of the customers and multiplied.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

from strategies.frameworks import FRAMEWORKS, FrameworkSettings, moves, segment
from strategies.strategy_table import StrategyTable, assign

CUSTOMERS = 1_000_000
COLUMNS = (
    *(
        "value_365d",
        "value_total",
        "current_value",
        "growth_potential",
        "expected_margin_365d",
        "clv",
        "tenure_days",
    ),
    *(
        "purchase_days",
        "products",
        "categories",
        "loyalty",
        "irregularity",
        "complaint_days",
        "days_since_last",
    ),
    *("survey_days", "referrals_total", "discounted_lines_share", "price_low_share", "price_high_share", "T"),
    *("category_distance", "contacts_365d", "overdue_ratio", "overdue_max_ratio", "spend_180d", "frequency"),
    *("spend_change_180d", "satisfaction_last", "satisfaction_gap", "recommend_mean", "contracts_active"),
    *(
        "complaints_open",
        "margin_total",
        "acquisition_cost",
        "campaign_cost_total",
        "returns_share",
        "margin_rate",
    ),
    *("orders_365d", "churn_probability", "loyalty_affective", "loyalty_conative"),
)


def people(customers: int, seed: int = 0) -> pd.DataFrame:
    """Customers with every column that frameworks look at."""
    draw = np.random.default_rng(seed)
    frame = pd.DataFrame({name: draw.gamma(0.5, 10.0, customers) for name in COLUMNS})
    frame["churn_probability"] = draw.random(customers)
    frame.insert(0, "customer_id", np.arange(customers).astype(str))
    frame["status"] = draw.choice(["active", "lapsed", "lost"], customers)
    frame["value_class"] = draw.choice(["lead", "iron", "gold", "platinum"], customers)
    frame["risk"] = draw.choice(["low", "high"], customers)
    return frame


def seconds(work: Callable[[], object]) -> tuple[float, float]:
    """Wall and processor seconds of one run."""
    wall, processor = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - wall, time.process_time() - processor


def by_hand(frame: pd.DataFrame) -> pd.Series:
    """Fifths and a rule per row, as a notebook would have it."""
    fifths = pd.DataFrame(
        {
            name: pd.qcut(frame[name].rank(method="first"), 5, labels=False)
            for name in ("days_since_last", "frequency", "value_total")
        }
    )

    def rule(row: pd.Series) -> str:
        if row["days_since_last"] >= 3:
            return "lost" if row["value_total"] < 2 else "win back"
        return "champion" if row["frequency"] >= 3 and row["value_total"] >= 3 else "regular"

    return fifths.apply(rule, axis=1)


def main() -> None:
    """Measure, print, and write the page where asked."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n", maxsplit=1)[0])
    parser.add_argument("--customers", type=int, default=CUSTOMERS)
    parser.add_argument("--out", type=Path)
    asked = parser.parse_args()
    frame, thresholds, table = people(asked.customers), FrameworkSettings(), StrategyTable.default()
    first = segment(frame, thresholds)
    before = first.columns
    memory = before.set_index("customer_id")
    hundredth = frame.head(max(1, asked.customers // 100))
    hand = seconds(lambda: by_hand(hundredth))
    rows = [
        (f"all {len(FRAMEWORKS)} frameworks", *seconds(lambda: segment(frame, thresholds))),
        ("the same, damped by the run before", *seconds(lambda: segment(frame, thresholds, before=memory))),
        ("who moved and why", *seconds(lambda: moves(before, first))),
        ("one strategy each, by the table", *seconds(lambda: assign(first.people, table))),
        ("by hand: fifths and one rule per row", 100 * hand[0], 100 * hand[1]),
    ]
    peer = rows[-1][2]
    text = [
        "# Labels of a million customers",
        "",
        f"`python benchmarks/segments.py`: {asked.customers:,} drawn customers, one thread. The last row is the peer,",
        "measured on a hundredth of the customers and multiplied; *of the peer* compares processor seconds.",
        "",
        "| Step | Seconds, wall | Seconds, processor | Of the peer |",
        "|---|--:|--:|--:|",
        *(f"| {name} | {wall:.1f} | {cpu:.1f} | {cpu / peer:.2f} |" for name, wall, cpu in rows),
    ]
    page = "\n".join(text) + "\n"
    if asked.out:
        asked.out.write_text(page, encoding="utf-8")
    print(page)


if __name__ == "__main__":
    main()
