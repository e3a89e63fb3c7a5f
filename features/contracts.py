"""Contracts as they stood on the day: running or not, for how long, at what charge, and when they end."""

from __future__ import annotations

from typing import Any

import ibis.expr.types as ir

from features.exact import from_units, only, to_units
from features.family import ColumnDoc, Family

__all__ = ["CONTRACTS"]

_S = "contracts"
_DOCS = (
    ColumnDoc(
        "contracts_active",
        "Contracts running",
        "生效合同数",
        "contracts",
        "as_of",
        "started, not ended and not cancelled before as_of",
        _S,
    ),
    ColumnDoc(
        "contract_charge",
        "Monthly charge of running contracts",
        "生效合同月费",
        "currency per month",
        "as_of",
        "sum of monthly_charge over running contracts",
        _S,
    ),
    ColumnDoc(
        "contract_days",
        "Days since the first contract began",
        "首份合同至今天数",
        "days",
        "all",
        "as_of - first start; missing without a contract",
        _S,
    ),
    ColumnDoc(
        "contract_days_left",
        "Days until the next running contract ends",
        "距合同到期天数",
        "days",
        "as_of",
        "smallest agreed end - as_of over running contracts; missing without one",
        _S,
    ),
    ColumnDoc(
        "contracts_cancelled",
        "Contracts cancelled",
        "已取消合同数",
        "contracts",
        "all",
        "cancelled before as_of",
        _S,
    ),
)


def _before(events: ir.Table, column: str) -> Any:
    return (events[column].date() < events.as_of).fill_null(False)


def _measures(events: ir.Table) -> dict[str, Any]:
    cancelled = _before(events, "cancelled_at")
    running = events.contracts_age.notnull() & ~cancelled & ~_before(events, "end")
    left = events.end.date().delta(events.as_of, unit="day")
    return {
        "contracts_active": running.cast("int64").sum(),
        "contract_charge": from_units(only(to_units(events.monthly_charge), running).sum()),
        "contract_days": events.contracts_age.max(),
        "contract_days_left": only(left, running).min(),
        "contracts_cancelled": cancelled.cast("int64").sum(),
    }


CONTRACTS = Family(
    _S,
    _DOCS,
    _measures,
    fill=("contracts_active", "contract_charge", "contracts_cancelled"),
    reads=("end", "cancelled_at", "monthly_charge"),
)
