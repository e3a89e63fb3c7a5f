"""Service promises: was every matter resolved within the time promised for its kind.

===========  ==========  =====================================================================
label        zh          shown by
===========  ==========  =====================================================================
``kept``     兑现        every contact of a kind with a promise was resolved in time
``broken``   违约        at least one was resolved too late, or is open beyond the promise
``none``     无          no such contact in the last 365 days
===========  ==========  =====================================================================

For the whole base: the share of broken promises, the share resolved by the first contact (how far the people in
front may decide themselves), and how many contacts come in and go out.

Examples
--------
>>> people = pd.DataFrame({"customer_id": list("abc"), "promised_365d": [2.0, 1.0, 0.0], "sla_breaches": [1.0, 0.0, 0.0]})
>>> found = SERVICE_PROMISES.label(people, {}, SERVICE_PROMISES.settings, None)
>>> found.columns.values.tolist()
[[1.0, 'broken'], [0.0, 'kept'], [0.0, 'none']]
"""

from __future__ import annotations

from typing import Final

import numpy as np
import pandas as pd
from pydantic import BaseModel, ConfigDict, Field, field_validator

from features.service_facts import PROMISES
from strategies.columns import chosen, known
from strategies.framework import UNKNOWN, Cuts, Found, Framework

__all__ = ["SERVICE_PROMISES", "ServicePromiseSettings", "service_figures"]


class ServicePromiseSettings(BaseModel):
    """``[frameworks.service_promises]``: hours to resolution that are promised, by kind of contact."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    hours: dict[str, float] = Field(default=dict(PROMISES))

    @field_validator("hours")
    @classmethod
    def _above_zero(cls, hours: dict[str, float]) -> dict[str, float]:
        wrong = {kind: value for kind, value in hours.items() if not 0 < value < np.inf}
        if wrong:
            kind, value = next(iter(wrong.items()))
            raise ValueError(f"{kind} = {value:g}: a promise is a number of hours above 0")
        return {kind.strip().lower(): value for kind, value in hours.items()}


def _label(
    people: pd.DataFrame, cuts: Cuts, settings: ServicePromiseSettings, before: pd.DataFrame | None
) -> Found:
    # A broken promise is a fact, not a quantity near a threshold: there is nothing to damp.
    promised, breaches = known(people, "promised_365d"), known(people, "sla_breaches")
    promised = np.where(np.isnan(promised) & (known(people, "contacts_365d") == 0), 0.0, promised)
    reason = chosen(
        people.index,
        [np.isnan(promised), promised <= 0, np.isnan(breaches), breaches > 0],
        ["no_interactions", "no_contacts", "no_resolutions", "broken"],
        default="kept",
    )
    unknown = reason.isin(["no_interactions", "no_resolutions"])
    label = reason.mask(unknown, "unknown").mask(reason == "no_contacts", "none")
    number = np.where(unknown, np.nan, np.where(promised <= 0, 0.0, breaches))
    columns = {"sla_breaches": number, "service_promise": label}
    return Found(pd.DataFrame(columns, index=people.index), reason)


def service_figures(people: pd.DataFrame) -> dict[str, float]:
    """How the base was served in the last 365 days.

    Parameters
    ----------
    people : DataFrame
        With the columns of `features.service_facts.service_facts`; those it lacks give NaN.

    Returns
    -------
    dict of str to float
        ``promised`` contacts of a kind with a promise, ``broken_share``, ``first_contact_share`` of the resolved ones,
        ``inbound_share`` and ``outbound_share`` of the contacts with a direction; shares in [0, 1], NaN where there is
        nothing to divide by.

    Examples
    --------
    >>> people = pd.DataFrame({"promised_365d": [3.0, 1.0], "sla_breaches": [1.0, 0.0], "resolved_365d": [2.0, 1.0],
    ...     "first_contact_365d": [1.0, 1.0], "inbound_365d": [3.0, 0.0], "outbound_365d": [0.0, 1.0]})
    >>> {name: round(figure, 2) for name, figure in service_figures(people).items()}
    {'promised': 4.0, 'broken_share': 0.25, 'first_contact_share': 0.67, 'inbound_share': 0.75, 'outbound_share': 0.25}
    """

    def total(name: str) -> float:
        return float(pd.Series(known(people, name)).sum(min_count=1))

    def share(part: float, whole: float) -> float:
        return part / whole if whole > 0 else float("nan")

    promised, inbound, outbound = total("promised_365d"), total("inbound_365d"), total("outbound_365d")
    return {
        "promised": promised,
        "broken_share": share(total("sla_breaches"), promised),
        "first_contact_share": share(total("first_contact_365d"), total("resolved_365d")),
        "inbound_share": share(inbound, inbound + outbound),
        "outbound_share": share(outbound, inbound + outbound),
    }


SERVICE_PROMISES: Final = Framework(
    name="service_promises",
    texts={"en": "Service promises", "zh": "时限承诺"},
    columns={
        "sla_breaches": {"en": "Broken service promises in 365 days", "zh": "近365天时限违约次数"},
        "service_promise": {"en": "Service promises", "zh": "时限承诺"},
    },
    labels={
        "kept": {"en": "kept", "zh": "兑现"},
        "broken": {"en": "broken", "zh": "违约"},
        "none": {"en": "no case", "zh": "无个案"},
        **UNKNOWN,
    },
    settings=ServicePromiseSettings(),
    label=_label,
    reasons={
        "broken": {
            "en": "{sla_breaches:.0f} of {promised_365d:.0f} cases not resolved within the promised time",
            "zh": "{promised_365d:.0f} 件个案中 {sla_breaches:.0f} 件未在承诺时限内解决",
        },
        "kept": {
            "en": "all {promised_365d:.0f} cases resolved within the promised time",
            "zh": "{promised_365d:.0f} 件个案均在承诺时限内解决",
        },
        "no_contacts": {"en": "no case with a promise in 365 days", "zh": "近365天无承诺时限的个案"},
        "no_interactions": {
            "en": "there is no table of interactions that tells kinds",
            "zh": "没有含类型的互动表",
        },
        "no_resolutions": {
            "en": "the table of interactions does not tell when anything was resolved",
            "zh": "互动表未记录解决时间",
        },
    },
    source="interactions",
    literature="Parasuraman, Zeithaml & Berry (1988), SERVQUAL, Journal of Retailing 64(1): responsiveness",
)
