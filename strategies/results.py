"""What came of the offers: effect per offer, value class and channel, against those left alone by lot.

Everybody whom the policy meant an offer for was drawn into being treated or left alone. Whether a contact was
reached or accepted plays no part in the effect: those who accept are others than those who do not, and whoever
compares them measures that. Reached and accepted are reported as rates, and as cost.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import pandas as pd

from features.errors import InputError
from strategies.adjusted_effect import LEFT_ALONE, MIN_ARM, TREATED, Trial, adjusted_effect
from strategies.columns import require
from strategies.pooled_effect import interval, judged_together, pooled_effect
from strategies.result_notes import note

__all__ = ["COVARIATES", "DIMENSIONS", "OUTCOMES", "campaign_effects", "campaign_rates", "with_plan"]

OUTCOMES: Final = ("churn", "orders", "margin", "net_margin")
COVARIATES: Final = ("margin_before", "orders_before", "churn_probability", "value_at_stake")
DIMENSIONS: Final = {
    "all": None,
    "offer": "planned_offer",
    "value_class": "value_class",
    "channel": "channel",
}
NEEDED: Final = ("run_id", "customer_id", "arm", "offer", "channel", "propensity", "value_class")
_ALONE: Final = "leave_alone"
_MIN_MOVED = 5


def with_plan(log: pd.DataFrame) -> pd.DataFrame:
    """The log with what was meant and what was done, for each decision.

    Parameters
    ----------
    log : DataFrame
        Decisions. ``planned_offer`` is the offer meant before the lot was drawn; without this column ``offer``
        is taken for it, also where the arm is ``hold_out``.

    Returns
    -------
    DataFrame
        The same with ``planned_offer``; ``trial_arm``: 1 got the planned offer, 0 left alone, -1 got something
        else; ``channel`` of the planned offer.

    Raises
    ------
    InputError
        A column is missing, or those held out bear no planned offer.

    Examples
    --------
    >>> log = pd.DataFrame({"arm": ["treat", "hold_out"], "offer": "call", "channel": ["phone", ""]})
    >>> log = log.assign(run_id="r", customer_id=["1", "2"], propensity=0.5, value_class="gold")
    >>> with_plan(log)[["planned_offer", "trial_arm", "channel"]].values.tolist()
    [['call', 1, 'phone'], ['call', 0, 'phone']]
    """
    require(log, NEEDED, step="results")
    planned = (log["planned_offer"] if "planned_offer" in log else log["offer"]).astype(object)
    held = log["arm"] == "hold_out"
    if held.any() and (planned[held] == _ALONE).all() and (planned != _ALONE).any():
        raise InputError(
            f"results: {int(held.sum()):,} customers were held out and the log does not say from which offer; "
            "save the column planned_offer with the decisions"
        )
    got = log["offer"].astype(object).where(~held, _ALONE)
    arm = np.select([planned == _ALONE, got == _ALONE, got == planned], [-1, LEFT_ALONE, TREATED], -1)
    done = log[(got == planned).to_numpy()]
    channels = done.groupby(done["offer"].astype(object))["channel"].first()
    channel = planned.map(channels).fillna(log["channel"].where(planned != _ALONE, ""))
    return log.assign(planned_offer=planned, trial_arm=arm, channel=channel.astype(object))


def campaign_effects(
    log: pd.DataFrame,
    *,
    outcomes: Sequence[str] = OUTCOMES,
    covariates: Sequence[str] = COVARIATES,
    dimensions: Sequence[str] = tuple(DIMENSIONS),
    level: float = 0.95,
) -> pd.DataFrame:
    """Incremental churn, orders and margin of those treated, over all runs of the log.

    Parameters
    ----------
    log : DataFrame
        One row per decision whose time is over: columns of a decision and the outcomes. ``net_margin`` is the
        margin less what the contact cost. Everybody decided on must be there, treated or not.
    outcomes : sequence of str
        Columns to judge; ``net_margin`` gives the verdict.
    covariates : sequence of str
        Columns known before the decision; those the log lacks are left out.
    dimensions : sequence of str
        What to group by: ``all``, ``offer``, ``value_class``, ``channel``.
    level : float
        In (0, 1): the chance that all intervals of one dimension hold at once.

    Returns
    -------
    DataFrame
        One row per ``dimension`` (``all``, ``offer``, ``value_class``, ``channel``), ``group`` and ``outcome``:
        ``effect`` with ``low`` and ``high`` (per customer treated, unit of the outcome), unadjusted ``plain,
        plain_low, plain_high``; ``left_alone`` (mean without the offer); ``treated, held_out`` (customers);
        ``total, total_low, total_high`` (over all treated); ``runs, method, differ``; ``verdict``: ``works``,
        ``stop`` (the interval of the net margin lies below 0), ``open``, ``too_few``; ``note_en, note_zh``;
        ``source``, always ``measured``.

    Notes
    -----
    Runs whose arms have 30 customers or more are judged one by one and pooled by inverse variance; the others
    are put together first. An interval is given where in each arm five customers or more did something else
    than most of the arm did. Those who by exploration got another offer than planned count only towards whom
    the run is about.

    Examples
    --------
    >>> arm = np.repeat(["treat", "hold_out"], 40)
    >>> log = pd.DataFrame({"arm": arm, "offer": "call", "channel": "phone", "propensity": 0.5, "run_id": "r"})
    >>> log = log.assign(customer_id=range(80), value_class="gold")
    >>> log["net_margin"] = np.where(arm == "treat", 3.0, 5.0) + np.tile([0.0, 1.0], 40)
    >>> found = campaign_effects(log, outcomes=["net_margin"]).set_index("dimension").loc["offer"]
    >>> found["group"], float(found["effect"]), found["verdict"]
    ('call', -2.0, 'stop')
    """
    log = with_plan(log)
    require(log, outcomes, step="results")
    known = [name for name in covariates if name in log]
    meant = log[log["planned_offer"] != _ALONE]
    tables = [pd.DataFrame(columns=["dimension", "group", "outcome"])]
    for dimension in dimensions:
        column = DIMENSIONS[dimension]
        marks = pd.Series("all", index=meant.index) if column is None else meant[column].astype(object)
        groups = {str(name): meant[marks == name] for name in sorted(marks.dropna().unique(), key=str)}
        found = {name: pooled_effect(_parts(rows, outcomes, known)) for name, rows in groups.items()}
        if found:
            tables.append(_bounded(found, groups, dimension, level))
    return pd.concat([table for table in tables if len(table)] or tables, ignore_index=True)


def _parts(rows: pd.DataFrame, outcomes: Sequence[str], covariates: list[str]) -> list[pd.DataFrame]:
    """The effect in each run that can stand alone, and in all others together."""
    arms = pd.crosstab(rows["run_id"], rows["trial_arm"])
    both = arms.reindex(columns=[TREATED, LEFT_ALONE], fill_value=0).min(axis=1)
    alone = list(both.index[both >= MIN_ARM])
    pieces = [rows[rows["run_id"] == run] for run in alone]
    rest = rows[~rows["run_id"].isin(alone)]
    if len(rest) and (not pieces or _smallest_arm(rest) >= MIN_ARM):
        pieces.append(rest)
    return [_effect(piece, outcomes, covariates) for piece in pieces]


def _smallest_arm(rows: pd.DataFrame) -> int:
    return min(int((rows["trial_arm"] == arm).sum()) for arm in (TREATED, LEFT_ALONE))


def _effect(rows: pd.DataFrame, outcomes: Sequence[str], covariates: list[str]) -> pd.DataFrame:
    several = bool(rows["customer_id"].duplicated().any())
    trial = Trial(
        rows[list(outcomes)].astype(np.float64),
        rows["trial_arm"].to_numpy(np.int64),
        rows["propensity"].to_numpy(np.float64),
        rows[covariates].astype(np.float64) if covariates else None,
        rows["customer_id"].to_numpy(object) if several else None,
    )
    found = adjusted_effect(trial)
    sure = np.array([_enough(trial, name) for name in outcomes])
    return found.assign(se=found["se"].where(sure), plain_se=found["plain_se"].where(sure))


def _enough(trial: Trial, outcome: str) -> bool:
    """Whether each arm is large enough, and in each some did something else than most."""
    for arm in (TREATED, LEFT_ALONE):
        values = trial.outcomes[outcome][trial.arm == arm]
        if len(values) < MIN_ARM or len(values) - values.value_counts().iloc[0] < _MIN_MOVED:
            return False
    return True


def _bounded(
    found: dict[str, pd.DataFrame], groups: dict[str, pd.DataFrame], dimension: str, level: float
) -> pd.DataFrame:
    """Intervals that hold together, verdicts and notes of one dimension."""
    table = pd.concat(found, names=["group"]).reset_index()
    table.insert(0, "dimension", dimension)
    judged = table.loc[table["se"].notna(), "group"].nunique()
    own = judged_together(level, judged)
    for kind, low, high in _BOUNDS:
        table[low], table[high] = interval(table, kind, own)
    table["verdict"] = np.select(
        [table["se"].isna(), table["high"] < 0, table["low"] > 0], ["too_few", "stop", "works"], "open"
    )
    expected = {name: _expected(rows) for name, rows in groups.items()}
    rows = ({str(k): v for k, v in row.items()} for row in table.to_dict("records"))
    notes = [note(row, expected[row["group"]], own) for row in rows]
    net = table["outcome"] == "net_margin"
    words = pd.DataFrame(notes, index=table.index, columns=["note_en", "note_zh"])
    table = table.join(words).assign(source="measured")
    table["verdict"] = table["verdict"].where(net, "")
    return table[[*_COLUMNS]]


_BOUNDS: Final = (
    ("effect", "low", "high"),
    ("plain", "plain_low", "plain_high"),
    ("total", "total_low", "total_high"),
)
_COLUMNS: Final = (
    *("dimension", "group", "outcome", "effect", "low", "high", "left_alone", "treated", "held_out"),
    *("total", "total_low", "total_high", "plain", "plain_low", "plain_high", "se", "df", "third", "runs"),
    *("method", "differ", "verdict", "note_en", "note_zh", "source"),
)


def _expected(rows: pd.DataFrame) -> float:
    """Net margin per customer the policy expected of those treated; missing where it did not say."""
    if "expected_gain" not in rows:
        return np.nan
    return float(rows.loc[rows["trial_arm"] == TREATED, "expected_gain"].mean())


def campaign_rates(log: pd.DataFrame) -> pd.DataFrame:
    """How many contacts were reported back, reached and accepted, and what they cost.

    Parameters
    ----------
    log : DataFrame
        Decisions with ``cost`` (as planned), ``cost_paid``, ``reached``, ``accepted`` (missing where nothing
        came back).

    Returns
    -------
    DataFrame
        One row per ``dimension`` and ``group``: ``treated`` (customers given the planned offer), ``reported``
        (share of them a result came back for), ``reached`` and ``accepted`` (share of the results that say
        so), ``cost`` (money paid, planned where not reported).

    Examples
    --------
    >>> log = pd.DataFrame({"arm": "treat", "offer": "call", "channel": "phone", "run_id": "r"}, index=[0, 1])
    >>> log = log.assign(customer_id=["1", "2"], propensity=0.9, value_class="gold", cost_paid=[2.0, 3.0])
    >>> log = log.assign(reached=pd.array([True, None], dtype="boolean"), accepted=pd.NA)
    >>> campaign_rates(log).iloc[0, 2:].tolist()
    [2.0, 0.5, 1.0, nan, 5.0]
    """
    log = with_plan(log)
    done = log[log["trial_arm"] == TREATED]
    rows = []
    for dimension, column in DIMENSIONS.items():
        marks = pd.Series("all", index=done.index) if column is None else done[column].astype(object)
        for name, some in done.groupby(marks, sort=True):
            said = some[["reached", "accepted"]].astype("Float64")
            shares = [_share(said[n]) for n in said]
            reported = float(said.notna().any(axis=1).mean())
            rows.append((dimension, str(name), len(some), reported, *shares, float(some["cost_paid"].sum())))
    names = ["dimension", "group", "treated", "reported", "reached", "accepted", "cost"]
    return pd.DataFrame(rows, columns=names)


def _share(flags: pd.Series) -> float:
    return float(flags.mean()) if flags.notna().any() else np.nan
