"""The data contract: which tables and columns Retain understands, and what each means.

Every reader maps the user's columns onto these names; every feature is written against them. Ids are text,
always. Times are business-local (naive, in the configured zone) once loaded. Money is in the configured
currency, float64, finite.

Examples
--------
>>> TABLES["orders"].required
('customer_id', 'time', 'amount')
>>> TABLES["orders"].column("amount").kind
'money'
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = ["EVENT_TABLES", "TABLES", "Column", "Kind", "TableContract"]

Kind = Literal["id", "time", "money", "number", "text", "flag"]


@dataclass(frozen=True)
class Column:
    """One column of the contract: its name, kind, whether it must be there, and both texts."""

    name: str
    kind: Kind
    en: str
    zh: str
    required: bool = False


@dataclass(frozen=True)
class TableContract:
    """One table of the contract.

    ``time`` names the column that says when the event happened; ``None`` for a table of attributes.
    """

    name: str
    en: str
    zh: str
    columns: tuple[Column, ...]
    time: str | None

    @property
    def required(self) -> tuple[str, ...]:
        """Names of the columns that must be mapped."""
        return tuple(c.name for c in self.columns if c.required)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of all columns, in order."""
        return tuple(c.name for c in self.columns)

    def column(self, name: str) -> Column:
        """The column called `name`; KeyError when the contract has none."""
        for c in self.columns:
            if c.name == name:
                return c
        raise KeyError(name)


_CUSTOMER = Column("customer_id", "id", "Customer", "客户编号", required=True)
_KNOWN_AT = Column("known_at", "time", "When the row arrived in the data", "数据到达时间")

_ORDERS = TableContract(
    "orders",
    "Orders or order lines",
    "订单(行)",
    (
        _CUSTOMER,
        Column("time", "time", "Time of the order", "下单时间", required=True),
        Column(
            "amount", "money", "Amount of the line, negative for returns", "金额(退货为负)", required=True
        ),
        Column("order_id", "id", "Order", "订单编号"),
        Column("product", "id", "Product", "商品编号"),
        Column("category", "text", "Category", "品类"),
        Column("quantity", "number", "Quantity", "数量"),
        Column("unit_price", "money", "Price per unit", "单价"),
        Column("discount", "money", "Discount given, in money", "折扣金额"),
        Column("cost", "money", "Cost of goods of the line", "成本"),
        Column("channel", "text", "Channel", "渠道"),
        Column("currency", "text", "Currency", "币种"),
        Column("returned", "flag", "The line is a return", "是否退货"),
        _KNOWN_AT,
    ),
    time="time",
)
_CUSTOMERS = TableContract(
    "customers",
    "Customers",
    "客户",
    (
        _CUSTOMER,
        Column("joined_at", "time", "Time the customer became known", "建档时间"),
        Column("region", "text", "Region or country", "地区"),
        Column("segment", "text", "Segment given by the business", "业务分群"),
        Column("acquisition_channel", "text", "Channel of acquisition", "获客渠道"),
        Column("acquisition_cost", "money", "Cost of acquisition", "获客成本"),
        Column("opted_out", "flag", "Does not want to be contacted", "拒绝联系"),
        _KNOWN_AT,
    ),
    time="joined_at",
)
_CONTRACTS = TableContract(
    "contracts",
    "Contracts or subscriptions",
    "合同(订阅)",
    (
        _CUSTOMER,
        Column("start", "time", "Start of the contract", "起始时间", required=True),
        Column("end", "time", "Agreed end of the contract", "到期时间"),
        Column("cancelled_at", "time", "Time it was cancelled", "取消时间"),
        Column("contract_id", "id", "Contract", "合同编号"),
        Column("plan", "text", "Plan", "套餐"),
        Column("monthly_charge", "money", "Charge per month", "月费"),
        _KNOWN_AT,
    ),
    time="start",
)
_INTERACTIONS = TableContract(
    "interactions",
    "Contacts and complaints",
    "互动与投诉",
    (
        _CUSTOMER,
        Column("time", "time", "Time of the contact", "时间", required=True),
        Column("kind", "text", "Kind: contact, complaint, service, return, visit", "类型"),
        Column("channel", "text", "Channel", "渠道"),
        Column("direction", "text", "Inbound or outbound", "方向"),
        Column("resolved_at", "time", "Time it was resolved", "解决时间"),
        _KNOWN_AT,
    ),
    time="time",
)
_SURVEYS = TableContract(
    "surveys",
    "Surveys",
    "满意度调查",
    (
        _CUSTOMER,
        Column("time", "time", "Time of the answer", "时间", required=True),
        Column("score", "number", "Perceived satisfaction, 0 to 10", "满意度(0–10)", required=True),
        Column("expected", "number", "Expected satisfaction, 0 to 10", "期望值(0–10)"),
        Column("recommend", "number", "Would recommend, 0 to 10", "推荐意愿(0–10)"),
        _KNOWN_AT,
    ),
    time="time",
)
_CAMPAIGNS = TableContract(
    "campaigns",
    "Campaign contacts",
    "营销活动触达",
    (
        _CUSTOMER,
        Column("time", "time", "Time of the contact", "时间", required=True),
        Column("campaign_id", "id", "Campaign", "活动编号"),
        Column("offer", "text", "Offer made", "优惠"),
        Column("arm", "text", "Arm: treat, hold-out, explore", "实验组"),
        Column("cost", "money", "Cost of the contact", "触达成本"),
        Column("channel", "text", "Channel", "渠道"),
        _KNOWN_AT,
    ),
    time="time",
)
_REFERRALS = TableContract(
    "referrals",
    "Referrals",
    "推荐",
    (
        _CUSTOMER,
        Column("time", "time", "Time of the referral", "时间", required=True),
        Column("referred_id", "id", "Customer who was referred", "被推荐客户"),
        _KNOWN_AT,
    ),
    time="time",
)

TABLES: dict[str, TableContract] = {
    t.name: t for t in (_ORDERS, _CUSTOMERS, _CONTRACTS, _INTERACTIONS, _SURVEYS, _CAMPAIGNS, _REFERRALS)
}
EVENT_TABLES = ("orders", "interactions", "surveys", "campaigns", "referrals")
