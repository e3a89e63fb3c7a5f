"""Second lives in the order tables: customers who were lost on past days, and what became of them.

On every past day whose future is known by now, each customer silent for longer than the lapse stands with what was
known of them that day, beside whether they ordered again within the horizon, and what they brought from then on.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from features.errors import ConfigError, NotEnoughData
from features.exact import MONEY
from features.ledger import customer_days
from features.plan import fetch_features
from features.tables import Tables
from training.panel import cut_offs, sample
from training.win_back import WinBackFit, learn_win_back

__all__ = ["LOST_COLUMNS", "SecondLife", "learn_second_life", "lost_panel"]

Floats = npt.NDArray[np.float64]
LOST_COLUMNS: Final = (
    "days_since_last",
    "purchase_days",
    "T",
    "tenure_days",
    "value_mean",
    "value_last",
    "value_total",
    "value_365d",
    "overdue_ratio",
    "overdue_max_ratio",
    "spend_year_ago_90d",
    "gap_mean",
    "irregularity",
    "returns_share",
    "discounted_lines_share",
    "categories",
    "complaints_open",
    "complaint_days",
    "satisfaction_last",
    "referrals_total",
    "campaigns_90d",
)
"""Features that second lives are learned from; those a shop has no data for are left out."""
_MOST_ROWS: Final = 200_000


@dataclass(frozen=True)
class SecondLife:
    """What counts as lost, as coming back, and as second life.

    Parameters
    ----------
    lost_days : int
        Silence in days from which a customer is lost: ``lost_after`` · churn window.
    horizon_days : int
        A lost customer who orders within so many days came back.
    life_days : int
        Days of the second life that are counted, from the first order of it.
    margin_rate : float
        In (0, 1]: share of revenue kept on lines without a cost of goods.
    discount_rate : float
        Per year; money is discounted to the day on which the customer was seen as lost.
    """

    lost_days: int
    horizon_days: int = 90
    life_days: int = 365
    margin_rate: float = 0.3
    discount_rate: float = 0.1

    def __post_init__(self) -> None:
        if min(self.lost_days, self.horizon_days, self.life_days) < 1:
            raise ConfigError(
                f"second life: lost after {self.lost_days}, back within {self.horizon_days} and counted for "
                f"{self.life_days} days; give 1 day or more each"
            )


def learn_second_life(tables: Tables, as_of: date, plan: SecondLife, *, seed: int = 0) -> WinBackFit:
    """The win-back model of a shop, from those who were lost on past days.

    Parameters
    ----------
    tables : Tables
        Loaded tables.
    as_of : date
        Everything before this day is known, nothing at or after it.
    plan : SecondLife
        What counts.
    seed : int
        Of the folds.

    Returns
    -------
    WinBackFit
        ``model.horizon_days`` and ``model.life_days`` say what its chance and value mean; its columns are those of
        `LOST_COLUMNS` that vary in the shop.

    Raises
    ------
    NotEnoughData
        The history is too short, or fewer than 25 rows came back.

    Notes
    -----
    The chance is that of coming back under what the shop did about lost customers so far. What one more contact adds
    to it is the effect of the offer, which a hold-out measures.
    """
    panel = lost_panel(tables, as_of, plan)
    columns = [name for name in LOST_COLUMNS if panel[name].min() < panel[name].max()]
    if not columns:
        raise NotEnoughData(
            f"win-back: {len(panel)} customers were lost on past days, and nothing tells them apart; "
            "there is nobody to learn from"
        )
    fit = learn_win_back(
        panel,
        regained="regained",
        value="second_life",
        columns=columns,
        customers=panel["customer_id"],
        seed=seed,
    )
    model = replace(fit.model, horizon_days=plan.horizon_days, life_days=plan.life_days)
    return replace(fit, model=model)


def lost_panel(tables: Tables, as_of: date, plan: SecondLife) -> pd.DataFrame:
    """Customers who were lost on past days, and what became of them.

    Returns
    -------
    DataFrame
        One row per day and customer: ``as_of``, ``customer_id``, `LOST_COLUMNS` of that day, ``regained`` (0 or 1: an
        order in [day, day + horizon)), ``second_life`` (discounted margin of the life_days from that order on; 0
        when not regained).

    Raises
    ------
    NotEnoughData
        No past day lies far enough back.

    Notes
    -----
    A day d counts when d + horizon + life ≤ as_of: the whole second life of the last who may come back is known.
    The features are those known on d, the outcomes those known before `as_of`. Days lie a horizon apart: each return
    counts once, so that rows judge each other fairly.

    Examples
    --------
    >>> from features.frames import tables_from_frames
    >>> orders = pd.DataFrame({"customer_id": "a", "amount": [10.0, 20.0, 40.0],
    ...                        "time": pd.to_datetime(["2025-01-01", "2025-06-20", "2025-07-10"])})
    >>> plan = SecondLife(lost_days=60, horizon_days=30, life_days=15, margin_rate=0.5, discount_rate=0.0)
    >>> rows = lost_panel(tables_from_frames({"orders": orders}), date(2025, 8, 1), plan)
    >>> rows[["as_of", "regained", "second_life"]].tail(2).values.tolist()
    [[Timestamp('2025-05-18 00:00:00'), 0.0, 0.0], [Timestamp('2025-06-17 00:00:00'), 1.0, 10.0]]
    """
    known = customer_days(tables, as_of, margin_rate=plan.margin_rate)
    bought = known[known["orders"] > 0]
    last_day = as_of - timedelta(days=plan.horizon_days + plan.life_days)
    first = bought["day"].min().date() if len(bought) else as_of
    days = [
        day
        for day in cut_offs(first, last_day, step_days=plan.horizon_days)
        if day > first + timedelta(days=plan.lost_days)
    ]
    if not days:
        needed = plan.lost_days + plan.horizon_days + plan.life_days
        raise NotEnoughData(
            f"win-back: orders reach back {(as_of - first).days} days; {needed} are needed to see who was lost, came "
            f"back within {plan.horizon_days} days and what the {plan.life_days} days after it brought"
        )
    lost = _lost_then(tables, days, plan, customers=known["customer_id"].nunique())
    return _with_outcomes(lost, known, plan)


def _lost_then(tables: Tables, days: Sequence[date], plan: SecondLife, *, customers: int) -> pd.DataFrame:
    share = min(1.0, _MOST_ROWS / max(1, customers * len(days)))
    chosen = tables if share == 1.0 else sample(tables, share)
    rows = fetch_features(chosen, days).select(["as_of", "customer_id", *LOST_COLUMNS]).to_pandas()
    rows = rows[(rows["purchase_days"] > 0) & (rows["days_since_last"] >= plan.lost_days)]
    rows = rows.assign(as_of=pd.to_datetime(rows["as_of"]))
    rows = rows.astype(dict.fromkeys(LOST_COLUMNS, "float64"))
    return rows.sort_values(["as_of", "customer_id"], ignore_index=True)


def _with_outcomes(lost: pd.DataFrame, known: pd.DataFrame, plan: SecondLife) -> pd.DataFrame:
    """Adds ``regained`` and ``second_life``, one past day at a time."""
    ids = known["customer_id"].cat.categories
    who = known["customer_id"].cat.codes.to_numpy(np.int64)
    day = known["day"].to_numpy("datetime64[D]").astype(np.int64)
    ordered, margin = known["orders"].to_numpy() > 0, known["margin_u"].to_numpy(np.float64) / MONEY
    back, worth = np.zeros(len(lost)), np.zeros(len(lost))
    seen = lost["as_of"].to_numpy("datetime64[D]").astype(np.int64)
    places = ids.get_indexer(pd.Index(lost["customer_id"]))
    for then in np.unique(seen):
        rows = seen == then
        ahead = day - then
        returned = np.full(len(ids), np.inf)
        came = ordered & (ahead >= 0) & (ahead < plan.horizon_days)
        np.minimum.at(returned, who[came], ahead[came])
        second = (ahead >= returned[who]) & (ahead < returned[who] + plan.life_days)
        discount = (1.0 + plan.discount_rate) ** (-ahead[second] / 365.0)
        money = np.bincount(who[second], margin[second] * discount, minlength=len(ids))
        back[rows], worth[rows] = np.isfinite(returned[places[rows]]), money[places[rows]]
    return lost.assign(regained=back, second_life=worth)
