"""One training run: panel, rung, judgement out of time, bundle, and the verdict against the champion."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from features.tables import Tables
from strategies.settings import StrategySettings
from training.backtest import CutOff, judge, latest_cut_off
from training.build import Evidence, build_bundle, evidence_for
from training.fit import anchored, shortfall
from training.head_kind import HeadKind
from training.leaks import check_panel
from training.levels import realised_error
from training.meeting import OURS
from training.metrics import log_loss
from training.models.bundle import Bundle
from training.models.head import logit, sigmoid
from training.panel import Panel, build_panel
from training.settings import TrainingSettings

__all__ = ["Trained", "Verdict", "challenge", "train"]

Progress = Callable[[str, float], None]
_TOLERANCE = 0.002
_SKILL_TOLERANCE = 0.02
_RULE = "recency_rule"
Floats = npt.NDArray[np.float64]


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
    check_panel(panel, window, allow=settings.churn.allow_columns)
    evidence, why = evidence_for(panel, window)
    notes = [*_of_panel(panel, window), *([f"evidence {evidence}: {why}"] if why else [])]
    judged, evidence, notes_judged = _judged(panel, settings, evidence, _part(tell, 0.1, 0.5))
    bundle = build_bundle(
        panel, settings, evidence=evidence, strategies=strategies, progress=_part(tell, 0.5, 0.95)
    )
    card = _card(panel, settings, judged)
    tell("done", 1.0)
    notes += notes_judged + _untaught(bundle, panel)
    if bundle.evidence != evidence:
        notes.append("evidence btyd: no trees made the closed form better on the latest labelled day")
    return Trained(replace(bundle, card=card), panel, judged, tuple(notes))


def _of_panel(panel: Panel, window: int) -> list[str]:
    """What the user should know about the data themselves."""
    notes = []
    if panel.sampled < 1.0:
        notes.append(f"the model learns from {panel.sampled:.0%} of the customers; all of them are scored")
    quiet = int(panel.at(panel.as_of)["days_since_last"].min())
    if quiet > window:
        notes.append(
            f"no order in the last {quiet} days before {panel.as_of.isoformat()}, so everybody looks lost: "
            "load newer orders or choose an earlier --as-of"
        )
    return notes


def _untaught(bundle: Bundle, panel: Panel) -> list[str]:
    """Horizons of a learned bundle that rest on the closed form, and what they lack."""
    found: dict[str, list[str]] = {}
    for h in bundle.curve.horizons_days if bundle.evidence == "ml" else ():
        for name, heads in (("orders", bundle.curve.orders), ("value", bundle.curve.value)):
            if h not in heads:
                found.setdefault(shortfall(panel, HeadKind(name, h)), []).append(f"{name} {h} d")
    return [f"closed form for {', '.join(names)}: {why}" for why, names in found.items()]


def challenge(trained: Trained, champion: Bundle | None, settings: TrainingSettings) -> Verdict:
    """Whether the new model replaces the champion, by log loss out of time.

    A champion trained by the judged day predicts that day and meets the same outcomes. One trained later has
    seen part of the answer; it is compared by its own card: at the same cut-off by log loss, at another one
    by log loss as a share of the recency rule's there.
    """
    if champion is None:
        return Verdict(promote=True, en="no champion to compare with", zh="没有可比较的现任模型")
    if champion.window_days != settings.churn.window_days:
        return Verdict(promote=True, en="the churn window changed", zh="流失窗口已变更")
    if trained.judged is None:
        return Verdict(
            promote=True, en="no past day to judge on; newer data win", zh="无可回测日期,以新数据为准"
        )
    compared = _compared(trained, champion)
    if compared is None:
        return Verdict(
            promote=True, en="the champion cannot be judged on the same day", zh="现任模型无法在同日评估"
        )
    ours, theirs, share = compared
    day = trained.judged.day.isoformat()
    en, zh = (
        ("share of the recency rule's log loss", "对数损失与近期规则之比")
        if share
        else ("log loss", "对数损失")
    )
    return Verdict(
        promote=bool(ours <= theirs + (_SKILL_TOLERANCE if share else _TOLERANCE)),
        en=f"{en} {ours:.4f} against the champion's {theirs:.4f} at {day}",
        zh=f"{day} {zh} {ours:.4f},现任模型 {theirs:.4f}",
    )


def _compared(trained: Trained, champion: Bundle) -> tuple[float, float, bool] | None:
    """Our figure, the champion's, and whether they are shares of the recency rule's; None without one."""
    judged = trained.judged
    if judged is None:
        return None
    ours = _log_loss(judged.models, OURS)
    rule = _log_loss(judged.models, _RULE)
    if champion.trained_as_of <= judged.day:
        now = trained.panel.at(judged.day)
        probability = champion.predict(now, judged.day)["churn_probability"]
        return _pair(ours, log_loss(judged.churned, probability), share=False)
    card = champion.card.get("judged") or {}
    theirs = _log_loss(card.get("models", {}), OURS)
    if card.get("cut_off") == judged.day.isoformat():
        return _pair(ours, theirs, share=False)
    return _pair(ours / rule, theirs / _log_loss(card.get("models", {}), _RULE), share=True)


def _pair(ours: float, theirs: float, *, share: bool) -> tuple[float, float, bool] | None:
    return (ours, theirs, share) if np.isfinite([ours, theirs]).all() else None


def _log_loss(models: dict[str, Any], name: str) -> float:
    """Log loss of a model in the figures of a cut-off; NaN where it has none."""
    found = models.get(name, {}).get("churn", {}).get("log_loss")
    return np.nan if found is None else float(found)


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
    bundle = build_bundle(known, settings, evidence=rung, progress=tell)
    judged = judge(panel, bundle, day, settings, known=known)
    if evidence != "ml":
        return judged, evidence, []
    if rung != "ml":
        return (
            judged,
            evidence,
            [f"trees could not be judged at {day.isoformat()}: too little history before it"],
        )
    below = build_bundle(known, settings, evidence="btyd")
    plain = below.predict(panel.at(day), day)["churn_probability"].to_numpy(np.float64)
    ours, theirs = (_levelled_log_loss(judged.churned, p, window) for p in (judged.probability, plain))
    if ours <= theirs + _TOLERANCE:
        return judged, "ml", []
    lost = f"trees lost to the closed form at {day.isoformat()} (levelled log loss {ours:.4f} > {theirs:.4f})"
    return judge(panel, below, day, settings, known=known), "btyd", [f"evidence btyd: {lost}"]


def _levelled_log_loss(churned: Floats, probability: Floats, window: int) -> float:
    score = logit(np.clip(probability, 1e-12, 1.0 - 1e-12))
    return log_loss(churned, sigmoid(score + realised_error(HeadKind("churn", window), score, churned)))


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
