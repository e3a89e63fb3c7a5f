"""Day-level facts of made-up customers, as `features.ledger.customer_days` gives them."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, timedelta

import pandas as pd
from hypothesis import strategies as st

FIRST = date(2025, 1, 1)
LAST = date(2026, 1, 1)

Fact = tuple[str, str, int, int]


def facts(rows: Iterable[Fact]) -> pd.DataFrame:
    """Facts from customer, day, orders and revenue in whole money; half of it is margin, an order has two things."""
    found = pd.DataFrame(rows, columns=["customer_id", "day", "orders", "money"])
    found["day"] = pd.to_datetime(found["day"])
    found["revenue_u"] = found.pop("money").astype("int64") * 10_000
    found["margin_u"] = found["revenue_u"] // 2
    found["breadth"] = 2 * found["orders"]
    return found


@st.composite
def any_facts(draw: st.DrawFn) -> pd.DataFrame:
    """Facts of up to eight customers within a year; days with returns alone have no order."""
    row = st.tuples(
        st.sampled_from("abcdefgh"),
        st.integers(0, (LAST - FIRST).days - 1),
        st.integers(0, 3),
        st.integers(-(10**6), 10**7),
    )
    rows = draw(st.lists(row, min_size=1, max_size=40))
    found = facts([(c, str(FIRST + timedelta(days=d)), orders, 0) for c, d, orders, _ in rows])
    units = pd.Series([abs(money) + 1 if orders else -abs(money) for _, _, orders, money in rows])
    return found.assign(
        revenue_u=units, margin_u=units // 3, breadth=found["orders"] * 2 - (found["orders"] > 1)
    )
