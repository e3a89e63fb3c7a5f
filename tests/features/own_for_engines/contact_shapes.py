"""Rows of contacts: texts, flags, hours until solved, nothing known."""

from features.exact import only, ratio
from features.family import ColumnDoc, Family

NAMES = ("loud_contacts", "hours_to_solve", "night_contacts", "kinds", "unsolved_share", "contact_weeks")
DOCS = tuple(
    ColumnDoc(name, name.replace("_", " "), "示例", "number", "all", "of contacts", "interactions")
    for name in NAMES
)


def measures(rows):
    kind = rows.kind.lower()
    solved = rows.resolved_at.notnull()
    return {
        "loud_contacts": kind.contains("complaint").cast("int64").sum(),
        "hours_to_solve": rows.resolved_at.delta(rows.time, unit="hour").median(),
        "night_contacts": ((rows.time.hour() >= 22) | (rows.time.hour() < 6)).cast("int64").sum(),
        "kinds": kind.nunique(),
        "_solved": solved.cast("int64").sum(),
        "_all": rows.count(),
        "contact_weeks": only(rows.time.date().truncate("W"), rows.age <= 365).nunique(),
    }


FAMILY = Family(
    "interactions",
    DOCS,
    measures,
    lambda t: {"unsolved_share": 1.0 - ratio(t["_solved"], t["_all"])},
    fill=("loud_contacts", "kinds"),
)
