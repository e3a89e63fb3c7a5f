"""Decisions and results to put into the log."""

from __future__ import annotations

from datetime import date

import pandas as pd

DAY = date(2026, 1, 5)


def decisions(count: int = 4, run: str = "r1", day: date = DAY, **changes: object) -> pd.DataFrame:
    """Decisions of one run: the last customer of four is held out."""
    held = [i % 4 == 3 for i in range(count)]
    frame = pd.DataFrame({"decision_id": [f"{run}-{i}" for i in range(count)], "run_id": run, "as_of": day})
    frame = frame.assign(customer_id=[f"canary-{i:03d}" for i in range(count)], policy_version="c0ffee")
    frame = frame.assign(strategy="rescue", planned_offer="call", value_class="gold", effect_source="assumed")
    frame["offer"] = ["leave_alone" if h else "call" for h in held]
    frame["channel"] = ["none" if h else "phone" for h in held]
    frame["cost"] = [0.0 if h else 2.5 for h in held]
    frame["arm"] = ["hold_out" if h else "treat" for h in held]
    frame["propensity"] = [0.25 if h else 0.75 for h in held]
    frame = frame.assign(expected_gain=1 / 3, effect=0.1, value_at_stake=100.0, due_date=date(2026, 1, 8))
    return frame.assign(owner="客户经理", status="active", risk="high").assign(**changes)
