"""A list compared with the one before it lot by lot is told the same as one compared at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from features.errors import NotEnoughData
from serving.compared import Comparison
from serving.explained import Explained, Scored
from serving.moved import Moves, moved
from serving.reason_texts import GROUP_CODES, QUOTED
from serving.scorer import together
from serving.spilled import spill, spilled

SINCE = date(2026, 11, 1)
IDS = [f"c{n:02d}" for n in range(40)]


def explained(ids: list[str], seed: int) -> Explained:
    draw = np.random.default_rng(seed)
    index = pd.Index(ids, dtype=object, name="customer_id")
    groups = pd.DataFrame(
        draw.normal(0, 0.3, (len(ids), len(GROUP_CODES) + 1)), index, [*GROUP_CODES, "base"]
    )
    return Explained(
        groups, pd.DataFrame(draw.integers(0, 90, (len(ids), len(QUOTED))) * 1.0, index, list(QUOTED))
    )


def picked(whole: Explained, ids: Sequence[str]) -> Explained:
    known = [name for name in ids if name in whole.groups.index]
    return Explained(whole.groups.loc[known], whole.quantities.loc[known])


def part(now: Explained, ids: list[str]) -> Scored:
    stake = [float(int(name[1:]) * 7 % 10) for name in ids]
    return Scored(pd.DataFrame({"customer_id": ids, "value_at_stake": stake}), picked(now, ids))


def test_lots_are_told_what_all_at_once_are_told() -> None:
    before, now = explained(IDS[:30], 1), explained(IDS, 2)
    found = Comparison(lambda ids: picked(before, ids), SINCE, same_model=True, currency="EUR")
    lots = [IDS[start : start + 7] for start in range(0, 40, 7)]
    scored = together((found.compared(part(now, ids)) for ids in lots), SINCE)
    change = moved(before.groups, now.groups, same_model=True)
    whole = Moves(before, replace(now, moved=change), SINCE)
    assert found.summary() == whole.summary()
    texts = whole.texts(lang="en", currency="EUR").loc[scored.rows["customer_id"]].tolist()
    assert scored.rows["moved"].tolist() == texts
    assert texts.count("new since 2026-11-01") == 10
    assert scored.explained.moved is not None
    pd.testing.assert_frame_equal(scored.explained.moved, change, check_exact=True, check_index_type=False)
    pd.testing.assert_frame_equal(
        scored.explained.groups, now.groups, check_exact=True, check_index_type=False
    )


def test_rows_of_parts_stand_in_the_order_of_the_list() -> None:
    now = explained(IDS, 2)
    rows = together([part(now, IDS[:13]), part(now, IDS[13:])], SINCE).rows
    wanted = part(now, IDS).rows.sort_values(
        ["value_at_stake", "customer_id"], ascending=[False, True], ignore_index=True
    )
    pd.testing.assert_frame_equal(rows, wanted, check_exact=True)
    with pytest.raises(NotEnoughData, match="no order before 2026-11-01"):
        together([], SINCE)


def test_nothing_spilled_is_nothing_read(tmp_path) -> None:
    assert spill([], tmp_path / "none") == 0
    assert list(spilled(tmp_path / "none")) == []
    assert spill(pa.table({"a": [1]}).to_batches(), tmp_path / "one") == 1
    assert (tmp_path / "one").stat().st_mode & 0o077 == 0
