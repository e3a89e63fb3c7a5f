"""Customers whose reaction to offers is known: what the loop of `decisions` is run on."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.special import expit

from strategies.arms import ArmSettings
from strategies.settings import OfferSettings

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
TYPES: Final = ("apostle", "hostage", "mercenary", "saboteur")
CLASSES: Final = ("lead", "iron", "gold", "platinum")
# What the catalogue assumes of every customer, and the truth by type before lost causes are taken off.
OFFERS: Final = {
    "call": OfferSettings(channel="phone", cost=8.0, assumed_effect=0.15, strength=50),
    "voucher": OfferSettings(channel="email", cost=4.0, assumed_effect=0.10, strength=50, touches_price=True),
    "mail": OfferSettings(channel="email", cost=0.3, assumed_effect=0.02, strength=1000),
}
TRUTH: Final = {
    "call": (0.45, -0.40, 0.15, 0.60),
    "voucher": (-0.10, 0.10, 0.70, 0.10),
    "mail": (0.10, -0.05, 0.05, 0.00),
}
LOST_FROM, LOST_WITHIN = 0.70, 0.04
NOISE = 0.3
EXPERIMENT: Final = ArmSettings(hold_out=0.2, explore=0.05)


@dataclass(frozen=True)
class Day:
    """The customers of one campaign: forecasts that are right, and the truth about offers.

    Parameters
    ----------
    people : DataFrame
        As `serving.people.people_of` and the frameworks make it.
    margin : array (n,)
        Margin of one who stays.
    effect : array (n, k)
        True share of the value at stake that each offer saves.
    luck : array (n, 2)
        Uniform and normal, the same under every offer.
    """

    people: pd.DataFrame
    margin: Floats
    effect: Floats
    luck: Floats

    @classmethod
    def draw(cls, rng: np.random.Generator, customers: int, campaign: int) -> Day:
        """New customers of the same kind."""
        churn, margin = rng.beta(1.3, 1.6, customers), rng.lognormal(5.0, 0.7, customers)
        kind = rng.integers(0, len(TYPES), customers)
        reachable = expit((LOST_FROM - churn) / LOST_WITHIN)
        shares = np.column_stack([np.array(TRUTH[code])[kind] for code in OFFERS])
        # Who is lost cannot be won back, but can still be woken up.
        effect = np.where(shares > 0, shares * reachable[:, None], shares)
        stake = churn * (1 - churn) * margin
        people = pd.DataFrame(
            {
                "customer_id": [f"{campaign}-{i}" for i in range(customers)],
                "churn_probability": churn,
                "value_at_stake": stake,
                "clv": (1 - churn) * margin,
                "value_class": np.array(CLASSES)[np.digitize(margin, [95.0, 150.0, 240.0])],
                "satisfaction_loyalty": np.array(TYPES)[kind],
                "risk": np.where(churn >= 0.7, "high", "low"),
                "lifecycle_stage": "commitment",
                "status": "active",
                "last_campaign_days": np.nan,
            }
        )
        luck = np.column_stack([rng.random(customers), rng.normal(size=customers)])
        return cls(people, margin, effect, luck)

    @cached_property
    def gain(self) -> Floats:
        """Expected incremental profit of each offer, as the oracle knows it."""
        costs = np.array([offer.cost for offer in OFFERS.values()])
        return self.people["value_at_stake"].to_numpy()[:, None] * self.effect - costs

    def expected(self, offer: Ints) -> float:
        """Expected incremental profit of handing out these offers; −1 is nobody."""
        return float(self.gain[np.arange(len(offer)), offer][offer >= 0].sum())

    def outcome(self, offer: Ints) -> tuple[Floats, Floats]:
        """Margin before the cost of the offer, and who leaves."""
        p = self.people["churn_probability"].to_numpy()
        share = np.where(offer < 0, 0.0, self.effect[np.arange(len(offer)), offer])
        stays = self.luck[:, 0] < (1 - p) * (1 + share * p)
        return stays * self.margin * np.exp(NOISE * self.luck[:, 1] - NOISE**2 / 2), 1.0 - stays

    def realised(self, offer: Ints) -> float:
        """Incremental profit as it came out, both worlds of each customer drawn with the same luck."""
        nobody = np.full(len(offer), -1, dtype=np.int64)
        paid = sum((offer == o).sum() * settings.cost for o, settings in enumerate(OFFERS.values()))
        return float((self.outcome(offer)[0] - self.outcome(nobody)[0]).sum() - paid)
