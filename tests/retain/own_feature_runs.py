"""A small shop with features of its own, and what a process of its own does with them.

`main` is for a fresh process that has read the configuration before it imports this: features are fixed once in each.
"""

from __future__ import annotations

import json
import re
import sys
from dataclasses import replace
from datetime import date
from pathlib import Path

import lightgbm
import numpy as np
import pyarrow.csv as pacsv

from features.load import load
from features.pipeline import FEATURES
from features.plan import fetch_features
from features.rfm import buyers
from retain.config import Project, load_config
from retain.shop import ShopSettings, simulate
from tests.retain.command_runs import retain
from training.build import build_bundle
from training.fit import anchored
from training.models.bundle import POINTER, Bundle
from training.models.head import Head
from training.models.level import LevelCurve
from training.models.text_files import point_at
from training.models.trees import Trees
from training.panel import Panel, build_panel

DAY = date(2024, 1, 15)
CONFIG = f"""
[features]
folder = "my_features"

[data]
timezone = "Europe/Berlin"
currency = "EUR"

[data.orders]
path = "orders.csv"

[data.interactions]
path = "interactions.csv"

[churn]
window_days = 45

[value]
horizons_days = [45]

[run]
as_of = "{DAY.isoformat()}"
"""
GUIDE = Path(__file__).resolve().parents[2] / "docs" / "guide_data_scientists.md"
INBOUND = """
from features.family import ColumnDoc, Family, nothing

DOCS = (ColumnDoc("inbound_90d", "Calls from the customer", "客户来电", "contacts", "90 days", "rows", "interactions"),)

def measures(events):
    known = (events.direction == "inbound") & (events.age <= 90)
    return {"inbound_90d": known.cast("int64").sum()}

FAMILY = Family("interactions", DOCS, measures, fill=("inbound_90d",), group="contacts")
"""
# Keeps every law but one: its formula does not say where it is missing.
UNSAID = """
from features.exact import ratio
from features.family import ColumnDoc, Family, nothing

DOCS = (ColumnDoc("early_per_call", "Share early by calls", "上旬占比与来电之比", "ratio", "all", "share / calls"),)
FAMILY = Family("all", DOCS, nothing, lambda t: {"early_per_call": ratio(t.month_start_share, t.inbound_90d)})
"""
FILES = {"inbound.py": INBOUND, "unsaid.py": UNSAID}
NAMES = ("inbound_90d", "month_start_share", "early_per_call")


def write_shop(folder: Path) -> None:
    """Files of the shop, its configuration and its features."""
    made = simulate(ShopSettings(customers=150, days=400, seed=11)).tables
    for name in ("orders", "interactions"):
        pacsv.write_csv(made[name], folder / f"{name}.csv")
    (folder / "retain.toml").write_text(CONFIG, encoding="utf-8")
    (folder / "my_features").mkdir()
    for name, text in {"month_start.py": of_the_guide(), **FILES}.items():
        (folder / "my_features" / name).write_text(text, encoding="utf-8")


def of_the_guide() -> str:
    """The file that the guide shows."""
    (found,) = re.findall(
        r"^```python run\n([^`]*^FAMILY = [^`]*)^```$", GUIDE.read_text(encoding="utf-8"), re.M
    )
    return str(found)


def made_model(project: Project) -> Bundle:
    """A model with trees on all features for churn, whether they are any good or not, saved."""
    settings = project.config.training
    panel = anchored(build_panel(load(project.config.data, base=project.base).tables, DAY, [45]))
    closed = build_bundle(panel, settings, evidence="btyd", strategies=project.strategies)
    made = replace(closed, evidence="ml", churn=_grown(panel))
    rows = panel.at(DAY)[list(FEATURES)].tail(5).reset_index(drop=True)
    project.models_dir.mkdir(parents=True, exist_ok=True)
    return made.with_golden(rows).save(project.models_dir)


def risks(project: Project, bundle: Bundle) -> dict[str, str]:
    """Churn probability of each customer in bits."""
    rows = fetch_features(load(project.config.data, base=project.base).tables, [DAY]).to_pandas()
    found = bundle.predict(buyers(rows), DAY)["churn_probability"]
    return {name: float(p).hex() for name, p in zip(buyers(rows)["customer_id"], found, strict=True)}


def _grown(panel: Panel) -> Head:
    rows = panel.labelled(45, by=DAY)
    columns = [*FEATURES, "btyd_no_order_45"]
    target = np.sin(rows["T"] * 45) + sum(rows[name].fillna(0.3) for name in FEATURES[-len(NAMES) :])
    data = lightgbm.Dataset(rows[columns].to_numpy(float), target, feature_name=columns)
    options = {"objective": "regression", "num_leaves": 7, "num_threads": 1, "verbosity": -1}
    trees = lightgbm.train(options, data, num_boost_round=30)
    level = LevelCurve((date(2023, 6, 2),), (0.1,), weight=1.0)
    return Head(Trees(trees.model_to_string()), level, 0.3, learned_days=45)


def main(folder: Path) -> None:
    """Train, score, tell and test; what came of it as one JSON document."""
    config = folder / "retain.toml"
    project = load_config(config)
    earlier = Bundle.load(project.models_dir / (folder / "earlier").read_text())
    earlier.check_golden()
    bundle = made_model(project)
    point_at(project.models_dir, POINTER, bundle.version)
    words = ("-c", config, "--quiet")
    scored = retain("score", *words, "--out", folder / "list.parquet")
    told = retain("features", *words, "--out", folder / "features.parquet")
    listed, tested = (retain("features", *words, asked, "--json") for asked in ("--catalogue", "--test"))
    document = {
        "features": list(FEATURES),
        "earlier": risks(project, earlier),
        "codes": [scored.code, told.code, listed.code, tested.code],
        "said": scored.err + told.err + listed.err + tested.err,
        "catalogue": listed.document["columns"],
        "test": tested.document,
    }
    sys.stdout.write(json.dumps(document))
