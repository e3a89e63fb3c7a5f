"""Profit of a campaign of fixed size, with each customer at his own worth.

The usual expected maximum profit (`training.empc`) gives all customers one value, so it cannot see whether a model
finds the leavers who matter. Here each customer has his own worth, and the money of a selection is counted from
what came.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from training.meeting import Forecast, Meeting
from training.ranking import Floats
from training.settings import CardSettings
from training.weighted import best_share, scaled

__all__ = [
    "YARDSTICKS",
    "Campaign",
    "decision_score",
    "profit_quality",
    "realised_gain",
    "value_horizon",
    "worth",
]

YARDSTICKS = ("recency_rule", "carry_forward", "closed_form")


class Campaign:
    """One meeting seen as a campaign: what each contact would have brought.

    Parameters
    ----------
    meeting : Meeting
        One past day.
    settings : CardSettings
        Budget, effect and cost that are taken for granted.
    margin_rate : float
        Share of revenue that is margin, in (0, 1].
    horizon : int or None
        Days of the value at stake; None when the meeting has no values.
    """

    def __init__(
        self, meeting: Meeting, settings: CardSettings, margin_rate: float, horizon: int | None
    ) -> None:
        self.settings, self.margin_rate, self.horizon = settings, margin_rate, horizon
        self._meeting = meeting
        self._worth = worth(meeting, horizon)

    def score(self, forecast: Forecast) -> Floats:
        """Decision score of a model; one that forecasts no value decides by the common worth."""
        own = forecast.expected_value.get(self.horizon) if self.horizon is not None else None
        value = self._worth if own is None else own
        return decision_score(forecast.churn_probability, value, self.settings, self.margin_rate)

    def gain(self, without: str | None = None) -> Floats:
        """Realised gain of each contact, by the yardstick of all baselines or of all but one."""
        value = self._worth if without is None else worth(self._meeting, self.horizon, without=without)
        return realised_gain(self._meeting.churned, value, self.settings, self.margin_rate)

    def money(self, score: Floats) -> float:
        """Realised profit of contacting the best by `score`, money per thousand customers."""
        ones = np.ones((score.size, 1))
        total = best_share(score, self.settings.budget_share, self.gain()[None, :], ones)
        return float(total[0, 0]) * 1000.0 / max(1, score.size)


def value_horizon(meetings: Sequence[Meeting]) -> int | None:
    """The horizon nearest to the churn window at which every meeting knows the value that came; None without."""
    common = set.intersection(*(set(m.value) for m in meetings))
    window = meetings[0].window_days
    return min(common, key=lambda h: (abs(np.log(h / window)), h), default=None)


def worth(meeting: Meeting, horizon: int | None, *, without: str | None = None) -> Floats:
    """What each customer was expected to bring, on one yardstick for all models, in currency.

    Parameters
    ----------
    meeting : Meeting
        One past day.
    horizon : int or None
        Days of the value.
    without : str, optional
        A baseline whose forecasts are left out.

    Returns
    -------
    array, shape (customers,), 0 or more.

    Notes
    -----
    What a leaver would have brought is never observed. The yardstick is the mean of what the baselines (recency
    rule, carry-forward, closed form) had expected of the customer: individual, and made without the judged model, so
    that it cannot inflate it. A comparison with a baseline leaves that baseline out of the yardstick: nobody is
    measured by his own. Without baselines it is what the stayers of the customer's class brought; without values
    everybody counts 1.

    References
    ----------
    Óskarsdóttir, Baesens & Vanthienen (2018), Profit-based model selection for customer retention using
    individual customer lifetime values, Big Data 6(1). Devriendt, Berrevoets & Verbeke (2021), Why you should
    stop predicting customer churn and start using uplift models, Information Sciences 548.
    """
    if horizon is None:
        return np.ones(meeting.churned.size)
    known = [
        meeting.forecasts[name].expected_value
        for name in YARDSTICKS
        if name != without and name in meeting.forecasts
    ]
    expected = [np.maximum(values[horizon], 0.0) for values in known if horizon in values]
    if expected:
        mean: Floats = np.mean(expected, axis=0)
        return mean
    return _class_worth(meeting, horizon)


def _class_worth(meeting: Meeting, horizon: int) -> Floats:
    came = np.maximum(meeting.value[horizon], 0.0)
    stayed = meeting.churned == 0
    found = np.zeros(came.size)
    for name in np.unique(meeting.value_class):
        rows = meeting.value_class == name
        judged = rows & stayed
        found[rows] = came[judged].mean() if judged.any() else 0.0
    return found


def decision_score(
    churn_probability: Floats, expected_value: Floats, settings: CardSettings, margin_rate: float
) -> Floats:
    """What a model expects to gain by contacting each customer, in currency.

    Notes
    -----
    ``churn_probability · assumed_effect · expected_value · margin_rate − contact_cost``. The expected value has the
    chance of leaving in it, as in `strategies.value_at_stake`: lost causes do not come first.

    Examples
    --------
    >>> decision_score(np.array([0.5]), np.array([200.0]), CardSettings(), 0.3)
    array([2.])
    """
    return churn_probability * settings.assumed_effect * expected_value * margin_rate - settings.contact_cost


def realised_gain(churned: Floats, worth: Floats, settings: CardSettings, margin_rate: float) -> Floats:
    """What a contact would have brought by what came: the margin of a kept leaver, less the contact.

    Examples
    --------
    >>> realised_gain(np.array([1.0, 0.0]), np.array([200.0, 200.0]), CardSettings(), 0.3)
    array([ 5., -1.])
    """
    return churned * settings.assumed_effect * worth * margin_rate - settings.contact_cost


def profit_quality(gains: Floats, score: Floats, share: float, weights: Floats) -> Floats:
    """Realised gain of the best `share` by `score`: 0 as much as by chance, 100 as much as can be.

    Parameters
    ----------
    gains : array, shape (yardsticks, customers)
        From `realised_gain`.
    score : array, shape (customers,)
        From `decision_score`; equal scores share what is left of the budget.
    share : float
        Share of customers contacted, in (0, 1). The budget is spent whole by everybody, so that contacting nobody
        is no way to a good figure.
    weights : array, shape (customers, draws)
        See `training.weighted`.

    Returns
    -------
    array, shape (yardsticks, draws); nan where every selection brings the same.
    """
    perfect = np.concatenate([best_share(gain, share, gain[None, :], weights) for gain in gains])
    return scaled(best_share(score, share, gains, weights), share * (gains @ weights), perfect)
