"""What decisions and reports are made of, on other engines: the same as on DuckDB."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Any

import pandas as pd
import pytest

from features.address import connect_backend
from features.conformance import written
from features.customer_facts import customer_facts
from features.defection_facts import defection_facts
from features.frames import connect
from features.made_up_shops import made_up_shops
from features.outcomes import customer_outcomes
from features.plan import fetch_features
from features.purchase_facts import purchase_facts
from features.rhythm_report import order_facts
from features.service_facts import service_facts
from features.tables import Tables

WHOLE = made_up_shops()[0]
DAY = date(2024, 11, 1)
CALLS: dict[str, Callable[[Tables], Any]] = {
    "customers": lambda tables: customer_facts(tables, DAY),
    "purchases": lambda tables: purchase_facts(tables, DAY),
    "services": lambda tables: service_facts(tables, DAY),
    "defections": lambda tables: defection_facts(tables, DAY),
    "outcomes": lambda tables: customer_outcomes(tables, WHOLE.as_of, 90, margin_rate=0.3),
    "rhythm": lambda tables: pd.DataFrame([{k: repr(v) for k, v in order_facts(tables).items()}]),
    "features": lambda tables: fetch_features(tables, WHOLE.as_of).to_pandas(),
}


def sorted_rows(frame: pd.DataFrame) -> pd.DataFrame:
    keys = [name for name in ("as_of", "customer_id") if name in frame]
    return frame.sort_values(keys).reset_index(drop=True) if keys else frame.sort_index()


def agree(con: Any) -> None:
    with written(connect(), WHOLE) as mine, written(con, WHOLE) as theirs:
        for name, call in CALLS.items():
            ours, found = sorted_rows(call(mine)), sorted_rows(call(theirs))
            assert len(ours), name
            pd.testing.assert_frame_equal(found, ours, rtol=1e-9, atol=1e-9, obj=name)


def test_on_postgresql(postgres_url: str) -> None:
    con = connect_backend(postgres_url)
    agree(con)
    con.disconnect()


@pytest.mark.spark
@pytest.mark.filterwarnings("ignore")  # of the libraries beneath
def test_on_spark(spark: Any) -> None:
    agree(spark)
