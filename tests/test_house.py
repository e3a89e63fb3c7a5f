"""Rules of the house that no linter knows."""

from __future__ import annotations

import ast
import importlib
import re
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from retain import cli

ROOT = Path(__file__).resolve().parents[1]
ROOMS = ("features", "strategies", "training", "serving", "retain")
SOURCES = sorted(path for room in ROOMS for path in (ROOT / room).rglob("*.py"))
OTHERS = sorted(path for room in ("tests", "benchmarks", "docs") for path in (ROOT / room).rglob("*.py"))
MOST_LINES, LONGEST_FUNCTION = 400, 60
FORBIDDEN = {"pickle", "cPickle", "dill", "joblib", "cloudpickle", "marshal", "shelve", "skops"}
# Written in pieces, so that this file does not hold what it looks for.
ADDRESSES = "|".join(
    ("pypi" + r"\.org", "python" + "hosted", "/" + "root/", "/" + "work/", "/" + "tmp/w", "index" + "-url ")
)


def shown(path: Path) -> str:
    return str(path.relative_to(ROOT))


def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def tracked() -> list[Path]:
    if not (ROOT / ".git").exists():
        pytest.skip("not a git checkout: there is no list of tracked files")
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True).stdout
    return [path for name in listed.decode().split("\0") if name and (path := ROOT / name).is_file()]


def imported(path: Path) -> Iterator[str]:
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module.split(".")[0]


@pytest.mark.parametrize("path", SOURCES, ids=shown)
def test_public_names_exist(path: Path) -> None:
    if path.name == "__main__.py":
        return
    name = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
    module = importlib.import_module(name)
    public = getattr(module, "__all__", None)
    if path.name == "__init__.py":
        public = public or []
    assert public is not None, "a module says what is public in __all__"
    assert not [word for word in public if not hasattr(module, word)]
    assert len(set(public)) == len(public)


@pytest.mark.parametrize("path", [path for path in SOURCES if path.name == "__init__.py"], ids=shown)
def test_init_files_tell_a_story_and_do_nothing(path: Path) -> None:
    module = tree(path)
    assert ast.get_docstring(module)
    plain = (ast.Expr, ast.Import, ast.ImportFrom, ast.Assign, ast.AnnAssign)
    assert all(isinstance(node, plain) for node in module.body)


def test_no_file_is_too_long() -> None:
    lengths = {shown(p): len(p.read_text(encoding="utf-8").splitlines()) for p in (*SOURCES, *OTHERS)}
    assert not {name: lines for name, lines in lengths.items() if lines > MOST_LINES}


def test_no_function_is_too_long() -> None:
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
    found = {
        f"{shown(path)}:{node.name}": _body_lines(node)
        for path in (*SOURCES, *OTHERS)
        for node in ast.walk(tree(path))
        if isinstance(node, kinds)
    }
    assert not {name: lines for name, lines in found.items() if lines > LONGEST_FUNCTION}


def _body_lines(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines from the first statement after the docstring to the end."""
    body = node.body[1:] if ast.get_docstring(node) else node.body
    return (node.end_lineno or 0) - body[0].lineno + 1 if body else 0


def test_print_belongs_to_the_command_line() -> None:
    speaking = [
        shown(path)
        for path in SOURCES
        if path.relative_to(ROOT).parts[0] != "retain"
        for node in ast.walk(tree(path))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print"
    ]
    assert not speaking


def test_nothing_reads_or_writes_pickle() -> None:
    assert not {shown(path) for path in (*SOURCES, *OTHERS) if FORBIDDEN & set(imported(path))}


def test_no_file_names_this_machine_or_an_address_of_packages() -> None:
    pattern = re.compile(ADDRESSES)
    found = []
    for path in tracked():
        text = path.read_bytes().decode("utf-8", "ignore")
        found += [f"{shown(path)}: {match[0]}" for match in pattern.finditer(text)]
    assert not found


def test_the_lock_has_hashes_and_no_address() -> None:
    lines = (ROOT / "requirements.lock").read_text(encoding="utf-8").splitlines()
    pinned = [line for line in lines if line and not line.startswith(" ")]
    assert len(pinned) > 100
    assert all(re.match(r"[a-z0-9._-]+(\[[\w,-]+\])?==\S+", line) for line in pinned)
    assert not [line for line in lines if "://" in line or line.startswith("-")]
    assert {line.strip().partition(":")[0] for line in lines if line.startswith(" ")} == {"--hash=sha256"}


def test_the_lock_holds_what_the_project_asks_for() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    asked = [*project["dependencies"], *project["optional-dependencies"]["dev"]]
    names = {re.match(r"[A-Za-z0-9._-]+", line)[0].lower().replace("_", "-") for line in asked}
    lock = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    assert not names - set(re.findall(r"^([a-z0-9._-]+)==", lock.replace("_", "-"), re.MULTILINE))


def test_the_wheel_holds_the_rooms() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert settings["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"] == list(ROOMS)
    assert settings["tool"]["importlinter"]["root_packages"] == list(ROOMS)
    assert settings["project"]["license"] == "Apache-2.0"


def test_the_licence_is_apache() -> None:
    text = (ROOT / "LICENSE").read_text(encoding="utf-8")
    assert "Apache License" in text[:200]
    assert "Version 2.0, January 2004" in text[:200]


def test_help_lists_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["--help"]) == 0
    text = capsys.readouterr().out
    assert not [name for name in cli.COMMANDS if not re.search(rf"^  {name} +\S", text, re.MULTILINE)]
    files = {path.stem.replace("_", "-") for path in (ROOT / "retain" / "commands").glob("*.py")}
    assert files - {"--init--"} == set(cli.COMMANDS)


@pytest.mark.parametrize("target", ["help", "setup", "demo", "test", "check", "bench", "docs"])
def test_make_knows_its_targets(target: str) -> None:
    done = subprocess.run(["make", "-n", target], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_make_help_tells_every_target() -> None:
    told = subprocess.run(["make"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    phony = re.search(r"^\.PHONY: (.*)$", makefile, re.MULTILINE)
    assert phony is not None
    assert re.findall(r"^  make (\w+)", told, re.MULTILINE) == phony[1].split()


def test_make_check_holds_the_import_contracts() -> None:
    done = subprocess.run(["make", "-n", "check"], cwd=ROOT, capture_output=True, text=True, check=True)
    for word in ("ruff check", "ruff format --check", "mypy", "lint-imports"):
        assert word in done.stdout


def test_continuous_integration_calls_what_the_readme_names() -> None:
    script = ROOT / ".ci" / "run"
    text = script.read_text(encoding="utf-8")
    assert script.stat().st_mode & 0o100
    assert "set -euo pipefail" in text
    assert [line for line in text.splitlines() if line.startswith("make test")]
    assert [line for line in text.splitlines() if line.startswith("make check")]


def test_serving_is_kept_from_every_part_of_training_but_its_models() -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"]
    (kept,) = (c for c in contracts["contracts"] if c["name"].startswith("Serving reaches nothing"))
    inside = {path.stem for path in (ROOT / "training").glob("*.py")} - {"__init__"}
    inside |= {path.parent.name for path in (ROOT / "training").glob("*/__init__.py")} - {"models"}
    assert set(kept["forbidden_modules"]) == {"mlflow", *(f"training.{name}" for name in inside)}
