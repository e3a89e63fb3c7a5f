"""The customer table that strategies look at: features, predictions and facts of one day, one row each.

Customers who want no contact are left out here, before any strategy sees them, so that they are in no output.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date

import numpy as np
import pandas as pd

from features.category_facts import category_facts
from features.customer_facts import customer_facts, opted_out
from features.defection_facts import defection_facts
from features.errors import NotEnoughData
from features.purchase_facts import purchase_facts
from features.rfm import buyers
from features.service_facts import PROMISES, service_facts
from features.tables import Tables
from serving.scorer import Scorer
from strategies.order_outlook import order_outlook
from training.models.win_back import WinBackModel

__all__ = ["People", "people_of"]

_CHUNK = 50_000


@dataclass(frozen=True)
class People:
    """Customers of a day as strategies see them.

    Parameters
    ----------
    frame : DataFrame
        By ``customer_id``: the columns of the list without its reasons, all features, what the customers table, the
        purchases, the service and the way of leaving tell besides, and ``margin_rate``, the share of revenue that is
        margin.
    opted_out : int
        Customers left out because they want no contact.
    """

    frame: pd.DataFrame
    opted_out: int


def people_of(
    scorer: Scorer,
    tables: Tables,
    as_of: date,
    *,
    promises: Mapping[str, float] = PROMISES,
    win_back: WinBackModel | None = None,
    unwilling: Collection[str] = frozenset(),
) -> People:
    """Everything known and predicted about every customer of a day who may be contacted.

    Parameters
    ----------
    scorer : Scorer
        The model and the cuts.
    tables : Tables
        Loaded tables.
    as_of : date
        Everything before this day is past.
    promises : mapping of str to float
        Hours to resolution that are promised, by kind of contact.
    win_back : WinBackModel, optional
        Gives lost customers ``regain_probability`` and ``regain_margin``.
    unwilling : collection of str
        Customers who told otherwise than in the customers table that they want no contact.

    Raises
    ------
    NotEnoughData
        There is no such customer before the day.
    """
    known = buyers(scorer.known(tables, as_of).to_pandas())
    attributes = customer_facts(tables, as_of)
    refused = known["customer_id"].isin({*opted_out(attributes), *unwilling})
    known = known[~refused].reset_index(drop=True)
    if known.empty:
        raise NotEnoughData(
            f"orders: no customer with a purchase before {as_of.isoformat()} who may be contacted "
            f"({int(refused.sum()):,} opted out); choose a later --as-of, or check with `retain check`"
        )
    parts = (known.iloc[i : i + _CHUNK] for i in range(0, len(known), _CHUNK))
    scored = pd.concat([scorer.rows(part, as_of, explain=False) for part in parts])
    frame = scored.join(known.drop(columns=[*scored.columns.intersection(known.columns)]))
    known_besides = (
        attributes.drop(columns="opted_out"),
        purchase_facts(tables, as_of),
        service_facts(tables, as_of, promises=promises),
        defection_facts(tables, as_of),
        category_facts(tables, as_of, _outlook(scorer, scored), margin_rate=scorer.bundle.curve.margin_rate),
    )
    for facts in known_besides:
        frame = frame.join(facts, on="customer_id")
    if win_back is not None:
        lost = frame[frame["status"] == "lost"]
        frame = frame.join(win_back.predict(lost)[["regain_probability", "regain_margin"]])
    costs = frame["acquisition_cost"].astype("float64")
    return People(
        frame.assign(acquisition_cost=costs, margin_rate=np.float64(scorer.bundle.curve.margin_rate)),
        int(refused.sum()),
    )


def _outlook(scorer: Scorer, scored: pd.DataFrame) -> pd.DataFrame:
    """Orders of the coming year, by ``customer_id``."""
    return order_outlook(scored, scorer.bundle.window_days).set_axis(scored["customer_id"])
