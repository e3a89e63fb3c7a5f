"""From the log and the order tables to what came of each campaign: effects, rates and finance.

Only runs whose time is over count: their horizon lies wholly before the day of the report.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
import pandas as pd

from features.errors import NotEnoughData
from features.outcomes import customer_outcomes, slices
from features.tables import Tables
from serving.decision_log import DecisionLog
from strategies.adjusted_effect import TREATED
from strategies.finance import finance
from strategies.results import campaign_effects, campaign_rates, with_plan

__all__ = ["CampaignResults", "campaign_results", "outcomes_of", "ripe"]


@dataclass(frozen=True)
class CampaignResults:
    """What came of the campaigns whose time is over.

    Parameters
    ----------
    horizon_days : int
        Days after each decision that count.
    effects, rates : DataFrame
        As `strategies.results` gives them.
    finance : DataFrame
        One row per campaign (``run`` NAME, ``offer`` NAME, ``all``), as `strategies.finance.finance` has it.
    runs : tuple of str
        Runs that counted.
    waiting : dict of str to date
        Runs whose time is not over, and the first day for which they count.
    contacted_anyway : int
        Customers who were to be left alone and of whom a result says that they were reached.
    """

    horizon_days: int
    effects: pd.DataFrame
    rates: pd.DataFrame
    finance: pd.DataFrame
    runs: tuple[str, ...]
    waiting: dict[str, date]
    contacted_anyway: int

    @property
    def stopped(self) -> tuple[str, ...]:
        """Offers whose interval of the net margin lies below 0."""
        rows = self.effects
        stop = (rows["dimension"] == "offer") & (rows["verdict"] == "stop")
        return tuple(rows.loc[stop, "group"])


def ripe(decisions: pd.DataFrame, as_of: date, horizon_days: int) -> tuple[pd.DataFrame, dict[str, date]]:
    """Decisions whose time is over, and the other runs with the first day for which they count.

    Examples
    --------
    >>> log = pd.DataFrame({"run_id": ["a", "b"], "as_of": [date(2026, 1, 1), date(2026, 2, 1)]})
    >>> found, waiting = ripe(log, date(2026, 2, 15), 30)
    >>> found["run_id"].tolist(), waiting
    (['a'], {'b': datetime.date(2026, 3, 3)})
    """
    ends = {day: day + timedelta(days=horizon_days) for day in set(decisions["as_of"])}
    end = decisions["as_of"].map(ends)
    over = np.array([day <= as_of for day in end], dtype=bool)
    late = decisions.assign(end=end)[~over].drop_duplicates("run_id")
    return decisions[over], dict(zip(late["run_id"], late["end"], strict=True))


def outcomes_of(
    decisions: pd.DataFrame,
    results: pd.DataFrame,
    tables: Tables,
    horizon_days: int,
    *,
    margin_rate: float,
) -> pd.DataFrame:
    """Decisions with what came after them: outcomes of the orders, and what contacts cost and met.

    Parameters
    ----------
    decisions : DataFrame
        From the log, time over.
    results : DataFrame
        From `DecisionLog.results`.
    tables : Tables
        Loaded tables.
    horizon_days : int
        Days that count.
    margin_rate : float
        Share of an amount kept where the cost of goods is not known.

    Returns
    -------
    DataFrame
        As `decisions`, with the columns of `features.outcomes.customer_outcomes`, ``cost_paid`` (as reported,
        else as planned; 0 for those left alone), ``net_margin``, ``reached, accepted, refusal_reason``.
    """
    came = customer_outcomes(tables, sorted(set(decisions["as_of"])), horizon_days, margin_rate=margin_rate)
    keys = ["as_of", "customer_id"]
    found = decisions.merge(came.astype({"customer_id": object}), on=keys, how="left", validate="many_to_one")
    outcomes = [str(name) for name in came if name not in keys]
    found["churn"] = found["churn"].fillna(1.0)
    found[outcomes] = found[outcomes].fillna(0.0)
    said = results.rename(columns={"cost": "cost_said"}).drop(columns=["version", "time"])
    found = found.merge(said, on="decision_id", how="left", validate="one_to_one")
    given = (found["arm"] != "hold_out") & (found["offer"] != "leave_alone")
    planned = found["cost"].where(given, 0.0)
    found["cost_paid"] = found["cost_said"].fillna(planned)
    found["net_margin"] = found["margin"] - found["cost_paid"]
    return found.set_index(decisions.index)


def campaign_results(
    log: DecisionLog,
    tables: Tables,
    as_of: date,
    horizon_days: int,
    *,
    margin_rate: float,
    discount_rate: float,
) -> CampaignResults:
    """What came of all campaigns in the log whose time is over.

    Parameters
    ----------
    log : DecisionLog
    tables : Tables
        Orders up to `as_of`; ``customers.acquisition_cost`` is used where it is there.
    as_of : date
        Day of the report.
    horizon_days : int
        Days after a decision that count, 1 or more.
    margin_rate : float
        In (0, 1].
    discount_rate : float
        Per year.

    Raises
    ------
    NotEnoughData
        There is no run whose time is over.
    """
    over, waiting = ripe(log.decisions(), as_of, horizon_days)
    if over.empty:
        when = (
            f"the first counts from {min(waiting.values()).isoformat()} on"
            if waiting
            else "none was made yet"
        )
        raise NotEnoughData(
            f"results: no run was decided {horizon_days} days or more before {as_of.isoformat()}: {when}. "
            "Decide with `retain decide`, and report once the horizon is over (--horizon shortens it)."
        )
    known = outcomes_of(over, log.results(), tables, horizon_days, margin_rate=margin_rate)
    reached = known["reached"].fillna(False).astype(bool)
    alone = (known["arm"] == "hold_out") | (known["offer"] == "leave_alone")
    return CampaignResults(
        horizon_days=horizon_days,
        effects=campaign_effects(known),
        rates=campaign_rates(known),
        finance=_finance(known, horizon_days, discount_rate, _acquisition_costs(tables)),
        runs=tuple(dict.fromkeys(over["run_id"])),
        waiting=waiting,
        contacted_anyway=int((reached & alone).sum()),
    )


def _acquisition_costs(tables: Tables) -> Mapping[str, float]:
    """What winning each customer cost, where it is known."""
    if tables.customers is None or "acquisition_cost" not in tables.customers.columns:
        return {}
    known = tables.customers.select("customer_id", "acquisition_cost")
    rows = known.to_pyarrow().to_pandas().dropna()
    return dict(zip(rows["customer_id"], rows["acquisition_cost"].astype(float), strict=True))


def _finance(
    known: pd.DataFrame, horizon_days: int, discount_rate: float, acquisition: Mapping[str, float]
) -> pd.DataFrame:
    """One row for all, per offer and per run."""
    known = with_plan(known)
    done = known[known["trial_arm"] == TREATED]
    ends = slices(horizon_days)
    outcomes = ["churn", *(f"margin_{end}d" for end in ends)]
    tables = {"": campaign_effects(known, outcomes=outcomes, dimensions=["all", "offer"])}
    for run in dict.fromkeys(known["run_id"]):
        tables[f"run {run}"] = campaign_effects(
            known[known["run_id"] == run], outcomes=outcomes, dimensions=["all"]
        )
    rows = []
    for name, effects in tables.items():
        for (dimension, group), some in effects.groupby(["dimension", "group"], sort=False):
            called = name or ("all" if dimension == "all" else f"offer {group}")
            treated = done[_treated_in(done, called)]
            costs = treated["customer_id"].map(acquisition).dropna()
            figures = some.set_index("outcome")
            flows = _flows(figures, ends, float(treated["cost_paid"].sum()))
            if flows is not None:
                lost = figures["total"].to_dict()["churn"], figures["total_high"].to_dict()["churn"]
                price = float(costs.mean()) if len(costs) else None
                kept = (-lost[0], -lost[1])
                row = finance(called, flows, kept=kept, discount_rate=discount_rate, acquisition_cost=price)
                last = figures.loc[outcomes[-1]]
                rows.append(row | {"margin_low": last["total_low"], "margin_high": last["total_high"]})
    return pd.DataFrame(rows)


def _treated_in(done: pd.DataFrame, called: str) -> pd.Series:
    kind, _, name = called.partition(" ")
    if kind == "all":
        return pd.Series(True, index=done.index)
    return done["run_id" if kind == "run" else "planned_offer"] == name


def _flows(effects: pd.DataFrame, ends: tuple[int, ...], cost: float) -> pd.DataFrame | None:
    """What was paid on day 0 and came back up to the end of each slice; None where it was not measured."""
    totals = effects.loc[[f"margin_{end}d" for end in ends], "total"].to_numpy(np.float64)
    if np.isnan(totals).any():
        return None
    return pd.DataFrame({"day": [0, *ends], "flow": [-cost, *np.diff(totals, prepend=0.0)]})
