"""What stands behind a score, in words: features in named groups, each with phrases that quote quantities.

No quantity is quoted by two groups, so that no reason repeats another.
"""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cache
from typing import Final

from features.errors import ConfigError
from features.family import ColumnDoc
from features.own_features import own_files
from serving.phrases import Phrase, unit_of

__all__ = ["DERIVED", "GROUPS", "GROUP_CODES", "QUOTED", "WORKED_OUT", "ReasonGroup", "group_of"]

# Quantities that are worked out for the texts alone, and the columns they are read from: how many fewer or more
# order than their rhythm says (from the score itself), and a longest gap that is longer than the usual one.
WORKED_OUT: Final[dict[str, tuple[str, ...]]] = {
    "season_fewer": (),
    "season_more": (),
    "gap_longest": ("gap_max", "gap_mean"),
}
# A quantity people understand better than the change that the model sees.
DERIVED: Final = {"spend_before_90d": ("spend_90d", "spend_change_90d")}


@dataclass(frozen=True)
class ReasonGroup:
    """Features that tell the same story.

    Parameters
    ----------
    code : str
        Stable name, also the column of `serving.explain.group_contributions`.
    en, zh : str
        Name for people.
    features : tuple of str
        Names or shell patterns; no feature may match two groups.
    phrases : tuple of Phrase
        In order of preference; the last one needs no quantity.
    """

    code: str
    en: str
    zh: str
    features: tuple[str, ...]
    phrases: tuple[Phrase, ...]

    def holds(self, feature: str) -> bool:
        """Whether the feature belongs to this group."""
        return any(fnmatchcase(feature, pattern) for pattern in self.features)


_RECENCY = ReasonGroup(
    "recency",
    "time since the last order",
    "距上次下单时间",
    ("days_since_last", "overdue_*", "anchor_silence"),
    (
        Phrase(
            "no order for {days_since_last:days}, usual gap {gap_mean:days}",
            "已{days_since_last:days}未下单，通常间隔{gap_mean:days}",
        ),
        Phrase("no order for {days_since_last:days}", "已{days_since_last:days}未下单"),
        Phrase("time since the last order", "距上次下单的时间"),
    ),
)
_FREQUENCY = ReasonGroup(
    "frequency",
    "frequency of orders",
    "下单频率",
    (
        "frequency",
        "purchase_days",
        "orders_total",
        "orders_[0-9]*d",
        "orders_ewma_*",
        "months_active*",
        "one_time_buyer",
        "anchor_frequency",
    ),
    (
        Phrase(
            "{orders_365d:orders} in the last 365 days, {orders_total:number} in all",
            "近365天{orders_365d:orders}，累计{orders_total:number}笔",
        ),
        Phrase("{orders_total:orders} in all", "累计{orders_total:orders}"),
        Phrase("{purchase_days:purchase_days} in all", "累计{purchase_days:purchase_days}"),
        Phrase("how often orders come", "下单频率"),
    ),
)
_SPEND = ReasonGroup(
    "spend",
    "level of spend",
    "消费水平",
    (
        "spend_total",
        "spend_[0-9]*d",
        "spend_ewma_*",
        "monetary_value",
        "value_total",
        "value_365d",
        "value_mean",
        "value_max",
        "value_log_sd",
        "margin_*",
    ),
    (
        Phrase(
            "spent {spend_365d:money} in the last 365 days, {value_mean:money} per purchase day",
            "近365天消费{spend_365d:money}，每个购买日{value_mean:money}",
        ),
        Phrase("spent {spend_total:money} in all", "累计消费{spend_total:money}"),
        Phrase("level of spend", "消费水平"),
    ),
)
_TREND = ReasonGroup(
    "trend",
    "trend of spend and orders",
    "消费趋势",
    ("spend_change_*", "orders_change_*", "basket_change_*", "value_last", "value_last_ratio", "value_slope"),
    (
        Phrase(
            "spent {spend_90d:money} in the last 90 days, {spend_before_90d:money} in the 90 days before",
            "近90天消费{spend_90d:money}，之前90天{spend_before_90d:money}",
        ),
        Phrase("spent {spend_90d:money} in the last 90 days", "近90天消费{spend_90d:money}"),
        Phrase("trend of spend and orders", "消费与订单的趋势"),
    ),
)
_RHYTHM = ReasonGroup(
    "rhythm",
    "rhythm of purchases",
    "购买节奏",
    ("gap_*", "irregularity", "weekend_share", "anchor_gap"),
    (
        Phrase(
            "longest gap between purchases {gap_longest:days}, the last one {gap_last:days}",
            "购买间隔最长{gap_longest:days}，最近一次{gap_last:days}",
        ),
        Phrase("rhythm of the purchases", "购买节奏"),
    ),
)
_BREADTH = ReasonGroup(
    "breadth",
    "breadth of purchases",
    "购买广度",
    ("products", "products_*", "categories", "categories_*", "lines_per_order", "price_mean"),
    (
        Phrase(
            "bought {products:products} of {categories:categories}",
            "购买过{categories:categories}的{products:products}",
        ),
        Phrase("bought {products:products}", "购买过{products:products}"),
        Phrase("breadth of what is bought", "购买的商品广度"),
    ),
)
_RETURNS = ReasonGroup(
    "returns",
    "returns",
    "退货",
    ("returns_*",),
    (
        Phrase(
            "returned {returns_value:money}, {returns_share:percent} of spend",
            "退货{returns_value:money}，占消费的{returns_share:percent}",
        ),
        Phrase("returns", "退货情况"),
    ),
)
_DISCOUNT = ReasonGroup(
    "discount",
    "discounts",
    "折扣",
    ("discount_*", "discounted_*"),
    (
        Phrase(
            "{discount_share:percent} of the list price taken off", "享受的折扣占标价{discount_share:percent}"
        ),
        Phrase("discounts received", "享受的折扣"),
    ),
)
_SATISFACTION = ReasonGroup(
    "satisfaction",
    "satisfaction and complaints",
    "满意度与投诉",
    ("satisfaction_*", "recommend_*", "survey_days", "complaint_*", "complaints_*", "resolution_days"),
    (
        Phrase(
            "satisfaction {satisfaction_last:score} of 10, {complaints_365d:complaints} in the last 365 days",
            "满意度{satisfaction_last:score}（满分10），近365天{complaints_365d:complaints}",
        ),
        Phrase("satisfaction {satisfaction_last:score} of 10", "满意度{satisfaction_last:score}（满分10）"),
        Phrase("{complaints_365d:complaints} in the last 365 days", "近365天{complaints_365d:complaints}"),
        Phrase("satisfaction and complaints", "满意度与投诉"),
    ),
)
_LOYALTY = ReasonGroup(
    "loyalty",
    "loyalty",
    "忠诚度",
    ("loyalty", "loyalty_*", "referrals_*"),
    (
        Phrase("loyalty at {loyalty:percent}", "忠诚度{loyalty:percent}"),
        Phrase("loyalty and referrals", "忠诚度与推荐"),
    ),
)
_CONTACTS = ReasonGroup(
    "contacts",
    "contacts and campaigns",
    "联系与营销",
    ("contacts_*", "last_contact_days", "campaigns_*", "last_campaign_days"),
    (
        Phrase(
            "{contacts_90d:contacts} and {campaigns_90d:campaigns} in the last 90 days",
            "近90天{contacts_90d:contacts}、{campaigns_90d:campaigns}",
        ),
        Phrase("{campaigns_90d:campaigns} in the last 90 days", "近90天{campaigns_90d:campaigns}"),
        Phrase("{contacts_90d:contacts} in the last 90 days", "近90天{contacts_90d:contacts}"),
        Phrase("contacts and campaigns", "联系与营销活动"),
    ),
)
_CONTRACT = ReasonGroup(
    "contract",
    "contract",
    "合同",
    ("contract_*", "contracts_*"),
    (
        Phrase(
            "{contracts_active:contracts} running, {contract_days_left:days} left",
            "生效{contracts_active:contracts}，{contract_days_left:days}后到期",
        ),
        Phrase("{contracts_active:contracts} running", "生效{contracts_active:contracts}"),
        Phrase("contracts", "合同情况"),
    ),
)
_SEASON = ReasonGroup(
    "season",
    "the season",
    "季节行情",
    ("season",),
    (
        Phrase(
            "the season: as a year ago, {season_fewer:percent} fewer such customers order than their rhythm says",
            "季节行情：与去年同期一样，此类客户中下单的人比其节奏应有的少{season_fewer:percent}",
        ),
        Phrase(
            "the season: as a year ago, {season_more:percent} more such customers order than their rhythm says",
            "季节行情：与去年同期一样，此类客户中下单的人比其节奏应有的多{season_more:percent}",
        ),
        Phrase("the season, by what it was a year ago", "季节行情（参照去年同期）"),
    ),
)
_CALENDAR = ReasonGroup(
    "calendar",
    "time of the year",
    "时节",
    ("season_*", "spend_year_ago_*", "holiday_*", "*_holiday"),
    (
        Phrase(
            "time of the year: spent {spend_year_ago_90d:money} in these 90 days a year ago",
            "时节：去年同期90天消费{spend_year_ago_90d:money}",
        ),
        Phrase("time of the year", "时节"),
    ),
)
_TENURE = ReasonGroup(
    "tenure",
    "tenure and first purchase",
    "客龄与首购",
    ("T", "recency", "tenure_days", "first_*"),
    (
        Phrase(
            "first bought {T:days} ago, for {first_order_value:money}",
            "{T:days}前首次购买，金额{first_order_value:money}",
        ),
        Phrase("first bought {T:days} ago", "{T:days}前首次购买"),
        Phrase("time as a customer", "客龄"),
    ),
)
_EXPECTED = ReasonGroup(
    "expected",
    "orders expected from the whole history",
    "由全部购买历史推算的下单",
    ("btyd_*",),
    (Phrase("orders expected from the whole history", "由全部购买历史推算的下单"),),
)
_OTHER = ReasonGroup("other", "other traits", "其他特征", (), (Phrase("other traits", "其他特征"),))


def _own_group(doc: ColumnDoc) -> ReasonGroup:
    """A feature of the user's own that names no group: told in the text of its column, with its value."""
    value = f"{{{doc.name}:{unit_of(doc.unit)}}}"
    phrases = (Phrase(f"{doc.en}: {value}", f"{doc.zh}：{value}"), Phrase(doc.en, doc.zh))
    return ReasonGroup(f"own_{doc.name}", doc.en, doc.zh, (doc.name,), phrases)


_OWN = tuple(_own_group(doc) for file in own_files() if not file.family.group for doc in file.family.docs)
# Groups of equal weight are named in this order.
GROUPS: Final = (
    _RECENCY, _FREQUENCY, _TREND, _SPEND, _EXPECTED, _RHYTHM, _SATISFACTION, _TENURE, _BREADTH, _SEASON, _CALENDAR,
    _RETURNS, _DISCOUNT, _CONTACTS, _CONTRACT, _LOYALTY, *_OWN, _OTHER,
)  # fmt: skip
GROUP_CODES: Final = tuple(group.code for group in GROUPS)


def _own_groups() -> dict[str, str]:
    """Code of the group of each feature of the user's own, whatever patterns its name fits."""
    found: dict[str, str] = {}
    for file in own_files():
        group = file.family.group
        if group and group not in GROUP_CODES:
            raise ConfigError(
                f"{file.path}: group {group!r} is no group of reasons; take none, or one of {', '.join(GROUP_CODES)}"
            )
        found |= {name: group or f"own_{name}" for name in file.family.names}
    return found


_OWN_GROUPS: Final = _own_groups()
# Every quantity that some phrase quotes, as a column of the customer table.
QUOTED: Final = tuple(
    sorted(
        {
            column
            for group in GROUPS
            for phrase in group.phrases
            for name in phrase.needs
            for column in WORKED_OUT.get(name, DERIVED.get(name, (name,)))
        }
    )
)


@cache
def group_of(feature: str) -> str:
    """Code of the group that a feature belongs to; ``other`` for one that no group knows.

    Examples
    --------
    >>> group_of("overdue_ratio"), group_of("spend_90d"), group_of("spend_change_90d"), group_of("shoe_size")
    ('recency', 'spend', 'trend', 'other')
    """
    if feature in _OWN_GROUPS:
        return _OWN_GROUPS[feature]
    return next((group.code for group in GROUPS if group.holds(feature)), "other")
