"""How good the predictions are, beside every peer, in one run.

::

    python benchmarks/quality.py                                     # everything, two processes
    python benchmarks/quality.py --parts retail speed --jobs 1
    python benchmarks/quality.py --full                              # the largest shops and 20 million lines too

Parts: ``retail`` (Online Retail II, seven cut-offs), ``year``, ``cdnow counts``, ``cdnow amounts``, ``cdnow whole`` and
``cdnow quarter`` (all its customers), ``groceries``, ``telco basic``, ``telco joined``, ``shops`` (simulated, seeds kept
for judging), ``speed``. Peers of other packages get an environment each on the first run (`quality_outside`). With
``--keep FOLDER`` a part that was run on the same code is not run again. Exits 1 when a floor is missed or a part could
not run.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import shlex
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path
from typing import Any

import quality_retail
import quality_shops
import quality_speed
import quality_telco
from quality_page import page, targets
from steps import machine, scrub
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

ROOT = Path(__file__).resolve().parents[1]
PARTS = (
    "retail",
    "year",
    "cdnow counts",
    "cdnow amounts",
    "cdnow whole",
    "cdnow quarter",
    "groceries",
    "telco basic",
    "telco joined",
    "shops",
    "speed",
)
SHOP, MILLION = "shop: ", "million"
# Shops that judge: seeds nobody looks at while developing.
JUDGING_SEEDS = (1_000, 1_001)


@threadpool_limits.wrap(limits=1)
def run_part(name: str, data: Path, seeds: tuple[int, ...]) -> dict[str, Any]:
    """One part as plain values; ``failed`` holds the reason when it could not run."""
    jobs: dict[str, Callable[[], Any]] = {
        "retail": lambda: quality_retail.quarter(data).to_json(),
        "year": lambda: quality_retail.year(data).to_json(),
        "cdnow counts": lambda: quality_retail.cdnow(data, counts_only=True).to_json(),
        "cdnow amounts": lambda: quality_retail.cdnow(data, counts_only=False).to_json(),
        "cdnow whole": lambda: quality_retail.cdnow_whole(273).to_json(),
        "cdnow quarter": lambda: quality_retail.cdnow_whole(90).to_json(),
        "groceries": lambda: quality_retail.groceries().to_json(),
        "telco basic": lambda: quality_telco.basic(data),
        "telco joined": lambda: quality_telco.joined(data),
        "speed": lambda: quality_speed.retail(data / quality_retail.LINES),
        MILLION: lambda: {"steps": quality_speed.million()},
    }
    job = jobs.get(name) or (lambda: quality_shops.judge(name.removeprefix(SHOP), seeds).to_json())
    began = time.perf_counter()
    try:
        found: dict[str, Any] = job()
    # A part that breaks must not hide the others; the exit code tells.
    except Exception as error:  # noqa: BLE001
        found = {"failed": f"{type(error).__name__}: {scrub(str(error))[:300]}"}
    return found | {"part_seconds": time.perf_counter() - began}


def run_all(options: argparse.Namespace) -> dict[str, Any]:
    """All parts that were asked for, by name; those of speed come last and alone."""
    names = [n for n in options.parts if n not in ("shops", "speed")]
    if "shops" in options.parts:
        names += [SHOP + n for n, case in quality_shops.SHOPS.items() if options.full or not case.long]
    kept = _Kept(options.keep, f"{options.data.resolve()} {options.seeds}")
    found = {name: answer for name in names if (answer := kept.get(name)) is not None}
    with ProcessPoolExecutor(options.jobs) as pool:
        waiting = {
            pool.submit(run_part, name, options.data, options.seeds): name
            for name in names
            if name not in found
        }
        for done in as_completed(waiting):
            found[waiting[done]] = kept.put(waiting[done], done.result())
    if "speed" in options.parts:
        for name in ("speed", *([MILLION] if options.full else [])):
            found[name] = kept.get(name) or kept.put(name, run_part(name, options.data, options.seeds))
    return found


class _Kept:
    """Answers of parts on disk, by the state of the code that gave them."""

    def __init__(self, folder: Path | None, asked: str) -> None:
        self.folder = folder
        self.state = _state_of_the_code(asked)

    def get(self, name: str) -> dict[str, Any] | None:
        """The answer, if the same code gave one."""
        file = self._file(name)
        return json.loads(file.read_text(encoding="utf-8")) if file and file.exists() else None

    def put(self, name: str, found: dict[str, Any]) -> dict[str, Any]:
        """Tells, and keeps what did not fail."""
        said = found.get("failed") or "ok"
        print(f"{name}: {found['part_seconds']:.0f} s, {said}", file=sys.stderr, flush=True)
        file = self._file(name)
        if file and "failed" not in found:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(json.dumps(found), encoding="utf-8")
        return found

    def _file(self, name: str) -> Path | None:
        plain = name.replace(":", "").replace(",", "").replace(" ", "-")
        return self.folder / self.state / f"{plain}.json" if self.folder else None


def _state_of_the_code(asked: str) -> str:
    rooms = ("features", "strategies", "training", "serving", "retain", "benchmarks")
    state = hashlib.sha256(asked.encode())
    for path in sorted(p for room in rooms for p in (ROOT / room).rglob("*") if p.suffix in (".py", ".txt")):
        state.update(path.read_bytes())
    return state.hexdigest()[:12]


def asked(arguments: Sequence[str]) -> argparse.Namespace:
    """What the command line asks for."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument(
        "--data", type=Path, default=ROOT.parent / "shared" / "data", help="folder of the data"
    )
    parser.add_argument(
        "--parts", nargs="+", choices=PARTS, default=list(PARTS), metavar="PART", help=", ".join(PARTS)
    )
    parser.add_argument(
        "--seeds", nargs="+", type=int, default=list(JUDGING_SEEDS), help="of the simulated shops"
    )
    parser.add_argument("--jobs", type=int, default=2, help="processes")
    parser.add_argument("--full", action="store_true", help="20,000 and 200,000 customers, 20 million lines")
    parser.add_argument("--keep", type=Path, help="folder for the answers of parts, so that a run can go on")
    parser.add_argument("--out", type=Path, help="markdown page to write; without it the page is printed")
    parser.add_argument("--json", type=Path, help="all figures as JSON")
    options = parser.parse_args(arguments)
    options.seeds = tuple(options.seeds)
    return options


def main(arguments: Sequence[str]) -> int:
    """Run, write, and say by the exit code whether every floor was met."""
    options = asked(arguments)
    found = run_all(options)
    shops = [found[SHOP + n] for n in quality_shops.SHOPS if "models" in found.get(SHOP + n, {})]
    real = {name: answer for name, answer in found.items() if not name.startswith(SHOP)}
    command = scrub(shlex.join(["python", "benchmarks/quality.py", *arguments]))
    text = page(real, shops, command=command, machine=machine())
    if options.out:
        options.out.write_text(text, encoding="utf-8")
    else:
        print(text)
    if options.json:
        options.json.write_text(json.dumps(found, indent=1), encoding="utf-8")
    failed = [f"{n}: {a['failed']}" for n, a in found.items() if isinstance(a, dict) and "failed" in a]
    missed = [t.what for t in targets(real) if not t.reached(t.floor)]
    for line in (*failed, *(f"floor missed: {what}" for what in missed)):
        print(line, file=sys.stderr)
    return int(bool(failed or missed))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
