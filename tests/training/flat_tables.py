"""Made-up flat tables with a label of known making."""

from __future__ import annotations

import numpy as np
import pandas as pd


def telecom(rows: int = 800, seed: int = 3) -> pd.DataFrame:
    """Customers of a telephone company; who leaves depends on plan, months and charge."""
    rng = np.random.default_rng(seed)
    plan = rng.choice(["monthly", "yearly"], rows, p=(0.6, 0.4))
    months, charge = rng.integers(1, 72, rows), np.round(rng.uniform(20, 110, rows), 2)
    score = 0.5 - 0.05 * months + 1.6 * (plan == "monthly") + 0.015 * charge - 1.2
    left = rng.random(rows) < 1 / (1 + np.exp(-score))
    return pd.DataFrame(
        {
            "account": [f"A-{7000 + k}" for k in rng.permutation(rows)],
            "plan": plan,
            "months": months,
            "charge": [f"{c:.2f}" if k % 50 else " " for k, c in enumerate(charge)],
            "sex": rng.choice(["f", "m"], rows),
            "left": np.where(left, "Yes", "No"),
        }
    )
