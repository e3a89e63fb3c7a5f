"""Made-up contracts whose renewal hazards are known."""

from __future__ import annotations

from datetime import date

import numpy as np
import pandas as pd

START = date(2022, 1, 1)
AS_OF = date(2025, 1, 1)
STAYS = {"basic": 0.6, "plus": 0.9}
TERM = 180


def renewals(customers: int = 500, seed: int = 2) -> pd.DataFrame:
    """Terms of 180 days, renewed with probability 0.6 (basic) or 0.9 (plus); nothing ends in between."""
    rng = np.random.default_rng(seed)
    first = np.datetime64(START, "s")
    rows = []
    for customer in range(customers):
        plan = "basic" if customer % 2 else "plus"
        begin = first + np.timedelta64(int(rng.integers(0, 700)), "D")
        while begin < np.datetime64(AS_OF, "s"):
            end = begin + np.timedelta64(TERM, "D")
            rows.append((f"C{customer:04d}", begin, end, plan, 10.0 if plan == "basic" else 25.0))
            if rng.random() > STAYS[plan]:
                break
            begin = end
    return pd.DataFrame(rows, columns=["customer_id", "start", "end", "plan", "monthly_charge"])
