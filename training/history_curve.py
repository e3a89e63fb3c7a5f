"""The history-length curve: what a shop's predictions would be had it kept fewer months of orders.

One cut-off day, its model trained again and again on shorter and shorter histories, all asked about the customers
that the shortest one knows.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from datetime import date, timedelta
from typing import Any

import numpy as np
import pandas as pd

from features.errors import NotEnoughData
from features.pipeline import FEATURES
from features.progress import Progress
from features.tables import Tables
from training.backtest import judged_days, plain
from training.bootstrap import draw, headline
from training.build import build_bundle, evidence_for
from training.fit import anchored
from training.meet import customer_numbers, meet, ours
from training.meeting import OURS, Meeting
from training.panel import Panel, build_panel
from training.settings import TrainingSettings

__all__ = ["HistoryCurve", "Length", "history_curve", "lengths", "since"]

_STEP_MONTHS = 6
_MONTH_DAYS = 365.25 / 12


@dataclass(frozen=True)
class Length:
    """A model of one length of history.

    Parameters
    ----------
    months : int or None
        Months of history it saw; None for all of it.
    days : int
        The same in days.
    evidence : str
        Its rung.
    figures : dict
        Name of the figure to ``{"value", "difference", "low", "high"}``; the difference is to the whole history.
    """

    months: int | None
    days: int
    evidence: str
    figures: dict[str, dict[str, float]]


@dataclass(frozen=True)
class HistoryCurve:
    """Figures of one cut-off by length of history, shortest first.

    Parameters
    ----------
    day : date
        Cut-off.
    customers : int
        Customers with an order within the shortest history.
    lengths : tuple of Length
        The last one is the whole history.
    """

    day: date
    customers: int
    lengths: tuple[Length, ...]

    def to_json(self) -> dict[str, Any]:
        """Plain values, NaN as None."""
        return dict(plain(asdict(self)))


def lengths(history_days: int) -> list[int]:
    """Months to try: 6, 12, 18 … as far as they are shorter than the history.

    Examples
    --------
    >>> lengths(600)
    [6, 12, 18]
    """
    most = int(history_days / _MONTH_DAYS)
    return [m for m in range(_STEP_MONTHS, most + 1, _STEP_MONTHS) if _days(m) < history_days]


def since(tables: Tables, first: date) -> Tables:
    """The tables without what happened before a day; customers and contracts stay."""
    kept = {
        name: table.filter(table.day >= first)
        for name in tables.present
        if name not in {"customers", "contracts"}
        and (table := getattr(tables, name)) is not None
        and "day" in table.columns
    }
    return replace(tables, **kept)


def history_curve(
    panel: Panel,
    tables: Tables,
    settings: TrainingSettings,
    *,
    draws: int = 1000,
    progress: Progress | None = None,
) -> HistoryCurve:
    """Judges the latest labelled day by models of shorter and shorter histories.

    Parameters
    ----------
    panel : Panel
        From `training.fit.anchored`, of the whole history.
    tables : Tables
        Where it comes from.
    settings : TrainingSettings
        Window, horizons, seed.
    draws : int
        Draws of the bootstrap.
    progress : callable, optional
        Told the stage and its share done.

    Raises
    ------
    NotEnoughData
        When there is no labelled day, or less than half a year before it.
    """
    window = settings.churn.window_days
    day = judged_days(panel, window, 1)[0]
    known = panel.before(day)
    history = (day - known.first_day).days
    tried = lengths(history)
    if not tried:
        raise NotEnoughData(
            f"history curve: {history} days of history before {day.isoformat()}; the shortest length tried is "
            f"{_days(_STEP_MONTHS)} days"
        )
    models = {}
    for done, months in enumerate(tried):
        if progress:
            progress(f"{months} months of history", done / (len(tried) + 1))
        short = since(tables, day - timedelta(days=_days(months)))
        models[months] = _model(anchored(build_panel(short, day, panel.horizons_days)), settings)
    if progress:
        progress("the whole history", len(tried) / (len(tried) + 1))
    bundle = build_bundle(known, settings, evidence=evidence_for(known, window)[0])
    meeting = _shared(meet(panel, bundle, day, settings, known=known), models)
    return _curve(meeting, models, history, draws=draws, seed=settings.seed)


@dataclass(frozen=True)
class _Model:
    """Predictions of one length, by customer number."""

    evidence: str
    predicted: pd.DataFrame


def _model(panel: Panel, settings: TrainingSettings) -> _Model:
    bundle = build_bundle(panel, settings, evidence=evidence_for(panel, settings.churn.window_days)[0])
    rows = panel.at(panel.as_of).set_index("customer_id")
    predicted = bundle.predict(rows[list(FEATURES)], panel.as_of)
    return _Model(bundle.evidence, predicted.set_axis(pd.Index(customer_numbers(rows.index)), axis=0))


def _shared(meeting: Meeting, models: dict[int, _Model]) -> Meeting:
    """The meeting of the customers that every length knows, with a forecast of each length."""
    keep = np.ones(len(meeting.customer), dtype=bool)
    for model in models.values():
        keep &= np.isin(meeting.customer, model.predicted.index)
    found = meeting.only(keep)
    told = {
        _name(m): ours(model.predicted.loc[found.customer], list(found.value)) for m, model in models.items()
    }
    return replace(found, forecasts={OURS: found.forecasts[OURS], **told}, absent={})


def _curve(
    meeting: Meeting, models: dict[int, _Model], history: int, *, draws: int, seed: int
) -> HistoryCurve:
    figures = headline([meeting])
    names = {months: _name(months) for months in models}
    drawn = draw([meeting], [OURS, *names.values()], figures, draws=draws, seed=seed)

    def told(name: str) -> dict[str, dict[str, float]]:
        return {
            f.name: {
                "value": drawn.interval(name, f).difference,
                **drawn.difference(name, OURS, f)._asdict(),
            }
            for f in figures
        }

    found: list[Length] = [
        Length(months, _days(months), models[months].evidence, told(name)) for months, name in names.items()
    ]
    found.append(Length(None, history, meeting.evidence, told(OURS)))
    return HistoryCurve(meeting.day, len(meeting.customer), tuple(found))


def _days(months: int) -> int:
    return round(months * _MONTH_DAYS)


def _name(months: int) -> str:
    return f"{OURS} {months} months"
