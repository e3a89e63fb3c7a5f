"""``retain audit``: the customer base through five lenses, its concentration, and customer equity."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from retain.commands import AsOfOption, ConfigOption, JsonOption, LangOption, QuietOption
from retain.console import Screen

if TYPE_CHECKING:
    from datetime import date

    import pandas as pd
    from rich.console import RenderableType

    from features.html_page import Text
    from features.tables import Tables
    from retain.config import Project
    from serving.audit import Audit
    from serving.scorer import Scorer

__all__ = ["audit"]

PAGE = "audit.html"
# Rows of single customers are for the file alone.
_NOT_SHOWN = frozenset({"bridge_customers"})
_CONTRACTS: dict[str, str] = {
    "en": "Customer equity is not part of the audit of contracts; their list has the value of each.",
    "zh": "合同类客户的审计不含客户资产;其名单中有各自的价值。",
}
_TOLD: dict[str, dict[str, str]] = {
    "en": {
        "base": "{customers:,} customers bought from {start} to {end}: revenue {revenue:,.2f}{currency}, "
        "{once:.0%} of them ordered once, the best fifth holds {top:.0%}",
        "bridge": "change of revenue {change:+,.2f}: wider {wider:+,.2f}, longer {longer:+,.2f}, deeper {deeper:+,.2f}",
        "equity": "customer equity {equity:,.0f}{currency}: 1 % more retention moves it by {retention:+.2f} %",
        "checks": "{count} sums held against the ledger, {differ} differ; the places of its lines add up to "
        "{file:,.2f}{currency} in {rows:,} rows",
        "page": "{page}: written, beside {count} tables",
    },
    "zh": {
        "base": "{start} 至 {end} 有 {customers:,} 位客户购买:收入 {revenue:,.2f}{currency},"
        "其中 {once:.0%} 只下过一单,前五分之一占 {top:.0%}",
        "bridge": "收入变化 {change:+,.2f}:更宽 {wider:+,.2f},更远 {longer:+,.2f},更深 {deeper:+,.2f}",
        "equity": "客户资产 {equity:,.0f}{currency}:保留率提高 1 %,资产变化 {retention:+.2f} %",
        "checks": "{count} 项合计与账本核对,{differ} 项不符;账本各项合计 {file:,.2f}{currency},共 {rows:,} 行",
        "page": "已写入 {page} 及 {count} 个表",
    },
}


def audit(
    path: ConfigOption = Path("retain.toml"),
    as_of: AsOfOption = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="FOLDER", help="Where the page and tables go; by default in out_dir."),
    ] = None,
    kind: Annotated[
        Literal["csv", "xlsx", "parquet"], typer.Option("--tables", help="Kind of the tables' files.")
    ] = "csv",
    lang: LangOption = "en",
    json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Audit the customer base: five lenses, concentration, wider-longer-deeper, customer equity."""
    from features.load import load
    from features.progress import silent
    from retain.as_of import as_of_day
    from retain.config import load_config
    from retain.reading import weighty_findings
    from serving.audit import audit as made

    screen = Screen(json=json, quiet=quiet)
    project = load_config(path)
    if out is not None:
        _check_folder(out)
    scorer, missing = _scorer(project)
    with screen.progress() as shown:
        progress = shown or silent
        loaded = load(project.config.data, base=project.base, progress=progress)
        for text in weighty_findings(loaded.report):
            screen.note(text)
        day = as_of_day(loaded.tables, project.config.run, as_of)
        progress("auditing", 0.3)
        rate = project.config.value.margin_rate
        labels = None if scorer is None else _labels(project, scorer, loaded.tables, day)
        found = made(loaded.tables, day, margin_rate=rate, unused=loaded.unused, scorer=scorer, labels=labels)
        progress("writing", 0.9)
        folder = out or project.out_dir / f"audit-{day.isoformat()}"
        files = _written(found, folder, kind, _page(found, project, lang, missing))
    screen.result(_document(found, files), *_said(found, folder / PAGE, lang))


def _check_folder(folder: Path) -> None:
    from features.errors import ConfigError

    if folder.exists() and not folder.is_dir():
        raise ConfigError(f"{folder} is a file; --out names a folder for the page and its tables")


def _scorer(project: Project) -> tuple[Scorer | None, Text | None]:
    """The champion on this disk; None, and why where it is not that training is still to come."""
    from retain.champion import champion_scorer
    from training.models.bundle import POINTER

    if project.config.churn.kind == "contract":
        return None, _CONTRACTS
    if not (project.models_dir / POINTER).is_file():
        return None, None
    return champion_scorer(project), None


def _labels(project: Project, scorer: Scorer, tables: Tables, day: date) -> pd.DataFrame | None:
    """Tier, class and stage as `retain segments` tells them; None where nobody may be contacted."""
    from features.errors import NotEnoughData
    from serving.segments import segments_of

    folder = project.out_dir / "segments"
    try:
        return segments_of(scorer, tables, day, project.config.frameworks, folder=folder).found.people
    except NotEnoughData:
        return None


def _page(found: Audit, project: Project, lang: Literal["en", "zh"], missing: Text | None) -> str:
    from serving.audit_page import audit_page

    value = project.config.value
    return audit_page(
        found, margin_rate=value.margin_rate, lifetime_days=value.lifetime_days, lang=lang, missing=missing
    )


def _written(found: Audit, folder: Path, kind: str, page: str) -> dict[str, str]:
    """The page and one file for each table, each whole or not at all; their places by name."""
    from features.publish import publish_file, sweep_parts
    from serving.lists import write_list

    folder.mkdir(parents=True, exist_ok=True)
    sweep_parts(folder)
    files = {"page": folder / PAGE}
    for name, table in found.tables.items():
        files[name] = folder / f"{name}.{kind}"
        write_list(table, files[name])

    def write(part: Path) -> None:
        part.write_text(page, encoding="utf-8")

    publish_file(files["page"], write, kind="audit")
    return {name: str(file) for name, file in files.items()}


def _document(found: Audit, files: dict[str, str]) -> dict[str, Any]:
    """All tables but those of single customers, for programs."""
    periods = {
        name: {"start": period.start.isoformat(), "end": period.end.isoformat()}
        for name, period in (("earlier", found.earlier), ("later", found.later))
    }
    tables = {name: _records(table) for name, table in found.tables.items() if name not in _NOT_SHOWN}
    return {
        "as_of": found.as_of.isoformat(),
        "currency": found.currency,
        "model_version": found.model_version or None,
        "reconciles": found.reconciles,
        "periods": periods,
        "files": files,
        "tables": tables,
    }


def _records(table: pd.DataFrame) -> list[dict[str, Any]]:
    names = [str(name) for name in table.columns]
    cells = [table[name].astype(object).where(table[name].notna(), None) for name in names]
    return [dict(zip(names, map(_plain, row), strict=True)) for row in zip(*cells, strict=True)]


def _plain(value: Any) -> Any:
    return value.item() if hasattr(value, "item") else value


def _said(found: Audit, page: Path, lang: Literal["en", "zh"]) -> list[RenderableType]:
    """The audit in a few lines."""
    told, tables = _TOLD[lang], found.tables
    currency = f" {found.currency}" if found.currency else ""
    period, held = tables["one_period"].iloc[-1], tables["concentration"].iloc[0]
    steps = tables["bridge"]
    ends = steps.set_index("part")["amount"]
    directions = {
        n: steps.loc[steps["direction"] == n, "amount"].sum() for n in ("wider", "longer", "deeper")
    }
    ledger, checks = tables["ledger"], tables["checks"]
    lines = [
        told["base"].format(
            customers=int(period["customers"]),
            start=period["start"],
            end=period["end"],
            revenue=period["revenue"],
            once=period["one_time_share"],
            top=held["top_20"],
            currency=currency,
        ),
        told["bridge"].format(change=ends["after"] - ends["before"], **directions),
    ]
    if "equity" in tables:
        moved = tables["elasticities"].set_index("driver")["elasticity"]
        worth = tables["equity"]["equity"].iloc[0]
        lines.append(told["equity"].format(equity=worth, currency=currency, retention=moved["retention"]))
    else:
        from serving.audit_texts import EQUITY_MISSING

        lines.append(EQUITY_MISSING[lang])
    differ = int((checks["difference"] != 0).sum())
    file, rows = float(ledger["amount"].sum()), int(ledger["rows"].sum())
    lines.append(
        told["checks"].format(count=len(checks), differ=differ, file=file, rows=rows, currency=currency)
    )
    lines.append(told["page"].format(page=page, count=len(tables)))
    return list(lines)
