"""The list of running contracts: renewal date, curve, value at stake and reasons, most at stake first."""

from __future__ import annotations

import pandas as pd

from serving.flat_reasons import flat_reasons
from serving.phrases import Lang
from training.models.contract_bundle import ContractBundle

__all__ = ["score_contracts"]

_NAMES: dict[Lang, dict[str, str]] = {
    "en": {
        "plan": "plan",
        "tenure_days": "days since the start",
        "days_left": "days until the agreed end",
        "term_days": "days of the term",
        "terms": "terms so far",
        "monthly_charge": "monthly charge",
        "earlier_relationships": "earlier contracts that ended",
        "life_table": "usual course of this plan at this age (log-odds)",
        "days_since_last": "days since the last order",
        "orders_90d": "orders in 90 days",
        "orders_change_90d": "change of orders in 90 days",
        "spend_90d": "spend in 90 days",
        "contacts_90d": "contacts in 90 days",
        "complaints_90d": "complaints in 90 days",
        "complaints_365d": "complaints in 365 days",
        "complaints_open": "open complaints",
        "satisfaction_last": "last satisfaction score",
        "last_campaign_days": "days since the last campaign contact",
        "contracts_cancelled": "contracts cancelled before",
    },
    "zh": {
        "plan": "套餐",
        "tenure_days": "合同已持续天数",
        "days_left": "距到期天数",
        "term_days": "合同期天数",
        "terms": "已签期数",
        "monthly_charge": "月费",
        "earlier_relationships": "此前已结束的合同数",
        "life_table": "同套餐同期限的常规走势(对数几率)",
        "days_since_last": "距上次下单天数",
        "orders_90d": "90天订单数",
        "orders_change_90d": "90天订单变化",
        "spend_90d": "90天消费",
        "contacts_90d": "90天联系次数",
        "complaints_90d": "90天投诉数",
        "complaints_365d": "365天投诉数",
        "complaints_open": "未解决投诉数",
        "satisfaction_last": "最近满意度",
        "last_campaign_days": "距上次营销触达天数",
        "contracts_cancelled": "曾取消合同数",
    },
}


def score_contracts(bundle: ContractBundle, running: pd.DataFrame) -> pd.DataFrame:
    """Predictions and reasons of running relationships.

    Parameters
    ----------
    bundle : ContractBundle
    running : pandas.DataFrame
        From `training.contracts.contract_panel.ContractPanel.running`.

    Returns
    -------
    pandas.DataFrame
        ``customer_id, plan, start, renewal_date`` (the agreed end; missing where there is none or it has passed),
        then what `ContractBundle.predict` gives, ``reasons`` and ``reasons_zh``; most value at stake first, and
        without values the likeliest to end first.
    """
    predicted = bundle.predict(running)
    seen = bundle.with_table(running)
    if bundle.model is not None:
        seen = seen.assign(**bundle.model.read(seen))
    parts = bundle.contributions(running)
    told = {
        "reasons": flat_reasons(seen, parts, lang="en", names=_NAMES["en"]),
        "reasons_zh": flat_reasons(seen, parts, lang="zh", names=_NAMES["zh"]),
    }
    dates = {
        "start": running["start"].astype("datetime64[us]"),
        "renewal_date": running["agreed_end"].where(running["days_left"] >= 0).astype("datetime64[us]"),
    }
    found = pd.concat(
        [running[["customer_id", "plan"]], pd.DataFrame(dates), predicted, pd.DataFrame(told)], axis=1
    )
    order = ["value_at_stake", "churn_probability"]
    return found.sort_values(order, ascending=False, kind="stable", ignore_index=True)
