"""Small randomised logs with known effects."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd

from training.effects.trial_log import TrialLog

__all__ = ["OFFERS", "trial"]

OFFERS = ("mail", "call")
Floats = npt.NDArray[np.float64]


def trial(
    rows: int,
    seed: int,
    *,
    shift: tuple[float, float] = (0, 0),
    by_x: tuple[float, float] = (0, 0),
    money: bool = False,
) -> TrialLog:
    """P(yes) = 0.4 + shift + by_x · x per offer, x uniform in [−1, 1]; money pays 30 on average for a yes."""
    rng = np.random.default_rng(seed)
    x = rng.uniform(-1, 1, rows)
    features = pd.DataFrame({"x": x, "plan": rng.choice(["a", "b"], rows), "z": rng.normal(size=rows)})
    chances = np.where((features["plan"] == "a").to_numpy()[:, None], [0.2, 0.4, 0.4], [0.4, 0.3, 0.3])
    given = (rng.random(rows)[:, None] > np.cumsum(chances, axis=1)[:, :-1]).sum(axis=1)
    gain = np.array([0.0, *shift])[given] + np.array([0.0, *by_x])[given] * x
    base = np.where(features["plan"] == "a", 0.5, 0.3)
    outcome = (rng.random(rows) < base + gain).astype(np.float64)
    if money:
        outcome *= 30.0 * np.exp(0.5 * rng.normal(size=rows) - 0.125)
    return TrialLog(features, OFFERS, given, chances, outcome, "money" if money else "binary", "kept")
