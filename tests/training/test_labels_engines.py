"""What models learn from, on other engines: how contracts ended, and churn, orders and value of the panel."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import Any

import ibis
import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest

from features.address import connect_backend
from features.conformance import written
from features.frames import connect
from features.made_up_shops import made_up_shops
from features.tables import Tables
from training import panel
from training.contracts.contract_panel import contract_panel, relationships
from training.panel import cut_offs

WHOLE = made_up_shops()[0]
BY = date(2025, 1, 1)
DAYS = (date(2021, 1, 4), date(2024, 2, 29), date(2024, 4, 26), date(2024, 11, 1))
WINDOWS = (1, 30, 90, 365)


def contracts_of(tables: Tables) -> tuple[pd.DataFrame, dict[tuple[date, int], npt.NDArray[np.float64]]]:
    """Relationships as they were known on each day, and which of them ended in each window."""
    found = contract_panel(tables, BY)
    known, ended = [], {}
    for day in DAYS:
        then = relationships(found.rows, day)
        known.append(then.assign(as_of=day))
        running = then[then["stop"].isna()]
        ended |= {(day, window): found.ended(day, window, running, by=BY) for window in WINDOWS}
    return pd.concat(known, ignore_index=True), ended


def labels_of(tables: Tables) -> pd.DataFrame:
    """Labels of the panel, and churn as models learn it: no order in the horizon; each engine has its own order."""
    found = panel._ahead(tables, list(DAYS), WINDOWS, BY)
    found = found.sort_values(["as_of", "customer_id"], ignore_index=True)
    churn = {f"churn_{h}": (found[f"orders_ahead_{h}"] <= 0).astype(float) for h in WINDOWS}
    return found.assign(**churn)


def agree(con: Any) -> None:
    with written(connect(), WHOLE) as mine, written(con, WHOLE) as theirs:
        (known, ended), (known_there, ended_there) = contracts_of(mine), contracts_of(theirs)
        pd.testing.assert_frame_equal(known_there, known)
        for case, left in ended.items():
            np.testing.assert_array_equal(ended_there[case], left, err_msg=str(case))
        assert {float(value) for left in ended.values() for value in left} == {0.0, 1.0}
        labels = labels_of(mine)
        pd.testing.assert_frame_equal(labels_of(theirs), labels, rtol=1e-9, atol=1e-9)
        assert all(set(labels[f"churn_{h}"]) == {0.0, 1.0} for h in WINDOWS)
        assert panel._extent(theirs, BY) == panel._extent(mine, BY)
        assert cut_offs(panel._extent(mine, BY)[0], BY)


def test_on_postgresql(postgres_url: str) -> None:
    con = connect_backend(postgres_url)
    agree(con)
    con.disconnect()


@pytest.mark.spark
@pytest.mark.filterwarnings("ignore")  # of the libraries beneath
def test_on_spark(spark: Any) -> None:
    agree(spark)


def test_contracts_are_the_same_in_any_order_of_their_rows() -> None:
    """An engine gives rows in an order of its own; terms of one beginning and end are told apart by what they say."""
    with written(connect(), WHOLE) as tables:
        contracts = tables.con.to_pyarrow(tables.contracts)
        turned = contracts.take(list(range(contracts.num_rows))[::-1])
        known, ended = contracts_of(tables)
        other, left = contracts_of(replace(tables, contracts=ibis.memtable(turned)))
    pd.testing.assert_frame_equal(other, known)
    assert all((left[case] == ended[case]).all() for case in ended)
