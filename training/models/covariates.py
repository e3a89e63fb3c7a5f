"""What is known of a customer from the start and does not change: covariates of the purchase and dropout rates."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from features.errors import InputError, ModelError
from training.models.btyd import Floats

__all__ = ["Covariates", "check_effects", "covariate_matrix", "effects_from_json", "scaled_by"]


@dataclass(frozen=True)
class Covariates:
    """Covariates of the customers of a fit, in units of their spread.

    Parameters
    ----------
    values : standardised, shape (customers, covariates)
    mean, spread : of each covariate as given

    Notes
    -----
    The optimiser works on z* = (z − mean)/spread; an effect γ* on it is γ = γ*/spread on z, and the base
    value that belongs to z = 0 takes up the rest.
    """

    values: Floats
    mean: Floats
    spread: Floats

    @classmethod
    def of(cls, covariates: ArrayLike | None, weights: Floats) -> Covariates:
        """Check and standardise; without covariates a matrix of no columns.

        Raises
        ------
        InputError
            If a value is missing, rows do not match, or a column is the same for everyone.
        """
        z = covariate_matrix(covariates, weights.size)
        share = weights / weights.sum()
        mean = share @ z
        spread = np.sqrt(share @ (z - mean) ** 2)
        flat = spread <= 1e-12 * np.abs(mean) + 1e-300
        if flat.any():
            raise InputError(
                f"covariates: column {int(flat.argmax())} has the same value for every customer and tells "
                "nothing; leave it out"
            )
        return cls((z - mean) / spread, mean, spread)

    def unscale(self, effects: Floats) -> tuple[tuple[float, ...], float]:
        """Effects on the covariates as given, and what they add at their mean."""
        own = effects / self.spread
        return tuple(own.tolist()), float(own @ self.mean)


def covariate_matrix(covariates: ArrayLike | None, customers: int, width: int | None = None) -> Floats:
    """Covariates as float64 of shape (customers, covariates).

    Parameters
    ----------
    covariates : one row per customer; None for no covariates
    customers : rows expected
    width : columns expected, where a fitted model asks for them

    Raises
    ------
    InputError
        If shape or values are not as expected.
    """
    if covariates is None:
        if width:
            raise InputError(f"covariates: the model was fitted with {width} per customer, got none")
        return np.zeros((customers, 0))
    try:
        z = np.ascontiguousarray(covariates, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InputError("covariates: expected a matrix of numbers; code categories as 0 and 1") from error
    if z.ndim != 2 or z.shape[0] != customers:
        raise InputError(f"covariates: expected a row for each of {customers} customers, got shape {z.shape}")
    if width is not None and z.shape[1] != width:
        raise InputError(f"covariates: the model was fitted with {width} per customer, got {z.shape[1]}")
    bad = ~np.isfinite(z)
    if bad.any():
        raise InputError(
            f"covariates: {int(bad.sum())} of {z.size} values are missing or infinite; fill them first"
        )
    return z


def scaled_by(base: float, effects: Sequence[float], z: Floats, sign: float) -> Floats:
    """``base · exp(sign · z γ)`` of each customer.

    Raises
    ------
    InputError
        If a customer's covariates lie so far out that this leaves the range of numbers.
    """
    # A sum per customer, not a matrix product: one customer alone gets the same bits as in a batch.
    power = sign * np.sum(z * np.asarray(effects, dtype=np.float64), axis=1) + math.log(base)
    far = np.abs(power) > 600
    if far.any():
        raise InputError(
            f"covariates: {int(far.sum())} of {power.size} customers lie beyond all measure of those fitted; "
            "check their units"
        )
    return np.exp(power)


def check_effects(model: str, **effects: Sequence[float]) -> None:
    """Refuse effects that are not finite, or not one per covariate.

    Raises
    ------
    ModelError
        With the name of the first wrong one.
    """
    for name, values in effects.items():
        if not all(isinstance(v, (int, float)) and math.isfinite(v) for v in values):
            raise ModelError(f"{model}: {name} must be finite numbers, got {values!r}; fit again")
    if len({len(values) for values in effects.values()}) > 1:
        sizes = ", ".join(f"{len(values)} {name}" for name, values in effects.items())
        raise ModelError(f"{model}: expected one effect per covariate of each kind, got {sizes}; fit again")


def effects_from_json(data: dict[str, Any], *names: str) -> dict[str, Any]:
    """Stored effects by name; none where the model had no covariates."""
    return {name: tuple(data[name]) for name in names if name in data}
