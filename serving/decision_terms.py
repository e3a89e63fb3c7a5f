"""The terms that a decision run leaves behind: what the offers are, believed to do, cost and still have room for.

Between two runs single customers are decided by these, so that the endpoint offers what the last run would have, at
the prices that run found for its limits, and never more than it left. The terms of a run are never changed.
"""

from __future__ import annotations

from datetime import date
from typing import Final

import sqlalchemy as sa
from pydantic import BaseModel, ConfigDict

from serving.decide import Decided, Policy
from serving.given import Used
from serving.state_tables import StateTables
from strategies.arms import ArmSettings
from strategies.offer_problem import Limits
from strategies.offers import LEAVE_ALONE, Offer, OfferCatalogue
from strategies.settings import ChannelSettings

__all__ = ["Belief", "Price", "Terms", "TermsStore", "terms_of"]

TERMS_VERSION: Final = 1
_metadata = sa.MetaData()
_terms = sa.Table(
    "decision_terms",
    _metadata,
    # the order of saving, not the clock, says which run is the latest
    sa.Column("position", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("run_id", sa.Text, nullable=False, unique=True),
    sa.Column("terms", sa.Text, nullable=False),
)


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Belief(_Frozen):
    """What an offer is believed to save, as a share of the value at stake, and whether it is stopped."""

    offer: str
    effect: float
    source: str
    stop: bool


class Price(_Frozen):
    """What one more unit of a limit would earn; kind is budget, contacts, channel or offer."""

    kind: str
    name: str
    price: float


class Terms(_Frozen):
    """The terms of one decision run.

    Parameters
    ----------
    run_id, as_of, policy_version
        Of the run.
    seed : int
        Of the lot.
    budget, contacts
        Limits of the run; None for no limit.
    experiment : ArmSettings
        Shares held out and exploring.
    offers, channels
        The catalogue.
    beliefs, prices : tuple
        Effects, and the prices of the limits that bind.
    used : Used
        What the run gave.
    """

    run_id: str
    as_of: date
    policy_version: str
    seed: int
    budget: float | None
    contacts: int | None
    experiment: ArmSettings
    offers: tuple[Offer, ...]
    channels: dict[str, ChannelSettings]
    beliefs: tuple[Belief, ...]
    prices: tuple[Price, ...]
    used: Used

    @property
    def catalogue(self) -> OfferCatalogue:
        """The offers as a catalogue."""
        return OfferCatalogue(self.offers, self.channels)

    def left(self, used_since: Used) -> Limits:
        """What the limits leave after the run and what was given since, never below 0."""
        used, catalogue = self.used.plus(used_since), self.catalogue
        return Limits(
            budget=None if self.budget is None else max(self.budget - used.money, 0.0),
            contacts=None if self.contacts is None else max(self.contacts - used.contacts, 0),
            per_channel=_less(catalogue.channel_capacities, used.channels),
            per_offer=_less(catalogue.offer_capacities, used.offers),
        )


def terms_of(decided: Decided, policy: Policy, *, run_id: str, as_of: date, seed: int) -> Terms:
    """The terms of a run that has just been made.

    Parameters
    ----------
    decided : Decided
        Rows, prices and beliefs.
    policy : Policy
        In force.
    run_id, as_of, seed
        Of the run.
    """
    given = decided.rows[decided.rows["offer"] != LEAVE_ALONE]
    used = Used(
        money=float(given["cost"].sum()),
        contacts=len(given),
        channels=_counts(given["channel"].tolist()),
        offers=_counts(given["offer"].tolist()),
    )
    columns = ["offer", "effect", "effect_source", "stop"]
    beliefs = decided.beliefs[columns].rename(columns={"effect_source": "source"})
    prices = [Price(kind=kind, name=name, price=p) for (kind, name), p in decided.allocation.prices.items()]
    return Terms(
        run_id=run_id,
        as_of=as_of,
        policy_version=policy.version,
        seed=seed,
        budget=policy.settings.budget,
        contacts=policy.settings.contacts,
        experiment=policy.settings.experiment,
        offers=policy.catalogue.offers,
        channels=policy.catalogue.channels,
        beliefs=tuple(Belief.model_validate(row) for row in beliefs.to_dict("records")),
        prices=tuple(prices),
        used=used,
    )


class TermsStore:
    """The terms of all runs, in the state database.

    Parameters
    ----------
    url : str
        SQLAlchemy address, as `serving.store.Store` takes it.

    Examples
    --------
    >>> store = TermsStore("sqlite://")
    >>> store.latest() is None
    True
    >>> store.close()
    """

    def __init__(self, url: str) -> None:
        self._tables = StateTables(
            url, _metadata, schema="decision_terms_schema", version=TERMS_VERSION, title="terms of decisions"
        )

    def save(self, terms: Terms) -> None:
        """Make these terms the latest; a run saved again keeps its place in the order only by being last."""
        values = {"run_id": terms.run_id, "terms": terms.model_dump_json()}
        with self._tables.writing() as connection:
            connection.execute(sa.delete(_terms).where(_terms.c.run_id == terms.run_id))
            connection.execute(sa.insert(_terms), values)

    def latest(self) -> Terms | None:
        """The terms of the run saved last; None when there was no run."""
        query = sa.select(_terms.c.terms).order_by(_terms.c.position.desc()).limit(1)
        with self._tables.reading() as connection:
            text = connection.scalar(query)
        return None if text is None else Terms.model_validate_json(text)

    def close(self) -> None:
        """Let go of the database."""
        self._tables.close()


def _counts(names: list[str]) -> dict[str, int]:
    return {name: names.count(name) for name in sorted(set(names))}


def _less(room: dict[str, int], used: dict[str, int]) -> dict[str, float]:
    return {name: max(places - used.get(name, 0), 0) for name, places in room.items()}
