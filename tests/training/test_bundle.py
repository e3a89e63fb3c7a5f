"""The bundle: the same bits for everybody, every changed byte refused, nobody's data inside."""

from __future__ import annotations

import ast
import hashlib
import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import training.models
from features.errors import ModelError
from features.pipeline import FEATURES
from tests.training.small_shops import SETTINGS, features_of
from training.build import build_bundle
from training.models.bundle import Bundle, champion_path
from training.models.head import logit


@pytest.fixture
def copy(saved: Path, tmp_path: Path) -> Path:
    """A copy of the saved bundle to do harm to."""
    return Path(shutil.copytree(saved, tmp_path / saved.name))


@pytest.fixture(scope="module")
def small(demo_panel, tmp_path_factory) -> Path:
    """A saved bundle without trees, quick to read."""
    models = tmp_path_factory.mktemp("small")
    return models / build_bundle(demo_panel, SETTINGS, evidence="btyd").save(models).version


def rehash(folder: Path) -> None:
    """What someone with a hash tool would do after changing a file."""
    manifest = json.loads((folder / "manifest.json").read_text())
    files = {n: hashlib.sha256((folder / n).read_bytes()).hexdigest() for n in manifest["files"]}
    write(folder, {**manifest, "files": files})


def write(folder: Path, manifest: dict[str, Any]) -> None:
    text = json.dumps(manifest, sort_keys=True, ensure_ascii=False, separators=(",", ":")) + "\n"
    (folder / "manifest.json").write_text(text)


def change(folder: Path, file: str, how: Callable[[dict[str, Any]], object]) -> None:
    values = json.loads((folder / file).read_text())
    how(values)
    (folder / file).write_text(json.dumps(values))
    rehash(folder)


def test_a_loaded_bundle_predicts_the_same_bits(demo_bundle, demo_panel, saved):
    rows = features_of(demo_panel, demo_panel.as_of)
    loaded = Bundle.load(saved)
    assert loaded.version == saved.name
    for on in (demo_panel.as_of, demo_panel.as_of + timedelta(days=40)):
        pd.testing.assert_frame_equal(
            loaded.predict(rows, on), demo_bundle.predict(rows, on), check_exact=True
        )
    loaded.check_golden()


def test_customers_alone_and_together_get_the_same_bits(demo_bundle, demo_panel):
    rows = demo_panel.frame[list(FEATURES)].sample(250, random_state=1).reset_index(drop=True)
    together = demo_bundle.predict(rows, demo_panel.as_of)
    alone = pd.concat([demo_bundle.predict(rows.iloc[[i]], demo_panel.as_of) for i in range(len(rows))])
    pd.testing.assert_frame_equal(alone, together, check_exact=True)


def test_columns_may_come_in_any_order_with_others_beside_them(demo_bundle, demo_panel):
    rows = features_of(demo_panel, demo_panel.as_of)
    mixed = rows[sorted(FEATURES)].copy().assign(customer_id="somebody", btyd_alive=7.0)
    expected = demo_bundle.predict(rows, demo_panel.as_of)
    pd.testing.assert_frame_equal(demo_bundle.predict(mixed, demo_panel.as_of), expected, check_exact=True)


def test_two_customers_under_one_index_do_not_mix(demo_bundle, demo_panel):
    rows = features_of(demo_panel, demo_panel.as_of).head(2)
    twice = demo_bundle.predict(rows.set_axis([5, 5]), demo_panel.as_of)
    once = demo_bundle.predict(rows, demo_panel.as_of)
    pd.testing.assert_frame_equal(twice.reset_index(drop=True), once, check_exact=True)


def test_predictions_are_finite_and_in_range(demo_bundle, demo_panel):
    found = demo_bundle.predict(demo_panel.frame[list(FEATURES)], demo_panel.as_of)
    assert found["churn_probability"].between(0, 1).all()
    numbers = found.drop(columns=["evidence", "evidence_value", "expected_next_order_days"])
    assert np.isfinite(numbers.astype(float)).all(axis=None)
    back = found["churn_probability"] <= 0.5
    assert found.loc[back, "expected_next_order_days"].between(1, 60).all()
    assert not (found.loc[~back, "expected_next_order_days"] < 60).any()


def test_each_quantity_has_the_evidence_of_its_own_head(demo_bundle, demo_panel):
    head = demo_bundle.churn
    curve = replace(demo_bundle.curve, value={30: head, 365: replace(head, trees=None)}, orders={})
    bundle = replace(demo_bundle, churn=replace(head, trees=None), curve=curve)
    found = [
        bundle.rung(kind, h) for kind, h in (("value", 30), ("value", 365), ("orders", 30), ("churn", None))
    ]
    assert head.trees is not None
    assert found == ["ml", "btyd", "btyd", "btyd"]
    assert {demo_bundle.rung("churn"), replace(demo_bundle, evidence="rule", churn=head).rung("churn")} == {
        "ml"
    }
    assert replace(bundle, evidence="rule").rung("value", 365) == "rule"


@pytest.mark.parametrize("quantity", ["value", "orders"])
def test_bounds_enclose_one_another_and_rise_with_the_horizon(demo_bundle, demo_panel, quantity):
    found = demo_bundle.predict(demo_panel.at(demo_panel.as_of)[list(FEATURES)], demo_panel.as_of)
    by_level = {
        q: found[[f"expected_{quantity}_{h}d_p{q}" for h in (30, 60, 365)]].to_numpy()
        for q in ("05", "10", "90", "95")
    }
    rising = np.stack(list(by_level.values()))
    assert (np.diff(rising, axis=0) >= 0).all()
    assert (np.diff(rising, axis=2) >= 0).all()
    assert (rising >= 0).all()
    assert (rising[2] > rising[1]).mean() > 0.4


def test_contributions_add_up_to_the_log_odds(demo_bundle, demo_panel):
    rows = features_of(demo_panel, demo_panel.as_of)
    parts = demo_bundle.contributions(rows, demo_panel.as_of)
    p = demo_bundle.predict(rows, demo_panel.as_of)["churn_probability"].to_numpy()
    assert np.abs(parts.sum(axis=1) - logit(p)).max() < 1e-9


def test_nobody_to_score(demo_bundle, demo_panel):
    rows = features_of(demo_panel, demo_panel.as_of).iloc[:0]
    assert demo_bundle.predict(rows, demo_panel.as_of).empty
    assert demo_bundle.contributions(rows, demo_panel.as_of).empty


def test_a_missing_feature_is_named(demo_bundle, demo_panel):
    rows = features_of(demo_panel, demo_panel.as_of).drop(columns=["recency", "T"])
    with pytest.raises(ModelError, match=r"2 of \d+ columns are missing, e\.g\. 'recency'"):
        demo_bundle.predict(rows, demo_panel.as_of)


def test_saving_twice_is_one_version(demo_bundle, saved, tmp_path):
    assert demo_bundle.save(saved.parent).version == demo_bundle.save(tmp_path).version == saved.name


def test_any_changed_byte_of_any_file_is_refused(copy):
    rng = np.random.default_rng(0)
    files = sorted(p for p in copy.iterdir() if p.name != "manifest.json")
    assert {"model.json", "golden.json", "card.json", "churn_60.txt"} <= {p.name for p in files}
    for file in files:
        good = file.read_bytes()
        for place in {0, len(good) - 1, *rng.integers(0, len(good), 6).tolist()}:
            bad = bytearray(good)
            bad[place] ^= 1 << int(rng.integers(0, 8))
            file.write_bytes(bytes(bad))
            with pytest.raises(ModelError, match=f"{file.name} is missing or changed"):
                Bundle.load(copy)
        file.write_bytes(good)
    Bundle.load(copy).check_golden()


def test_any_changed_byte_of_the_manifest_is_refused(small, tmp_path):
    folder = Path(shutil.copytree(small, tmp_path / small.name))
    manifest = folder / "manifest.json"
    good = manifest.read_bytes()
    for place in range(len(good)):
        for bad in (good[place] ^ 1, good[place] ^ 32, ord(" ")):
            if bad != good[place]:
                manifest.write_bytes(good[:place] + bytes([bad]) + good[place + 1 :])
                with pytest.raises(ModelError):
                    Bundle.load(folder)
    manifest.write_bytes(good)
    assert Bundle.load(folder).version == small.name


@pytest.mark.parametrize("name", ["model.json", "golden.json", "card.json", "churn_60.txt", "manifest.json"])
def test_a_missing_file_is_refused(copy, name):
    (copy / name).unlink()
    with pytest.raises(ModelError, match=f"{name} is missing"):
        Bundle.load(copy)


def test_an_unlisted_file_is_refused(copy):
    (copy / "orders_7.txt").write_text("tree")
    with pytest.raises(ModelError, match=r"orders_7\.txt is not listed"):
        Bundle.load(copy)


@pytest.mark.parametrize(
    "trick", ["../model.json", "/etc/hostname", ".", "..", "", "a\0b", "sub/model.json", "link"]
)
def test_names_that_lead_elsewhere_are_refused(copy, trick):
    outside = copy.parent / "model.json"
    outside.write_bytes((copy / "model.json").read_bytes())
    (copy / "link").symlink_to(outside)
    if trick != "link":
        (copy / "link").unlink()
    manifest = json.loads((copy / "manifest.json").read_text())
    digest = manifest["files"]["model.json"]
    write(copy, {**manifest, "files": {**manifest["files"], trick: digest}})
    with pytest.raises(ModelError, match="is missing or changed"):
        Bundle.load(copy)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{}",
        "[]",
        "null",
        '{"files":{}}',
        '{"files":"x","format":1}',
        "[" * 100_000,
        "\ud800".encode("utf-8", "surrogatepass"),
    ],
)
def test_a_manifest_that_is_none_is_refused(copy, text):
    (copy / "manifest.json").write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(ModelError, match=r"manifest\.json is"):
        Bundle.load(copy)


def test_other_feature_columns_are_refused(copy, monkeypatch):
    monkeypatch.setattr("training.models.bundle.FEATURES", (*FEATURES, "moon_phase"))
    with pytest.raises(ModelError, match="made for other feature columns"):
        Bundle.load(copy)


NOT_OURS = ["{}", "[]", "null", "{", '{"evidence":1}', "[" * 100_000]


@pytest.mark.parametrize(
    ("name", "text"),
    [*((n, t) for n in ("model.json", "golden.json") for t in NOT_OURS), ("card.json", "null")],
)
def test_whole_files_with_other_content_are_refused(copy, name, text):
    (copy / name).write_text(text)
    rehash(copy)
    with pytest.raises(ModelError):
        Bundle.load(copy).check_golden()


CHANGES: dict[str, Callable[[dict[str, Any]], object]] = {
    "base": lambda v: v["curve"]["heads"]["value_60"]["level"].update(base=9.0, weight=0.0),
    "rate": lambda v: v["anchor"]["buying"].update(r=v["anchor"]["buying"]["r"] * 1.0001),
    "spend": lambda v: v["anchor"]["spending"].update(v=v["anchor"]["spending"]["v"] * 1.0001),
    "per day": lambda v: v["anchor"].update(orders_per_day=3.0),
    "kept": lambda v: v["anchor"].update(kept_share=0.1),
    "margin": lambda v: v["curve"]["margin"].update(rate=0.31),
    "discount": lambda v: v["curve"].update(discount_rate=0.11),
    "lifetime": lambda v: v["curve"].update(lifetime_days=1900),
    "window": lambda v: v.update(window_days=30),
    "grid": lambda v: v["reference"].update(churn_grid=[0.0] * 101),
    "negative": lambda v: v["anchor"]["buying"].update(r=-1.0),
}


@pytest.mark.parametrize("name", CHANGES)
def test_golden_rows_tell_a_changed_parameter_even_with_new_hashes(copy, name):
    change(copy, "model.json", CHANGES[name])
    with pytest.raises(ModelError):
        Bundle.load(copy).check_golden()


def test_golden_rows_tell_lost_or_changed_trees(copy):
    (copy / "churn_60.txt").write_text((copy / "orders_60.txt").read_text())
    rehash(copy)
    with pytest.raises(ModelError, match="golden predictions of churn_probability differ"):
        Bundle.load(copy).check_golden()
    (copy / "churn_60.txt").unlink()
    manifest = json.loads((copy / "manifest.json").read_text())
    del manifest["files"]["churn_60.txt"]
    write(copy, manifest)
    with pytest.raises(ModelError, match="not what this code writes"):
        Bundle.load(copy)


@pytest.mark.parametrize("name", ["rows", "expected"])
def test_golden_rows_cannot_be_emptied(copy, name):
    change(copy, "golden.json", lambda v: v[name].clear())
    with pytest.raises(ModelError, match="no golden rows"):
        Bundle.load(copy).check_golden()


def test_the_champion_is_named_by_a_pointer(tmp_path):
    with pytest.raises(ModelError, match="no model yet: run `retain train` first"):
        champion_path(tmp_path)
    (tmp_path / "champion").write_text("0123456789ab\n")
    assert champion_path(tmp_path) == tmp_path / "0123456789ab"
    for bad in ("", "\n", "..", "../x", "/etc", "a/b"):
        (tmp_path / "champion").write_text(bad)
        with pytest.raises(ModelError, match="does not name a model"):
            champion_path(tmp_path)


def test_nothing_in_the_models_can_run_code():
    rooms = Path(next(iter(training.models.__path__)))
    for file in rooms.glob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            named = [a.name for a in node.names] if isinstance(node, ast.Import) else []
            named += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            roots = {name.split(".")[0] for name in named}
            assert not roots & {"pickle", "joblib", "cloudpickle", "dill", "marshal", "shelve", "skops"}, (
                file.name
            )
            called = node.func if isinstance(node, ast.Call) else None
            assert not (isinstance(called, ast.Name) and called.id in {"eval", "exec", "compile"}), file.name
