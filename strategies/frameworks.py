"""All frameworks in the order in which one builds on another, and the customer table seen through them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import pandas as pd
from pydantic import BaseModel, ConfigDict

from strategies.bad_relationship import BAD_RELATIONSHIP, BadRelationshipSettings
from strategies.binding import BINDING, BindingSettings
from strategies.defection import DEFECTION, DefectionSettings
from strategies.differentiation import DIFFERENTIATION, DifferentiationSettings
from strategies.framework import Cuts, Found, Framework, Language, tell
from strategies.growth_potential import GROWTH, GrowthSettings
from strategies.key_account import KEY_ACCOUNT, KeyAccountSettings
from strategies.life_cycle import LIFE_CYCLE, LifeCycleSettings
from strategies.loyalty import LOYALTY_MARKS, LoyaltySettings
from strategies.needs import NEEDS, NeedsSettings
from strategies.portfolio import PORTFOLIO, PortfolioSettings
from strategies.pyramid import PYRAMID, PyramidSettings
from strategies.satisfaction import SATISFACTION, SatisfactionSettings
from strategies.satisfaction_loyalty import SATISFACTION_LOYALTY, SatisfactionLoyaltySettings
from strategies.second_lifetime_value import SECOND_LIFETIME_VALUE, SecondLifetimeSettings
from strategies.service_promises import SERVICE_PROMISES, ServicePromiseSettings
from strategies.trust import TRUST, TrustSettings
from strategies.value_class import VALUE_CLASS, ValueClassSettings
from strategies.viewpoints import VIEWPOINTS, ViewpointSettings
from strategies.worth import WORTH, WorthSettings

__all__ = ["FRAMEWORKS", "FrameworkSettings", "Segmented", "moves", "segment", "take_cuts"]

FRAMEWORKS: Final[tuple[Framework, ...]] = (
    VALUE_CLASS,
    WORTH,
    GROWTH,
    PYRAMID,
    KEY_ACCOUNT,
    PORTFOLIO,
    DIFFERENTIATION,
    NEEDS,
    LIFE_CYCLE,
    TRUST,
    SATISFACTION,
    LOYALTY_MARKS,
    SATISFACTION_LOYALTY,
    BINDING,
    BAD_RELATIONSHIP,
    SERVICE_PROMISES,
    DEFECTION,
    SECOND_LIFETIME_VALUE,
    VIEWPOINTS,
)


class FrameworkSettings(BaseModel):
    """``[frameworks.NAME]``: thresholds of the frameworks, one section each."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    value_class: ValueClassSettings = ValueClassSettings()
    worth: WorthSettings = WorthSettings()
    growth: GrowthSettings = GrowthSettings()
    pyramid: PyramidSettings = PyramidSettings()
    key_account: KeyAccountSettings = KeyAccountSettings()
    portfolio: PortfolioSettings = PortfolioSettings()
    differentiation: DifferentiationSettings = DifferentiationSettings()
    needs: NeedsSettings = NeedsSettings()
    life_cycle: LifeCycleSettings = LifeCycleSettings()
    trust: TrustSettings = TrustSettings()
    satisfaction: SatisfactionSettings = SatisfactionSettings()
    loyalty_marks: LoyaltySettings = LoyaltySettings()
    satisfaction_loyalty: SatisfactionLoyaltySettings = SatisfactionLoyaltySettings()
    binding: BindingSettings = BindingSettings()
    bad_relationship: BadRelationshipSettings = BadRelationshipSettings()
    service_promises: ServicePromiseSettings = ServicePromiseSettings()
    defection_signs: DefectionSettings = DefectionSettings()
    second_lifetime_value: SecondLifetimeSettings = SecondLifetimeSettings()
    viewpoints: ViewpointSettings = ViewpointSettings()


@dataclass(frozen=True)
class Segmented:
    """The customer table seen through all frameworks.

    Parameters
    ----------
    people : DataFrame
        The customer table with the frameworks' columns added.
    found : dict of str to Found
        What each framework answered, by its name.
    """

    people: pd.DataFrame
    found: dict[str, Found]

    @property
    def columns(self) -> pd.DataFrame:
        """``customer_id``, each framework's columns, and the reason codes as ``{name}_reason``."""
        parts: list[pd.DataFrame | pd.Series] = [self.people[["customer_id"]]]
        for name, found in self.found.items():
            parts += [found.columns, found.reason.rename(f"{name}_reason")]
        return pd.concat(parts, axis=1)

    def told(self, name: str, lang: Language, rows: pd.Series | None = None) -> pd.Series:
        """The reasons of one framework as sentences, of all customers or of the `rows` marked True."""
        framework = next(f for f in FRAMEWORKS if f.name == name)
        found = self.found[name]
        if rows is None:
            return tell(framework, self.people, found, lang)
        return tell(framework, self.people[rows], Found(found.columns[rows], found.reason[rows]), lang)


def segment(
    people: pd.DataFrame,
    settings: FrameworkSettings,
    *,
    cuts: Mapping[str, Cuts] | None = None,
    before: pd.DataFrame | None = None,
    frameworks: Sequence[Framework] = FRAMEWORKS,
) -> Segmented:
    """Label every customer in every framework.

    Parameters
    ----------
    people : DataFrame
        The customer table: ``customer_id``, features, predictions and facts; missing columns lead to
        ``unknown`` with the reason.
    settings : FrameworkSettings
        Thresholds.
    cuts : dict of str to dict of str to float, optional
        From `take_cuts` on the whole base; taken from `people` itself without it.
    before : DataFrame, optional
        Columns of the last run, indexed by ``customer_id``: labels move only past a margin.
    frameworks : sequence of Framework
        Which ones, in an order in which one may use the columns of those before it.

    Examples
    --------
    >>> people = pd.DataFrame({"customer_id": ["a", "b"], "current_value": [10.0, 900.0]})
    >>> segment(people, FrameworkSettings(), frameworks=(PYRAMID,)).columns["pyramid_tier"].tolist()
    ['lead', 'iron']
    """
    found: dict[str, Found] = {}
    for framework in frameworks:
        own: Any = getattr(settings, framework.name)
        given = cuts.get(framework.name, {}) if cuts is not None else _cuts(framework, people, own)
        answer = framework.label(people, given, own, before)
        found[framework.name] = answer
        people = people.drop(columns=answer.columns.columns, errors="ignore").join(answer.columns)
    return Segmented(people, found)


def take_cuts(
    people: pd.DataFrame, settings: FrameworkSettings, *, frameworks: Sequence[Framework] = FRAMEWORKS
) -> dict[str, dict[str, float]]:
    """The thresholds that a customer base gives, by framework; frozen, one customer can be labelled by them.

    Examples
    --------
    >>> people = pd.DataFrame({"customer_id": ["a", "b"], "current_value": [10.0, 900.0]})
    >>> take_cuts(people, FrameworkSettings(), frameworks=(PYRAMID,))["pyramid"]["tier_iron"]
    10.0
    """
    taken: dict[str, dict[str, float]] = {}
    for framework in frameworks:
        own: Any = getattr(settings, framework.name)
        taken[framework.name] = _cuts(framework, people, own)
        answer = framework.label(people, taken[framework.name], own, None)
        people = people.drop(columns=answer.columns.columns, errors="ignore").join(answer.columns)
    return taken


def _cuts(framework: Framework, people: pd.DataFrame, own: Any) -> dict[str, float]:
    return {} if framework.cuts is None else framework.cuts(people, own)


def moves(before: pd.DataFrame, now: Segmented, lang: Language = "en") -> pd.DataFrame:
    """Who changed label since the last run, from what to what, and why.

    Parameters
    ----------
    before : DataFrame
        `Segmented.columns` of the last run.
    now : Segmented
        This run.
    lang : {"en", "zh"}
        Language of the reasons; labels stay codes.

    Returns
    -------
    DataFrame
        ``customer_id``, ``framework``, ``column``, ``from``, ``to``, ``why``; by framework, then customer.
        Customers who are in one run only are not listed, nor are columns of free text.

    Examples
    --------
    >>> settings = FrameworkSettings()
    >>> people = pd.DataFrame({"customer_id": ["a", "b"], "current_value": [10.0, 900.0]})
    >>> last = segment(people, settings, frameworks=(PYRAMID,)).columns
    >>> people["current_value"] = [9000.0, 900.0]
    >>> moves(last, segment(people, settings, frameworks=(PYRAMID,)))[["customer_id", "column", "to"]].values.tolist()
    [['a', 'pyramid_tier', 'iron'], ['b', 'pyramid_tier', 'lead']]
    """
    past = before.set_index("customer_id")
    ids = now.people["customer_id"]
    words = {column for framework in FRAMEWORKS for column in framework.free_text}
    parts = []
    for name, found in now.found.items():
        for column in found.columns.columns[[d.kind not in "fib" for d in found.columns.dtypes]]:
            if column not in past.columns or column in words:
                continue
            then = past[column].reindex(ids).set_axis(ids.index)
            moved = then.notna() & (then != found.columns[column])
            parts.append(
                pd.DataFrame(
                    {
                        "customer_id": ids[moved],
                        "framework": name,
                        "column": column,
                        "from": then[moved],
                        "to": found.columns.loc[moved, column],
                        "why": now.told(name, lang, moved),
                    }
                )
            )
    names = ["customer_id", "framework", "column", "from", "to", "why"]
    found_moves = pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=names)
    return found_moves.sort_values(["framework", "column", "customer_id"], ignore_index=True)
