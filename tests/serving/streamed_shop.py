"""A small shop with a model whose churn head has trees, and the features of its customers."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from functools import cache

import lightgbm
import numpy as np
import pyarrow as pa

from features.frames import tables_from_frames
from features.pipeline import FEATURES
from retain.shop import ShopSettings, simulate
from serving.scorer import Scorer
from strategies.settings import StrategySettings
from training.build import build_bundle
from training.fit import anchored
from training.models.bundle import Bundle
from training.models.head import Head
from training.models.trees import Trees
from training.panel import build_panel
from training.settings import ChurnSettings, TrainingSettings, ValueSettings

__all__ = ["CURRENCY", "DAY", "bundle_and_features", "scorer_of"]

_SHOP = ShopSettings(customers=260, days=420, seed=17)
DAY: date = _SHOP.end
CURRENCY = "EUR"


@cache
def bundle_and_features() -> tuple[Bundle, pa.Table]:
    """The model, and the features of everybody on `DAY`, by customer."""
    shop = simulate(_SHOP)
    tables = tables_from_frames(shop.tables, timezone=shop.settings.timezone, currency=CURRENCY)
    panel = anchored(build_panel(tables, DAY, (30, 90)))
    churn, value = ChurnSettings(window_days=90), ValueSettings(horizons_days=(30, 90))
    closed = build_bundle(panel, TrainingSettings(churn=churn, value=value), evidence="btyd")
    rows = panel.labelled(90, by=DAY)
    data = lightgbm.Dataset(
        rows[list(FEATURES)].to_numpy(float), np.sin(rows["T"] * 7), feature_name=list(FEATURES)
    )
    options = {"objective": "regression", "num_leaves": 15, "num_threads": 1, "verbosity": -1}
    trees = Trees(lightgbm.train(options, data, num_boost_round=20).model_to_string())
    bundle = replace(closed, evidence="ml", churn=Head(trees, closed.churn.level, 0.3, learned_days=90))
    return bundle, scorer_of(bundle).known(tables, DAY)


def scorer_of(bundle: Bundle) -> Scorer:
    """A scorer with the strategies of the textbook."""
    return Scorer(bundle, StrategySettings(), currency=CURRENCY)
