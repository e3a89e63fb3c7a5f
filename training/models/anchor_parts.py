"""The closed form opened: how much silence, number of purchases and usual gap each move the log-odds of churn.

A closed form gives one figure for three facts. Set against one usual customer of the shop, the difference is
shared among the three facts by their Shapley values, which add up to it exactly.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from features.errors import ModelError
from training.models.anchor import Anchor
from training.models.head import logit
from training.models.rows import Rows, matrix_of

__all__ = ["PARTS", "UsualCustomer", "open_anchor"]

Floats = npt.NDArray[np.float64]
# Columns that take the place of the lump: number of purchases, usual gap, silence.
PARTS = ("anchor_frequency", "anchor_gap", "anchor_silence")
_HISTORY = ("frequency", "recency", "T")
# Which facts are the customer's own in a mix; the others are those of the usual customer.
_OWN = (0, 1, 2)
_MIXES = ((0,), (1,), (2,), (0, 1), (0, 2), (1, 2))


@dataclass(frozen=True)
class UsualCustomer:
    """The customer all others are compared with: medians to two digits, nobody's own figures.

    Parameters
    ----------
    frequency : float
        Repeat purchase days, whole, ≥ 0.
    gap_days : float
        Mean gap between purchase days of a repeat buyer, days, > 0.
    silence_days : float
        Days since the last purchase, ≥ 0.
    """

    frequency: float
    gap_days: float
    silence_days: float

    @classmethod
    def of(cls, features: pd.DataFrame) -> UsualCustomer:
        """The usual customer of a snapshot with the columns ``frequency``, ``recency`` and ``T``.

        Examples
        --------
        >>> rows = pd.DataFrame({"frequency": [0, 2, 5], "recency": [0, 60, 50], "T": [9, 101, 90]})
        >>> UsualCustomer.of(rows)
        UsualCustomer(frequency=2.0, gap_days=20.0, silence_days=40.0)
        """
        x, t_x, T = _history(features)
        silence = _two_digits(float(np.median(T - t_x)))
        again = (x > 0) & (t_x > 0)
        # Where nobody came back, no gap is known; it then plays no part in anybody's figure.
        gap = float(np.median(t_x[again] / x[again])) if again.any() else max(1.0, silence)
        return cls(float(np.floor(_two_digits(float(np.median(x))))), _two_digits(gap), silence)

    def to_json(self) -> dict[str, float]:
        """Plain values for the bundle."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: Mapping[str, float] | None) -> UsualCustomer:
        """The usual customer written by `to_json`.

        Raises
        ------
        ModelError
            When the bundle has none.
        """
        if values is None:
            raise ModelError("bundle: it has no usual customer to compare others with; run `retain train`")
        return cls(**values)


def open_anchor(
    contributions: Rows,
    features: pd.DataFrame | Rows,
    anchor: Anchor,
    *,
    usual: UsualCustomer,
    window_days: int,
    weight: float = 1.0,
) -> Rows:
    """Put three facts in the place of the lump ``anchor`` of a head's contributions.

    Parameters
    ----------
    contributions : Rows
        Of the churn head: log-odds with the columns ``anchor`` and ``base``.
    features : pandas.DataFrame or Rows
        The same customers, with ``frequency``, ``recency`` and ``T``.
    anchor : Anchor
        The closed form.
    usual : UsualCustomer
        Whom the customers are compared with.
    window_days : int
        Churn window, days.
    weight : float
        Weight of the closed form in the head's answer.

    Returns
    -------
    Rows
        Without ``anchor``; with ``anchor_frequency``, ``anchor_gap`` and ``anchor_silence``; what the usual
        customer has is in ``base``. A row's sum is what it was.

    Notes
    -----
    With v(S) the log-odds when the facts in S are the customer's and the others the usual customer's, and i one
    of the three facts::

        φ_i = 1/3 [v(i) − v()] + 1/6 Σ_j [v(ij) − v(j)] + 1/3 [v(all) − v(all but i)]

    The facts are the number of repeat purchases x, the mean gap g between them and the silence d since the
    last; the closed form's t_x = x·g and T = t_x + d then fit together in every mix. A one-time buyer has no gap
    and takes the usual one, so that it plays no part.

    References
    ----------
    Shapley (1953), A value for n-person games. Contributions to the Theory of Games II, 307-317.
    """
    v = _mixes(features, anchor, usual, window_days)
    shares = [weight * _shapley(v, fact) for fact in _OWN]
    names, values = contributions.names, contributions.matrix
    # The lump is measured from the head's own zero point: what lies between the two belongs to the base.
    rest = values[:, names.index("anchor")] - weight * (v[_OWN] - v[()])
    kept = [place for place, name in enumerate(names) if name != "anchor"]
    matrix = np.column_stack([values[:, kept], *shares])
    matrix[:, kept.index(names.index("base"))] += rest
    return Rows((*(names[place] for place in kept), *PARTS), matrix)


def _mixes(
    features: pd.DataFrame | Rows, anchor: Anchor, usual: UsualCustomer, window_days: int
) -> dict[tuple[int, ...], Floats]:
    """v(S) for every mix of own and usual facts, all asked at once; the usual customer's is one number."""
    x, t_x, T = _history(features)
    gap = np.where((x > 0) & (t_x > 0), t_x / np.maximum(x, 1.0), usual.gap_days)
    ours, theirs = (x, gap, T - t_x), (usual.frequency, usual.gap_days, usual.silence_days)
    rows = [_rows(x, t_x, T)]
    for mix in _MIXES:
        count, each, silence = (ours[i] if i in mix else np.full(len(x), theirs[i]) for i in _OWN)
        span = t_x if mix == (0, 1) else count * each
        rows.append(_rows(count, span, span + silence))
    usual_span = usual.frequency * usual.gap_days
    rows.append(np.array([[usual.frequency, usual_span, usual_span + usual.silence_days]]))
    asked = Rows(_HISTORY, np.concatenate(rows))
    found = logit(anchor.no_order_probability(asked, window_days))
    each_mix = np.split(found, [len(x) * (n + 1) for n in range(len(rows) - 1)])
    return dict(zip((_OWN, *_MIXES, ()), each_mix, strict=True))


def _shapley(v: dict[tuple[int, ...], Floats], fact: int) -> Floats:
    first, second = (other for other in _OWN if other != fact)
    one, two = sorted((fact, first)), sorted((fact, second))
    ends = v[(fact,)] - v[()] + v[_OWN] - v[first, second]
    middle = v[one[0], one[1]] - v[(first,)] + v[two[0], two[1]] - v[(second,)]
    return ends / 3.0 + middle / 6.0


def _rows(x: Floats, t_x: Floats, T: Floats) -> Floats:
    return np.column_stack([x, t_x, T])


def _history(features: pd.DataFrame | Rows) -> tuple[Floats, Floats, Floats]:
    x, t_x, T = np.ascontiguousarray(matrix_of(features, _HISTORY).T)
    return x, t_x, T


def _two_digits(value: float) -> float:
    return float(f"{value:.2g}")
