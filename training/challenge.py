"""The challenge: whether a new model takes the champion's place."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from training.gate import wins
from training.meeting import OURS, Forecast, Meeting
from training.models.bundle import Bundle
from training.settings import TrainingSettings

if TYPE_CHECKING:
    from training.train import Trained

__all__ = ["Verdict", "challenge"]

_CHAMPION = "champion"
_RULE = "recency_rule"
# Two cards cannot be compared customer by customer: this much is taken for noise.
_TOLERANCE = 0.002
_SKILL_TOLERANCE = 0.02


@dataclass(frozen=True)
class Verdict:
    """Whether a new model takes the champion's place, and why, in both languages."""

    promote: bool
    en: str
    zh: str


def challenge(trained: Trained, champion: Bundle | None, settings: TrainingSettings) -> Verdict:
    """Whether the new model replaces the champion, by log loss out of time.

    A champion trained by the judged day predicts that day and meets the same outcomes: it stays only when it is
    better by more than one standard error over customers. One trained later has seen part of the answer; it is
    compared by its own card: at the same cut-off by log loss, at another one by log loss as a share of the recency
    rule's there.
    """
    if champion is None:
        return Verdict(promote=True, en="no champion to compare with", zh="没有可比较的现任模型")
    if champion.window_days != settings.churn.window_days:
        return Verdict(promote=True, en="the churn window changed", zh="流失窗口已变更")
    if trained.judged is None:
        return Verdict(
            promote=True, en="no past day to judge on; newer data win", zh="无可回测日期,以新数据为准"
        )
    if champion.trained_as_of <= trained.judged.day:
        return _face_to_face(trained, trained.judged.meeting, champion)
    return _by_card(trained, champion)


def _face_to_face(trained: Trained, meeting: Meeting, champion: Bundle) -> Verdict:
    """Both on the same customers of the same day."""
    now = trained.panel.at(meeting.day)
    theirs = champion.predict(now, meeting.day)["churn_probability"].to_numpy(np.float64)
    both = replace(meeting, forecasts={**meeting.forecasts, _CHAMPION: Forecast(theirs, {}, {})})
    found = wins([both], OURS, _CHAMPION)
    day, said = meeting.day.isoformat(), f"{found.difference:+.4f} ± {found.se:.4f}"
    return Verdict(
        promote=not found.worse,
        en=f"log loss {said} against the champion's on the same {found.customers} customers of {day}",
        zh=f"{day} 同一批 {found.customers} 位客户,对数损失与现任模型之差 {said}",
    )


def _by_card(trained: Trained, champion: Bundle) -> Verdict:
    judged = trained.judged
    theirs = champion.card.get("judged") or {}
    if judged is None:
        raise ValueError("a model that was not judged has no figures to compare")
    same = theirs.get("cut_off") == judged.day.isoformat()
    pair = [_log_loss(models, OURS) for models in (judged.models, theirs.get("models", {}))]
    if not same:
        rules = [_log_loss(models, _RULE) for models in (judged.models, theirs.get("models", {}))]
        pair = [loss / rule for loss, rule in zip(pair, rules, strict=True)]
    if not np.isfinite(pair).all():
        return Verdict(
            promote=True, en="the champion cannot be judged on the same day", zh="现任模型无法在同日评估"
        )
    en, zh = (
        ("log loss", "对数损失")
        if same
        else ("share of the recency rule's log loss", "对数损失与近期规则之比")
    )
    day = judged.day.isoformat()
    return Verdict(
        promote=bool(pair[0] <= pair[1] + (_TOLERANCE if same else _SKILL_TOLERANCE)),
        en=f"{en} {pair[0]:.4f} against the champion's {pair[1]:.4f} at {day}",
        zh=f"{day} {zh} {pair[0]:.4f},现任模型 {pair[1]:.4f}",
    )


def _log_loss(models: dict[str, Any], name: str) -> float:
    """Log loss of a model in the figures of a cut-off; NaN where it has none."""
    found = models.get(name, {}).get("churn", {}).get("log_loss")
    return np.nan if found is None else float(found)
