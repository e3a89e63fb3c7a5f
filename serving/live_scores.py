"""Rows of the list from ready features, as JSON text: the last step of every live score."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from features.pipeline import FEATURES
from serving.asked import Asked
from serving.row_text import row_text
from serving.wanted import Wanted

__all__ = ["PURCHASES", "Features", "Models", "Scores", "Served", "feature_matrix", "score_features"]

Features = npt.NDArray[np.float64]
PURCHASES = FEATURES.index("purchase_days")
"""Column of the days with a purchase: who has none is no customer yet."""


class Scores(Protocol):
    """What scores customers: `serving.scorer.Scorer`."""

    def answer_rows(
        self, features: Features, customer_ids: Sequence[str], as_of: date, *, explain: bool = False
    ) -> list[dict[str, Any]]:
        """Rows of the list as plain values, in the order given."""

    def answer_texts(
        self, features: Features, customer_ids: Sequence[str], as_of: date, *, explain: bool = False
    ) -> list[str]:
        """The same as JSON text."""

    def risk_texts(self, features: Features, customer_ids: Sequence[str], as_of: date) -> list[str]:
        """The risk alone, as JSON text."""


class Served(Protocol):
    """The model that answers: `serving.model_watch.Served`."""

    @property
    def scorer(self) -> Scores:
        """With the bundle."""

    @property
    def version(self) -> str:
        """Version of the bundle."""


class Models(Protocol):
    """Gives the model that answers: `serving.model_watch.ModelWatch`."""

    @property
    def served(self) -> Served:
        """The model that answers now; taken once for a request."""


def feature_matrix(rows: Iterable[Mapping[str, Any]]) -> Features:
    """Ready features as the scorer takes them: columns in the order of `FEATURES`, None as NaN.

    Parameters
    ----------
    rows : iterable of mapping
        Each in the order of `features.pipeline.FEATURES`, as `serving.schemas.Features` keeps it.
    """
    values = [list(row.values()) for row in rows]
    return np.array(values, dtype=np.float64).reshape(-1, len(FEATURES))


def score_features(
    features: Features,
    customer_ids: Sequence[str],
    as_of: date,
    *,
    served: Served,
    asked: Asked,
    wanted: Wanted,
) -> dict[str, str]:
    """Rows as JSON text, by customer.

    Parameters
    ----------
    features : array (n, features)
        Columns in the order of `features.pipeline.FEATURES`, missing as NaN.
    customer_ids : sequence of str (n)
        Each customer once.
    as_of : date
        The day the features describe.
    served : Served
        The model.
    asked : Asked
        Told which model answered; customers that its key does not cover are left out.
    wanted : Wanted
        Reasons or none; the risk alone is told sooner.

    Returns
    -------
    dict of str to str
        Without those who have bought nothing yet.
    """
    asked.model_version = served.version
    bought = features[:, PURCHASES] > 0
    if not bought.all():
        features = features[bought]
        customer_ids = [customer for customer, has in zip(customer_ids, bought, strict=True) if has]
    if not len(customer_ids):
        return {}
    if asked.scoped:
        rows = served.scorer.answer_rows(features, customer_ids, as_of, explain=wanted.reasons)
        return {row["customer_id"]: row_text(row) for row in rows if asked.covers(row)}
    if wanted.risk_alone and not asked.scoped:
        texts = served.scorer.risk_texts(features, customer_ids, as_of)
        return dict(zip(customer_ids, texts, strict=True))
    texts = served.scorer.answer_texts(features, customer_ids, as_of, explain=wanted.reasons)
    return dict(zip(customer_ids, texts, strict=True))
