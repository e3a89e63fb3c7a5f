"""Campaign contacts received, and referrals made."""

from __future__ import annotations

from typing import Any

import ibis.expr.types as ir

from features.exact import only
from features.family import ColumnDoc, Family

__all__ = ["CAMPAIGNS", "HOLD_OUT", "REFERRALS"]

_C, _R = "campaigns", "referrals"
_CAMPAIGN_DOCS = (
    ColumnDoc(
        "campaigns_90d",
        "Campaign contacts in the last 90 days",
        "近90天营销触达次数",
        "contacts",
        "90 days",
        "rows whose arm is not hold-out",
        _C,
    ),
    ColumnDoc(
        "campaigns_365d",
        "Campaign contacts in the last 365 days",
        "近365天营销触达次数",
        "contacts",
        "365 days",
        "rows whose arm is not hold-out",
        _C,
    ),
    ColumnDoc(
        "last_campaign_days",
        "Days since the last campaign contact",
        "距上次营销触达天数",
        "days",
        "all",
        "as_of - last contact whose arm is not hold-out; missing without one",
        _C,
    ),
)
_REFERRAL_DOCS = (
    ColumnDoc("referrals_total", "Customers referred", "推荐客户数", "referrals", "all", "rows", _R),
    ColumnDoc(
        "referrals_365d",
        "Customers referred in the last 365 days",
        "近365天推荐客户数",
        "referrals",
        "365 days",
        "rows",
        _R,
    ),
)
HOLD_OUT = ("hold-out", "holdout", "hold_out", "control")
"""Arms, in lower case, that mean: chosen for the campaign, and left alone."""


def _campaigns(events: ir.Table) -> dict[str, Any]:
    age = events.campaigns_age
    made = (~events.arm.lower().isin(HOLD_OUT)).fill_null(True)
    return {
        "campaigns_90d": (made & (age <= 90)).cast("int64").sum(),
        "campaigns_365d": (made & (age <= 365)).cast("int64").sum(),
        "last_campaign_days": only(age, made).min(),
    }


def _referrals(events: ir.Table) -> dict[str, Any]:
    age = events.referrals_age
    return {
        "referrals_total": age.count(),
        "referrals_365d": (age <= 365).cast("int64").sum(),
    }


CAMPAIGNS = Family(_C, _CAMPAIGN_DOCS, _campaigns, fill=("campaigns_90d", "campaigns_365d"), reads=("arm",))
REFERRALS = Family(_R, _REFERRAL_DOCS, _referrals, fill=("referrals_total", "referrals_365d"))
