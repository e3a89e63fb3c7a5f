"""From a panel to a bundle: the rung the data allow, its heads, and the frozen reference figures."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import cache
from typing import Literal

import numpy as np
import pandas as pd

from features.pipeline import FEATURES
from features.progress import Progress
from strategies.rfm_scores import RfmEdges
from strategies.settings import StrategySettings
from strategies.value_class import ValueCuts, value_axes
from training.fit import fit_head, follow_head
from training.head_kind import HeadKind
from training.intervals import fit_intervals
from training.learnable import lead_horizon, lead_of, shortfall
from training.models.anchor import Anchor
from training.models.anchor_parts import UsualCustomer
from training.models.bundle import Bundle
from training.models.curve import ValueCurve
from training.models.head import Head
from training.models.margin import Margin
from training.panel import Panel
from training.settings import TrainingSettings

__all__ = ["Evidence", "build_bundle", "evidence_for"]

Evidence = Literal["rule", "btyd", "ml"]
MIN_CUSTOMERS = 30
MIN_REPEATERS = 10
_GOLDEN_ROWS = 16


def evidence_for(panel: Panel, window_days: int) -> tuple[Evidence, str]:
    """The highest rung the panel can carry, and why not a higher one (empty at the top).

    ``ml`` needs a horizon up to the window that past days can teach (`training.learnable.lead_horizon`); ``btyd`` needs
    30 customers, 10 of them with a repeat purchase; ``rule`` is the closed form held to plain values, for anything
    less.
    """
    rows = panel.at(panel.as_of)
    repeaters = int((rows["frequency"] > 0).sum())
    if len(rows) < MIN_CUSTOMERS or repeaters < MIN_REPEATERS:
        need = f"at least {MIN_CUSTOMERS} customers and {MIN_REPEATERS} with a repeat purchase"
        return "rule", f"{len(rows)} customers, {repeaters} with a repeat purchase; fitting needs {need}"
    if lead_horizon(panel, "churn", window_days) is not None:
        return "ml", ""
    missing = shortfall(panel, HeadKind("churn", window_days))
    return "btyd", f"trees need more: {missing or 'no days to learn from before the latest labelled ones'}"


def build_bundle(
    panel: Panel,
    settings: TrainingSettings,
    *,
    evidence: Evidence,
    strategies: StrategySettings | None = None,
    without_trees: frozenset[HeadKind] = frozenset(),
    progress: Progress | None = None,
) -> Bundle:
    """Fits everything a prediction on ``panel.as_of`` needs.

    Parameters
    ----------
    panel : Panel
        From `training.fit.anchored`.
    settings : TrainingSettings
        Window, horizons, money rules, seed.
    evidence : {"rule", "btyd", "ml"}
        Rung to build; ``ml`` becomes ``btyd`` when no head's trees made the closed form better.
    strategies : StrategySettings, optional
        Cuts to freeze; the defaults without it.
    without_trees : frozenset of HeadKind
        Heads that stay closed form and level, because their trees lost on a past day.
    progress : callable, optional
        Told the stage and its share done.

    Returns
    -------
    Bundle
        Unsaved, with reference figures and golden rows.
    """
    rows = panel.at(panel.as_of)[["as_of", "customer_id", *FEATURES]]
    heads = _heads(panel, settings, without_trees, progress) if evidence == "ml" else {}
    # Levels and trees are told of MBG/NBD: only where there are none may the closed form be another.
    ridge = 1.0 if evidence == "rule" else 1e-3
    anchor = Anchor.fit(rows, ridge=ridge, alone=evidence == "btyd" and not heads)
    if evidence == "ml" and not any(head.learned for head in heads.values()):
        evidence = "btyd"
    value = settings.value
    curve = ValueCurve(
        value.horizons_days,
        Margin.fit(rows, value.margin_rate),
        value.discount_rate,
        value.lifetime_days,
        {k.horizon_days: h for k, h in heads.items() if k.name == "orders"},
        {k.horizon_days: h for k, h in heads.items() if k.name == "value"},
        fit_intervals(panel, anchor, value.horizons_days),
    )
    window = settings.churn.window_days
    churn = heads.get(HeadKind("churn", window), Head())
    bundle = Bundle(evidence, panel.as_of, window, anchor, churn, curve)
    bundle = replace(bundle, reference=_reference(bundle, rows, strategies or StrategySettings()))
    return bundle.with_golden(_golden_rows(rows, settings.seed))


def _heads(
    panel: Panel,
    settings: TrainingSettings,
    without_trees: frozenset[HeadKind],
    progress: Progress | None,
) -> dict[HeadKind, Head]:
    window, horizons = settings.churn.window_days, settings.value.horizons_days
    kinds = [HeadKind("churn", window), *(HeadKind(n, h) for h in horizons for n in ("orders", "value"))]
    leads = {kind: lead_of(panel, kind, window) for kind in kinds}
    grown = {leads[kind] for kind in kinds if kind not in without_trees}
    learning = list(dict.fromkeys(leads.values()))
    learned = dict[HeadKind, Head]()
    with ThreadPoolExecutor(settings.num_threads) as pool:
        fitted = pool.map(lambda k: fit_head(panel, k, settings, trees=k in grown), learning)
        for done, (kind, head) in enumerate(zip(learning, fitted, strict=True), start=1):
            learned[kind] = head or Head()
            if progress:
                progress(f"fitted {kind.name} {kind.horizon_days} d", done / len(learning))
    said = cache(lambda trees: trees.raw(panel.at(panel.as_of)))
    found = {}
    for kind, lead in leads.items():
        trees = Head() if kind in without_trees else learned[lead]
        found[kind] = trees if kind == lead and trees.learned else follow_head(panel, kind, trees, said)
    return found


def _reference(bundle: Bundle, rows: pd.DataFrame, strategies: StrategySettings) -> dict[str, object]:
    features = rows.drop(columns=["as_of", "customer_id"])
    predicted = bundle.predict(features, bundle.trained_as_of)
    grid = np.quantile(predicted["churn_probability"].to_numpy(np.float64), np.linspace(0.0, 1.0, 101))
    curve = bundle.curve
    axes = value_axes(features, predicted, margin_rate=curve.margin_rate)
    return {
        "churn_grid": [float(p) for p in grid],
        "value_cuts": ValueCuts.fit(axes, strategies).to_dict(),
        "rfm_edges": RfmEdges.fit(features).to_dict(),
        "usual_customer": UsualCustomer.of(features).to_json(),
        "customers": len(rows),
    }


def _golden_rows(rows: pd.DataFrame, seed: int) -> pd.DataFrame:
    """Made-up customers: every column drawn by itself between population deciles, then made consistent.

    The deciles are taken to two digits, so that they are nobody's own figures even in the smallest shop.
    """
    rng = np.random.default_rng(seed % 2**31)
    made = {}
    for name in FEATURES:
        known = rows[name].dropna().to_numpy(np.float64)
        deciles = np.quantile(known, [0.1, 0.9]) if known.size else (np.nan, np.nan)
        low, high = (float(f"{d:.2g}") for d in deciles)
        made[name] = np.round(low + (high - low) * rng.random(_GOLDEN_ROWS), 2)
    golden = pd.DataFrame(made)
    golden["frequency"] = np.floor(golden["frequency"])
    golden["purchase_days"] = golden["frequency"] + 1
    golden["T"] = np.ceil(golden["T"]) + golden["frequency"] + 1
    recency = np.maximum(np.minimum(golden["recency"], golden["T"]), golden["frequency"])
    golden["recency"] = np.where(golden["frequency"] > 0, recency, 0.0)
    golden["value_mean"] = golden["value_mean"].fillna(1.0).clip(lower=0.01)
    return golden
