"""What customers said: satisfaction perceived and expected, and the will to recommend."""

from __future__ import annotations

from typing import Any

import ibis.expr.types as ir

from features.exact import only, ratio, to_units
from features.family import ColumnDoc, Family

__all__ = ["SURVEYS"]

_S = "surveys"
_DOCS = (
    ColumnDoc(
        "satisfaction_last",
        "Last satisfaction score",
        "最近满意度",
        "0 to 10",
        "all",
        "score of the last day answered (mean when several); missing without an answer",
        _S,
    ),
    ColumnDoc(
        "satisfaction_mean",
        "Mean satisfaction score",
        "平均满意度",
        "0 to 10",
        "all",
        "mean score; missing without an answer",
        _S,
    ),
    ColumnDoc(
        "satisfaction_gap",
        "Perceived less expected satisfaction",
        "满意度差距(感知−期望)",
        "-10 to 10",
        "all",
        "mean of score - expected where both were asked; missing where never",
        _S,
    ),
    ColumnDoc(
        "recommend_mean",
        "Will to recommend",
        "推荐意愿",
        "0 to 10",
        "all",
        "mean of recommend; missing without one",
        _S,
    ),
    ColumnDoc(
        "survey_days",
        "Days since the last answer",
        "距上次答复天数",
        "days",
        "all",
        "as_of - last answer; missing without one",
        _S,
    ),
)


def _mean(value: Any, where: Any = None) -> Any:
    keep = value.notnull() if where is None else value.notnull() & where
    units = only(to_units(value), keep).sum()
    return ratio(units.cast("float64") / 10_000.0, only(value, keep).count())


def _measures(events: ir.Table) -> dict[str, Any]:
    latest = events.surveys_age == events.surveys_latest
    return {
        "satisfaction_last": _mean(events.score, latest),
        "satisfaction_mean": _mean(events.score),
        "satisfaction_gap": _mean(events.score - events.expected),
        "recommend_mean": _mean(events.recommend),
        "survey_days": events.surveys_age.min(),
    }


SURVEYS = Family(_S, _DOCS, _measures, reads=("score", "expected", "recommend"))
