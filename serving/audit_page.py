"""The audit as one page of HTML that stands alone, English and Chinese both in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any, Literal

import pandas as pd

from features.html_page import Text, both, document, figures, warning
from serving.audit import Audit
from serving.audit_plots import audit_pictures
from serving.audit_texts import CHECKS, EQUITY_MISSING, FOOT, KINDS, NOTES, TITLES, head_of, label_of
from strategies.life_cycle import LIFE_CYCLE
from strategies.pyramid import PYRAMID
from strategies.value_class import VALUE_CLASS_LABELS

__all__ = ["audit_page"]

_STYLE = """
section { border-top: 1px solid var(--rule); padding-top: 1rem; } h3 { font-size: .95rem; margin: .9rem 0 .2rem; }
.beside { display: grid; grid-template-columns: repeat(auto-fit, minmax(24rem, 1fr)); gap: 1.2rem; align-items: start; }
.beside > * { min-width: 0; } .plain th { vertical-align: bottom; }
.plain td, .plain th { text-align: right; white-space: nowrap; }
.plain th { white-space: normal; } .plain th.days { white-space: nowrap; font-size: .8rem; }
.plain td:first-child, .plain th:first-child { text-align: left; }
.plain tr.sum td { font-weight: 600; } .wide { overflow-x: auto; }
.good { color: #1d7a4c; font-weight: 600; }
"""
# Gold is one thing in the pyramid and another among the value classes.
_SPLIT_LABELS: dict[str, Mapping[str, Text]] = {
    "value_class": VALUE_CLASS_LABELS,
    "pyramid_tier": PYRAMID.labels,
    "lifecycle_stage": LIFE_CYCLE.labels,
}
_STRANGE = {
    "en": "Sums differ from the ledger; do not rely on this page and report the fault.",
    "zh": "合计与账本不符;请勿使用本页并报告此问题。",
}


def audit_page(
    found: Audit,
    *,
    margin_rate: float,
    lifetime_days: int = 0,
    lang: Literal["en", "zh"] = "en",
    missing: Text | None = None,
) -> str:
    """The page of an audit.

    Parameters
    ----------
    found : Audit
        From `serving.audit.audit`.
    margin_rate : float
        Share of revenue kept on lines without a cost of goods.
    lifetime_days : int
        Length of a remaining life, where there is equity.
    lang : {"en", "zh"}
        The language that shows first.
    missing : mapping of str to str, optional
        Why there is no equity, in both languages; by default that there is no model.

    Returns
    -------
    str
        A whole HTML document; no customer is in it.
    """
    pictures = audit_pictures(found.tables)
    body = [
        _head(found),
        "" if found.reconciles else warning(_STRANGE),
        _ledger(found),
        _first_lens(found, pictures),
        _second_lens(found, pictures),
        _cohort_lenses(found, pictures),
        _section(
            "concentration",
            _table(found.tables["concentration"], _PARETO),
            pictures,
            note=NOTES["concentration"],
        ),
        _equity(found, lifetime_days, EQUITY_MISSING if missing is None else missing),
        f"<footer>{both({lang: text.format(f'{margin_rate:.0%}') for lang, text in FOOT.items()})}</footer>",
    ]
    return document(f"Retain: {TITLES['page'][lang]}", body, style=_STYLE, lang=lang)


_PARETO = ("value", "over", "customers", "total", "top_1", "top_5", "top_20", "gini", "negative")
_LIFE = (
    "period",
    "active",
    "active_share",
    "orders",
    "orders_per_active",
    "revenue",
    "revenue_so_far_per_customer",
)
_FIGURES = (
    "customers",
    "one_time_share",
    "returns_only",
    "orders",
    "revenue",
    "margin",
    "orders_per_customer",
    "revenue_per_order",
    "revenue_per_customer",
    "median_revenue",
    "margin_per_customer",
    "revenue_no_customer",
)
_TENTHS = (
    "tenth",
    "customers",
    "orders",
    "revenue",
    "revenue_share",
    "margin_share",
    "orders_per_customer",
    "revenue_per_order",
)
_EQUITY = (
    "label",
    "customers",
    "customer_share",
    "equity",
    "equity_share",
    "clv_mean",
    "low",
    "high",
    "past_revenue",
    "past_margin",
)


def _head(found: Audit) -> str:
    period = found.tables["one_period"].iloc[-1]
    told = {
        "en": "As of {}: {} customers bought in the period {} to {}; revenue {}{}.",
        "zh": "基准日 {}:{} 位客户在 {} 至 {} 期间购买;收入 {}{}。",
    }
    money = f" {found.currency}" if found.currency else ""
    values = (str(found.as_of), _whole(period["customers"]), str(period["start"]), str(period["end"]))
    shown = {lang: text.format(*values, _whole(period["revenue"]), money) for lang, text in told.items()}
    return f"<header><div><h1>{both(TITLES['page'])}</h1><p>{both(shown)}</p></div></header>"


def _ledger(found: Audit) -> str:
    """Where every line of the order file is, its sum, and what came of the checks."""
    places = found.tables["ledger"]
    total = {"place": "file", "rows": places["rows"].sum(), "readable": places["readable"].sum()}
    whole = pd.DataFrame([{**total, "amount": _sum_of(places["amount"])}])
    shown = pd.concat([places[(places["rows"] > 0)], whole], ignore_index=True)
    checks = found.tables["checks"]
    differ = int((checks["difference"] != 0).sum())
    told = {lang: text.format(len(checks), differ) for lang, text in CHECKS.items()}
    says = f'<p class="{"good" if differ == 0 else "warning"}">{both(told)}</p>'
    return (
        _section(
            "ledger", _table(shown, ("place", "rows", "readable", "amount"), last=True), note=NOTES["ledger"]
        )
        + says
    )


def _sum_of(money: pd.Series) -> float:
    return float((money * 10_000).round().astype("int64").sum()) / 10_000


def _first_lens(found: Audit, pictures: dict[str, str]) -> str:
    periods = found.tables["one_period"]
    heads = "".join(f'<th class="days">{row.start}<br>– {row.end}</th>' for row in periods.itertuples())
    rows = "".join(
        f"<tr><td>{both(head_of(name))}</td>"
        + "".join(f"<td>{_cell(name, v)}</td>" for v in periods[name])
        + "</tr>"
        for name in _FIGURES
    )
    tenths = found.tables["tenths"]
    counts = found.tables["order_counts"]
    ends = zip(counts["orders_from"], counts["orders_to"], strict=True)
    counts = counts.assign(orders_from=[_span(low, high) for low, high in ends])
    inside = (
        f'<div class="beside"><div class="wide"><table class="plain"><tr><th></th>{heads}</tr>{rows}</table></div>'
        f"<figure><figcaption>{both(TITLES['tenths'])}</figcaption>{pictures['tenths']}</figure></div>"
        f"<h3>{both(TITLES['tenths'])}</h3>{_table(tenths[tenths['by'] == 'revenue'], _TENTHS)}"
        f"{figures(NOTES['tenths'])}<h3>{both(TITLES['order_counts'])}</h3>"
        f"{_table(counts, ('orders_from', 'customers', 'customer_share', 'revenue', 'margin'))}"
    )
    return _section("one_period", inside)


def _span(low: int, high: Any) -> str:
    return f"{low}+" if pd.isna(high) else str(low) if low == high else f"{low}–{high}"


def _second_lens(found: Audit, pictures: dict[str, str]) -> str:
    money = ("customers", "revenue_before", "revenue_after", "revenue_change", "margin_change")
    inside = (
        f"{_table(found.tables['two_periods'], ('group', *money))}{figures(NOTES['two_periods'])}"
        f"<h3>{both(TITLES['kept_movers'])}</h3>{_table(found.tables['kept_movers'], ('direction', *money))}"
    )
    steps = found.tables["bridge"]
    steps = steps[(steps["customers"] > 0) | steps["part"].isin(["before", "after"])]
    things = {"category": ("categories", "品类"), "product": ("products", "商品"), "": ("things", "品种")}[
        found.breadth_of
    ]
    note = {
        lang: text.format(thing) for (lang, text), thing in zip(NOTES["bridge"].items(), things, strict=True)
    }
    parts = _table(steps, ("part", "direction", "customers", "amount"), last=True)
    return _section("two_periods", inside) + _section(
        "bridge", _directions(steps) + parts, pictures, note=note
    )


def _directions(steps: pd.DataFrame) -> str:
    """The three directions, each in one sum."""
    sums = {
        name: _sum_of(steps.loc[steps["direction"] == name, "amount"])
        for name in ("wider", "longer", "deeper")
    }
    told = {
        lang: ", ".join(f"{label_of(name)[lang]} {amount:+,.2f}" for name, amount in sums.items())
        for lang in ("en", "zh")
    }
    return f"<h3>{both(told)}</h3>"


def _cohort_lenses(found: Audit, pictures: dict[str, str]) -> str:
    life = found.tables["one_cohort"]
    cohort = str(life["cohort"].iloc[0]) if len(life) else "–"
    note = {lang: text.format(cohort) for lang, text in NOTES["one_cohort"].items()}
    compared = found.tables["cohorts_compared"]
    grid = compared.pivot_table(index="cohort", columns="age", values="active_share").iloc[:, :13]
    grid.columns = [str(age) for age in grid.columns]
    sizes = compared.groupby("cohort")["customers"].first()
    shown = grid.map(_share).assign(cohort=grid.index, customers=sizes)
    names = ("cohort", "customers", *grid.columns)
    caption = both({"en": "Active share by age", "zh": "各群龄的活跃占比"})
    whole = found.tables["whole_base"].iloc[:, :6]
    return (
        _section("one_cohort", _table(life, _LIFE), pictures, note=note)
        + _section(
            "cohorts_compared",
            f"<h3>{caption}</h3>{_table(shown, names)}",
            pictures,
            note=NOTES["cohorts_compared"],
        )
        + _section(
            "whole_base",
            _table(whole, ("period", "active", "orders", "revenue", "margin")),
            pictures,
            note=NOTES["whole_base"],
        )
    )


def _equity(found: Audit, lifetime_days: int, missing: Text) -> str:
    if "equity" not in found.tables:
        return f'<section><h2>{both(TITLES["equity"])}</h2><p class="note">{both(missing)}</p></section>'
    total = found.tables["equity"].iloc[0]
    told = {
        "en": "{}{} from {} customers, {} each; they have brought a margin of {} so far.",
        "zh": "{}{},来自 {} 位客户,人均 {};至今累计毛利 {}。",
    }
    money = f" {found.currency}" if found.currency else ""
    values = (
        _whole(total["equity"]),
        money,
        _whole(total["valued"]),
        _cents(total["clv_mean"]),
        _whole(total["past_margin"]),
    )
    head = both({lang: text.format(*values) for lang, text in told.items()})
    note = {lang: text.format(lifetime_days, found.model_version) for lang, text in NOTES["equity"].items()}
    by = found.tables["equity_by"]
    texts = [
        _SPLIT_LABELS.get(s, {}).get(n, label_of(n)) for s, n in zip(by["split"], by["label"], strict=True)
    ]
    by = by.assign(label=pd.Series(texts, index=by.index, dtype=object))
    parts = "".join(
        f"<h3>{both(label_of(str(split)))}</h3>{_table(part, _EQUITY)}"
        for split, part in by.groupby("split", sort=False)
    )
    drivers = _table(found.tables["elasticities"], ("driver", "elasticity", "base", "lower", "higher"))
    return (
        f"<section><h2>{both(TITLES['equity'])}</h2><p>{head}</p>{parts}{figures(note)}"
        f"<h3>{both(TITLES['elasticities'])}</h3>{drivers}{figures(NOTES['elasticities'])}</section>"
    )


def _section(
    name: str, inside: str, pictures: dict[str, str] | None = None, *, note: Text | None = None
) -> str:
    """A section with its title, its picture beside a note, and what is inside."""
    said = figures(note) if note else ""
    if pictures:
        said = f'<div class="beside"><figure>{pictures[name]}</figure><div>{said}</div></div>'
    title = f"<h2>{both(TITLES[name])}</h2>"
    return (
        f"<section>{title}{said}{inside}</section>"
        if pictures
        else f"<section>{title}{inside}{said}</section>"
    )


def _table(frame: pd.DataFrame, columns: Sequence[str], *, last: bool = False) -> str:
    """The columns as a table; codes in both languages; the last row is a sum where said."""
    heads = "".join(f"<th>{both(head_of(name))}</th>" for name in columns)
    rows = list(zip(*(frame[name] for name in columns), strict=True))
    lines = []
    for place, row in enumerate(rows):
        kind = ' class="sum"' if last and place == len(rows) - 1 else ""
        cells = "".join(f"<td>{_cell(name, value)}</td>" for name, value in zip(columns, row, strict=True))
        lines.append(f"<tr{kind}>{cells}</tr>")
    return f'<div class="wide"><table class="plain"><tr>{heads}</tr>{"".join(lines)}</table></div>'


def _cell(name: str, value: Any) -> str:
    """One cell as HTML."""
    if isinstance(value, Mapping):
        return both(value)
    if isinstance(value, str):
        return both(label_of(value)) if name in _CODES else escape(value)
    if pd.isna(value):
        return "–"
    kind = KINDS.get(name, "whole")
    return {"share": _share, "ratio": _ratio, "cents": _cents, "whole": _whole}[kind](value)


_CODES = {"place", "group", "direction", "part", "value", "over", "label", "driver", "cohort"}


def _share(value: float) -> str:
    # Adding 0 turns a rounded −0 into 0.
    return "–" if pd.isna(value) else f"{round(value, 3) + 0.0:.1%}"


def _ratio(value: float) -> str:
    return f"{value:.2f}"


def _cents(value: float) -> str:
    return f"{value:,.2f}"


def _whole(value: float) -> str:
    return f"{round(value) + 0:,}"
