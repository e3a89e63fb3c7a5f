"""Notebooks: short, without functions or output, and they run."""

from __future__ import annotations

import ast
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

ROOT = Path(__file__).resolve().parents[1]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
_SECONDS = 180


@pytest.fixture(params=NOTEBOOKS, ids=lambda path: path.stem)
def notebook(request: pytest.FixtureRequest) -> nbformat.NotebookNode:
    return nbformat.read(request.param, as_version=4)


def code(notebook: nbformat.NotebookNode) -> list[nbformat.NotebookNode]:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def test_there_is_a_first_hour() -> None:
    assert "01_first_hour" in [path.stem for path in NOTEBOOKS]


def test_notebooks_are_short_and_open_with_their_question(notebook) -> None:
    assert len(notebook.cells) <= 15
    assert notebook.cells[0].cell_type == "markdown"
    assert notebook.cells[0].source.splitlines()[0].endswith("?")


def test_notebooks_carry_no_output(notebook) -> None:
    assert all(not cell.outputs and cell.execution_count is None for cell in code(notebook))


def test_notebooks_define_no_functions(notebook) -> None:
    defined = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda)
    nodes = [node for cell in code(notebook) for node in ast.walk(ast.parse(cell.source))]
    assert not [node for node in nodes if isinstance(node, defined)]


def test_notebooks_run_and_their_model_beats_recency_alone(notebook, monkeypatch) -> None:
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "1")
    probe = nbformat.v4.new_code_cell("churn['log_loss'].astype(float).sort_values().index.tolist()")
    notebook.cells.append(probe)
    NotebookClient(notebook, timeout=_SECONDS, kernel_name="python3").execute(cwd=str(ROOT))
    ranked = ast.literal_eval(notebook.cells[-1].outputs[0]["data"]["text/plain"])
    assert ranked.index("retain") < ranked.index("recency_rule")
