"""The processes of the endpoint: killed, stopped, given other models, and asked a million times.

::

    python benchmarks/endpoint_processes.py --out docs/benchmark_endpoint_processes.md
    python benchmarks/endpoint_processes.py --parts kills swaps --quick

A simulated shop is made, and ``retain serve`` with two workers answers for it; this process is the client. Every part
starts its own server. ``--quick`` asks less of everything and holds it to the same targets.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from endpoint import Figure
from endpoint_bits import bits
from endpoint_events import events
from endpoint_kills import kills, stop
from endpoint_shop import Shop, make_shop, open_shop
from endpoint_soak import soak
from endpoint_swaps import swaps

__all__ = ["main"]

CUSTOMERS, QUICK_CUSTOMERS = 11_500, 2_000
PARTS: dict[str, tuple[str, Callable[..., list[Figure]]]] = {
    "kills": ("One of two workers killed with SIGKILL again and again, under 200 requests a second", kills),
    "stop": ("SIGTERM under load and idle", stop),
    "swaps": ("Another model again and again, under load", swaps),
    "soak": ("Memory and open files over many requests", soak),
    "bits": ("The endpoint against the list, bit for bit", bits),
    # Last: customers of whom something was told are scored anew, and are no longer those of the list.
    "events": ("All processes killed with SIGKILL while events are told", events),
}


def main() -> int:
    """Read the command line, run the parts, write the page; 1 when a target is missed."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--parts", nargs="+", choices=list(PARTS), default=list(PARTS))
    parser.add_argument("--quick", action="store_true", help="ask less of everything")
    parser.add_argument("--shop", type=Path, help="folder that `retain demo` made; without it one is made")
    parser.add_argument("--out", type=Path, help="page to write")
    given = parser.parse_args()
    found: dict[str, list[Figure]] = {}
    with tempfile.TemporaryDirectory(prefix="retain-processes-") as name:
        shop = _shop(given.shop, Path(name), quick=given.quick)
        for part in [part for part in PARTS if part in given.parts]:
            began = time.perf_counter()
            found[part] = PARTS[part][1](shop, Path(name), quick=given.quick)
            print(f"{part}: {time.perf_counter() - began:.0f} s", file=sys.stderr)
    text = page(found, "python " + " ".join(["benchmarks/endpoint_processes.py", *sys.argv[1:]]))
    print(text)
    if given.out:
        given.out.write_text(text, encoding="utf-8")
    return int(any(figure.met is False for some in found.values() for figure in some))


def _shop(folder: Path | None, working: Path, *, quick: bool) -> Shop:
    if folder is not None:
        return open_shop(folder)
    began = time.perf_counter()
    shop = make_shop(working, customers=QUICK_CUSTOMERS if quick else CUSTOMERS)
    print(f"shop: {time.perf_counter() - began:.0f} s", file=sys.stderr)
    return shop


def page(found: dict[str, list[Figure]], command: str) -> str:
    """The page for the docs."""
    from steps import machine

    text = ["# The endpoint's processes", "", f"`{command}` on {machine()}.", ""]
    for part, figures in found.items():
        title, run = PARTS[part]
        text += [f"## {title}", "", _told(run), "", *_table(figures), ""]
    return "\n".join(text)


def _told(run: Callable[..., list[Figure]]) -> str:
    """What a part does, as its docstring says it, on one line."""
    return " ".join((run.__doc__ or "").split())


def _table(figures: Sequence[Figure]) -> list[str]:
    mark = {True: "met", False: "**missed**", None: ""}
    rows = [f"| {f.what} | {_number(f.value)} {f.unit} | {f.target} | {mark[f.met]} |" for f in figures]
    return ["| figure | value | target | |", "|---|--:|---|---|", *rows]


def _number(value: float) -> str:
    return f"{value:,.0f}" if float(value).is_integer() else f"{value:.4g}"


if __name__ == "__main__":
    sys.exit(main())
