"""Answers: the latest by an order with ties broken, fractions in whole units."""

import ibis

from features.exact import from_units, to_units
from features.family import ColumnDoc, Family

NAMES = ("latest_score", "earliest_below", "score_total", "score_rounded", "recommends")
DOCS = tuple(
    ColumnDoc(name, name.replace("_", " "), "示例", "number", "all", "of answers", "surveys")
    for name in NAMES
)


def measures(rows):
    return {
        "latest_score": rows.score.last(order_by=[rows.time, rows.score]),
        "earliest_below": rows.score.first(order_by=[rows.time, ibis.desc(rows.score)], where=rows.score < 7),
        "score_total": from_units(to_units(rows.score).sum()),
        "score_rounded": rows.score.cast("int64").sum(),
        "recommends": (rows.recommend >= 7.5).cast("int64").sum(),
    }


FAMILY = Family("surveys", DOCS, measures)
