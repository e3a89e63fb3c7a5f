"""The endpoint under abuse: what strangers, careless programs and broken files do to it, and what comes of it.

::

    python benchmarks/endpoint_abuse.py --out docs/benchmark_endpoint_abuse.md
    python benchmarks/endpoint_abuse.py --parts walk bodies --quick

``retain serve`` runs with one worker on a simulated shop; what abuses it is this process, on the same machine. Each
part says what it looked at, what it found and what was wanted; the exit code is 1 when anything was missed.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from abuse_bodies import bodies, idle
from abuse_canaries import canaries
from abuse_doors import paths, walk
from abuse_fuzz import fuzz
from abuse_models import models
from abuse_target import Figure, Target, copied_shop, raise_open_files, serving
from abuse_texts import malformed
from endpoint_shop import make_shop

__all__ = ["main"]

PARTS: dict[str, Callable[[Target], list[Figure]]] = {
    "walk": walk,
    "bodies": bodies,
    "paths": paths,
    "idle": idle,
    "malformed": malformed,
    "fuzz": fuzz,
    "canaries": canaries,
    "models": models,
}


def main() -> int:
    """Read the command line, abuse, write the page; 1 when a target is missed."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--parts", nargs="+", choices=list(PARTS), default=list(PARTS))
    parser.add_argument("--quick", action="store_true", help="fewer of everything")
    parser.add_argument("--customers", type=int, default=500)
    parser.add_argument("--shop", type=Path, help="a shop that was scored and decided; a copy of it is used")
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    raise_open_files()
    with tempfile.TemporaryDirectory(prefix="retain-abuse-") as name:
        folder = Path(name)
        shop = copied_shop(given.shop, folder) if given.shop else make_shop(folder, customers=given.customers)
        with serving(folder, shop, quick=given.quick) as target:
            found = {part: _run(part, target) for part in PARTS if part in given.parts}
    text = page(found, "python " + " ".join(["benchmarks/endpoint_abuse.py", *sys.argv[1:]]))
    print(text)
    if given.out:
        given.out.write_text(text, encoding="utf-8")
    return int(any(not figure.met for figures in found.values() for figure in figures))


def _run(part: str, target: Target) -> list[Figure]:
    began = time.perf_counter()
    figures = PARTS[part](target)
    if target.server.process.poll() is not None:
        figures.append(Figure(f"the server after {part}", "ended", "alive", met=False))
    missed = sum(not figure.met for figure in figures)
    print(f"{part:<10}{time.perf_counter() - began:7.1f} s  {missed} missed", file=sys.stderr)
    return figures


def page(found: dict[str, list[Figure]], command: str) -> str:
    """The page for the docs."""
    from steps import machine

    text = ["# The endpoint under abuse", "", f"`{command}` on {machine()}.", ""]
    text += [
        "One worker of `retain serve` on a simulated shop with keys; whoever abuses it is another process on the"
    ]
    text += ["same machine.", ""]
    for part, figures in found.items():
        text += [
            f"## {part.capitalize()}",
            "",
            "| figure | found | target | |",
            "|---|---|---|---|",
            *_rows(figures),
            "",
        ]
    return "\n".join(text)


def _rows(figures: Sequence[Figure]) -> list[str]:
    rows = []
    for figure in figures:
        met = ("met" if figure.met else "**missed**") if figure.target else ""
        cells = (figure.what, figure.found.replace("|", "\\|"), figure.target, met)
        rows.append("| " + " | ".join(cells) + " |")
    return rows


if __name__ == "__main__":
    sys.exit(main())
