"""``retain config``: the configuration that is in force, and its schema."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from retain.commands import ConfigOption, JsonOption, QuietOption
from retain.console import Screen

if TYPE_CHECKING:
    from retain.config import Project

__all__ = ["config", "effective", "masked"]

_PASSWORD = re.compile(r"(?<=://)([^/@\s:]*):\S*@")
_PARAMETER = re.compile(r"([?&](?:password|passwd|pwd|token|secret|key)=)[^&\s]*", re.IGNORECASE)


def config(
    key: Annotated[
        str | None, typer.Argument(help="One key or section, e.g. churn.window_days.", show_default=False)
    ] = None,
    path: ConfigOption = Path("retain.toml"),
    as_json: JsonOption = False,
    quiet: QuietOption = False,
    schema: Annotated[bool, typer.Option("--schema", help="Print the JSON schema of the file.")] = False,
    strategies: Annotated[
        bool, typer.Option("--strategies", help="Print the strategy table in force, to edit a copy of it.")
    ] = False,
    offers: Annotated[
        bool, typer.Option("--offers", help="Print the offer catalogue in force, to edit a copy of it.")
    ] = False,
) -> None:
    """Print the configuration in force, secrets masked.

    That is the file with all defaults, resolved paths and what the environment says. The strategy table and the
    offer catalogue are checked as well.
    """
    from retain.config import RetainConfig, load_config
    from strategies.offers import default_offers_text
    from strategies.strategy_table import default_text

    screen = Screen(json=as_json, quiet=quiet)
    if schema:
        Screen(json=True).result(RetainConfig.model_json_schema(by_alias=True))
        return
    project = load_config(path)
    table, catalogue = project.policy()
    if strategies:
        text = _own(project.strategies.table) or default_text()
        screen.result({"strategies": text, "version": table.version}, text.rstrip())
    elif offers:
        text = _own(project.strategies.offers) or _sections(project) or default_offers_text()
        screen.result({"offers": text, "version": catalogue.version}, text.rstrip())
    else:
        screen.result(*_shown(effective(project), key))


def _own(path: Path | None) -> str:
    return "" if path is None else path.read_text(encoding="utf-8-sig")


def _sections(project: Project) -> str:
    """The catalogue that ``retain.toml`` holds itself, as a file of its own."""
    import tomli_w

    values = effective(project)
    return tomli_w.dumps({name: values[name] for name in ("offers", "channels")}) if values["offers"] else ""


def effective(project: Project) -> dict[str, Any]:
    """All values in force as plain TOML values, with passwords masked and paths resolved.

    Keys without a value are left out, as TOML has no null.
    """
    values: dict[str, Any] = project.config.model_dump(mode="json", by_alias=True, exclude_none=True)
    values["paths"]["out_dir"] = str(project.out_dir.absolute())
    values["strategies"] = project.strategies.model_dump(mode="json", exclude_none=True)
    values["tracking"]["uri"] = project.tracking_uri
    return masked(values)


def masked(value: Any) -> Any:
    """`value` with the passwords of addresses replaced, at any depth.

    Examples
    --------
    >>> masked({"url": "postgresql://shop:s3cret@db/orders"})
    {'url': 'postgresql://shop:***@db/orders'}
    """
    if isinstance(value, dict):
        return {key: masked(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [masked(inner) for inner in value]
    if isinstance(value, str) and "://" in value:
        return _PARAMETER.sub(r"\1***", _PASSWORD.sub(r"\1:***@", value))
    return value


def _shown(values: dict[str, Any], key: str | None) -> tuple[dict[str, Any], str]:
    import tomli_w

    from features.errors import ConfigError

    if key is None:
        return values, tomli_w.dumps(values).rstrip()
    found: Any = values
    for word in key.split("."):
        if not isinstance(found, dict) or word not in found:
            known = ", ".join(found) if isinstance(found, dict) else "no keys below it"
            raise ConfigError(f"{key}: there is no {word!r}; known: {known}")
        found = found[word]
    if isinstance(found, dict):
        return {key: found}, tomli_w.dumps(found).rstrip()
    return {key: found}, found if isinstance(found, str) else json.dumps(found)
