"""Second lives in order tables, by hand and point in time."""

from __future__ import annotations

from datetime import date

import numpy as np
import pandas as pd
import pytest

from features.errors import ConfigError, NotEnoughData
from features.frames import tables_from_frames
from features.tables import Tables
from training.lost_customers import SecondLife, learn_second_life, lost_panel

_PLAN = SecondLife(lost_days=60, horizon_days=30, life_days=60, margin_rate=0.5, discount_rate=0.1)
_AS_OF = date(2025, 12, 1)


def _tables(rows: list[tuple[str, str, float]]) -> Tables:
    found = pd.DataFrame(rows, columns=["customer_id", "time", "amount"])
    return tables_from_frames({"orders": found.assign(time=pd.to_datetime(found["time"]))})


_ROWS = [
    ("a", "2025-01-01", 10.0),
    ("a", "2025-06-10", 100.0),
    ("a", "2025-06-20", -40.0),
    ("a", "2025-08-08", 20.0),
    ("a", "2025-08-12", 1000.0),
    ("b", "2025-01-05", 10.0),
]


def _row(day: str, customer: str) -> pd.Series:
    found = lost_panel(_tables(_ROWS), _AS_OF, _PLAN).set_index(["as_of", "customer_id"])
    return found.loc[(pd.Timestamp(day), customer)]


def test_a_second_life_by_hand() -> None:
    # Days lie 30 apart, back from 2025-09-02 (90 before the end): 2025-06-04 is one of them.
    row = _row("2025-06-04", "a")
    assert row["regained"] == 1.0
    # Back on 2025-06-10, day 6; the return on day 16 and the order on day 65 belong to the 60 days from then on,
    # the order of 2025-08-12 (day 69) does not.
    money = [(50.0, 6), (-20.0, 16), (10.0, 65)]
    assert row["second_life"] == pytest.approx(sum(m / 1.1 ** (d / 365) for m, d in money))
    assert row["days_since_last"] == 154


def test_who_stays_away_is_worth_nothing() -> None:
    assert _row("2025-06-04", "b")[["regained", "second_life"]].tolist() == [0.0, 0.0]


def test_who_is_not_lost_is_not_there() -> None:
    found = lost_panel(_tables(_ROWS), _AS_OF, _PLAN)
    assert (found["days_since_last"] >= 60).all()
    assert pd.Timestamp("2025-07-04") in set(found["as_of"])
    july = found[found["as_of"] == pd.Timestamp("2025-07-04")]
    assert july["customer_id"].tolist() == ["b"]


def test_no_day_whose_future_is_not_known() -> None:
    found = lost_panel(_tables(_ROWS), _AS_OF, _PLAN)
    assert found["as_of"].max() == pd.Timestamp("2025-09-02")
    later = [*_ROWS, ("b", "2025-12-05", 99.0)]
    pd.testing.assert_frame_equal(lost_panel(_tables(later), _AS_OF, _PLAN), found)


def test_a_short_history_is_told_with_the_days_needed() -> None:
    with pytest.raises(NotEnoughData, match=r"reach back 31 days; 150 are needed"):
        lost_panel(_tables(_ROWS), date(2025, 2, 1), _PLAN)
    with pytest.raises(ConfigError, match="1 day or more"):
        SecondLife(lost_days=0)


def test_a_shop_nobody_has_left_has_no_second_lives() -> None:
    weekly = [("a", str(day.date()), 10.0) for day in pd.date_range("2025-01-01", "2025-11-30", freq="7D")]
    with pytest.raises(NotEnoughData, match="0 customers were lost on past days"):
        learn_second_life(_tables(weekly), _AS_OF, _PLAN)


def test_a_shop_is_learned() -> None:
    rng = np.random.default_rng(2)
    rows = []
    for i in range(260):
        # the larger the first order, the sooner they come again
        spend, now = float(rng.choice([10.0, 100.0])), int(rng.integers(0, 60))
        while now < 480:
            rows.append((f"c{i:03d}", str(date(2024, 1, 1) + pd.Timedelta(days=now)), spend))
            now += int(rng.integers(70, 130) if spend > 50 else rng.integers(130, 400))
    fit = learn_second_life(_tables(rows), date(2025, 5, 1), SecondLife(60, 60, 60, 0.5))
    assert (fit.model.horizon_days, fit.model.life_days) == (60, 60)
    assert fit.model.figures["auc"] > 0.7
    assert fit.model.figures["r2_if_regained"] > 0.5
