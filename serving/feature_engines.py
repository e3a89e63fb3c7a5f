"""Engines for features, one for each question that is answered at the same time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from queue import Empty, SimpleQueue

import pyarrow as pa

from features.plan import FeatureEngine
from serving.live_scores import Features

__all__ = ["FeatureEngines"]


class FeatureEngines:
    """Hands out engines; as many are made as questions are ever answered at once.

    Parameters
    ----------
    timezone, country : str
        Of the business, as `features.plan.FeatureEngine` takes them.
    tables : sequence of str
        Tables that the shop has.

    Examples
    --------
    >>> from datetime import datetime
    >>> from features.pipeline import FEATURES
    >>> orders = pa.table({"customer_id": ["a"], "time": [datetime(2026, 1, 5)], "amount": [9.5]})
    >>> ids, features = FeatureEngines().fetch({"orders": orders}, date(2026, 1, 15))
    >>> ids, features.shape == (1, len(FEATURES))
    (['a'], True)
    """

    def __init__(self, timezone: str = "UTC", country: str = "", tables: Sequence[str] = ("orders",)) -> None:
        self._settings = (timezone, country, tables)
        self._idle: SimpleQueue[FeatureEngine] = SimpleQueue()

    def fetch(self, tables: Mapping[str, pa.Table], as_of: date) -> tuple[list[str], Features]:
        """Features of all customers of some tables.

        Returns
        -------
        tuple of list (n) and array (n, features)
            Ids, and the columns of `features.pipeline.FEATURES`, missing as NaN.
        """
        try:
            engine = self._idle.get_nowait()
        except Empty:
            engine = FeatureEngine(*self._settings)
        found = engine.fetch_matrix(tables, as_of)
        # An engine that failed is not used again.
        self._idle.put(engine)
        return found
