"""A models folder with two whole versions of one simulated shop, and ways to damage them."""

from __future__ import annotations

import hashlib
import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from features.load import tables_from_frames
from retain.shop import ShopSettings, simulate
from serving.live import LiveSettings
from training.build import build_bundle
from training.fit import anchored
from training.models.bundle import POINTER, Bundle
from training.models.text_files import json_text, point_at
from training.panel import build_panel
from training.settings import ChurnSettings, TrainingSettings, ValueSettings

_SETTINGS = TrainingSettings(
    churn=ChurnSettings(window_days=30), value=ValueSettings(horizons_days=(30, 60)), num_threads=1
)


def golden_rows(bundle: Bundle) -> pd.DataFrame:
    """Made-up customers that the bundle knows its predictions of."""
    return pd.DataFrame(bundle.golden["rows"], columns=bundle.golden["columns"]).astype(np.float64)


def make_two(models: Path) -> tuple[str, str]:
    """Two versions, the first with trees; they differ in margin. The pointer names the first."""
    shop = simulate(ShopSettings(customers=300, days=400, seed=5))
    tables = tables_from_frames({"orders": shop.tables["orders"]}, currency="EUR")
    panel = anchored(build_panel(tables, shop.settings.end, (30, 60)))
    first = build_bundle(panel, _SETTINGS, evidence="ml")
    margin = replace(first.curve.margin, rate=first.curve.margin.rate / 2)
    second = replace(first, curve=replace(first.curve, margin=margin)).with_golden(golden_rows(first))
    versions = first.save(models).version, second.save(models).version
    point_at(models, POINTER, versions[0])
    return versions


def settings_of(models: Path) -> LiveSettings:
    return LiveSettings(models=models, store_url="sqlite://", currency="EUR")


def rehashed(models: Path, version: str, name: str, content: bytes) -> str:
    """A copy of a version with another file, whose hashes and name fit; gives its version."""
    manifest = json.loads((models / version / "manifest.json").read_bytes())
    manifest["files"][name] = hashlib.sha256(content).hexdigest()
    text = json_text(manifest).encode()
    made = hashlib.sha256(text).hexdigest()[:12]
    shutil.copytree(models / version, models / made)
    (models / made / name).write_bytes(content)
    (models / made / "manifest.json").write_bytes(text)
    return made
