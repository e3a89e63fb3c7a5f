"""Forecasts by the `lifetimes` package, in an environment of its own (it needs old pandas and numpy).

``forecast.py MODEL IN OUT WINDOW H [H ...]`` reads ``x, t_x, T, m`` (days and money) from one CSV file and
writes ``no_order``, ``orders_{h}`` and ``value_{h}`` to another. It prints one JSON line: seconds of the fit
and the penalties that were needed.
"""

import json
import sys
import time
import warnings

import numpy as np
import pandas as pd
from lifetimes import BetaGeoFitter, GammaGammaFitter, ParetoNBDFitter
from lifetimes.utils import ConvergenceError

MODELS = {"bg_nbd": BetaGeoFitter, "pareto_nbd": ParetoNBDFitter}
# The package's own advice where plain likelihood does not converge: penalise, a little more each time.
PENALTIES = (0.0, 0.001, 0.01, 0.1)


def fitted(kind, *columns):
    """The model with the smallest penalty that converges, and that penalty."""
    for penalty in PENALTIES:
        try:
            return kind(penalizer_coef=penalty).fit(*columns), penalty
        except ConvergenceError as error:
            failed = error
    raise failed


def no_order(name, model, rows, window):
    """P(no purchase within the window), from the parameters and P(alive) of the fit."""
    x, t_x, T = rows["x"], rows["t_x"], rows["T"]
    if name == "pareto_nbd":
        return model.conditional_probability_of_n_purchases_up_to_time(0, window, x, t_x, T)
    # BG/NBD: the package has no such function; nobody stops between two purchases, so the alive wait is Lomax.
    r, alpha = model.params_["r"], model.params_["alpha"]
    quiet = ((alpha + T) / (alpha + T + window)) ** (r + x)
    return 1.0 - model.conditional_probability_alive(x, t_x, T) * (1.0 - quiet)


def main(name, given, wanted, window, *horizons):
    """Fit, predict, write."""
    rows = pd.read_csv(given, float_precision="round_trip")
    began = time.perf_counter()
    model, penalty = fitted(MODELS[name], rows["x"], rows["t_x"], rows["T"])
    spenders = rows[(rows["x"] > 0) & (rows["m"] > 0)]
    spending, spend_penalty = fitted(GammaGammaFitter, spenders["x"], spenders["m"])
    seconds = time.perf_counter() - began
    each = np.asarray(spending.conditional_expected_average_profit(rows["x"], rows["m"]))
    found = {"no_order": np.asarray(no_order(name, model, rows, int(window)))}
    for h in horizons:
        x, t_x, T = rows["x"], rows["t_x"], rows["T"]
        orders = model.conditional_expected_number_of_purchases_up_to_time(int(h), x, t_x, T)
        found[f"orders_{h}"] = np.asarray(orders)
        found[f"value_{h}"] = found[f"orders_{h}"] * each
    pd.DataFrame(found).to_csv(wanted, index=False)
    print(json.dumps({"seconds": seconds, "penalty": [penalty, spend_penalty]}))


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    with np.errstate(all="ignore"):
        main(*sys.argv[1:])
