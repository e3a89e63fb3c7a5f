"""What the command line says and how it ends: results, notes, progress, errors, exit codes.

Results go to standard output, everything else to standard error. With ``--json`` standard output holds one
JSON document and nothing else; with ``--quiet`` notes and progress are silent.

Exit codes
----------
===== ==============================================================================
Code  Meaning
===== ==============================================================================
0     done; warnings may have been printed
1     unexpected failure (``--debug`` shows where), or ``doctor`` found something broken
2     the command line, the configuration or the data is wrong; nothing was written
3     a setting would expose customers' data
4     an output could not be written whole, or another process holds it; the old one stands
5     too few rows, dates or classes for this step
6     a model bundle is missing, damaged or does not fit the features
129   stopped by SIGHUP: the terminal went away
130   stopped by Ctrl-C
143   stopped by SIGTERM
===== ==============================================================================
"""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

    from features.progress import Progress

__all__ = ["EXIT_CODES", "Screen", "error_document"]

EXIT_CODES: dict[int, str] = {
    0: "done; warnings may have been printed",
    1: "unexpected failure (--debug shows where), or doctor found something broken",
    2: "the command line, the configuration or the data is wrong; nothing was written",
    3: "a setting would expose customers' data",
    4: "an output could not be written whole, or another process holds it; the old one stands",
    5: "too few rows, dates or classes for this step",
    6: "a model bundle is missing, damaged or does not fit the features",
    129: "stopped by SIGHUP",
    130: "stopped by Ctrl-C",
    143: "stopped by SIGTERM",
}

_PLAIN_WIDTH = 120
_PATIENCE_SECONDS = 2.0


@dataclass(frozen=True)
class Screen:
    """Where one command writes; see the module's text for what goes where.

    Parameters
    ----------
    json : bool
        Print results as one JSON document.
    quiet : bool
        Print no notes and no progress.
    """

    json: bool = False
    quiet: bool = False

    def result(self, document: dict[str, Any], *human: RenderableType) -> None:
        """Print the result: `document` with ``--json``, else the `human` texts and tables."""
        if self.json:
            print_json(document)
            return
        out = _console(stderr=False)
        for item in human:
            out.print(item, highlight=False, markup=False, soft_wrap=isinstance(item, str))

    def note(self, text: str) -> None:
        """Say something in passing on standard error."""
        if not self.quiet:
            _console(stderr=True).print(text, highlight=False, markup=False, soft_wrap=True)

    @contextmanager
    def progress(self, doing: str = "") -> Iterator[Progress | None]:
        """Give a callback ``(stage, share between 0 and 1)``; a bar appears once two seconds have passed.

        `doing` stands before every stage. On a stream that is no terminal a line is printed when a stage
        lasts, so that logs stay short.
        """
        if self.quiet:
            yield None
        elif sys.stderr.isatty():
            with _bar(doing) as report:
                yield report
        else:
            yield _lines(self, doing)


def print_json(document: dict[str, Any]) -> None:
    """Write one strict JSON document (no NaN) to standard output."""
    text = json.dumps(document, ensure_ascii=False, indent=2, default=str, allow_nan=False)
    sys.stdout.write(text + "\n")


def error_document(message: str, *, kind: str, exit_code: int) -> dict[str, Any]:
    """The JSON document of a failure.

    Examples
    --------
    >>> error_document("retain.toml is missing", kind="ConfigError", exit_code=2)["error"]["exit_code"]
    2
    """
    return {"error": {"kind": kind, "message": message, "exit_code": exit_code}}


def _console(*, stderr: bool) -> Console:
    from rich.console import Console

    stream = sys.stderr if stderr else sys.stdout
    width = None if stream.isatty() else _PLAIN_WIDTH
    return Console(file=stream, width=width)


@contextmanager
def _bar(doing: str) -> Iterator[Progress]:
    from rich.progress import BarColumn, TaskProgressColumn, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as Bar

    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn())
    bar = Bar(*columns, console=_console(stderr=True), transient=True)
    task = bar.add_task("", total=1.0)
    # A timer, so that the bar also comes up in the middle of one long stage.
    timer = threading.Timer(_PATIENCE_SECONDS, bar.start)
    timer.daemon = True
    timer.start()

    def report(stage: str, share: float) -> None:
        bar.update(task, description=doing + stage, completed=min(max(share, 0.0), 1.0))

    try:
        yield report
    finally:
        timer.cancel()
        timer.join()
        if bar.live.is_started:
            bar.stop()


def _lines(screen: Screen, doing: str) -> Progress:
    told = _Told(at=time.monotonic())

    def report(stage: str, share: float) -> None:
        now = time.monotonic()
        if stage != told.stage and now - told.at >= _PATIENCE_SECONDS:
            told.stage, told.at = stage, now
            screen.note(f"{doing}{stage} ({share:.0%})")

    return report


@dataclass
class _Told:
    at: float
    stage: str = ""
