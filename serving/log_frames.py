"""Rows of the decision log as tables of pandas and back, and what a row must hold."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any, Final

import numpy as np
import pandas as pd

from features.errors import InputError

__all__ = ["ARMS", "DECISION", "RESULT", "check_decisions", "check_results", "from_rows", "latest", "to_rows"]

ARMS: Final = ("treat", "hold_out", "explore")
DECISION: Final[dict[str, str]] = {
    "decision_id": "text",
    "run_id": "text",
    "as_of": "text",
    "customer_id": "text",
    "policy_version": "text",
    "strategy": "text",
    "planned_offer": "text",
    "offer": "text",
    "channel": "text",
    "cost": "number",
    "arm": "text",
    "propensity": "number",
    "expected_gain": "number",
    "effect": "number",
    "effect_source": "text",
    "value_at_stake": "number",
    "value_class": "text",
    "due_date": "text",
    "owner": "text",
}
RESULT: Final[dict[str, str]] = {
    "decision_id": "text",
    "reached": "flag",
    "accepted": "flag",
    "refusal_reason": "text",
    "cost": "number",
    "time": "text",
}
_NEEDED: Final = (
    *("decision_id", "run_id", "as_of", "customer_id", "policy_version", "strategy"),
    *("offer", "cost", "arm", "propensity"),
)
_DAYS: Final = ("as_of", "due_date")


def check_decisions(frame: pd.DataFrame) -> None:
    """Refuse decisions that could not be evaluated later, with all faults at once.

    Raises
    ------
    InputError
        Columns are missing; ids are missing, no text or doubled; arms, propensities or costs make no sense.
    """
    missing = [name for name in _NEEDED if name not in frame.columns]
    if missing:
        raise InputError(
            f"decision log: the columns {', '.join(missing)} are missing; save what `decide` made"
        )
    arms, chances, costs = frame["arm"], _numbers(frame["propensity"]), _numbers(frame["cost"])
    faults: dict[str, Any] = {
        f"{name} is empty or no text": ~_texts(frame[name])
        for name in ("decision_id", "run_id", "customer_id", "policy_version", "strategy", "offer")
    }
    faults |= {
        "decision_id is there before": frame["decision_id"].duplicated(),
        f"arm is none of {', '.join(ARMS)}": ~arms.isin(ARMS),
        "propensity lies outside (0, 1]": ~((chances > 0) & (chances <= 1)),
        "cost is missing, negative or infinite": ~((costs >= 0) & np.isfinite(costs)),
        "as_of is no day": ~frame["as_of"].map(_is_day).astype(bool),
    }
    _refuse(faults, len(frame), "decision log")


def check_results(frame: pd.DataFrame) -> None:
    """Refuse reports without an id, doubled ones, and costs that are none.

    Raises
    ------
    InputError
    """
    if "decision_id" not in frame.columns:
        raise InputError("decision log: results need the column decision_id")
    faults: dict[str, Any] = {
        "decision_id is empty or no text": ~_texts(frame["decision_id"]),
        "decision_id is there before": frame["decision_id"].duplicated(),
    }
    if "cost" in frame:
        costs = _numbers(frame["cost"])
        faults["cost is negative or infinite"] = (costs < 0) | np.isinf(costs)
    _refuse(faults, len(frame), "results")


def _refuse(faults: Mapping[str, Any], rows: int, where: str) -> None:
    """All faults in one message, with counts and first rows; never a value of a customer."""
    told = []
    for text, marks in faults.items():
        found = np.flatnonzero(np.asarray(marks, dtype=bool))
        if len(found):
            told.append(f"{text} in {len(found):,} of {rows:,} rows, the first is row {found[0] + 1:,}")
    if told:
        raise InputError(f"{where}: {'; '.join(told)}. Nothing was saved.")


def _texts(column: pd.Series) -> pd.Series:
    return column.map(lambda value: isinstance(value, str) and bool(value)).astype(bool)


def _numbers(column: pd.Series) -> np.ndarray[Any, np.dtype[np.float64]]:
    return pd.to_numeric(column, errors="coerce").to_numpy(dtype="float64", na_value=np.nan)


def _is_day(value: object) -> bool:
    try:
        return _day(value) is not None
    except ValueError:
        return False


def _day(value: object) -> str | None:
    """A day as ISO text."""
    if isinstance(value, datetime):
        return value.date().isoformat()
    if isinstance(value, date):
        return value.isoformat()
    return None if value is None else date.fromisoformat(str(value)).isoformat()


def to_rows(frame: pd.DataFrame, kinds: Mapping[str, str]) -> list[dict[str, Any]]:
    """Rows as the database takes them: every column of `kinds`; for decisions the others as JSON in ``more``.

    Examples
    --------
    >>> frame = pd.DataFrame({"decision_id": ["a"], "reached": [True], "cost": [np.nan]})
    >>> to_rows(frame, RESULT)[0]["reached"], to_rows(frame, RESULT)[0]["cost"]
    (True, None)
    """
    given = frame
    if "planned_offer" in kinds and "planned_offer" not in frame:
        given = frame.assign(planned_offer=frame["offer"])
    columns = {name: _values(given, name, kind) for name, kind in kinds.items()}
    if kinds is DECISION:
        columns["more"] = _more(given)
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def _values(frame: pd.DataFrame, name: str, kind: str) -> list[Any]:
    if name not in frame:
        return [None] * len(frame)
    column = frame[name]
    gone = column.isna().tolist()
    if kind == "number":
        values: list[Any] = _numbers(column).tolist()
    elif kind == "flag":
        values = [bool(value) if not lost else None for value, lost in zip(column, gone, strict=True)]
    elif name in _DAYS:
        values = [None if lost else _day(v) for v, lost in zip(column.astype(object), gone, strict=True)]
    else:
        values = [None if lost else _text(v) for v, lost in zip(column.astype(object), gone, strict=True)]
    return [None if lost else value for value, lost in zip(values, gone, strict=True)]


def _text(value: object) -> str:
    return value.isoformat() if isinstance(value, date) else str(value)


def _more(frame: pd.DataFrame) -> list[str]:
    names = sorted(str(name) for name in frame.columns if name not in DECISION)
    columns = [_plain(frame[name]) for name in names]
    encoder = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"), default=_json)
    if not columns:
        return ["{}"] * len(frame)
    try:
        rows = zip(*columns, strict=True)
        return [encoder.encode(dict(zip(names, row, strict=True))) for row in rows]
    except (TypeError, ValueError):
        raise InputError(
            f"decision log: one of the columns {', '.join(names)} holds values that are infinite or neither "
            "text, number, flag nor day; repair or drop it"
        ) from None


def _plain(column: pd.Series) -> list[Any]:
    gone = column.isna().tolist()
    return [None if lost else v for v, lost in zip(column.astype(object).tolist(), gone, strict=True)]


def _json(value: object) -> object:
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError


def from_rows(
    rows: Sequence[tuple[Any, ...]], names: Sequence[str], kinds: Mapping[str, str]
) -> pd.DataFrame:
    """A table of what the database holds: numbers as float64, flags as boolean, days as dates."""
    frame = pd.DataFrame.from_records(list(rows), columns=list(names))
    for name, kind in kinds.items():
        if kind == "number":
            frame[name] = frame[name].astype("float64")
        elif kind == "flag":
            frame[name] = frame[name].astype("boolean")
        elif name in _DAYS:
            frame[name] = [
                date.fromisoformat(v) if isinstance(v, str) else None for v in frame[name].tolist()
            ]
    if "more" in frame:
        known = [json.loads(text) for text in frame["more"]]
        more = pd.DataFrame.from_records(known, index=frame.index) if any(known) else pd.DataFrame()
        frame = pd.concat([frame.drop(columns="more"), more], axis=1)
    return frame


def latest(reports: pd.DataFrame) -> pd.DataFrame:
    """The report of each decision that counts: the latest by its time; one without counts as later than before.

    Examples
    --------
    >>> reports = pd.DataFrame({"decision_id": "a", "version": [1, 2, 3]})
    >>> latest(reports.assign(time=["2026-01-05", "2026-01-09", "2026-01-07"]))["version"].tolist()
    [2]
    >>> latest(reports.assign(time=["2026-01-05", None, "2026-01-04"]))["version"].tolist()
    [2]
    """
    ordered = reports.sort_values(["decision_id", "version"], ignore_index=True)
    time = pd.to_datetime(ordered["time"], format="ISO8601")
    reached = time.groupby(ordered["decision_id"]).cummax()
    reached = reached.groupby(ordered["decision_id"]).ffill()
    counted = ordered.assign(_at=time.fillna(reached))
    counted = counted.sort_values(["decision_id", "_at", "version"], na_position="first")
    return counted.drop_duplicates("decision_id", keep="last").drop(columns="_at").reset_index(drop=True)
