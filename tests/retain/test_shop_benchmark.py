"""The benchmark of the steps: it measures what it runs, and never hides a failure."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "benchmarks" / "steps.py"


@pytest.fixture(scope="module")
def steps() -> ModuleType:
    spec = importlib.util.spec_from_file_location("benchmark_steps", SCRIPT)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def test_measures_time_and_memory_of_a_process(steps: ModuleType, tmp_path: Path) -> None:
    code = "import time; block = bytearray(150 * 2**20); time.sleep(0.3); print('done')"
    found = steps.measure("work", [sys.executable, "-c", code], tmp_path, lines=7, timeout=60)
    assert found.exit_code == 0
    assert found.last_line == "done"
    assert found.seconds >= 0.3
    assert found.peak_mb > 150


def test_failure_is_shown_with_code_and_last_line(steps: ModuleType, tmp_path: Path) -> None:
    code = "import sys; print('table /home/me/orders.csv is empty'); sys.exit(5)"
    found = steps.measure("check", [sys.executable, "-c", code], tmp_path, lines=1_000, timeout=60)
    text = steps.table([found])
    assert "| 1,000 | check | failed, exit 5: table orders.csv is empty | | | |" in text
    assert "all steps" not in text


def test_a_step_that_hangs_is_killed_and_shown(steps: ModuleType, tmp_path: Path) -> None:
    found = steps.measure(
        "train", [sys.executable, "-c", "import time; time.sleep(60)"], tmp_path, lines=1, timeout=0.3
    )
    assert found.exit_code == -9
    assert "failed, exit -9" in steps.table([found])


def test_ratios_are_to_the_peers_of_the_same_size(steps: ModuleType) -> None:
    made = [
        steps.Measured(n, s, t, 10, 0, cpu_seconds=t / 2)
        for n, s, t in ((5, "pandas", 2.0), (5, "duckdb", 0.5), (5, "train", 3.0))
    ]
    text = steps.table(made)
    assert "| 5 | train | 3.00 | 1.50 | 10 | 1.5 | 6.0 |" in text
    assert "| 5 | **all steps** | 3.00 | 1.50 | 10 | 1.5 | 6.0 |" in text


def test_repetitions_give_the_median_but_keep_a_failure(steps: ModuleType) -> None:
    turns = [steps.Measured(5, "train", t, m, 0) for t, m in ((3.0, 10), (1.0, 30), (2.0, 20))]
    assert steps.summary(turns) == steps.Measured(5, "train", 2.0, 30, 0)
    assert steps.summary([*turns, steps.Measured(5, "train", 9.0, 5, 1, "oh")]).exit_code == 1


def test_peers_that_disagree_stop_the_benchmark(steps: ModuleType) -> None:
    said = '{"customers": 2, "lines": %d, "spend": 1.0}'
    runs = {p: [steps.Measured(5, p, 1.0, 1, 0, said % n)] for p, n in (("pandas", 5), ("duckdb", 4))}
    with pytest.raises(SystemExit, match="disagree"):
        steps.check_peers(runs)


def test_both_peers_agree_on_a_real_file(steps: ModuleType, tmp_path: Path) -> None:
    worker = [sys.executable, str(steps.WORKERS)]
    steps.measure("simulate", [*worker, "simulate", str(tmp_path), "3000"], tmp_path, lines=3_000, timeout=60)
    file = str(tmp_path / "orders.parquet")
    runs = {
        p: [steps.measure(p, [*worker, p, file], tmp_path, lines=3_000, timeout=60)]
        for p in ("pandas", "duckdb")
    }
    assert all(r[0].exit_code == 0 for r in runs.values())
    steps.check_peers(runs)
    assert '"lines": 3000' in runs["duckdb"][0].last_line
