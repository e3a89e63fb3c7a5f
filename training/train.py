"""One training run: panel, rung, judgement out of time, bundle, and the verdict against the champion."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

import numpy as np
import pandas as pd

from features.errors import ModelError
from features.tables import Tables
from strategies.settings import StrategySettings
from training.backtest import OURS, CutOff, judge, latest_cut_off
from training.build import Evidence, build_bundle, evidence_for
from training.fit import anchored
from training.head_kind import HeadKind
from training.levels import realised_error
from training.metrics import log_loss
from training.models.bundle import Bundle
from training.models.head import logit, sigmoid
from training.panel import Panel, build_panel
from training.settings import TrainingSettings

__all__ = ["Trained", "Verdict", "challenge", "train"]

Progress = Callable[[str, float], None]
_TOLERANCE = 0.002


@dataclass(frozen=True)
class Verdict:
    """Whether a new model takes the champion's place, and why, in both languages."""

    promote: bool
    en: str
    zh: str


@dataclass(frozen=True)
class Trained:
    """What one run made.

    Parameters
    ----------
    bundle : Bundle
        Unsaved.
    panel : Panel
        The panel it was fitted on, kept for the challenge.
    judged : CutOff or None
        Out-of-time judgement at the latest labelled cut-off; None when there is no such day.
    notes : tuple of str
        What the user should know: the rung and why not a higher one, no judgement, sampling.
    """

    bundle: Bundle
    panel: Panel
    judged: CutOff | None
    notes: tuple[str, ...]


def train(
    tables: Tables,
    as_of: date,
    settings: TrainingSettings,
    strategies: StrategySettings | None = None,
    *,
    progress: Progress | None = None,
) -> Trained:
    """Trains on everything known before `as_of`.

    Parameters
    ----------
    tables : Tables
        Loaded tables.
    as_of : date
        Nothing at or after this day is used.
    settings : TrainingSettings
        Window, horizons, money rules, seed.
    strategies : StrategySettings, optional
        Cuts frozen into the bundle.
    progress : callable, optional
        Told the stage and its share done.

    Raises
    ------
    NotEnoughData
        When no order lies before `as_of`, or none with a positive amount.
    """
    tell = progress or _silent
    window = settings.churn.window_days
    tell("building the panel", 0.0)
    panel = anchored(build_panel(tables, as_of, sorted({window, *settings.value.horizons_days})))
    evidence, why = evidence_for(panel, window)
    notes = [f"evidence {evidence}: {why}"] if why else []
    judged, evidence, notes_judged = _judged(panel, settings, evidence, _part(tell, 0.1, 0.5))
    bundle = build_bundle(
        panel, settings, evidence=evidence, strategies=strategies, progress=_part(tell, 0.5, 0.95)
    )
    card = _card(panel, settings, judged)
    tell("done", 1.0)
    return Trained(replace(bundle, card=card), panel, judged, (*notes, *notes_judged))


def challenge(trained: Trained, champion: Bundle | None, settings: TrainingSettings) -> Verdict:
    """Whether the new model replaces the champion: judged on the same customers and days, by log loss.

    A champion that was trained later than the judged day has seen part of the answer; it is compared by the
    figure on its own card, at the same cut-off, when there is one.
    """
    if champion is None:
        return Verdict(promote=True, en="the first model", zh="首个模型")
    if champion.window_days != settings.churn.window_days:
        return Verdict(promote=True, en="the churn window changed", zh="流失窗口已变更")
    if trained.judged is None:
        return Verdict(
            promote=True, en="no past day to judge on; newer data win", zh="无可回测日期,以新数据为准"
        )
    ours = trained.judged.models[OURS]["churn"]["log_loss"]
    theirs = _champion_loss(trained, champion, settings)
    if theirs is None or np.isnan(theirs) or np.isnan(ours):
        return Verdict(
            promote=True, en="the champion cannot be judged on the same day", zh="现任模型无法在同日评估"
        )
    better = bool(ours <= theirs + _TOLERANCE)
    return Verdict(
        promote=better,
        en=f"log loss {ours:.4f} against the champion's {theirs:.4f} at {trained.judged.day.isoformat()}",
        zh=f"{trained.judged.day.isoformat()} 对数损失 {ours:.4f},现任模型 {theirs:.4f}",
    )


def _champion_loss(trained: Trained, champion: Bundle, settings: TrainingSettings) -> float | None:
    judged = trained.judged
    if judged is None:
        return None
    if champion.trained_as_of >= trained.panel.as_of:
        card = champion.card.get("judged") or {}
        same = card.get("cut_off") == judged.day.isoformat()
        return card["models"][OURS]["churn"]["log_loss"] if same else None
    try:
        again = judge(trained.panel, champion, judged.day, settings)
    except (ModelError, KeyError):
        return None
    return float(again.models[OURS]["churn"]["log_loss"])


def _judged(
    panel: Panel, settings: TrainingSettings, evidence: Evidence, tell: Progress
) -> tuple[CutOff | None, Evidence, list[str]]:
    """Judges the rung on the latest labelled day; trees that lose to the closed form are not used.

    The two are compared with the level taken out of both: the level of one day is the season's doing, and the
    level curve has a back-test of its own.
    """
    window = settings.churn.window_days
    day = latest_cut_off(panel, window)
    if day is None:
        return None, evidence, [f"no past day has {window} days after it: the model is not judged yet"]
    known = panel.before(day)
    rung: Evidence = evidence_for(known, window)[0] if evidence == "ml" else evidence
    judged = judge(panel, build_bundle(known, settings, evidence=rung, progress=tell), day, settings)
    if evidence != "ml":
        return judged, evidence, []
    if rung != "ml":
        return (
            judged,
            evidence,
            [f"trees could not be judged at {day.isoformat()}: too little history before it"],
        )
    below = judge(panel, build_bundle(known, settings, evidence="btyd"), day, settings)
    ours, theirs = (_levelled_log_loss(c, window) for c in (judged, below))
    if ours <= theirs + _TOLERANCE:
        return judged, "ml", []
    lost = f"trees lost to the closed form at {day.isoformat()} (levelled log loss {ours:.4f} > {theirs:.4f})"
    return below, "btyd", [f"evidence btyd: {lost}"]


def _levelled_log_loss(judged: CutOff, window: int) -> float:
    score = logit(np.clip(judged.probability, 1e-12, 1.0 - 1e-12))
    error = realised_error(HeadKind("churn", window), score, judged.churned)
    return log_loss(judged.churned, sigmoid(score + error))


def _card(panel: Panel, settings: TrainingSettings, judged: CutOff | None) -> dict[str, Any]:
    return {
        "as_of": panel.as_of.isoformat(),
        "first_day": panel.first_day.isoformat(),
        "snapshots": len(panel.days),
        "rows": len(panel.frame),
        "sampled": panel.sampled,
        "data_hash": _data_hash(panel.frame),
        "settings": settings.model_dump(mode="json", exclude={"num_threads"}),
        "judged": None if judged is None else judged.to_json(),
    }


def _data_hash(frame: pd.DataFrame) -> str:
    """Hash of the whole panel: same rows, same hash; it tells nothing about any customer."""
    rows = pd.util.hash_pandas_object(frame, index=False).to_numpy(np.uint64)
    return hashlib.sha256(rows.tobytes()).hexdigest()


def _silent(stage: str, share: float) -> None:
    """Progress that nobody watches."""


def _part(tell: Progress, low: float, high: float) -> Progress:
    return lambda stage, share: tell(stage, low + (high - low) * share)
