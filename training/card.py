"""The quality card: how good a model is, in a grade that cannot be had by other means than being good.

Everything is judged on past days by what came (`training.meeting`), beside the baselines, with intervals over draws
of customers. ``docs/quality_card.md`` explains each part and how to read it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from training.card_bins import calibration_bins, coverage, gains_curves, profit_curves
from training.card_parts import Part, card_parts
from training.card_texts import CAPS, HEADLINES, SUSPICIONS, Text
from training.grades import CORE, Cap, overall
from training.meeting import OURS, Meeting
from training.meeting_checks import check_meetings
from training.profit import Campaign, value_horizon
from training.qualities import qualities
from training.settings import TrainingSettings
from training.suspicion import Suspicion, suspicions

__all__ = ["QualityCard", "quality_card"]

_FORMAT = 1
_DRAWS = 200


@dataclass(frozen=True)
class QualityCard:
    """The whole card.

    Parameters
    ----------
    grade : str
        A to E.
    parts : tuple of Part
        Profit, lift, calibration, level, stability.
    caps : tuple of Cap
        Limits that held the grade down.
    suspect : tuple of Suspicion
        Why the model may know the answer; empty for an honest one.
    meetings : list of dict
        The judged days: customers, churn rate, rung.
    campaign : dict
        What was taken for granted.
    coverage : list of dict
        Of the value intervals, by class; empty without intervals.
    pictures : dict
        Bins of the plots.
    """

    grade: str
    parts: tuple[Part, ...]
    caps: tuple[Cap, ...]
    suspect: tuple[Suspicion, ...]
    meetings: list[dict[str, Any]]
    campaign: dict[str, Any]
    coverage: list[dict[str, Any]]
    pictures: dict[str, Any]

    def to_json(self) -> dict[str, Any]:
        """Plain values for the bundle, MLflow and the page; NaN as None, no customer."""
        document: dict[str, Any] = _plain(
            {
                "format": _FORMAT,
                "grade": self.grade,
                "headline": HEADLINES[self.grade],
                "caps": [{"grade": c.grade, "reason": c.reason, "text": CAPS[c.reason]} for c in self.caps],
                "suspect": [{"reason": s.reason, "text": _suspicion_text(s)} for s in self.suspect],
                "parts": [part.to_json() for part in self.parts],
                "meetings": self.meetings,
                "campaign": self.campaign,
                "coverage": self.coverage,
                "pictures": self.pictures,
            }
        )
        return document


def quality_card(
    meetings: Sequence[Meeting],
    *,
    settings: TrainingSettings,
    seed: int,
    leaks: Sequence[str] = (),
    decay: Mapping[int, float] | None = None,
) -> QualityCard:
    """Judges a model on past days.

    Parameters
    ----------
    meetings : sequence of Meeting
        Past days with forecasts of ours and of the baselines; several, for an A.
    settings : TrainingSettings
        Its ``card`` section and margin rate.
    seed : int
        Of the draws of customers; the same seed gives the same card.
    leaks : sequence of str
        Columns that the leak guard has named, if any.
    decay : mapping of int to float, optional
        Quality of the ranking (0 to 100) of a model that is 0, 1, … churn windows old.

    Raises
    ------
    InputError
        When there is no meeting, ours is missing in one, or a forecast has gaps.
    """
    check_meetings(meetings)
    days = sorted(meetings, key=lambda m: m.day)
    horizon = value_horizon(days)
    campaigns = [Campaign(m, settings.card, settings.value.margin_rate, horizon) for m in days]
    found = qualities(days, campaigns, draws=_DRAWS, seed=seed)
    parts = card_parts(days, campaigns, found, decay or {})
    suspect = suspicions(days, found, horizon, leaks)
    shown = {part.name: part.models[OURS] for part in parts if part.name in CORE}
    grade, caps = overall({part.name: part.grade for part in parts}, shown, suspect=bool(suspect))
    return QualityCard(
        grade=grade,
        parts=parts,
        caps=caps,
        suspect=suspect,
        meetings=[_meeting_json(m) for m in days],
        campaign={
            **settings.card.model_dump(),
            "margin_rate": settings.value.margin_rate,
            "horizon_days": horizon,
            "window_days": days[0].window_days,
        },
        coverage=coverage(days),
        pictures={
            "calibration": calibration_bins(days),
            "gains": gains_curves(days),
            "profit": profit_curves(days, campaigns),
            "by_day": {name: lift[:, 0].tolist() for name, lift in found.found["lift"].items()},
        },
    )


def _meeting_json(meeting: Meeting) -> dict[str, Any]:
    return {
        "day": meeting.day.isoformat(),
        "customers": int(meeting.customer.size),
        "left_out": meeting.left_out,
        "churn_rate": float(meeting.churned.mean()),
        "evidence": meeting.evidence,
    }


def _suspicion_text(suspicion: Suspicion) -> Text:
    names = ", ".join(suspicion.names)
    return {
        k: v.format(figure=suspicion.figure, names=names) for k, v in SUSPICIONS[suspicion.reason].items()
    }


def _plain(values: Any) -> Any:
    """Six digits are more than the draws support, and the same on every machine."""
    if isinstance(values, dict):
        return {str(k): _plain(v) for k, v in values.items()}
    if isinstance(values, (list, tuple)):
        return [_plain(v) for v in values]
    if isinstance(values, float):
        return round(values, 6) if np.isfinite(values) else None
    return values
