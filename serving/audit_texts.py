"""What the audit's page says: titles, heads, labels and notes in English and Chinese."""

from __future__ import annotations

from typing import Final

from features.html_page import Text

__all__ = [
    "CHECKS",
    "EQUITY_MISSING",
    "FOOT",
    "HEADS",
    "KINDS",
    "LABELS",
    "NOTES",
    "TITLES",
    "head_of",
    "label_of",
]


def _t(en: str, zh: str) -> Text:
    return {"en": en, "zh": zh}


TITLES: Final[dict[str, Text]] = {
    "page": _t("Customer-base audit", "客户群审计"),
    "ledger": _t("Every line of the order file", "订单文件的每一行"),
    "checks": _t("Does it add up?", "各部分是否相符"),
    "one_period": _t("Lens 1 · One period: how customers differ", "视角一 · 单一时期:客户有何不同"),
    "tenths": _t("Customers in tenths by revenue", "按收入排序的十等分"),
    "order_counts": _t("Customers by number of orders", "按订单数的客户分布"),
    "two_periods": _t("Lens 2 · Two periods: who came, stayed and left", "视角二 · 两个时期:来、留、去"),
    "kept_movers": _t("Customers kept: up or down", "保留客户:增或减"),
    "bridge": _t("Wider, longer, deeper: where the change comes from", "更宽、更远、更深:变化从何而来"),
    "one_cohort": _t("Lens 3 · One cohort: a life so far", "视角三 · 一个客户群组:至今的一生"),
    "cohorts_compared": _t("Lens 4 · Cohorts compared at the same age", "视角四 · 同龄群组比较"),
    "whole_base": _t("Lens 5 · The whole base: revenue by cohort", "视角五 · 全体客户:各群组收入"),
    "concentration": _t("Pareto: how concentrated is it?", "二八法则:集中程度"),
    "equity": _t("Customer equity", "客户资产"),
    "equity_by": _t("Equity by class", "客户资产细分"),
    "elasticities": _t("What moves equity", "客户资产的弹性"),
}

HEADS: Final[dict[str, Text]] = {
    "place": _t("Lines", "行"),
    "rows": _t("Rows", "行数"),
    "readable": _t("with a readable amount", "金额可读"),
    "amount": _t("Amount", "金额"),
    "check": _t("Part", "部分"),
    "expected": _t("Ledger", "账本"),
    "found": _t("Part's sum", "部分合计"),
    "difference": _t("Difference", "差额"),
    "tenth": _t("Tenth", "十分位"),
    "customers": _t("Customers", "客户数"),
    "customer_share": _t("Share of customers", "客户占比"),
    "orders": _t("Orders", "订单数"),
    "revenue": _t("Revenue", "收入"),
    "margin": _t("Margin", "毛利"),
    "revenue_share": _t("Share of revenue", "收入占比"),
    "margin_share": _t("Share of margin", "毛利占比"),
    "margin_rate": _t("Margin rate", "毛利率"),
    "orders_per_customer": _t("Orders per customer", "人均订单数"),
    "revenue_per_order": _t("Revenue per order", "单均收入"),
    "revenue_per_customer": _t("Revenue per customer", "人均收入"),
    "margin_per_customer": _t("Margin per customer", "人均毛利"),
    "median_revenue": _t("Median revenue of a customer", "客户收入中位数"),
    "one_time": _t("Customers with one order", "一次性客户"),
    "one_time_share": _t("Share with one order", "一次性客户占比"),
    "returns_only": _t("Customers with returns only", "仅退货客户"),
    "revenue_no_customer": _t("No customer: revenue beside", "另有无编号收入"),
    "orders_from": _t("Orders", "订单数"),
    "group": _t("Group", "类别"),
    "direction": _t("Direction", "方向"),
    "part": _t("Part", "部分"),
    "revenue_before": _t("Revenue before", "前期收入"),
    "revenue_after": _t("Revenue after", "本期收入"),
    "revenue_change": _t("Change of revenue", "收入变化"),
    "margin_change": _t("Change of margin", "毛利变化"),
    "cohort": _t("Cohort", "群组"),
    "period": _t("Period", "时期"),
    "age": _t("Age", "群龄"),
    "active": _t("Active", "活跃客户"),
    "active_share": _t("Active share", "活跃占比"),
    "orders_per_active": _t("Orders per active", "活跃客户人均订单"),
    "revenue_per_active": _t("Revenue per active", "活跃客户人均收入"),
    "revenue_so_far": _t("Revenue so far", "累计收入"),
    "revenue_so_far_per_customer": _t("So far per customer", "人均累计收入"),
    "value": _t("Of", "指标"),
    "over": _t("Over", "范围"),
    "total": _t("Total", "合计"),
    "top_1": _t("Top 1 %", "前 1 %"),
    "top_5": _t("Top 5 %", "前 5 %"),
    "top_20": _t("Top 20 %", "前 20 %"),
    "gini": _t("Gini", "基尼系数"),
    "negative": _t("Customers below zero", "负值客户"),
    "label": _t("Label", "标签"),
    "valued": _t("with a value", "已估值"),
    "equity": _t("Equity", "客户资产"),
    "equity_share": _t("Share of equity", "资产占比"),
    "clv_mean": _t("CLV, mean", "CLV 均值"),
    "clv_median": _t("CLV, median", "CLV 中位数"),
    "low": _t("p10, mean", "p10 均值"),
    "high": _t("p90, mean", "p90 均值"),
    "past_revenue": _t("Revenue so far", "累计收入"),
    "past_margin": _t("Margin so far", "累计毛利"),
    "driver": _t("One percent more", "提高百分之一"),
    "base": _t("Now", "现在"),
    "lower": _t("1 % lower", "低 1 %"),
    "higher": _t("1 % higher", "高 1 %"),
    "elasticity": _t("Change in %", "变化 %"),
}

LABELS: Final[dict[str, Text]] = {
    "bought": _t("Bought by customers", "客户购买"),
    "returned": _t("Given back by customers", "客户退货"),
    "later": _t("Known from this day on", "此日起才知的行"),
    "no_customer": _t("Without a customer", "没有客户编号"),
    "file": _t("The order file", "订单文件"),
    "audited": _t("Audited here", "本审计"),
    "duplicates_dropped": _t("Dropped as copies", "重复行,已删除"),
    "kept": _t("kept", "保留"),
    "new": _t("new", "新客户"),
    "regained": _t("regained", "赢回"),
    "lost": _t("lost", "流失"),
    "returns_only": _t("returns only", "仅退货"),
    "new_segment": _t("new, of new segments", "新细分市场的新客户"),
    "orders": _t("more or fewer orders", "订单次数"),
    "breadth": _t("things in an order", "单内品种数"),
    "spend": _t("spend on each", "每品种金额"),
    "before": _t("Before", "前期"),
    "after": _t("After", "本期"),
    "wider": _t("wider", "更宽"),
    "longer": _t("longer", "更远"),
    "deeper": _t("deeper", "更深"),
    "up": _t("up", "增加"),
    "same": _t("the same", "持平"),
    "down": _t("down", "减少"),
    "revenue": _t("revenue", "收入"),
    "margin": _t("margin", "毛利"),
    "period": _t("this period", "本期"),
    "all": _t("all time", "全部时间"),
    "none": _t("never bought", "从未购买"),
    "value_class": _t("Value class", "客户价值细分"),
    "pyramid_tier": _t("Customer pyramid", "客户金字塔"),
    "lifecycle_stage": _t("Life-cycle stage", "关系生命周期"),
    "status": _t("Status", "状态"),
    "unknown": _t("unknown", "未知"),
    "no_purchase": _t("only ever gave back", "仅有退货"),
    "no_segment": _t("wants no contact", "拒绝联系"),
    "active": _t("active", "活跃"),
    "lapsed": _t("lapsed", "沉默"),
    "retention": _t("retention, year by year", "年度保留率"),
    "discount": _t("discount rate", "贴现率"),
    "acquisition": _t("acquisition cost (of whole-life profit)", "获客成本(对终身利润)"),
}

CHECKS: Final[Text] = _t(
    "{} sums of this page were held against the ledger, in 1/10,000 of the currency: {} differ.",
    "本页共有 {} 项合计与账本核对(精确到货币单位的万分之一),其中 {} 项不符。",
)

NOTES: Final[dict[str, Text]] = {
    "ledger": _t(
        "The places add up to the order file. Lines without a customer, or set aside, are in no other table of this page.",
        "各项之和即订单文件。没有客户编号或被隔离的行不计入本页其他表。",
    ),
    "tenths": _t(
        "The best tenth first; 0 are customers with returns only. Who ties is ordered by id.",
        "第 1 组最好;0 组仅有退货。并列者按编号排序。",
    ),
    "two_periods": _t(
        "Kept: ordered in both periods. New: first order ever. Regained: ordered earlier, paused for a whole period, came "
        "back. Lost: ordered in the earlier period only.",
        "保留:两期都下单。新客户:首次下单。赢回:更早下过单,整个前期未下单,本期回来。流失:仅前期下单。",
    ),
    "bridge": _t(
        "Before plus all parts is after, without remainder. Of customers kept the change is split by Shapley's rule into "
        "the number of orders, the different {} in an order, and the spend on each.",
        "前期加各部分恰为本期,没有余项。保留客户的变化按沙普利值分为:订单次数、单内不同{}数、每种金额。",
    ),
    "one_cohort": _t(
        "Customers whose first purchase fell into {}, step by step. The last step may not be over.",
        "首次购买在 {} 的客户,逐期列出;最后一期可能尚未结束。",
    ),
    "cohorts_compared": _t(
        "Steps that are over, counted from the one of the first purchase (age 0, on average half a step long). The oldest "
        "cohort also holds customers whose first purchase lies before the data.",
        "仅列已结束的时期;群龄 0 为首购所在期(平均只有半期)。最早的群组还包含数据开始之前就已购买的客户。",
    ),
    "whole_base": _t(
        "Each band is the revenue of the customers who first bought in one step; together they are all revenue, but "
        "for customers who only ever gave back.",
        "每条带为同一时期首购客户带来的收入,合计即全部收入(只退过货的客户除外)。",
    ),
    "concentration": _t(
        "Each ordered by itself, the best first; part of a customer counts where a share ends in one. Customers below zero "
        "gave back more than they bought: with them the best may hold more than 100 %, and the Gini may pass 1.",
        "各指标分别从高到低排序;占比落在某客户之内时按比例计。负值客户退货多于购买:"
        "此时前列客户可能超过 100 %,基尼系数可能大于 1。",
    ),
    "equity": _t(
        "The sum of the discounted margin expected of today's customers over their remaining lives ({} days at most, by "
        "model {}). It counts no customer who is yet to come. p10 and p90 are means of single customers' bounds, which do "
        "not add up to bounds of the sum.",
        "现有客户剩余生命周期(至多 {} 天,模型 {})内预计毛利的折现合计,不含未来新客户。"
        "p10、p90 为单个客户界限的均值,不能相加为总额的界限。",
    ),
    "elasticities": _t(
        "Retention and discount rate: the model's own curve anew, each 1 % lower and higher; margin is exact. 1 % of "
        "retention is 1 % more customers kept in each year. The cost of acquisition is set against margin so far plus "
        "equity less that cost.",
        "保留率与贴现率:以模型自身曲线分别降低、提高 1 % 重新计算;毛利率为精确值。保留率 1 % 指每年多保留 1 % 的客户。"
        "获客成本对应的是累计毛利加客户资产减该成本。",
    ),
}

EQUITY_MISSING: Final[Text] = _t(
    "Customer equity needs a model: run `retain train` first, then `retain audit` again.",
    "客户资产需要模型:请先运行 `retain train`,再运行 `retain audit`。",
)

FOOT: Final[Text] = _t(
    "Revenue is what was bought less what was given back, before the day named above; margin uses the cost of goods where "
    "it is known, else {} of revenue. No customer is named in this page. After Fader, Hardie & Ross, The Customer-Base "
    "Audit (2022).",
    "收入为上述日期之前的购买减退货;毛利按商品成本计,成本未知时按收入的 {} 计。"
    "本页不含任何客户编号。参照 Fader、Hardie 与 Ross《客户群审计》(2022)。",
)

KINDS: Final[dict[str, str]] = {
    **dict.fromkeys(
        ("customer_share", "revenue_share", "margin_share", "margin_rate", "one_time_share", "active_share"),
        "share",
    ),
    **dict.fromkeys(("equity_share", "top_1", "top_5", "top_20"), "share"),
    **dict.fromkeys(("orders_per_customer", "orders_per_active", "gini", "elasticity"), "ratio"),
    **dict.fromkeys(("amount", "expected", "found", "difference"), "cents"),
    **dict.fromkeys(
        ("revenue_per_order", "revenue_per_active", "revenue_per_customer", "margin_per_customer"), "cents"
    ),
    **dict.fromkeys(("median_revenue", "revenue_so_far_per_customer", "clv_mean", "clv_median"), "cents"),
}
"""How numbers of a column are written; whole numbers with thousands marks where it is not named."""


def head_of(column: str) -> Text:
    """Head of a column; a cohort's name stands for itself.

    Examples
    --------
    >>> head_of("orders")["zh"], head_of("2011-Q2")["en"]
    ('订单数', '2011-Q2')
    """
    return HEADS.get(column, _t(column, column))


def label_of(code: str) -> Text:
    """What a code is called; an unknown one is shown with blanks for underlines.

    Examples
    --------
    >>> label_of("kept")["zh"], label_of("not_a_date")["en"]
    ('保留', 'not a date')
    """
    plain = code.replace("_", " ")
    return LABELS.get(code, _t(plain, plain))
