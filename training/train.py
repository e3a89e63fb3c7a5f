"""One training run: panel, rung, judgement out of time, quality card, bundle."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Any

from features.progress import Progress, part_of, silent
from features.tables import Tables
from strategies.settings import StrategySettings
from training.backtest import CutOff, judge, latest_cut_off
from training.build import Evidence, build_bundle, evidence_for
from training.card import quality_card
from training.data_hash import data_hash
from training.fit import anchored
from training.gate import Decision
from training.head_kind import HeadKind
from training.leaks import check_panel
from training.learnable import lead_of, shortfall
from training.meet import meet
from training.meeting import Meeting
from training.models.bundle import Bundle
from training.panel import Panel, build_panel
from training.profit import value_horizon
from training.rungs import heads_of, lost_rungs
from training.settings import TrainingSettings

__all__ = ["Trained", "train"]


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
    tell = progress or silent
    window = settings.churn.window_days
    tell("building the panel", 0.0)
    panel = anchored(build_panel(tables, as_of, sorted({window, *settings.value.horizons_days})))
    alike = check_panel(panel, window, allow=settings.churn.allow_columns)
    evidence, why = evidence_for(panel, window)
    notes = [*_of_panel(panel, window), *alike, *([f"evidence {evidence}: {why}"] if why else [])]
    judged = _judged(panel, settings, evidence, part_of(tell, 0.1, 0.6))
    bundle = build_bundle(
        panel,
        settings,
        evidence=evidence,
        strategies=strategies,
        without_trees=frozenset(judged.lost),
        progress=part_of(tell, 0.6, 0.95),
    )
    card = _card(panel, settings, judged)
    tell("done", 1.0)
    notes += judged.notes + _untaught(bundle, panel)
    if bundle.evidence != evidence:
        notes.append("evidence btyd: no trees made the closed form better on the latest labelled days")
    return Trained(replace(bundle, card=card), panel, judged.cut_off, tuple(notes))


def _of_panel(panel: Panel, window: int) -> list[str]:
    """What the user should know about the data themselves."""
    notes = [panel.note] if panel.note else []
    if panel.sampled < 1.0:
        notes.append(f"the model learns from {panel.sampled:.0%} of the customers; all of them are scored")
    quiet = int(panel.at(panel.as_of)["days_since_last"].min())
    if quiet > window:
        notes.append(
            f"no order in the last {quiet} days before {panel.as_of.isoformat()}, so everybody looks lost: "
            "load newer orders or choose an earlier --as-of"
        )
    return notes


def _of_contacts(meeting: Meeting) -> list[str]:
    """Who is not judged."""
    if not meeting.left_out:
        return []
    out, size = meeting.left_out, meeting.left_out + len(meeting.customer)
    return [
        f"judged at {meeting.day.isoformat()} without {out:,} of {size:,} customers: contacts changed what they did"
    ]


def _untaught(bundle: Bundle, panel: Panel) -> list[str]:
    """Quantities of a learned bundle whose horizon no past day can show, and where their trees have learned."""
    found: dict[tuple[str, str], list[str]] = {}
    for kind, head in heads_of(bundle).items() if bundle.evidence == "ml" else ():
        if why := shortfall(panel, kind):
            days = head.learned_days
            how = f"learned at {days} d and continued by the closed form" if head.learned else "closed form"
            found.setdefault((how, why), []).append(f"{kind.name} {kind.horizon_days} d")
    return [f"{how} for {', '.join(names)}: {why}" for (how, why), names in found.items()]


@dataclass(frozen=True)
class _Judged:
    """What past days said: the latest one whole, a card over several, and heads whose trees lost."""

    cut_off: CutOff | None
    quality: dict[str, Any] | None
    lost: dict[HeadKind, Decision]
    notes: list[str]


def _judged(panel: Panel, settings: TrainingSettings, evidence: Evidence, tell: Progress) -> _Judged:
    """Builds the bundle as of past days and meets what came.

    On the latest labelled day everything is built and compared; heads whose trees lost there to the closed form go
    without. One and two windows before it, only what the quality card looks at is built.
    """
    window = settings.churn.window_days
    day = latest_cut_off(panel, window)
    if day is None:
        return _Judged(
            None, None, {}, [f"no past day has {window} days after it: the model is not judged yet"]
        )
    known = panel.before(day)
    rung: Evidence = evidence_for(known, window)[0] if evidence == "ml" else evidence
    bundle = build_bundle(known, settings, evidence=rung, progress=part_of(tell, 0.0, 0.6))
    latest = judge(panel, bundle, day, settings, known=known)
    notes = _of_contacts(latest.meeting)
    if evidence == "ml" and rung != "ml":
        notes.append(f"trees could not be judged at {day.isoformat()}: too little history before it")
    heads = heads_of(bundle)
    # What was learned at another horizon then says nothing of the trees of today.
    same = {kind for kind in heads if heads[kind].learned_days == lead_of(panel, kind, window).horizon_days}
    lost = {kind: found for kind, found in lost_rungs(panel, bundle, day).items() if kind in same}
    for kind, found in lost.items():
        notes.append(
            f"closed form for {kind.name} {kind.horizon_days} d: trees lost to it at {day.isoformat()} "
            f"(loss {found.difference:+.4f} ± {found.se:.4f} per customer)"
        )
    meetings = [*_earlier(panel, settings, latest.meeting, part_of(tell, 0.6, 0.95)), latest.meeting]
    card = quality_card(meetings, settings=settings, seed=settings.seed)
    return _Judged(latest, card.to_json(), lost, notes)


def _earlier(panel: Panel, settings: TrainingSettings, latest: Meeting, tell: Progress) -> list[Meeting]:
    """Meetings one and two windows before the latest, where that leaves a window of history; oldest first.

    Of values, only the horizon that the card looks at is built.
    """
    window = settings.churn.window_days
    horizon = value_horizon([latest]) or window
    small = settings.model_copy(
        update={"value": settings.value.model_copy(update={"horizons_days": (horizon,)})}
    )
    meetings = []
    for count in (2, 1):
        wanted = latest.day - timedelta(days=count * window)
        past = max((d for d in panel.days if d <= wanted), default=None)
        if past is None or (past - panel.first_day).days < window:
            continue
        tell(f"judging {past.isoformat()}", (2 - count) / 2)
        known = panel.before(past)
        bundle = build_bundle(known, small, evidence=evidence_for(known, window)[0])
        meetings.append(meet(panel, bundle, past, small, known=known))
    return meetings


def _card(panel: Panel, settings: TrainingSettings, judged: _Judged) -> dict[str, Any]:
    return {
        "as_of": panel.as_of.isoformat(),
        "first_day": panel.first_day.isoformat(),
        "snapshots": len(panel.days),
        "rows": len(panel.frame),
        "sampled": panel.sampled,
        "data_hash": data_hash(panel.frame),
        "settings": settings.model_dump(mode="json", exclude={"num_threads"}),
        "judged": None if judged.cut_off is None else judged.cut_off.to_json(),
        "quality": judged.quality,
    }
