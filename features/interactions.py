"""Contacts and complaints: how often, how recently, and whether they were solved."""

from __future__ import annotations

from typing import Any

import ibis.expr.types as ir

from features.exact import only
from features.family import ColumnDoc, Family

__all__ = ["INTERACTIONS"]

_S = "interactions"
_DOCS = (
    ColumnDoc(
        "contacts_90d", "Contacts in the last 90 days", "近90天互动次数", "contacts", "90 days", "rows", _S
    ),
    ColumnDoc(
        "contacts_365d",
        "Contacts in the last 365 days",
        "近365天互动次数",
        "contacts",
        "365 days",
        "rows",
        _S,
    ),
    ColumnDoc(
        "complaints_90d",
        "Complaints in the last 90 days",
        "近90天投诉次数",
        "complaints",
        "90 days",
        "rows with kind = complaint",
        _S,
    ),
    ColumnDoc(
        "complaints_365d",
        "Complaints in the last 365 days",
        "近365天投诉次数",
        "complaints",
        "365 days",
        "rows with kind = complaint",
        _S,
    ),
    ColumnDoc(
        "complaints_open",
        "Complaints not solved yet",
        "未解决投诉数",
        "complaints",
        "all",
        "complaints with no resolution before as_of",
        _S,
    ),
    ColumnDoc(
        "complaint_days",
        "Days since the last complaint",
        "距上次投诉天数",
        "days",
        "all",
        "as_of - last complaint; missing without one",
        _S,
    ),
    ColumnDoc(
        "resolution_days",
        "Mean days to solve a complaint",
        "平均投诉解决天数",
        "days",
        "all",
        "mean of resolved - time over complaints solved before as_of; missing without one",
        _S,
    ),
    ColumnDoc(
        "last_contact_days",
        "Days since the last contact",
        "距上次互动天数",
        "days",
        "all",
        "as_of - last contact; missing without one",
        _S,
    ),
)


def _measures(events: ir.Table) -> dict[str, Any]:
    age = events.interactions_age
    complaint = (events.kind.lower() == "complaint").fill_null(False)
    solved = (events.resolved_at.date() < events.as_of).fill_null(False)
    took = events.resolved_at.date().delta(events.day, unit="day")
    return {
        "contacts_90d": (age <= 90).cast("int64").sum(),
        "contacts_365d": (age <= 365).cast("int64").sum(),
        "complaints_90d": (complaint & (age <= 90)).cast("int64").sum(),
        "complaints_365d": (complaint & (age <= 365)).cast("int64").sum(),
        "complaints_open": (complaint & ~solved).cast("int64").sum(),
        "complaint_days": only(age, complaint).min(),
        "resolution_days": only(took, complaint & solved).sum().cast("float64")
        / (complaint & solved).cast("int64").sum().cast("float64").nullif(0.0),
        "last_contact_days": age.min(),
    }


INTERACTIONS = Family(
    _S,
    _DOCS,
    _measures,
    fill=("contacts_90d", "contacts_365d", "complaints_90d", "complaints_365d", "complaints_open"),
    reads=("kind", "resolved_at"),
)
