"""Contracts as flat tables with a label: IBM Telco, basic and joined, by repeated cross-validation.

All learners meet the same five folds, five times over. Of the joined table the columns that are only known after
the fact are left out by name; that the leak guard finds the dangerous ones by itself is shown beside.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pandas as pd
from quality_figures import Comparison

from training.contracts.snapshot_judge import judge_learners
from training.contracts.snapshot_table import snapshot_table
from training.leaks import find_leaks
from training.meeting import OURS

__all__ = ["basic", "joined"]

# What a cancellation leaves behind, in words: status, category and reason say it outright.
_TOLD = ("Customer Status", "Churn Category", "Churn Reason")
# Scores that were given with the outcome in view.
_LEAKS = ("Satisfaction Score", "Churn Score")
_NAMES = {
    OURS: OURS,
    "base_rate": "base rate",
    "logistic_default": "logistic regression",
    "lightgbm_default": "LightGBM default",
}


def basic(data: Path, *, repeats: int = 5) -> dict[str, Any]:
    """Telco basic: 21 columns."""
    return _judge(pd.read_parquet(data / "telco_basic.parquet"), "Churn", (), repeats)


def joined(data: Path, *, repeats: int = 5) -> dict[str, Any]:
    """Telco joined: 40 columns, the leaks left out; ``leaks`` are the columns that the guard names by itself."""
    table = pd.read_parquet(data / "telco_joined.parquet")
    whole = snapshot_table(table, "Churn Value", drop=_TOLD)
    found = [leak.column for leak in find_leaks(whole.features, whole.left)]
    return _judge(table, "Churn Value", (*_TOLD, *_LEAKS), repeats) | {"leaks": found}


def _judge(table: pd.DataFrame, label: str, drop: tuple[str, ...], repeats: int) -> dict[str, Any]:
    began = time.perf_counter()
    judged = judge_learners(snapshot_table(table, label, drop=drop), repeats=repeats)
    if judged is None:
        raise RuntimeError(f"{label}: too few rows of one outcome to cross-validate")
    told = judged.to_json()
    figures = {"roc_auc": "AUC", "log_loss": "log loss", "calibration_error": "ECE", "brier": "Brier"}
    models = {
        _NAMES[m]: {new: values[old] for old, new in figures.items()} for m, values in told["models"].items()
    }
    intervals = {
        _NAMES[peer]: [_comparison(figures[name], values) for name, values in found.items()]
        for peer, found in told["against"].items()
    }
    return {
        "customers": [judged.rows],
        "models": models,
        "intervals": intervals,
        "absent": {},
        "seconds": time.perf_counter() - began,
    }


def _comparison(figure: str, values: list[float]) -> dict[str, Any]:
    return Comparison(figure, *values).to_json()
