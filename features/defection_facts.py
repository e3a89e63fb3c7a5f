"""What happened around the time a customer left: reasons on record, and events that speak for one.

These are facts for strategies: they are read for customers who are silent already, and are no features of a model.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Final

import numpy as np
import pandas as pd

from features.ledger import attribute_of
from features.snapshot import as_of_table, known_before, past
from features.tables import Tables

__all__ = ["DEFECTION_FACTS", "REASON_WORDS", "defection_facts", "reason_in"]

DEFECTION_FACTS: Final = (
    "recorded_reason",
    "recorded_reason_days",
    "released_days",
    "last_day_discounted",
    "spend_fade",
    "region_before",
    "contract_ended_days",
)
REASON_WORDS: Final[Mapping[str, str]] = {
    "pushed_on_purpose": "by us|by company|fraud|blacklist|non-payment|nonpayment|unpaid|bad debt|blocked|"
    "摒弃|欠费|欺诈|拉黑|黑名单",
    "pulled_away": "competit|rival|better offer|switched|竞争|竞品|对手",
    "bought_away": "price|pricing|expensive|cost|cheaper|价格|太贵|低价|费用",
    "moved_away": "moved|moving|relocat|deceased|no need|no longer need|not needed|closed|bankrupt|retired|"
    "搬|不再需要|无需求|倒闭|去世|停业",
    "pushed_unintentionally": "service|quality|complain|dissatisf|unhappy|attitude|delay|mistake|error|defect|support|"
    "服务|质量|投诉|不满|态度|延误|出错",
}
"""Words of a recorded reason by what they mean; the first reason that has a word in the text wins."""
_LEFT: Final = re.compile(
    r"^\s*(?:cancel[a-z]*|churn[a-z]*|defect(?:ion|ed)|left|leaving|leave|lost|terminat[a-z]*|quit[a-z]*|unsubscri[a-z]*|"
    r"流失|取消|退订|解约|注销|离开|叛逃)"
)
_HALF_YEAR: Final = 180


def reason_in(texts: pd.Series) -> pd.Series:
    """Which reason of defection a text gives.

    Parameters
    ----------
    texts : Series of str
        What was written down, in English or Chinese.

    Returns
    -------
    Series of str
        A key of `REASON_WORDS`, ``unclear`` where something is written that names none, missing where nothing is.

    Examples
    --------
    >>> reason_in(pd.Series(["Too expensive", "搬家", "other", None])).tolist()
    ['bought_away', 'moved_away', 'unclear', nan]
    """
    known = {text: _reason(text) for text in pd.unique(texts.dropna().astype(object))}
    return texts.astype(object).map(known).astype("str")


def _reason(text: object) -> str | None:
    words = str(text).lower().replace("_", " ").strip()
    if not words:
        return None
    found = (reason for reason, marks in REASON_WORDS.items() if re.search(marks, words))
    return next(found, "unclear")


def defection_facts(tables: Tables, as_of: date) -> pd.DataFrame:
    """Facts about how relationships ended, by customer.

    Parameters
    ----------
    tables : Tables
        Loaded tables.
    as_of : date
        Everything before this day is past.

    Returns
    -------
    DataFrame
        By ``customer_id``, customers with a positive line: ``DEFECTION_FACTS``. ``recorded_reason`` and
        ``recorded_reason_days`` (its age) from the latest interaction whose kind says that the customer left, such as
        ``cancel: price`` or ``流失-价格``; ``released_days`` since the last contact whose offer was *release*;
        ``last_day_discounted`` share in [0, 1] of the lines of the last purchase day bought on discount; ``spend_fade``
        the spend of the last 180 days before the last purchase (that one included) over the 180 days before them,
        missing for relationships shorter than that; ``region_before`` the region before the present one;
        ``contract_ended_days`` since the last contract came to its agreed end, where none is running or
        cancelled. A column is missing where the shop has no such data.

    Examples
    --------
    >>> from features.frames import tables_from_frames
    >>> orders = pd.DataFrame({"customer_id": ["a"], "time": [pd.Timestamp("2025-01-05")], "amount": [9.5]})
    >>> contacts = orders[["customer_id"]].assign(time=pd.Timestamp("2025-02-05"), kind="Cancelled: too expensive")
    >>> tables = tables_from_frames({"orders": orders, "interactions": contacts})
    >>> defection_facts(tables, date(2026, 2, 1)).iloc[0, :2].tolist()
    ['bought_away', np.float64(361.0)]
    """
    days = _days(tables, as_of)
    found = _last_purchases(tables, days, as_of)
    found = found.join(_recorded(tables, as_of)).join(_released(tables, as_of))
    found = found.join(_region_before(tables, as_of)).join(_contract_ended(tables, as_of))
    numbers = [name for name in DEFECTION_FACTS if name not in _TEXTS]
    kinds = {**dict.fromkeys(numbers, "float64"), **dict.fromkeys(_TEXTS, "str")}
    return found.reindex(columns=list(DEFECTION_FACTS)).astype(kinds)


_TEXTS: Final = ("recorded_reason", "region_before")


def _fetch(tables: Tables, table: object) -> pd.DataFrame:
    frame: pd.DataFrame = tables.con.to_pyarrow(table).to_pandas()
    return frame


def _days(tables: Tables, as_of: date) -> pd.DataFrame:
    """Purchase days: age, spend in 1/10,000, lines and discounted lines; the oldest first."""
    facts = past(tables.facts, as_of_table([as_of]))
    names = ("spend_u", "lines", "discounted_lines")
    sums = {name: facts[name].sum().cast("int64") for name in names}
    rows = _fetch(tables, facts.group_by(["customer_id", "age"]).agg(**sums))
    rows = rows[rows["spend_u"] > 0]
    return rows.sort_values(["customer_id", "age"], ascending=[True, False], ignore_index=True)


def _last_purchases(tables: Tables, days: pd.DataFrame, as_of: date) -> pd.DataFrame:
    ids = days["customer_id"]
    last = days.drop_duplicates("customer_id", keep="last").set_index("customer_id")
    before = days["age"].to_numpy(np.int64) - ids.map(last["age"]).to_numpy(np.int64)
    spend = days["spend_u"].to_numpy(np.float64)
    late = pd.Series(np.where(before < _HALF_YEAR, spend, 0.0)).groupby(ids).sum()
    window = (before >= _HALF_YEAR) & (before < 2 * _HALF_YEAR)
    early = pd.Series(np.where(window, spend, 0.0)).groupby(ids).sum()
    found = pd.DataFrame({"spend_fade": (late / early.where(early > 0))})
    if "discount" in tables.orders.columns:
        found["last_day_discounted"] = last["discounted_lines"] / last["lines"]
    return found.rename_axis("customer_id")


def _recorded(tables: Tables, as_of: date) -> pd.DataFrame:
    """The latest reason on record: an interaction whose kind says that the customer left."""
    names = ["recorded_reason", "recorded_reason_days"]
    table = tables.interactions
    if table is None or "kind" not in table.columns:
        return _nothing(names)
    kinds = _fetch(tables, table.select("kind").distinct())["kind"].dropna()
    leaving = [kind for kind in kinds if _LEFT.match(str(kind).lower())]
    if not leaving:
        return _nothing(names)
    events = past(table, as_of_table([as_of]))
    events = events.filter(events.kind.isin(leaving))
    rows = _fetch(tables, events.select("customer_id", "time", "age", "kind"))
    rows = rows.sort_values(["customer_id", "time", "kind"]).drop_duplicates("customer_id", keep="last")
    rows["kind"] = reason_in(rows["kind"].str.lower().str.replace(_LEFT, "", regex=True).str.strip(" :-_/"))
    rows["kind"] = rows["kind"].fillna("unclear")
    return rows.set_index("customer_id")[["kind", "age"]].set_axis(names, axis=1)


def _released(tables: Tables, as_of: date) -> pd.DataFrame:
    table = tables.campaigns
    if table is None or "offer" not in table.columns:
        return _nothing(["released_days"])
    events = past(table, as_of_table([as_of]))
    events = events.filter(events.offer.lower() == "release")
    rows = _fetch(tables, events.group_by("customer_id").agg(released_days=events.age.min()))
    return rows.set_index("customer_id")


def _region_before(tables: Tables, as_of: date) -> pd.DataFrame:
    """The region that stood in the table of customers before the present one, where it changed."""
    now = attribute_of(tables, as_of, "region")
    if now is None or tables.customers is None:
        return _nothing(["region_before"])
    rows = _fetch(
        tables, known_before(tables.customers, as_of).select("customer_id", "region", "known_day")
    ).dropna()
    other = rows[rows["region"] != rows["customer_id"].map(now)]
    other = other.sort_values(["customer_id", "known_day", "region"]).drop_duplicates(
        "customer_id", keep="last"
    )
    return other.set_index("customer_id")[["region"]].set_axis(["region_before"], axis=1)


def _contract_ended(tables: Tables, as_of: date) -> pd.DataFrame:
    table = tables.contracts
    if table is None or "end" not in table.columns:
        return _nothing(["contract_ended_days"])
    names = [name for name in ("customer_id", "end", "cancelled_at") if name in table.columns]
    rows = _fetch(tables, known_before(table, as_of).select(*names))
    day = pd.Timestamp(as_of)
    if "cancelled_at" not in rows:
        rows["cancelled_at"] = pd.NaT
    ended = (rows["end"] < day) & ~(rows["cancelled_at"] < day)
    days = (day - rows["end"]).dt.days.where(ended)
    by = rows["customer_id"]
    # one contract that runs, or that the customer broke off, and the agreed end is no reason
    found = days.groupby(by).min().where(ended.groupby(by).all())
    return found.rename("contract_ended_days").to_frame()


def _nothing(names: Sequence[str]) -> pd.DataFrame:
    return pd.DataFrame(
        columns=list(names), index=pd.Index([], name="customer_id", dtype="str"), dtype="object"
    )
