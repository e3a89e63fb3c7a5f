"""Whether meetings can be judged, and meetings with some of their customers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from features.errors import InputError
from training.meeting import OURS, Forecast, Meeting
from training.ranking import Floats

__all__ = ["check_meetings", "cut"]


def check_meetings(meetings: Sequence[Meeting]) -> None:
    """Whether every meeting has our forecast, and every forecast one usable figure per customer.

    Raises
    ------
    InputError
        When there is no meeting, ours is missing, lengths differ, or a figure is missing, infinite or no
        probability.
    """
    if not meetings:
        raise InputError("quality card: no cut-off to judge; run a back-test with at least one past day")
    for meeting in meetings:
        at = f"quality card, cut-off {meeting.day.isoformat()}"
        if OURS not in meeting.forecasts:
            raise InputError(f"{at}: no forecast called {OURS!r}; pass the judged model under this name")
        if not meeting.customer.size:
            raise InputError(f"{at}: no customer; leave this day out")
        if np.unique(meeting.customer).size < meeting.customer.size:
            raise InputError(f"{at}: a customer occurs twice; pass one row per customer")
        for name, forecast in meeting.forecasts.items():
            _check(forecast, meeting.customer.size, f"{at}, model {name}")
        _check_one(meeting.churned, meeting.customer.size, f"{at}, churned", most=1.0)
        for kind, came in (("orders", meeting.orders), ("value", meeting.value)):
            for horizon, values in came.items():
                _check_one(values, meeting.customer.size, f"{at}, {kind} over {horizon} days")


def cut(meeting: Meeting, rows: npt.NDArray[np.bool_]) -> Meeting:
    """The meeting with some of its customers."""

    def some(values: dict[int, Floats]) -> dict[int, Floats]:
        return {h: v[rows] for h, v in values.items()}

    return Meeting(
        day=meeting.day,
        window_days=meeting.window_days,
        evidence=meeting.evidence,
        customer=meeting.customer[rows],
        churned=meeting.churned[rows],
        orders=some(meeting.orders),
        value=some(meeting.value),
        value_class=meeting.value_class[rows],
        forecasts={
            name: Forecast(f.churn_probability[rows], some(f.expected_orders), some(f.expected_value))
            for name, f in meeting.forecasts.items()
        },
    )


def _check(forecast: Forecast, size: int, at: str) -> None:
    _check_one(forecast.churn_probability, size, f"{at}, churn_probability", most=1.0)
    for kind, said in (("orders", forecast.expected_orders), ("value", forecast.expected_value)):
        for horizon, values in said.items():
            _check_one(values, size, f"{at}, expected_{kind} over {horizon} days")


def _check_one(values: Floats, size: int, at: str, *, most: float | None = None) -> None:
    if values.shape != (size,):
        raise InputError(f"{at}: {values.shape} figures for {size} customers; pass one per customer")
    bad = ~np.isfinite(values)
    if bad.any():
        raise InputError(f"{at}: {int(bad.sum())} of {size} are missing or infinite; score these first")
    outside = (values < 0) | (values > most) if most is not None else bad
    if outside.any():
        example = values[int(outside.argmax())]
        raise InputError(f"{at}: {int(outside.sum())} of {size} lie outside [0, 1], such as {example:g}")
