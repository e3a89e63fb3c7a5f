"""Value class: what a customer is worth now against what more there is to win."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from pydantic import BaseModel, ConfigDict

from features.errors import InputError, ModelError, NotEnoughData
from strategies.columns import Labels, Numbers, as_numbers, chosen, known, numbers
from strategies.framework import Cuts, Found, Framework
from strategies.settings import StrategySettings

__all__ = [
    "VALUE_CLASS",
    "VALUE_CLASSES",
    "VALUE_CLASS_LABELS",
    "ValueClassSettings",
    "ValueCuts",
    "current_value",
    "growth",
    "growth_potential",
    "value_axes",
    "value_class",
    "value_labels",
    "year_margin",
]

VALUE_CLASSES: Final = ("lead", "iron", "gold", "platinum", "unknown")
VALUE_CLASS_LABELS: Final[dict[str, dict[str, str]]] = {
    "lead": {"en": "lead", "zh": "铅质客户"},
    "iron": {"en": "iron", "zh": "铁质客户"},
    "gold": {"en": "gold", "zh": "黄金客户"},
    "platinum": {"en": "platinum", "zh": "白金客户"},
    "unknown": {"en": "unknown", "zh": "未知"},
}
_CUT_COLUMNS: Final = ("current_value", "growth_potential")


def current_value(frame: pd.DataFrame, *, margin_rate: float) -> pd.Series:
    """Margin that the customer brought in the last 365 days.

    Parameters
    ----------
    frame : DataFrame
        One row per customer with ``margin_365d`` (spend less cost of goods), ``value_365d`` (spend less
        returns), or both; money.
    margin_rate : float
        In (0, 1]; share of net spend kept where the cost of goods is not known.

    Returns
    -------
    Series of float64
        Money of one year, negative when returns outweigh purchases; index as given.

    Raises
    ------
    InputError
        When neither column is there.

    Notes
    -----
    margin_365d where it is known, else value_365d · margin_rate. Costs of service and of campaigns are not
    taken off in this version.

    Examples
    --------
    >>> people = pd.DataFrame({"margin_365d": [40.0, None], "value_365d": [100.0, 100.0]})
    >>> current_value(people, margin_rate=0.3).tolist()
    [40.0, 30.0]
    """
    if "margin_365d" not in frame.columns and "value_365d" not in frame.columns:
        raise InputError("current value: the customer table has neither margin_365d nor value_365d.")
    value = year_margin(known(frame, "margin_365d"), known(frame, "value_365d"), margin_rate=margin_rate)
    return pd.Series(value, index=frame.index, name="current_value")


def year_margin(margin: Numbers, net_spend: Numbers, *, margin_rate: float) -> Numbers:
    """`current_value` of plain arrays: ``margin_365d`` and ``value_365d``."""
    return np.where(np.isnan(margin), net_spend * margin_rate, margin)


def growth_potential(
    expected_margin: ArrayLike | pd.Series, current_value: ArrayLike | pd.Series
) -> pd.Series:
    """Margin a year that is expected beyond what the customer brings now.

    Parameters
    ----------
    expected_margin : column of float
        Expected margin of the next 365 days, money.
    current_value : column of float
        Margin of the last 365 days, money.

    Returns
    -------
    Series of float64
        Money a year, 0 or more, missing where an input is; index of `expected_margin`.

    Raises
    ------
    InputError
        When the columns differ in length.

    Notes
    -----
    growth = max(0, expected margin − current value). Both span a whole year, so that no season passes for
    growth.

    This is the first and simplest reading of potential value: more of what the customer already buys. It does
    not see categories not yet bought nor referrals, which the full definition adds. Three limits to know:
    the forecast already counts the chance that the customer leaves, so a customer at risk shows little
    potential; a customer younger than a year has only part of a year behind, so some growth is the rest of
    the first year; and a forecast pulls towards the mean, so few of the best customers show growth.

    References
    ----------
    Hwang, H., Jung, T., Suh, E. (2004). An LTV model and customer segmentation based on customer value.
    Expert Systems with Applications 26, section 3 (potential value beside current value).

    Examples
    --------
    >>> growth_potential([100.0, 30.0], [80.0, 80.0]).tolist()
    [20.0, 0.0]
    """
    column = pd.Series(expected_margin)
    expected, now = as_numbers(column), as_numbers(current_value)
    if len(expected) != len(now):
        raise InputError(f"growth potential: {len(expected)} expected margins but {len(now)} current values.")
    return pd.Series(growth(expected, now), index=column.index, name="growth_potential")


def growth(expected_margin: Numbers, current_value: Numbers) -> Numbers:
    """`growth_potential` of plain arrays of one length."""
    return np.maximum(0.0, expected_margin - current_value)


def value_axes(features: pd.DataFrame, predicted: pd.DataFrame, *, margin_rate: float) -> pd.DataFrame:
    """The two axes of the value class: ``current_value`` and ``growth_potential``, margin per year.

    Parameters
    ----------
    features : DataFrame
        Customers with ``margin_365d`` or ``value_365d``.
    predicted : DataFrame
        The same customers with ``expected_margin_year``, the margin of the next 365 days.
    margin_rate : float
        In (0, 1]; share of net spend kept where the cost of goods is not known.

    Examples
    --------
    >>> features = pd.DataFrame({"value_365d": [100.0]})
    >>> predicted = pd.DataFrame({"expected_margin_year": [30.0]})
    >>> value_axes(features, predicted, margin_rate=0.2).iloc[0].to_list()
    [20.0, 10.0]
    """
    now = current_value(features, margin_rate=margin_rate)
    more = growth_potential(predicted["expected_margin_year"], now)
    return pd.DataFrame({"current_value": now, "growth_potential": more}, index=features.index)


def _cut(values: Numbers, share: float) -> float | None:
    """The largest value that is not high, so that at most `share` of the known values lie above it."""
    known = np.sort(values[np.isfinite(values)])
    if not len(known):
        return None
    # The tiny addend keeps 0.3 · 10 from counting as 2.999…
    high = math.floor(len(known) * share + 1e-9)
    return float(known[max(0, len(known) - high - 1)])


@dataclass(frozen=True)
class ValueCuts:
    """Frozen thresholds of *high*, from a reference population; kept with the model.

    Parameters
    ----------
    current_value, growth_potential : float or None
        Money a year; a customer is high strictly above it. None when the population had no such number:
        then every class is ``unknown``.
    """

    current_value: float | None
    growth_potential: float | None

    @classmethod
    def fit(cls, frame: pd.DataFrame, settings: StrategySettings) -> ValueCuts:
        """Take the thresholds from a reference population.

        Parameters
        ----------
        frame : DataFrame
            One row per customer with ``current_value`` and ``growth_potential``.
        settings : StrategySettings
            ``high_value_share``: share of customers called high in each.

        Raises
        ------
        InputError
            When a column is missing.
        NotEnoughData
            When there is no row.

        Notes
        -----
        The cut is the (1 − share) quantile of each column, taken as an observed value. Equal values are never
        split, so fewer than the share are high where many tie; a population of zeros has nobody high.

        Examples
        --------
        >>> people = pd.DataFrame({"current_value": range(10), "growth_potential": [0.0] * 9 + [5.0]})
        >>> ValueCuts.fit(people, StrategySettings())
        ValueCuts(current_value=7.0, growth_potential=0.0)
        """
        columns = numbers(frame, _CUT_COLUMNS, step="value class")
        if frame.empty:
            raise NotEnoughData(
                "value class: the reference population is empty; expected a customer or more."
            )
        return cls(*(_cut(values, settings.high_value_share) for values in columns))

    def to_dict(self) -> dict[str, float | None]:
        """Plain numbers by column name, ready for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> ValueCuts:
        """Read what `to_dict` wrote.

        Raises
        ------
        ModelError
            When a threshold is missing from the dictionary or is not a finite number or None.
        """
        for name in _CUT_COLUMNS:
            cut = data.get(name, "absent")
            number = isinstance(cut, (int, float)) and not isinstance(cut, bool) and math.isfinite(cut)
            if cut is not None and not number:
                raise ModelError(
                    f"value class: the threshold of {name} is {cut!r}; expected a finite number or null. "
                    "The bundle's reference is damaged or of another version; train again."
                )
        return cls(*(None if data[n] is None else float(data[n]) for n in _CUT_COLUMNS))


def value_class(frame: pd.DataFrame, cuts: ValueCuts) -> pd.Series:
    """Name each customer lead, iron, gold or platinum.

    Parameters
    ----------
    frame : DataFrame
        One row per customer with ``current_value`` and ``growth_potential``, money a year.
    cuts : ValueCuts
        From the reference population.

    Returns
    -------
    Series of str
        ``lead`` (low value, low growth), ``iron`` (low, high), ``gold`` (high, low), ``platinum`` (high,
        high), or ``unknown`` where a quantity or its threshold is missing; index as given.

    Raises
    ------
    InputError
        When a column is missing.

    Examples
    --------
    >>> people = pd.DataFrame({"current_value": [1, 1, 9, 9], "growth_potential": [0, 5, 0, 5]})
    >>> value_class(people, ValueCuts(7.0, 2.0)).tolist()
    ['lead', 'iron', 'gold', 'platinum']
    """
    now, more = numbers(frame, _CUT_COLUMNS, step="value class")
    return value_labels(now, more, cuts).column(frame.index).rename("value_class")


def value_labels(current_value: Numbers, growth_potential: Numbers, cuts: ValueCuts) -> Labels:
    """`value_class` of plain arrays."""
    words = ("unknown", "platinum", "gold", "iron", "lead")
    if cuts.current_value is None or cuts.growth_potential is None:
        return Labels(words, np.zeros(len(current_value), dtype=np.intp))
    rich, rising = current_value > cuts.current_value, growth_potential > cuts.growth_potential
    unknown = np.isnan(current_value) | np.isnan(growth_potential)
    return Labels.first(words, [unknown, rich & rising, rich, rising])


class ValueClassSettings(BaseModel):
    """``[frameworks.value_class]`` has nothing to set: ``[strategies] high_value_share`` is frozen with the model."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def _label(
    people: pd.DataFrame, cuts: Cuts, settings: ValueClassSettings, before: pd.DataFrame | None
) -> Found:
    """The class that the list has. Its thresholds stay as they were at training, so it needs no memory."""
    nothing = pd.Series("unknown", index=people.index)
    found = people.get("value_class", nothing).astype("str")
    now, more = known(people, "current_value"), known(people, "growth_potential")
    conditions = [np.isnan(now), np.isnan(more), (found == "unknown").to_numpy(bool)]
    reason = chosen(
        people.index, conditions, ["no_current_value", "no_growth", "no_threshold"], default="by_both"
    )
    return Found(pd.DataFrame({"value_class": found}), reason)


VALUE_CLASS: Final = Framework(
    name="value_class",
    texts={"en": "Value class", "zh": "客户价值细分"},
    columns={"value_class": {"en": "Value class", "zh": "客户价值细分"}},
    labels=VALUE_CLASS_LABELS,
    settings=ValueClassSettings(),
    label=_label,
    reasons={
        "by_both": {
            "en": "margin of the last year {current_value:,.0f}, growth to expect {growth_potential:,.0f} a year",
            "zh": "近一年毛利 {current_value:,.0f},年增值潜力 {growth_potential:,.0f}",
        },
        "no_current_value": {"en": "the margin of the last year is not known", "zh": "近一年毛利未知"},
        "no_growth": {
            "en": "the margin of the next year is not known: no horizon of 180 days or more",
            "zh": "未来一年毛利未知:没有 180 天以上的预测期",
        },
        "no_threshold": {
            "en": "the model has no thresholds of value and growth",
            "zh": "模型没有价值与增值潜力的分界",
        },
    },
    literature="Hwang, Jung & Suh (2004), Expert Systems with Applications 26",
)
