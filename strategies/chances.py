"""The chance of every offer for every customer, as one text per decision, so that the log can be learnt from."""

from __future__ import annotations

import json
from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from strategies.offer_problem import Floats

__all__ = ["ALONE", "read_chances", "write_chances"]

ALONE = "leave_alone"


def write_chances(chances: Floats, codes: Sequence[str]) -> NDArray[np.object_]:
    """One JSON text per row: code to chance, offers without a chance left out.

    Parameters
    ----------
    chances : array (n, 1 + k)
        As `strategies.arms.offer_chances` gives them: leave alone first; rows sum to 1.
    codes : sequence of str (k)
        Of the offers.

    Examples
    --------
    >>> write_chances(np.array([[0.25, 0.75, 0.0], [1.0, 0.0, 0.0]]), ["call", "mail"]).tolist()
    ['{"leave_alone": 0.25, "call": 0.75}', '{"leave_alone": 1.0}']
    """
    names = [ALONE, *codes]
    frame = pd.DataFrame(np.asarray(chances, dtype=np.float64))
    # Chances depend on the chosen offer and the eligible ones only, so that few rows differ.
    alike = frame.groupby(list(frame.columns), sort=False).ngroup()
    texts = [
        json.dumps({name: p for name, p in zip(names, row, strict=True) if p > 0})
        for row in frame[~alike.duplicated()].itertuples(index=False)
    ]
    return np.array(texts, dtype=object)[alike.to_numpy(np.int64)]


def read_chances(column: pd.Series, codes: Sequence[str]) -> Floats:
    """The chances of leave alone (column 0) and of these offers, shape (n, 1 + k); missing texts give 0.

    Examples
    --------
    >>> read_chances(pd.Series(['{"leave_alone": 0.25, "call": 0.75}', None]), ["mail", "call"]).tolist()
    [[0.25, 0.0, 0.75], [0.0, 0.0, 0.0]]
    """
    places, texts = pd.factorize(column)
    known = [json.loads(text) for text in texts]
    table = np.array([[one.get(name, 0.0) for name in (ALONE, *codes)] for one in [*known, {}]])
    return np.asarray(table[places], dtype=np.float64)
