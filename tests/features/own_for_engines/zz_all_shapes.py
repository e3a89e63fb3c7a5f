"""What works with all other features, and with campaigns and referrals through them."""

from features.family import ColumnDoc, Family, nothing

NAMES = ("spend_growth", "calm", "calls_per_order")
DOCS = tuple(
    ColumnDoc(name, name.replace("_", " "), "示例", "number", "all", "of features") for name in NAMES
)


def derived(t):
    return {
        "spend_growth": t.spend_90d / (t.spend_365d - t.spend_90d),
        "calm": (-(t.days_since_last * t.orders_365d).cast("float64")).exp()
        + (t.spend_total.abs() + 1.0).ln(),
        "calls_per_order": t.loud_contacts / t.orders_365d,
    }


FAMILY = Family("all", DOCS, nothing, derived)
