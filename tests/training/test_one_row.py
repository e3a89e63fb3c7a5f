"""LightGBM asked about one row: its bits, many threads at once, and nothing left behind."""

from __future__ import annotations

import gc
import weakref
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from threading import Barrier

import numpy as np
import pytest

from features.errors import ModelError
from features.pipeline import FEATURES
from tests.training.small_shops import features_of
from training.models.bundle import Bundle
from training.models.one_row import OneRow
from training.models.rows import Rows
from training.models.trees import Trees


def test_one_row_has_the_bits_of_lightgbm(demo_bundle):
    trees = demo_bundle.churn.trees
    rows = np.random.default_rng(5).normal(0.0, 50.0, (200, len(trees.names)))
    rows[rows > 60.0] = np.nan
    rows[::9] *= 1e-36
    ask = OneRow(trees.booster, len(trees.names))
    found = np.concatenate([ask.raw(row) for row in rows])
    assert found.tobytes() == trees.booster.predict(rows, raw_score=True, num_threads=1).tobytes()


def test_an_answer_is_not_changed_by_the_next(demo_bundle):
    ask = OneRow(demo_bundle.churn.trees.booster, len(demo_bundle.churn.trees.names))
    zeros = np.zeros(len(demo_bundle.churn.trees.names))
    first = ask.raw(zeros)
    kept = first.copy()
    assert ask.raw(np.full(len(zeros), 1e6)) is not first
    assert first == kept


def test_lightgbm_says_why_it_cannot(demo_bundle):
    with pytest.raises(ModelError, match=r"LightGBM cannot predict: .* features .*; train again"):
        OneRow(demo_bundle.churn.trees.booster, 3)


def test_many_threads_get_the_bits_of_the_batch(demo_bundle, demo_panel):
    day, threads = demo_panel.as_of, 6
    matrix = np.ascontiguousarray(features_of(demo_panel, day).head(30).to_numpy(np.float64))
    expected = demo_bundle.answers(Rows(FEATURES, matrix), day)
    # A bundle nobody has asked yet: all threads meet in what it makes at the first answer.
    fresh, together = replace(demo_bundle, churn=demo_bundle.churn), Barrier(threads)

    def ask(_: int) -> list[dict[str, float]]:
        together.wait(timeout=30)
        every = [fresh.answers(Rows(FEATURES, matrix[i : i + 1]), day) for i in range(len(matrix))]
        return [{name: values[0] for name, values in one.items()} for one in every]

    with ThreadPoolExecutor(threads) as pool:
        for found in pool.map(ask, range(threads)):
            for i, one in enumerate(found):
                np.testing.assert_equal(one, {name: values[i] for name, values in expected.items()})


def test_a_bundle_that_is_dropped_is_freed(demo_bundle, demo_panel, tmp_path):
    day = demo_panel.as_of
    row = Rows(FEATURES, features_of(demo_panel, day).head(1).to_numpy(np.float64))
    path = tmp_path / demo_bundle.save(tmp_path).version
    bundle = Bundle.load(path)
    bundle.answers(row, day)
    booster, ask = weakref.ref(bundle.churn.trees.booster), weakref.ref(bundle.churn.trees._free[0])
    del bundle
    # At once, not when the collector comes round.
    assert booster() is None
    assert ask() is None


def test_swapping_bundles_leaves_memory_as_it_was(demo_bundle):
    text = demo_bundle.churn.trees.text
    row = Rows(demo_bundle.churn.trees.names, np.zeros((1, len(demo_bundle.churn.trees.names))))

    def swap(times: int) -> None:
        for _ in range(times):
            Trees(text).raw(row)
        gc.collect()

    swap(10)
    before = _resident_kib()
    swap(60)
    # What 60 models would take is many times this.
    assert _resident_kib() - before < 10 * len(text) / 1024


def _resident_kib() -> int:
    status = Path("/proc/self/status")
    if not status.exists():
        pytest.skip("this system does not tell the memory of a process")
    return int(status.read_text().partition("VmRSS:")[2].split()[0])
