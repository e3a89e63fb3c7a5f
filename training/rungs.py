"""The rungs of a bundle on a day it has not seen: heads whose trees lost there to what is below them."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np

from training.gate import Decision, decide
from training.head_kind import HeadKind
from training.levels import realised_error
from training.models.bundle import Bundle
from training.models.head import Head
from training.panel import Panel

__all__ = ["heads_of", "lost_rungs"]


def lost_rungs(panel: Panel, bundle: Bundle, day: date) -> dict[HeadKind, Decision]:
    """Heads whose trees were worse than their closed form, with the figures.

    Parameters
    ----------
    panel : Panel
        With closed-form columns and with what came after the day.
    bundle : Bundle
        Built on what was known at the day.
    day : date
        One of the panel's cut-offs.

    Returns
    -------
    dict of HeadKind to Decision
        Only heads that lost by more than one standard error over customers, at horizons that have passed.

    Notes
    -----
    Both are put to the total that came: the level of one day is the season's doing, the level curve has back-tests of
    its own, and whatever tells customers apart more loses more by a wrong level.
    """
    rows = panel.at(day)
    customers = rows["customer_id"].to_numpy()
    found = {}
    for kind, head in heads_of(bundle).items():
        passed = day + timedelta(days=kind.horizon_days) <= panel.as_of
        if not head.learned or not passed:
            continue
        closed, target, weight = kind.closed_form(rows), kind.target(rows), kind.weight(rows)
        below = Head(level=head.level)
        scores = (h.raw(closed, rows, day) for h in (head, below))
        learned, plain = (
            weight * kind.losses(target, s + realised_error(kind, s, target, weight)) for s in scores
        )
        decision = decide(np.asarray(learned), np.asarray(plain), customers)
        if decision.worse:
            found[kind] = decision
    return found


def heads_of(bundle: Bundle) -> dict[HeadKind, Head]:
    """All heads of a bundle by what they predict."""
    found = {HeadKind("churn", bundle.window_days): bundle.churn}
    for name, heads in (("orders", bundle.curve.orders), ("value", bundle.curve.value)):
        found |= {HeadKind(name, horizon): head for horizon, head in heads.items()}
    return found
