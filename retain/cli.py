"""The command line ``retain``: one line per command, one place where every failure ends.

Commands import pandas, DuckDB, LightGBM and the like inside their functions, so that ``--help`` is instant;
Typer runs without its rich help for the same reason (0.15 s against 0.5 s).
"""

from __future__ import annotations

import gc
import os
import signal
import sys
import traceback
from collections.abc import Callable, Sequence
from types import FrameType
from typing import Annotated

import typer

from features.errors import RetainError
from retain.commands.agent import agent
from retain.commands.audit import audit
from retain.commands.backtest import backtest
from retain.commands.bench_endpoint import bench_endpoint
from retain.commands.card import card
from retain.commands.check import check
from retain.commands.config import config
from retain.commands.decide import decide
from retain.commands.demo import demo
from retain.commands.doctor import doctor
from retain.commands.explain import explain
from retain.commands.features import features
from retain.commands.init import init
from retain.commands.keys import keys
from retain.commands.offline_test import offline_test
from retain.commands.results import results
from retain.commands.score import score
from retain.commands.segments import segments
from retain.commands.serve import serve
from retain.commands.trail import trail
from retain.commands.train import train
from retain.commands.tune import tune
from retain.console import EXIT_CODES, error_document, print_json

__all__ = ["COMMANDS", "app", "main", "run"]

# In the order of the work; a command is a function in retain/commands/ and its name here, or a group of them.
COMMANDS: dict[str, Callable[..., None] | typer.Typer] = {
    "init": init,
    "check": check,
    "features": features,
    "train": train,
    "backtest": backtest,
    "tune": tune,
    "card": card,
    "score": score,
    "explain": explain,
    "segments": segments,
    "audit": audit,
    "decide": decide,
    "results": results,
    "offline-test": offline_test,
    "serve": serve,
    "agent": agent,
    "keys": keys,
    "trail": trail,
    "bench-endpoint": bench_endpoint,
    "demo": demo,
    "config": config,
    "doctor": doctor,
}

# No telemetry, no model code from elsewhere, and a tracking server that is down fails in seconds.
_ENVIRONMENT = {
    # The closed forms are fitted on matrices so small that a second thread only costs.
    "OPENBLAS_NUM_THREADS": "1",
    "BENTOML_DO_NOT_TRACK": "True",
    "DO_NOT_TRACK": "true",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_ALLOW_MODEL_CODE_EXECUTION": "false",
    "MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "false",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "5",
}
_INTERRUPTED = 130
# New objects after which garbage is looked for. Imports and plans make hundreds of thousands that stay: at Python's
# 700 a short run spends a twentieth of its time on looking.
_COLLECT_AFTER = 10_000

_EPILOG = "Exit codes: " + "; ".join(f"{code} {meaning}" for code, meaning in EXIT_CODES.items()) + "."

app = typer.Typer(
    name="retain",
    help="Predict which customers leave and what they are worth, and decide what to do about it.",
    epilog=_EPILOG,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
)
for _name, _command in COMMANDS.items():
    if isinstance(_command, typer.Typer):
        app.add_typer(_command, name=_name)
    else:
        app.command(_name)(_command)


def _show_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"retain {version('retain')}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", is_eager=True, callback=_show_version, help="Show the version.")
    ] = False,
    debug: Annotated[
        bool,
        typer.Option("--debug", help="Show the traceback of a failure; may stand after the command too."),
    ] = False,
) -> None:
    """Options of every command; the callback and `run` act on them."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line as a process of its own and give its exit code.

    Files written from here on are readable by their owner only, telemetry of the libraries is off, and
    SIGTERM, SIGINT and SIGHUP unwind the stack so that half-written files are removed.
    """
    os.umask(0o077)
    gc.set_threshold(_COLLECT_AFTER)
    for name, value in _ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    stopped: list[int] = []

    def stop(signum: int, _frame: FrameType | None) -> None:
        stopped.append(128 + signum)
        raise KeyboardInterrupt if signum == signal.SIGINT else SystemExit(128 + signum)

    for signum in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        # nohup and background jobs ignore some signals on purpose.
        if signal.getsignal(signum) is not signal.SIG_IGN:
            signal.signal(signum, stop)
    return run(sys.argv[1:] if argv is None else argv, stopped)


def run(argv: Sequence[str], stopped: Sequence[int] = ()) -> int:
    """Run one command and give its exit code; a failure becomes a message on standard error.

    Parameters
    ----------
    argv : sequence of str
        The words after ``retain``.
    stopped : sequence of int
        Exit codes of the signals that came meanwhile. DuckDB turns what a signal raises into an error of its
        own, so the exception alone does not tell.

    Returns
    -------
    int
        See `retain.console` for the codes.
    """
    words = [word for word in argv if word != "--debug"]
    debug, as_json = len(words) < len(argv), "--json" in words
    command = typer.main.get_command(app)
    try:
        return int(command.main(words, prog_name="retain", standalone_mode=False) or 0)
    except (KeyboardInterrupt, typer.Abort):
        return _INTERRUPTED
    except Exception as error:  # noqa: BLE001 - the last line of defence: a sentence instead of a traceback
        if debug:
            traceback.print_exception(error, file=sys.stderr)
        return stopped[0] if stopped else _end(error, as_json=as_json)


def _end(error: Exception, *, as_json: bool) -> int:
    code = int(getattr(error, "exit_code", 1))
    if isinstance(error, typer.TyperException) and hasattr(error, "show"):
        error.show()
    else:
        sys.stderr.write(_message(error) + "\n")
    if as_json:
        print_json(error_document(_message(error), kind=type(error).__name__, exit_code=code))
    return code


def _message(error: Exception) -> str:
    if isinstance(error, typer.TyperException):
        return error.format_message()
    if isinstance(error, (RetainError, OSError, ImportError)):
        return str(error)
    if type(error).__name__ == "OutOfMemoryException":  # DuckDB's, which is not imported for this
        told = str(error).splitlines()[0]
        return f"{told}: raise memory_limit under [data], or free disk space for what does not fit"
    # The text of other exceptions may quote a customer's values.
    return f"unexpected {type(error).__name__}; run again with --debug to see where"
