"""``retain demo``: the main job on a simulated shop, from its till to the list.

Runs the commands a user would run, `init`, `check`, `train` and `score`, and reads what they answer to programs
(``--json``); nothing here knows a way around them.
"""

from __future__ import annotations

import json as json_module
import shutil
import time
from collections.abc import Callable
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from retain.commands import JsonOption, LangOption, QuietOption
from retain.console import Screen

if TYPE_CHECKING:
    import pandas as pd

    from retain.shop import ShopSettings

__all__ = ["demo"]

MARK = "SIMULATED.txt"
_MARK_TEXT = (
    "Everything in this folder was simulated by `retain demo`; no person in it exists.\n"
    "Running `retain demo` again replaces the models, the store and the lists in it.\n"
    "本文件夹内容均由 `retain demo` 模拟生成,不涉及真实人物;再次运行会替换其中的模型与名单。\n"
)
_OUT = "retain-out"


def demo(
    customers: Annotated[
        int, typer.Option("--customers", min=1, max=1_000_000, help="Customers of the simulated shop.")
    ] = 2_000,
    out_dir: Annotated[Path, typer.Option("--out-dir", metavar="DIR", help="Where everything goes.")] = Path(
        "retain-demo"
    ),
    seed: Annotated[
        int | None, typer.Option("--seed", min=0, help="Another shop; the same seed gives the same shop.")
    ] = None,
    path: Annotated[
        Path | None,
        typer.Option("-c", "--config", metavar="FILE", help="Configuration to write; by default in DIR."),
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Write into a folder that holds other files.")
    ] = False,
    lang: LangOption = "en",
    json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Simulate a shop and run the main job on it: init, check, train, score.

    Nobody in the shop exists. Its hidden truth is written beside the data and never read.
    """
    from retain.demo_report import told
    from retain.shop import ShopSettings

    began = time.monotonic()
    screen = Screen(json=json, quiet=quiet)
    chosen = ShopSettings().seed if seed is None else seed
    settings = ShopSettings(customers=customers, seed=chosen)
    _claim(out_dir, force=force)
    config = path or out_dir / "retain.toml"
    document = _steps(screen, settings, out_dir, config, force=force or path is None)
    found, files = _lists(out_dir)
    document |= {"lists": files, "seconds": round(time.monotonic() - began, 1)}
    screen.result(document, *told(document, found, lang=lang))


def _claim(folder: Path, *, force: bool) -> None:
    """Makes the folder a demo's, or refuses one that holds anything else."""
    from features.errors import ConfigError

    if folder.exists() and not folder.is_dir():
        raise ConfigError(f"{folder} is a file; --out-dir names a folder")
    if (folder / MARK).is_file():
        # The models of an earlier shop would be challengers of this one's.
        shutil.rmtree(folder / _OUT, ignore_errors=True)
    elif (folder / _OUT).exists():
        raise ConfigError(f"{folder / _OUT} holds models that are no demo's; choose another --out-dir")
    elif folder.is_dir() and any(folder.iterdir()) and not force:
        raise ConfigError(
            f"{folder} holds files and is no demo's folder; choose another --out-dir, or --force writes into it"
        )
    folder.mkdir(parents=True, exist_ok=True)
    (folder / MARK).write_text(_MARK_TEXT, encoding="utf-8")


def _steps(
    screen: Screen, settings: ShopSettings, folder: Path, config: Path, *, force: bool
) -> dict[str, Any]:
    from retain.commands.check import check
    from retain.commands.init import init
    from retain.commands.score import score
    from retain.commands.train import train

    quiet = screen.quiet
    screen.note(f"1/5 shop: {settings.customers:,} simulated customers, nobody in it exists")
    tables = _write(settings, folder / "data")
    screen.note(f"2/5 init: {len(tables)} tables in {folder / 'data'}")
    started = _document(
        init,
        files=tables,
        path=config,
        out_dir=folder / _OUT,
        timezone=settings.timezone,
        currency=settings.currency,
        force=force,
        quiet=quiet,
    )
    screen.note(f"3/5 check: churn window {started['window_days']} days, {started['window_reason']}")
    checked = _document(check, path=config, quiet=quiet)
    facts = checked["facts"]
    screen.note(f"4/5 train: on {facts['orders']:,} orders, {facts['first_day']} to {facts['last_day']}")
    trained = _document(train, path=config, quiet=quiet)
    screen.note(f"5/5 score: with model {trained['model_version']}")
    scored = _document(score, path=config, out=folder / "list.parquet", quiet=quiet)
    names = ("init", "check", "train", "score")
    steps = dict(zip(names, (started, checked, trained, scored), strict=True))
    shop = settings.model_dump(mode="json", include={"customers", "seed"})
    return {"simulated": True, "folder": str(folder), "config": str(config), "shop": shop, **steps}


def _write(settings: ShopSettings, folder: Path) -> list[Path]:
    """The tables a business has; the truth lies beside them and is named to no command."""
    from retain.shop import write_shop

    return [file for file in write_shop(settings, folder) if file.parent == folder]


def _document(command: Callable[..., None], **options: Any) -> dict[str, Any]:
    """What a command answers to a program."""
    said = StringIO()
    with redirect_stdout(said):
        command(**options, json=True)
    document: dict[str, Any] = json_module.loads(said.getvalue())
    return document


def _lists(folder: Path) -> tuple[pd.DataFrame, dict[str, str]]:
    """The list as people open it, beside the one for programs."""
    import pandas as pd

    from serving.lists import write_list

    found = pd.read_parquet(folder / "list.parquet")
    files = {kind: folder / f"list.{kind}" for kind in ("csv", "xlsx")}
    for file in files.values():
        write_list(found, file)
    return found, {kind: str(file) for kind, file in files.items()} | {
        "parquet": str(folder / "list.parquet")
    }
