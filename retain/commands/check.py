"""``retain check``: the data report before any training."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from retain.commands import ConfigOption, JsonOption, LangOption, QuietOption
from retain.console import Screen

if TYPE_CHECKING:
    from rich.table import Table

    from features.load import Quarantine
    from features.report import DataReport, State

__all__ = ["check", "report_document"]

_Lang = Literal["en", "zh"]
_HEADINGS: dict[str, tuple[str, ...]] = {
    "en": ("table.column", "state", "rows", "example", "source: lines", "what it means, what to do"),
    "zh": ("表.列", "状态", "行数", "示例", "来源:行号", "含义与处理办法"),
}
_STATES_ZH: dict[State, str] = {
    "error": "错误",
    "warning": "警告",
    "repaired": "已修复",
    "quarantined": "已隔离",
}
_STYLES: dict[State, str] = {
    "error": "bold red",
    "warning": "yellow",
    "repaired": "cyan",
    "quarantined": "magenta",
}
_ORDER: tuple[State, ...] = ("error", "quarantined", "warning", "repaired")
_FACTS_ZH = {
    "timezone": "时区",
    "currency": "币种",
    "country": "国家(法定节假日)",
    "rows": "行数",
    "orders": "订单数",
    "customers": "客户数",
    "one_time_buyers": "一次性买家",
    "first_day": "首日",
    "last_day": "末日",
    "span_days": "跨度(天)",
    "return_rows": "退货行",
    "zero_rows": "零金额行",
    "purchase_days_per_buyer": "人均购买天数",
    "gap_days": "购买间隔(天)",
    "suggested_window_days": "建议流失窗口(天)",
    "window_reason": "窗口理由",
    "enough_for": "数据可支持",
    "summary": "汇总特征",
    "closed_form_value": "闭式价值模型",
    "churn_model": "流失模型",
    "value_model_365": "一年价值模型",
    "median": "中位数",
}


def check(
    path: ConfigOption = Path("retain.toml"),
    lang: LangOption = "en",
    json: JsonOption = False,
    quiet: QuietOption = False,
    quarantine_out: Annotated[
        Path | None,
        typer.Option(
            "--quarantine-out", metavar="FILE", help="Write the rows set aside (.csv, .xlsx, .parquet)."
        ),
    ] = None,
) -> None:
    """Report what is in the data, before any training.

    Errors, repairs and rows set aside, dates, customers, rhythm, a churn window, and what the data is enough
    for. Exit code 2 when there are errors.
    """
    from features.load import load
    from retain.config import load_config

    screen = Screen(json=json, quiet=quiet)
    project = load_config(path)
    if quarantine_out is not None:
        from serving.lists import check_list

        check_list(quarantine_out)
    with screen.progress("reading ") as progress:
        loaded = load(project.config.data, base=project.base, progress=progress, strict=False)
    report = loaded.report
    document = report_document(report)
    if quarantine_out is not None:
        document["quarantine_file"] = str(quarantine_out)
        rows = _write_quarantine(loaded.quarantine, quarantine_out)
        screen.note(f"{quarantine_out}: {rows:,} rows set aside")
    screen.result(document, *_human(report, lang))
    if report.errors:
        raise typer.Exit(2)


def report_document(report: DataReport) -> dict[str, Any]:
    """The report as plain values, ready for JSON; ``ok`` says whether a run may start."""
    from dataclasses import asdict

    return {
        "ok": not report.errors,
        "counts": {state: len(report.of(state)) for state in _ORDER},
        "findings": [asdict(finding) for finding in report.findings],
        "facts": report.facts,
    }


def _human(report: DataReport, lang: _Lang) -> list[Any]:
    items: list[Any] = []
    if report.findings:
        items.append(_findings_table(report, lang))
    items.append(_facts_table(report.facts, lang))
    items.append(_verdict(report, lang))
    return items


def _findings_table(report: DataReport, lang: _Lang) -> Table:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, show_lines=False)
    for heading in _HEADINGS[lang]:
        right = heading in ("rows", "行数")
        table.add_column(heading, overflow="fold", justify="right" if right else "left")
    for finding in sorted(report.findings, key=lambda f: (_ORDER.index(f.state), f.table, f.column)):
        place = f"{finding.table}.{finding.column}" if finding.column else finding.table
        state = _STATES_ZH[finding.state] if lang == "zh" else finding.state
        lines = ", ".join(map(str, finding.lines[:5])) + (" …" if len(finding.lines) > 5 else "")
        origin = ": ".join(part for part in (finding.source, lines) if part)
        meaning = finding.zh if lang == "zh" else finding.en
        cells = (
            place,
            Text(state, _STYLES[finding.state]),
            f"{finding.rows:,}",
            finding.example,
            origin,
            meaning,
        )
        table.add_row(*(cell if isinstance(cell, Text) else Text(cell) for cell in cells))
    return table


def _facts_table(facts: dict[str, Any], lang: _Lang) -> Table:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, show_header=False)
    table.add_column("fact", no_wrap=True)
    table.add_column("value", overflow="fold")
    for name, value in _flat(_in_language(facts, lang)):
        words = name.split(".")
        label = ".".join(_FACTS_ZH.get(w, w) for w in words) if lang == "zh" else name.replace("_", " ")
        table.add_row(Text(label), Text(_shown(value)))
    return table


def _in_language(facts: dict[str, Any], lang: _Lang) -> dict[str, Any]:
    """Facts without the texts of the other language; ``window_reason_zh`` becomes ``window_reason``."""
    other = "_en" if lang == "zh" else "_zh"
    return {
        name.removesuffix(f"_{lang}"): _answer(value, lang) if isinstance(value, dict) else value
        for name, value in facts.items()
        if not name.endswith(other)
    }


def _answer(value: dict[str, Any], lang: _Lang) -> Any:
    """``{"ok", "en", "zh"}`` as one sentence; any other group of facts stays a group."""
    if not {"ok", "en", "zh"} <= set(value):
        return _in_language(value, lang)
    words = {"en": ("no", "yes"), "zh": ("否", "是")}[lang]
    return f"{words[bool(value['ok'])]}: {value[lang]}"


def _flat(facts: dict[str, Any], head: str = "") -> list[tuple[str, Any]]:
    pairs: list[tuple[str, Any]] = []
    for name, value in facts.items():
        label = f"{head}.{name}" if head else name
        pairs += _flat(value, label) if isinstance(value, dict) else [(label, value)]
    return pairs


def _shown(value: Any) -> str:
    if value is None or value == "":
        return "—"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:,.4g}" if abs(value) < 1000 else f"{value:,.0f}"
    if isinstance(value, (list, tuple)):
        return ", ".join(map(_shown, value))
    return str(value)


def _verdict(report: DataReport, lang: _Lang) -> str:
    errors, others = len(report.errors), len(report.findings) - len(report.errors)
    if lang == "zh":
        return f"{errors} 个错误须先改正;另有 {others} 条提示" if errors else f"没有错误;{others} 条提示"
    if errors:
        return f"{errors} error(s) to put right before a run can start; {others} other finding(s)"
    return f"no errors; {others} other finding(s)"


def _write_quarantine(rows: Quarantine, out: Path) -> int:
    from serving.lists import write_list

    write_list(rows.rows.to_pandas(), out)
    return len(rows)
