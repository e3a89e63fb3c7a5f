"""The challenge: whether a new model takes the champion's place."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date
from typing import TYPE_CHECKING, Any

import numpy as np

from training.gate import Decision, wins
from training.meet import judged_rows
from training.meeting import OURS, Forecast, Meeting
from training.models.bundle import Bundle
from training.settings import TrainingSettings

if TYPE_CHECKING:
    from training.train import Trained

__all__ = [
    "NOBODY",
    "NOT_COMPARABLE",
    "NOT_JUDGED",
    "WINDOW_CHANGED",
    "Losses",
    "Verdict",
    "by_card",
    "by_customer",
    "challenge",
]

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


@dataclass(frozen=True)
class Losses:
    """Log loss of a model and of the yardstick beside it; nan where there is none."""

    model: float
    yardstick: float

    @property
    def share(self) -> float:
        """The model's as a share of the yardstick's; nan where the yardstick loses nothing."""
        return self.model / self.yardstick if self.yardstick > 0 else np.nan


NOBODY = Verdict(promote=True, en="no champion to compare with", zh="没有可比较的现任模型")
WINDOW_CHANGED = Verdict(promote=True, en="the churn window changed", zh="流失窗口已变更")
NOT_JUDGED = Verdict(
    promote=True, en="no past day to judge on; newer data win", zh="无可回测日期,以新数据为准"
)
NOT_COMPARABLE = Verdict(
    promote=True, en="the champion cannot be judged on the same data", zh="现任模型无法在同样数据上评估"
)


def challenge(trained: Trained, champion: Bundle | None, settings: TrainingSettings) -> Verdict:
    """Whether the new model replaces the champion, by log loss out of time.

    A champion trained by the judged day predicts that day and meets the same outcomes: it stays only when it is
    better by more than one standard error over customers. One trained later has seen part of the answer; it is
    compared by its own card: at the same cut-off by log loss, at another one by log loss as a share of the recency
    rule's there.
    """
    judged = trained.judged
    if champion is None:
        return NOBODY
    if champion.window_days != settings.churn.window_days:
        return WINDOW_CHANGED
    if judged is None:
        return NOT_JUDGED
    if champion.trained_as_of <= judged.day:
        return _face_to_face(trained, judged.meeting, champion)
    theirs = champion.card.get("judged") or {}
    pair = [
        Losses(_log_loss(models, OURS), _log_loss(models, _RULE))
        for models in (judged.models, theirs.get("models", {}))
    ]
    day = judged.day.isoformat()
    return by_card(*pair, same=theirs.get("cut_off") == day, at=day, rule=("recency rule", "近期规则"))


def by_customer(found: Decision, day: date) -> Verdict:
    """The verdict over customers of one day that both have predicted without having learned from it.

    The champion stays only when it is better by more than one standard error.
    """
    said, on = f"{found.difference:+.4f} ± {found.se:.4f}", day.isoformat()
    return Verdict(
        promote=not found.worse,
        en=f"log loss {said} against the champion's on the same {found.customers} customers of {on}",
        zh=f"{on} 同一批 {found.customers} 位客户,对数损失与现任模型之差 {said}",
    )


def by_card(ours: Losses, theirs: Losses, *, same: bool, at: str, rule: tuple[str, str]) -> Verdict:
    """The verdict over two judgements, each by its own run.

    Parameters
    ----------
    ours, theirs : Losses
        Of the new model and of the champion.
    same : bool
        Both were judged on the same rows: log losses are compared, else their shares of the yardstick's.
    at : str
        Where the new model was judged.
    rule : tuple of str
        What the yardstick is called, in English and Chinese.

    Examples
    --------
    >>> by_card(Losses(0.4, 0.5), Losses(0.2, 0.5), same=True, at="2025-01-01", rule=("", "")).en
    "log loss 0.4000 against the champion's 0.2000 at 2025-01-01"
    """
    new, old = (ours.model, theirs.model) if same else (ours.share, theirs.share)
    if not np.isfinite([new, old]).all():
        return NOT_COMPARABLE
    en, zh = ("log loss", "对数损失")
    if not same:
        en, zh = f"share of the {rule[0]}'s log loss", f"对数损失与{rule[1]}之比"
    return Verdict(
        promote=bool(new <= old + (_TOLERANCE if same else _SKILL_TOLERANCE)),
        en=f"{en} {new:.4f} against the champion's {old:.4f} at {at}",
        zh=f"{at} {zh} {new:.4f},现任模型 {old:.4f}",
    )


def _face_to_face(trained: Trained, meeting: Meeting, champion: Bundle) -> Verdict:
    """Both on the same customers of the same day."""
    now = judged_rows(trained.panel, meeting.day, meeting.window_days)
    theirs = champion.predict(now, meeting.day)["churn_probability"].to_numpy(np.float64)
    both = replace(meeting, forecasts={**meeting.forecasts, _CHAMPION: Forecast(theirs, {}, {})})
    return by_customer(wins([both], OURS, _CHAMPION), meeting.day)


def _log_loss(models: dict[str, Any], name: str) -> float:
    """Log loss of a model in the figures of a cut-off; NaN where it has none."""
    found = models.get(name, {}).get("churn", {}).get("log_loss")
    return np.nan if found is None else float(found)
