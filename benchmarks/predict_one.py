"""How long one prediction takes in process, on one thread, beside LightGBM and scikit-learn on one row.

``python benchmarks/predict_one.py`` builds a simulated shop and a model whose every head has trees, and times all
calls in turn, round by round, so that a busy machine slows all of them alike. Times are processor time; the median
over rounds is printed, and how often LightGBM's own call on the churn trees would have fitted into it.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import lightgbm as lgb
import numpy as np
import numpy.typing as npt
from sklearn.ensemble import HistGradientBoostingClassifier

from features.load import tables_from_frames
from features.pipeline import FEATURES
from retain.shop import ShopSettings, simulate
from training.build import build_bundle
from training.fit import anchored
from training.head_kind import HeadKind
from training.models.anchor import Anchor
from training.models.bundle import Bundle
from training.models.head import Head, logit, sigmoid
from training.models.intervals import Outlook
from training.models.prepared import Prepared
from training.models.rows import Rows
from training.models.trees import Trees
from training.panel import Panel, build_panel
from training.settings import ChurnSettings, TrainingSettings, ValueSettings

__all__ = ["main"]

Floats = npt.NDArray[np.float64]
Call = Callable[[int], object]
HORIZONS, WINDOW, TREES = (30, 90, 180, 365), 90, 150
ROUNDS, CALLS, CUSTOMERS = 40, 50, 200
YARDSTICK = "LightGBM: Booster.predict, the churn trees alone"


def main() -> None:
    """Prints the table."""
    settings = ShopSettings(customers=1500, days=1100, seed=11)
    orders = {"orders": simulate(settings).tables["orders"]}
    tables = tables_from_frames(orders, timezone=settings.timezone, currency="EUR")
    panel = anchored(build_panel(tables, settings.end, HORIZONS))
    bundle = with_trees(panel)
    medians = measure({**peers(bundle, panel), **ours(bundle, panel)})
    width = max(map(len, medians))
    heads = 1 + len(bundle.curve.orders) + len(bundle.curve.value)
    print(f"{heads} heads of {TREES} trees, {len(FEATURES)} features, one thread\n")
    print(f"{'one row':{width}}  microseconds  times LightGBM")
    for name, median in medians.items():
        print(f"{name:{width}}  {median:12.1f}  {median / medians[YARDSTICK]:14.2f}")


def with_trees(panel: Panel) -> Bundle:
    """A bundle with trees on every head, whether or not they predict better: this is about time."""
    value = ValueSettings(horizons_days=HORIZONS)
    settings = TrainingSettings(churn=ChurnSettings(window_days=WINDOW), value=value, num_threads=1)
    bundle = build_bundle(panel, settings, evidence="btyd")
    orders, money = (
        dict.fromkeys(HORIZONS, grown_head(panel, HeadKind(name, WINDOW))) for name in ("orders", "value")
    )
    churn = grown_head(panel, HeadKind("churn", WINDOW))
    curve = replace(bundle.curve, orders=orders, value=money)
    anchor = Anchor.fit(panel.at(panel.as_of))
    return replace(bundle, evidence="ml", anchor=anchor, churn=churn, curve=curve)


def grown_head(panel: Panel, kind: HeadKind) -> Head:
    """Trees that all horizons follow."""
    return Head(trees=grown(panel, kind), learned_days=kind.horizon_days)


def columns(horizon_days: int) -> list[str]:
    """What the trees of a head look at."""
    closed = (f"btyd_{kind}_{horizon_days}" for kind in ("no_order", "orders", "value"))
    return [*FEATURES, "btyd_alive", "btyd_order_value", *closed]


def grown(panel: Panel, kind: HeadKind) -> Trees:
    """Trees of the usual size on top of the closed form."""
    rows = panel.labelled(kind.horizon_days, by=panel.as_of)
    names = columns(kind.horizon_days)
    data = lgb.Dataset(
        rows[names].to_numpy(np.float64),
        kind.target(rows),
        init_score=kind.closed_form(rows),
        feature_name=names,
    )
    options = {"learning_rate": 0.02, "num_leaves": 15, "min_data_in_leaf": 40, "seed": 1, "verbosity": -1}
    return Trees(lgb.train({**kind.loss, **options, "num_threads": 1}, data, TREES).model_to_string())


def peers(bundle: Bundle, panel: Panel) -> dict[str, Call]:
    """LightGBM and scikit-learn with the same columns at hand."""
    assert bundle.churn.trees is not None
    booster: Any = bundle.churn.trees.booster
    kind, names = HeadKind("churn", WINDOW), columns(WINDOW)
    past = panel.labelled(WINDOW, by=panel.as_of)
    model = HistGradientBoostingClassifier(max_iter=TREES, max_leaf_nodes=15, early_stopping=False)
    # A column without any value is none of scikit-learn's.
    filled = [name for name in names if past[name].notna().any()]
    model.fit(past[filled].to_numpy(np.float64), kind.target(past))
    ready, few = (one_each(panel.at(panel.as_of)[some].to_numpy(np.float64)) for some in (names, filled))
    return {
        YARDSTICK: lambda i: booster.predict(ready[i], raw_score=True, num_threads=1),
        "scikit-learn: HistGradientBoosting predict_proba": lambda i: model.predict_proba(few[i]),
    }


def ours(bundle: Bundle, panel: Panel) -> dict[str, Call]:
    """Retain, from the least that can be asked to everything."""
    day, intervals = panel.as_of, bundle.curve.intervals
    frame = panel.at(day)[list(FEATURES)].iloc[:CUSTOMERS].reset_index(drop=True)
    vectors, frames = list(frame.to_numpy(np.float64)), [frame.iloc[[i]] for i in range(len(frame))]
    known = panel.at(day)[columns(WINDOW)].to_numpy(np.float64)
    ready = [Rows(tuple(columns(WINDOW)), row) for row in one_each(known)]
    prepared = Prepared(bundle, day)
    figures = [prepared.predict(v) for v in vectors]
    looks = [outlooks(found) for found in figures]
    seen = [{name: row[name] for name in ("purchase_days", "value_mean")} for row in ready]

    def churn(row: Rows) -> Floats:
        return sigmoid(bundle.churn.raw(logit(row[f"btyd_no_order_{WINDOW}"]), row, day))

    def orders(i: int) -> object:
        return intervals.order_bounds(seen[i], HORIZONS, looks[i].purchases, looks[i].none)

    return {
        "Retain: churn probability, closed form at hand": lambda i: churn(ready[i]),
        "Retain: closed form of one horizon": lambda i: bundle.anchor.rows(ready[i], (WINDOW,)),
        "Retain: churn probability from the features": lambda i: prepared.churn_probability(vectors[i]),
        "Retain: bounds of the value, four horizons": lambda i: intervals.bounds(seen[i], HORIZONS, looks[i]),
        "Retain: bounds of the orders, four horizons": orders,
        f"Retain: all {len(figures[0])} figures": lambda i: prepared.predict(vectors[i]),
        "Retain: the same as a data frame of one row": lambda i: bundle.predict(frames[i], day),
    }


def one_each(matrix: Floats) -> list[Floats]:
    """Matrices of one row, of the first customers."""
    return [row[None, :] for row in matrix[:CUSTOMERS]]


def outlooks(found: dict[str, float]) -> Outlook:
    """What the bounds start from."""
    value, n = (
        np.array([[found[f"expected_{kind}_{h}d"]] for h in HORIZONS]) for kind in ("value", "orders")
    )
    return Outlook(value, n, np.exp(-n))


def measure(calls: dict[str, Call]) -> dict[str, float]:
    """Median time of each call, microseconds."""
    found: dict[str, list[float]] = {name: [] for name in calls}
    for turn in range(ROUNDS):
        for name, call in calls.items():
            call(turn)
            start = time.process_time()
            for i in range(CALLS):
                call((turn * CALLS + i) % CUSTOMERS)
            found[name].append((time.process_time() - start) / CALLS)
    return {name: 1e6 * float(np.median(times)) for name, times in found.items()}


if __name__ == "__main__":
    main()
