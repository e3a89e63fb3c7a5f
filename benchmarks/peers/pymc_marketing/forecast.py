"""Forecasts by pymc-marketing (maximum a posteriori), in an environment of its own.

``forecast.py MODEL IN OUT WINDOW H [H ...]``, as in the folder beside: ``x, t_x, T, m`` from one CSV file,
``no_order``, ``orders_{h}`` and ``value_{h}`` to another, one JSON line with the seconds of the fit.
"""

import json
import logging
import sys
import time
import warnings

import numpy as np
import pandas as pd


def point(found):
    """One value per customer of a posterior of one draw."""
    return np.asarray(found.mean(("chain", "draw")), dtype=float)


def main(name, given, wanted, window, *horizons):
    """Fit, predict, write."""
    from pymc_marketing import clv

    rows = pd.read_csv(given)
    data = pd.DataFrame(
        {
            "customer_id": np.arange(len(rows)),
            "frequency": rows["x"],
            "recency": rows["t_x"],
            "T": rows["T"],
            "monetary_value": rows["m"],
        }
    )
    began = time.perf_counter()
    model = {"bg_nbd": clv.BetaGeoModel, "pareto_nbd": clv.ParetoNBDModel}[name](
        data=data[["customer_id", "frequency", "recency", "T"]]
    )
    model.fit(method="map", progressbar=False)
    spenders = data[(data["frequency"] > 0) & (data["monetary_value"] > 0)]
    spending = clv.GammaGammaModel(data=spenders[["customer_id", "frequency", "monetary_value"]])
    spending.fit(method="map", progressbar=False)
    seconds = time.perf_counter() - began
    each = point(spending.expected_customer_spend(data=data))
    found = {"no_order": quiet(name, model, data, int(window))}
    for h in horizons:
        found[f"orders_{h}"] = point(model.expected_purchases(data=data, future_t=int(h)))
        found[f"value_{h}"] = found[f"orders_{h}"] * each
    pd.DataFrame(found).to_csv(wanted, index=False)
    print(json.dumps({"seconds": seconds}))


def quiet(name, model, data, window):
    """P(no purchase within the window)."""
    if name == "bg_nbd":
        return point(model.expected_probability_no_purchase(t=window, data=data))
    return point(model.expected_purchase_probability(data=data, n_purchases=0, future_t=window))


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    main(*sys.argv[1:])
