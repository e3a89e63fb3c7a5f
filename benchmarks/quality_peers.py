"""What meets the same customers on the same day: Retain as shipped, and peers anybody could write in an hour.

A peer is a function of what was `Known` at the cut-off and of the horizons; it gives a `Forecast`, or refuses
with a reason, which the tables show in place of figures.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from features.errors import RetainError
from features.labels import labels
from features.pipeline import FEATURES
from features.plan import fetch_features
from features.tables import Tables
from training.backtest import latest_cut_off
from training.baselines import BASELINES, Baseline
from training.build import build_bundle, evidence_for
from training.fit import anchored
from training.head_kind import HeadKind
from training.meet import customer_numbers, ours
from training.meeting import OURS, Forecast, Meeting
from training.models.gamma_gamma import GammaGamma
from training.panel import Panel, build_panel
from training.rungs import lost_rungs
from training.settings import ChurnSettings, TrainingSettings, ValueSettings

__all__ = ["IN_PROCESS", "CouldNotRun", "Known", "Peer", "hold_meeting", "know", "panel_of", "settings_for"]

Floats = npt.NDArray[np.float64]
_TUNED = {
    "learning_rate": 0.03,
    "num_leaves": 15,
    "min_data_in_leaf": 60,
    "feature_fraction": 0.4,
    "bagging_fraction": 0.7,
    "bagging_freq": 1,
    "lambda_l2": 10.0,
    "seed": 0,
    "num_threads": 1,
    "verbosity": -1,
}


class CouldNotRun(Exception):  # noqa: N818
    """A peer has no forecast here, and says why."""


@dataclass(frozen=True)
class Known:
    """All that may be looked at on the day of a forecast.

    Parameters
    ----------
    panel : Panel
        Built as of the day, with closed-form columns.
    now : pandas.DataFrame
        Features of every customer with a purchase before the day, indexed by ``customer_id``.
    settings : TrainingSettings
        Churn window and horizons, days.
    """

    panel: Panel
    now: pd.DataFrame
    settings: TrainingSettings

    @property
    def day(self) -> date:
        """The cut-off."""
        return self.panel.as_of

    @property
    def window(self) -> int:
        """Churn window, days."""
        return self.settings.churn.window_days

    def labelled(self, horizon: int) -> pd.DataFrame:
        """Past rows whose horizon had passed by the day.

        Raises
        ------
        CouldNotRun
            When there are none.
        """
        rows = self.panel.labelled(horizon, by=self.day)
        if rows.empty:
            raise CouldNotRun(f"no past day with {horizon} days of orders after it")
        return rows


Peer = Callable[[Known, tuple[int, ...]], Forecast]


def settings_for(window: int, horizons: tuple[int, ...]) -> TrainingSettings:
    """The shipped defaults for a window and horizons, on one thread."""
    return TrainingSettings(
        churn=ChurnSettings(window_days=window),
        value=ValueSettings(horizons_days=horizons),
        num_threads=1,
    )


def panel_of(tables: Tables, as_of: date, settings: TrainingSettings) -> Panel:
    """The panel that training would build as of a day."""
    horizons = sorted({settings.churn.window_days, *settings.value.horizons_days})
    return anchored(build_panel(tables, as_of, horizons))


def know(tables: Tables, day: date, settings: TrainingSettings, panel: Panel | None = None) -> Known:
    """What the tables say before `day`, and nothing else; a later panel with that day saves building one."""
    panel = panel_of(tables, day, settings) if panel is None else panel.before(day)
    now = fetch_features(tables, [day]).to_pandas().sort_values("customer_id").set_index("customer_id")
    # Who has an order line before the day but no purchase (a lone return) is nobody's customer yet.
    return Known(panel, now[now["purchase_days"] > 0][list(FEATURES)].astype(np.float64), settings)


def hold_meeting(
    tables: Tables, known: Known, peers: Mapping[str, Peer], judged: tuple[int, ...]
) -> tuple[Meeting, dict[str, str]]:
    """Forecasts of ours and of every peer beside what came, and why some peers have none.

    Parameters
    ----------
    tables : Tables
        With what came after the day.
    known : Known
        What was known on the day.
    peers : mapping of str to Peer
        By name.
    judged : tuple of int
        Horizons to look at, days, the churn window among them.

    Returns
    -------
    Meeting, dict
        The dict has the reason by name of each peer that could not run.
    """
    evidence, shipped = _shipped(known, judged)
    forecasts, absent = {OURS: shipped}, {}
    for name, peer in peers.items():
        try:
            forecasts[name] = peer(known, judged)
        except (CouldNotRun, RetainError) as error:
            absent[name] = str(error)
    came = tables.con.to_pyarrow(labels(tables, [known.day], judged)).to_pandas()
    came = came.set_index("customer_id").loc[known.now.index]
    orders = {h: came[f"orders_{h}d"].to_numpy(np.float64) for h in judged}
    meeting = Meeting(
        day=known.day,
        window_days=known.window,
        evidence=evidence,
        customer=customer_numbers(known.now.index),
        churned=(orders[known.window] == 0).astype(np.float64),
        orders=orders,
        value={h: came[f"value_{h}d"].to_numpy(np.float64) for h in judged},
        value_class=np.full(len(came), ""),
        forecasts=forecasts,
    )
    return meeting, absent


def _shipped(known: Known, judged: tuple[int, ...]) -> tuple[str, Forecast]:
    """What `retain train` ships on the day: heads whose trees lost on the latest labelled day go without."""
    panel, settings = known.panel, known.settings
    rung = evidence_for(panel, known.window)[0]
    day = latest_cut_off(panel, known.window)
    lost: frozenset[HeadKind] = frozenset()
    if rung == "ml" and day is not None:
        before = panel.before(day)
        tried = build_bundle(before, settings, evidence=evidence_for(before, known.window)[0])
        lost = frozenset(lost_rungs(panel, tried, day))
    bundle = build_bundle(panel, settings, evidence=rung, without_trees=lost)
    return bundle.evidence, ours(bundle.predict(known.now, known.day), judged)


def _from_baseline(baseline: Baseline) -> Peer:
    """A baseline of the product as a peer; it learns from all past days."""

    def peer(known: Known, judged: tuple[int, ...]) -> Forecast:
        learnt = baseline.__name__ != "closed_form"
        found = {
            h: baseline(known.labelled(h) if learnt else known.panel.frame, known.now, h) for h in judged
        }
        return Forecast(
            found[known.window]["churn_probability"].to_numpy(np.float64),
            {h: answer["expected_orders"].to_numpy(np.float64) for h, answer in found.items()},
            {h: answer["expected_value"].to_numpy(np.float64) for h, answer in found.items()},
        )

    return peer


def pareto_nbd(known: Known, judged: tuple[int, ...]) -> Forecast:
    """Pareto/NBD and Gamma-Gamma, our own implementation, as the literature has them: no level, no season."""
    try:
        from training.models.pareto_nbd import ParetoNbd
    except ImportError as error:
        raise CouldNotRun("this state of the code has no Pareto/NBD") from error
    x, t_x, T, m = (known.now[n].to_numpy() for n in ("frequency", "recency", "T", "monetary_value"))
    buying, each = ParetoNbd.fit(x, t_x, T), GammaGamma.fit(x, m).conditional_value(x, m)
    orders = {h: buying.expected_orders(x, t_x, T, h) for h in judged}
    churn = 1.0 - buying.p_order_within(x, t_x, T, known.window)
    return Forecast(churn, orders, {h: n * each for h, n in orders.items()})


def lightgbm_default(known: Known, judged: tuple[int, ...]) -> Forecast:
    """LightGBM with its default parameters on the latest past day whose outcome is known."""
    import lightgbm as lgb

    def fit(model: Any, h: int, target: str) -> Any:
        rows = known.labelled(h)
        rows = rows[rows["as_of"] == rows["as_of"].max()]
        outcome = HeadKind("churn", h).target(rows) if target == "churn" else rows[f"{target}_ahead_{h}"]
        if target == "churn" and np.unique(outcome).size < 2:
            raise CouldNotRun("the latest past day has one class only")
        return model(n_jobs=1, random_state=0, verbosity=-1).fit(rows[list(FEATURES)], outcome)

    def amount(target: str, h: int) -> Floats:
        found = fit(lgb.LGBMRegressor, h, target).predict(known.now)
        return np.maximum(np.asarray(found, np.float64), 0.0)

    churn = fit(lgb.LGBMClassifier, known.window, "churn").predict_proba(known.now)[:, 1]
    return Forecast(
        np.asarray(churn, np.float64),
        {h: amount("orders", h) for h in judged},
        {h: amount("value", h) for h in judged},
    )


def lightgbm_panel(known: Known, judged: tuple[int, ...]) -> Forecast:
    """Tuned LightGBM on the whole panel with all order features: no closed form, no season.

    Trees as a careful analyst sets them (learning rate 0.03, 15 leaves of 60 rows or more, 40 % of the features,
    70 % bagging, L2 10), as many as serve the latest past day best with the horizon between, then refitted on
    all past days. Fixed beforehand: nothing is searched on the days that are judged.
    """
    answer = {
        kind: _panel_trees(known, kind)
        for kind in [HeadKind("churn", known.window)]
        + [HeadKind(name, h) for h in judged for name in ("orders", "value")]
    }
    return Forecast(
        answer[HeadKind("churn", known.window)],
        {h: answer[HeadKind("orders", h)] for h in judged},
        {h: answer[HeadKind("value", h)] for h in judged},
    )


def _panel_trees(known: Known, kind: HeadKind) -> Floats:
    import lightgbm as lgb

    columns, rows = list(FEATURES), known.labelled(kind.horizon_days)
    days = rows["as_of"]
    early = rows[days <= days.max() - timedelta(days=kind.horizon_days)]
    if early.empty:
        raise CouldNotRun("too few past days to stop early on")

    def data(part: pd.DataFrame) -> Any:
        return lgb.Dataset(part[columns].to_numpy(np.float64), kind.target(part), params={"verbosity": -1})

    options = kind.loss | _TUNED
    stop = [lgb.early_stopping(50, verbose=False)]
    late = data(rows[days == days.max()])
    tried = lgb.train(options, data(early), 2000, valid_sets=[late], callbacks=stop)
    whole = lgb.train(options, data(rows), max(1, tried.best_iteration))
    return np.asarray(whole.predict(known.now[columns].to_numpy(np.float64)), np.float64)


IN_PROCESS: dict[str, Peer] = {
    "recency rule": _from_baseline(BASELINES["recency_rule"]),
    "carry forward": _from_baseline(BASELINES["carry_forward"]),
    "BG/NBD, ours": _from_baseline(BASELINES["closed_form"]),
    "Pareto/NBD, ours": pareto_nbd,
    "LightGBM default": lightgbm_default,
    "LightGBM panel, tuned": lightgbm_panel,
}
"""Peers that need nothing but what Retain itself is built with."""
