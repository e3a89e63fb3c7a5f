"""The five parts of the quality card, each from the qualities of all models over all meetings."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from training.card_texts import PARTS, Text, model_name, part_text
from training.empc import empc
from training.grades import (
    LEVEL_BARS,
    STABILITY_BARS,
    Estimate,
    by_bars,
    cap_calibration,
    cap_stability,
    estimate,
    ladder,
)
from training.meeting import OURS, Meeting
from training.metrics import log_loss, roc_auc
from training.profit import Campaign
from training.qualities import Qualities, calibration_excess, population_shift
from training.ranking import Floats

__all__ = ["Part", "card_parts"]


@dataclass(frozen=True)
class Part:
    """One part of the card.

    Parameters
    ----------
    name : str
        Key of `training.card_texts.PARTS`.
    grade : str or None
        A to E; None when it cannot be judged.
    models : dict of str to Estimate
        Quality of every model, 0 chance to 100 perfect; ours under `OURS`.
    skills : dict of str to Estimate
        Share of the way from each baseline to perfect that ours goes.
    details : dict
        Plain figures beside it.
    """

    name: str
    grade: str | None
    models: dict[str, Estimate]
    skills: dict[str, Estimate]
    details: dict[str, Any]

    @property
    def text(self) -> Text:
        """The verdict line in English and Chinese."""
        return part_text(self.name, self.models[OURS], self.skills)

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "name": self.name,
            "title": PARTS[self.name],
            "grade": self.grade,
            "text": self.text,
            "models": {name: {**_json(e), "title": model_name(name)} for name, e in self.models.items()},
            "skill": {name: _json(e) for name, e in self.skills.items()},
            "details": self.details,
        }


def card_parts(
    days: Sequence[Meeting], campaigns: Sequence[Campaign], found: Qualities, decay: Mapping[int, float]
) -> tuple[Part, ...]:
    """Profit, lift, calibration, level and stability of the judged model.

    Parameters
    ----------
    days : sequence of Meeting
        Oldest first.
    campaigns : sequence of Campaign
        Of the same days.
    found : Qualities
        Of the same days.
    decay : mapping of int to float
        Quality of the ranking by age of the model in churn windows; may be empty.
    """
    baselines = [name for name in found.found["lift"] if name != OURS]
    return (
        _profit(days, campaigns, found, baselines),
        _lift(days, found, baselines),
        _calibration(days, found, baselines),
        _level(days, found, baselines),
        _stability(days, found, decay),
    )


def _profit(
    days: Sequence[Meeting], campaigns: Sequence[Campaign], found: Qualities, baselines: Sequence[str]
) -> Part:
    models, skills = _compared(found, "profit", baselines)
    share = campaigns[0].settings.budget_share
    details = {
        "money_per_thousand": {
            OURS: _mean(c.money(c.score(m.forecasts[OURS])) for m, c in zip(days, campaigns, strict=True)),
            "random": _mean(share * 1000.0 * float(c.gain().mean()) for c in campaigns),
            "perfect": _mean(c.money(c.gain()) for c in campaigns),
        },
        "empc": {
            name: _mean(
                empc(m.churned, m.forecasts[name].churn_probability) for m in days if name in m.forecasts
            )
            for name in models
        },
    }
    return Part("profit", ladder(models[OURS], skills), models, skills, details)


def _lift(days: Sequence[Meeting], found: Qualities, baselines: Sequence[str]) -> Part:
    models, skills = _compared(found, "lift", baselines)
    details = {
        "auc": {
            name: _mean(
                roc_auc(m.churned, m.forecasts[name].churn_probability) for m in days if name in m.forecasts
            )
            for name in models
        },
        "top_tenth": {name: _json(estimate(found.mean("top_tenth", name))) for name in models},
    }
    return Part("lift", ladder(models[OURS], skills), models, skills, details)


def _calibration(days: Sequence[Meeting], found: Qualities, baselines: Sequence[str]) -> Part:
    models, skills = _compared(found, "calibration", baselines)
    errors = {}
    for name in models:
        pairs = [(m.churned, m.forecasts[name].churn_probability) for m in days if name in m.forecasts]
        told = [calibration_excess(y, p) for y, p in pairs]
        error, chance = (float(np.mean(column)) for column in zip(*told, strict=True))
        errors[name] = {
            "log_loss": _mean(log_loss(y, p) for y, p in pairs),
            "error": error,
            "by_chance": chance,
            "excess": max(0.0, error - chance),
        }
    grade = ladder(models[OURS], skills)
    limited = None if grade is None else cap_calibration(grade, errors[OURS]["excess"])
    return Part("calibration", limited, models, skills, errors)


def _level(days: Sequence[Meeting], found: Qualities, baselines: Sequence[str]) -> Part:
    models, skills = _compared(found, "level", baselines)
    ours = models[OURS]
    grade = by_bars(ours.low, LEVEL_BARS) if ours.known else None
    bias: dict[str, dict[str, float]] = {"value": {}, "orders": {}}
    for kind, horizons in bias.items():
        for horizon in sorted({h for m in days for h in getattr(m, kind)}):
            horizons[str(horizon)] = _mean(_bias(m, kind, horizon) for m in days)
    return Part("level", grade, models, skills, {"total_bias": bias})


def _bias(meeting: Meeting, kind: str, horizon: int) -> float:
    """Forecast total over actual total, less 1; nan where there is none."""
    came = getattr(meeting, kind).get(horizon)
    said = getattr(meeting.forecasts[OURS], f"expected_{kind}").get(horizon)
    if came is None or said is None or not came.sum() > 0:
        return np.nan
    return float(said.sum() / came.sum()) - 1.0


def _stability(days: Sequence[Meeting], found: Qualities, decay: Mapping[int, float]) -> Part:
    quality = estimate(_evenness(found.found["lift"][OURS]))
    scores = [m.forecasts[OURS].churn_probability for m in days]
    shift = _mean(population_shift(a, b) for a, b in itertools.pairwise(scores))
    first, last = decay.get(min(decay, default=0), np.nan), decay.get(max(decay, default=0), np.nan)
    kept = last / first if len(decay) > 1 and first > 0 else np.nan
    grade = None
    if quality.known:
        grade = cap_stability(by_bars(quality.low, STABILITY_BARS), shift, kept)
    details = {
        "population_shift": shift,
        "kept": kept,
        "decay": {str(k): v for k, v in sorted(decay.items())},
    }
    return Part("stability", grade, {OURS: quality}, {}, details)


def _evenness(lift: Floats) -> Floats:
    """100 · (1 − spread of the quality over days / its mean), the spread less what the draws explain.

    Notes
    -----
    With v the variance over days and s the mean over draws of the variance over days of (draw − figure), the
    spread is √(v − s); in a draw the noise is in v once more, and s is taken off twice.
    """
    known = lift[np.isfinite(lift[:, 0])]
    known = known[:, np.isfinite(known).all(axis=0)]
    if len(known) < 2 or known.shape[1] < 2:
        return np.full(2, np.nan)
    noise = float((known[:, 1:] - known[:, :1]).var(axis=0, ddof=1).mean())
    taken = np.append(noise, np.full(known.shape[1] - 1, 2 * noise))
    spread = np.sqrt(np.maximum(0.0, known.var(axis=0, ddof=1) - taken))
    mean = known.mean(axis=0)
    return np.where(
        mean > 0, np.clip(100.0 * (1.0 - spread / np.where(mean > 0, mean, 1.0)), 0.0, 100.0), 0.0
    )


def _compared(
    found: Qualities, name: str, baselines: Sequence[str]
) -> tuple[dict[str, Estimate], dict[str, Estimate]]:
    models = {model: estimate(found.mean(name, model)) for model in (OURS, *baselines)}
    skills = {baseline: estimate(found.skill(name, baseline)) for baseline in baselines}
    return models, skills


def _mean(values: Iterable[float]) -> float:
    """Mean of what is defined; nan where nothing is."""
    known = [float(v) for v in values if np.isfinite(v)]
    return float(np.mean(known)) if known else np.nan


def _json(e: Estimate) -> dict[str, float]:
    return {"figure": e.figure, "low": e.low, "high": e.high}
