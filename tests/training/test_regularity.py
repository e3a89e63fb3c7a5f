"""How even the gaps between purchases are."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from tests.training.small_shops import history
from training.models.anchor import Anchor
from training.models.mbg_nbd import MbgNbd
from training.models.regularity import regularity


def summaries(shape: float, seed: int, customers: int = 3000) -> tuple[np.ndarray, ...]:
    """Numbers, means and deviations of gamma gaps, every customer at an own pace."""
    rng = np.random.default_rng(seed)
    counts = rng.integers(3, 9, customers)
    gaps = [rng.gamma(shape, pace, n) for n, pace in zip(counts, rng.gamma(2.0, 9.0, customers), strict=True)]
    return counts.astype(float), *(np.array([f(g) for g in gaps]) for f in (np.mean, lambda g: g.std(ddof=1)))


@pytest.mark.parametrize("shape", [0.6, 1.0, 2.0, 5.0])
def test_the_shape_of_gamma_gaps_is_found_at_any_pace(shape):
    assert regularity(*summaries(shape, seed=3)) == pytest.approx(shape, rel=0.06)


def test_one_customer_with_three_gaps_by_hand():
    """Thirty customers with s²/m² = 1/2 and 3 gaps: 3 / (3k + 1) = 1/2, so k = 5/3."""
    n = np.full(30, 3.0)
    assert regularity(n, np.full(30, 10.0), np.full(30, 10.0 / 2**0.5)) == pytest.approx(5 / 3)
    assert regularity(n[:29], n[:29], n[:29]) is None
    assert regularity(n, n, np.full(30, np.nan)) is None


def test_gaps_without_any_deviation_are_as_even_as_can_be():
    n = np.full(40, 5.0)
    assert regularity(n, n, np.zeros(40)) == pytest.approx(np.exp(8.0))
    assert regularity(n, n, n * 1e4) == pytest.approx(np.exp(-5.0))


def test_where_the_gaps_show_no_rhythm_the_closed_form_has_none():
    rows = history(400, seed=2)
    rows["gap_mean"], rows["gap_sd"] = 20.0, 19.0
    rows.loc[rows["frequency"] < 3, ["gap_mean", "gap_sd"]] = np.nan
    assert isinstance(Anchor.fit(pd.DataFrame(rows)).buying, MbgNbd)
