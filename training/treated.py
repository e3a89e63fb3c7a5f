"""Which rows of the panel show what customers do when left alone, and how much each of them speaks for.

A customer who was contacted and saved did not order because all was well. Where campaigns choose whom to
contact by behaviour, the saved are the risky, and a model that learns from them learns that the risky are
safe. The question a retention team asks is what happens *without* a contact; these weights let only rows
answer that can.

Notes
-----
Contacts are looked at campaign by campaign, in the step between two snapshots that they fall into; campaigns of
a few contacts are looked at together.

1. A campaign with a random hold-out that chose by behaviour is known by design: a contacted row counts 0, a
   hold-out row stands for itself and the contacted (1 / share of the hold-out), a row not chosen counts 1.
2. A campaign without one that chose the silent counts contacted rows 0, and everyone alike too: among those who
   were about to be contacted, the ones who were not are those who ordered in time, and they would teach that
   the risky are safe even more than the saved do. "Alike" is a chance of contact above `MOST_ALIKE`, learned on
   the other half of the customers; below it, a row counts 1 / (1 - chance). Other days, and the closed form,
   teach about such customers.
3. Any other contact (a newsletter, a welcome, a hold-out of everybody) is part of ordinary life: it reaches
   risky and safe alike, or the safe, and cannot turn the order round. Rows keep weight 1: on simulated shops
   with contacts at random, models that left out the contacted were further from the truth without a contact.

"Chose" means an AUC beyond 0.5 ± 0.1, and beyond three standard errors, between the contacted and the others:
of any feature of `CHOICE` in 1, of how long they were silent in 2.

A contact counts for a row when its day lies in [as_of - `LASTS_DAYS`, as_of + horizon): before it the effect may
still run. Customers contacted before as_of are told apart by features besides.

References
----------
Robins, Hernán, Brumback (2000), Marginal structural models, Epidemiology 11(5), for weights by chance of
treatment; Crump, Hotz, Imbens, Mitnik (2009), Dealing with limited overlap, Biometrika 96(1), for leaving out
where chances are near one; Chernozhukov et al. (2018), Econometrics Journal 21(1), for cross-fitting.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.stats import rankdata

from features.campaigns import HOLD_OUT
from features.tables import Tables

__all__ = ["CHOICE", "LASTS_DAYS", "MOST_ALIKE", "Treatment", "treatment_weights"]

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
CHOICE = (
    "days_since_last",
    "overdue_ratio",
    "frequency",
    "T",
    "gap_mean",
    "orders_90d",
    "orders_365d",
    "spend_365d",
    "spend_total",
    "value_mean",
)
"""What campaigns may choose by: how long silent, how often, how much, how long a customer."""
LASTS_DAYS = 90
MOST_ALIKE = 0.2
_SILENCE = ("days_since_last", "overdue_ratio")
_SELECTIVE = 0.1
_FEW_CONTACTS = 30
_YEAR = 365
_LEAST_HELD = 0.05
_FEWEST_HELD = 10
_LARGEST = 20.0


@dataclass(frozen=True)
class Treatment:
    """Weights of the panel's rows, and what to tell about them.

    Parameters
    ----------
    weights : pandas.DataFrame
        ``weight_{h}`` for each horizon, ≥ 0, 0 = leave out; no columns where every row counts 1.
    note : str
        What was found; empty where there is nothing to tell.
    """

    weights: pd.DataFrame
    note: str = ""


def treatment_weights(
    frame: pd.DataFrame, tables: Tables, horizons_days: Sequence[int], by: date
) -> Treatment:
    """Weights of every row for each horizon, from the contacts known before the day `by`.

    Parameters
    ----------
    frame : pandas.DataFrame
        Rows of the panel: ``as_of, customer_id`` and features.
    tables : Tables
        Where the campaigns are.
    horizons_days : sequence of int
        Horizons, days.
    by : date
        Contacts that happened or arrived on it or later are unknown.
    """
    nothing = Treatment(pd.DataFrame(index=frame.index))
    if tables.campaigns is None or frame.empty:
        return nothing
    contacts = _selective(_contacts(tables, by), frame)
    if contacts.empty:
        return nothing
    rows = _Rows(frame, contacts)
    weights = pd.DataFrame({f"weight_{h}": rows.weights(h) for h in sorted(set(horizons_days))}, frame.index)
    return Treatment(weights, rows.note(weights))


def _contacts(tables: Tables, by: date) -> pd.DataFrame:
    """Contacts and hold-out: ``customer_id, day, campaign, held``; unnamed campaigns go by their offer."""
    table = tables.campaigns
    assert table is not None
    known = table.filter(table.known_day < by)
    found = tables.con.to_pyarrow(known).to_pandas()
    absent = pd.Series(None, index=found.index, dtype=object)
    arm = found.get("arm", absent).astype(object).str.lower()
    name = found.get("campaign_id", absent).astype(object)
    return pd.DataFrame(
        {
            "customer_id": found["customer_id"],
            "day": pd.to_datetime(found["day"]),
            "campaign": name.where(name.notna(), found.get("offer", absent)).fillna("").astype(str),
            "held": arm.isin(HOLD_OUT).to_numpy(bool),
        }
    )


def _selective(contacts: pd.DataFrame, frame: pd.DataFrame) -> pd.DataFrame:
    """Contacts of campaigns that chose by behaviour, with ``share``: of the hold-out, 0 without a random one."""
    days = np.sort(frame["as_of"].unique())
    step = np.searchsorted(days, contacts["day"].to_numpy(), side="right") - 1
    contacts = contacts.assign(step=step, share=0.0)[step >= 0]
    size = contacts.groupby(["step", "campaign"])["day"].transform("size")
    contacts["campaign"] = contacts["campaign"].where(size >= _FEW_CONTACTS, "")
    parts = [contacts.iloc[:0]]
    for number in contacts["step"].unique():
        here = contacts[contacts["step"] == number]
        snapshot = _Snapshot(frame[frame["as_of"] == days[number]])
        for _, campaign in here.groupby("campaign"):
            share = snapshot.hold_out_share(campaign)
            if share is not None:
                parts.append(campaign.assign(share=share))
    return pd.concat(parts)


class _Snapshot:
    """The customers of one day, and whom a campaign chose among them."""

    def __init__(self, rows: pd.DataFrame) -> None:
        self.values = {name: rows[name].to_numpy(np.float64) for name in CHOICE}
        self.place = pd.Series(np.arange(len(rows)), index=rows["customer_id"])

    def hold_out_share(self, campaign: pd.DataFrame) -> float | None:
        """Share of a random hold-out; 0 for none though it chose the silent; None for ordinary life."""
        treated = _flags(self.place, campaign[~campaign["held"]])
        held = _flags(self.place, campaign[campaign["held"]]) & ~treated
        if not treated.any():
            return None
        share = float(held.sum() / (held.sum() + treated.sum()))
        if held.sum() >= _FEWEST_HELD and share >= _LEAST_HELD and not self._apart(treated, held):
            return share if self._apart(treated, ~treated & ~held) else None
        return 0.0 if self._silent(treated) else None

    def _apart(self, one: Flags, other: Flags) -> bool:
        """Whether any feature tells the two groups apart."""
        return any(_more(v, one, other) or _more(v, other, one) for v in self.values.values())

    def _silent(self, treated: Flags) -> bool:
        """Whether the contacted were silent for longer: than all, or than all who were seen within a year."""
        seen = self.values["days_since_last"] <= _YEAR
        return any(
            _more(self.values[name], treated & some, ~treated & some)
            for name in _SILENCE
            for some in (np.ones_like(seen), seen)
        )


def _more(values: Floats, one: Flags, other: Flags) -> bool:
    """Whether `values` are larger in the first group, by enough to matter and by more than chance.

    Examples
    --------
    >>> late = np.arange(100) >= 50
    >>> _more(np.arange(100.0), late, ~late), _more(np.arange(100.0), ~late, late)
    (True, False)
    """
    known = ~np.isnan(values)
    n, m = int((one & known).sum()), int((other & known).sum())
    if not n or not m:
        return False
    ranks = rankdata(np.concatenate([values[one & known], values[other & known]]))[:n]
    auc = (ranks.sum() - n * (n + 1) / 2) / (n * m)
    return bool(auc - 0.5 > max(_SELECTIVE, 3 * np.sqrt((n + m + 1) / (12 * n * m))))


class _Rows:
    """The panel's rows beside the contacts that chose by behaviour."""

    def __init__(self, frame: pd.DataFrame, contacts: pd.DataFrame) -> None:
        self.contacts = contacts
        self.campaigns = contacts["campaign"].nunique()
        self.choice = np.ascontiguousarray(frame[list(CHOICE)].to_numpy(np.float64))
        self.day = frame["as_of"].to_numpy()
        codes, names = pd.factorize(frame["customer_id"])
        self.fold = pd.util.hash_array(np.asarray(names, dtype=object))[codes] % 2
        self.customer = frame["customer_id"].to_numpy(object)
        self.unheld = contacts.loc[contacts["share"] == 0, "campaign"].nunique()

    def weights(self, horizon_days: int) -> Floats:
        """Weight of every row for one horizon."""
        known, alone = np.ones(len(self.day)), np.ones(len(self.day))
        for day in np.unique(self.day):
            here = np.flatnonzero(self.day == day)
            near = self._near(day, horizon_days)
            if len(near):
                place = pd.Series(np.arange(len(here)), index=self.customer[here])
                known[here] = _by_design(place, near[near["share"] > 0])
                alone[here] = self._by_chance(here, _flags(place, near[near["share"] == 0]))
        return np.minimum(known * alone, _LARGEST)

    def _near(self, day: np.datetime64, horizon_days: int) -> pd.DataFrame:
        """Contacts and hold-out that matter to a snapshot."""
        days = self.contacts["day"]
        first, last = day - np.timedelta64(LASTS_DAYS, "D"), day + np.timedelta64(horizon_days, "D")
        return self.contacts[(days >= first) & (days < last)]

    def _by_chance(self, here: npt.NDArray[np.int64], contacted: Flags) -> Floats:
        """Weights of one snapshot against contacts without a hold-out."""
        if not contacted.any():
            return np.ones(len(here))
        chance = self._chance(here, contacted)
        return np.where(contacted | (chance > MOST_ALIKE), 0.0, 1.0 / (1.0 - np.minimum(chance, MOST_ALIKE)))

    def _chance(self, here: npt.NDArray[np.int64], happened: Flags) -> Floats:
        """Chance of what happened to each row, learned on the other half of the customers."""
        import lightgbm as lgb

        chance = np.zeros(len(here))
        for fold in (0, 1):
            own = self.fold[here] == fold
            if not own.any():
                continue
            if own.all() or np.unique(happened[~own]).size < 2:
                chance[own] = happened.mean()
                continue
            data = lgb.Dataset(self.choice[here[~own]], happened[~own].astype(float), params=_PARAMS)
            chance[own] = lgb.train(_PARAMS, data, 40).predict(self.choice[here[own]], num_threads=1)
        return chance

    def note(self, weights: pd.DataFrame) -> str:
        """What was done."""
        out, rows = int((weights == 0).any(axis=1).sum()), len(weights)
        told = (
            f"contacts: {self.campaigns} campaign(s) chose whom to contact by behaviour; {out:,} of {rows:,} rows are "
            "left out, as they do not show what happens without a contact"
        )
        if not self.unheld:
            return told
        return told + (
            f". {self.unheld} of them left nobody alone by chance, so that their customers, and all alike, cannot "
            "teach: leave a random tenth of each campaign alone and record it (arm hold-out)"
        )


_PARAMS = {
    "objective": "binary",
    "learning_rate": 0.15,
    "num_leaves": 15,
    "min_data_in_leaf": 20,
    "lambda_l2": 1.0,
    "max_bin": 63,
    "seed": 1,
    "deterministic": True,
    "force_row_wise": True,
    "num_threads": 1,
    "verbosity": -1,
}


def _by_design(place: pd.Series, near: pd.DataFrame) -> Floats:
    """Weights of one snapshot against contacts with a random hold-out, which stands for the contacted."""
    weight = np.ones(len(place))
    held = near[near["held"]]
    at = place.reindex(held["customer_id"])
    np.multiply.at(weight, at.dropna().to_numpy(np.int64), 1.0 / held["share"].to_numpy()[at.notna()])
    return np.where(_flags(place, near[~near["held"]]), 0.0, weight)


def _flags(place: pd.Series, contacts: pd.DataFrame) -> Flags:
    """Which of the rows in `place` the contacts reached."""
    flags = np.zeros(len(place), dtype=bool)
    flags[place.reindex(contacts["customer_id"].unique()).dropna().astype(np.int64).to_numpy()] = True
    return flags
