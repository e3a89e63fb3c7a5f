"""Shops and models that several tests of the training room share."""

from __future__ import annotations

from pathlib import Path

import pytest

from features.load import tables_from_frames
from features.tables import Tables
from retain.shop import Shop, ShopSettings, simulate
from tests.training.small_shops import SETTINGS, telling
from training.build import build_bundle
from training.fit import anchored
from training.models.bundle import Bundle
from training.panel import Panel, build_panel


@pytest.fixture(scope="session")
def demo() -> Shop:
    """A simulated shop of 600 customers over two years, with every table, late arrivals and telling prices."""
    return telling(simulate(ShopSettings(customers=600, days=730, seed=5, late_share=0.2)))


@pytest.fixture(scope="session")
def demo_tables(demo: Shop) -> Tables:
    return tables_from_frames(demo.tables, timezone=demo.settings.timezone, currency="EUR")


@pytest.fixture(scope="session")
def demo_panel(demo: Shop, demo_tables: Tables) -> Panel:
    return anchored(build_panel(demo_tables, demo.settings.end, (30, 60, 365)))


@pytest.fixture(scope="session")
def demo_bundle(demo_panel: Panel) -> Bundle:
    """Trees wherever they made the closed form better."""
    return build_bundle(demo_panel, SETTINGS, evidence="ml")


@pytest.fixture(scope="session")
def saved(demo_bundle: Bundle, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of the saved bundle."""
    models = tmp_path_factory.mktemp("models")
    return models / demo_bundle.save(models).version
