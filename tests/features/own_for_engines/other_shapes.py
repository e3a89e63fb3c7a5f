"""Terms of contracts that are agreed beforehand, and what they cost."""

from features.exact import from_units, only, to_units
from features.family import ColumnDoc, Family

NAMES = ("longest_term", "charge_sum", "gone_terms", "ends_on_leap_day", "plan_number")
DOCS = tuple(
    ColumnDoc(name, name.replace("_", " "), "示例", "number", "all", "of contracts", "contracts")
    for name in NAMES
)


def measures(rows):
    ends = rows["end"]
    return {
        "longest_term": ends.delta(rows.start, unit="day").max(),
        "charge_sum": from_units(to_units(only(rows.monthly_charge, rows.cancelled_at.isnull())).sum()),
        "gone_terms": rows.cancelled_at.count(),
        "ends_on_leap_day": ((ends.month() == 2) & (ends.day() == 29)).cast("int64").sum(),
        "plan_number": rows.plan.try_cast("int64").max(),
    }


FAMILY = Family("contracts", DOCS, measures, fill=("gone_terms",))
