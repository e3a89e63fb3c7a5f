"""Training on contracts: the life table, covariates where they beat it by date, and the judgement of both."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import date
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from features.errors import NotEnoughData
from features.progress import Progress, silent
from features.tables import Tables
from training.contracts.contract_panel import COLUMNS, GAP_DAYS, ContractPanel, contract_panel, relationships
from training.contracts.snapshot_fit import fit_snapshot_model
from training.data_hash import data_hash
from training.gate import decide
from training.leaks import check_leaks
from training.meeting import OURS
from training.metrics import churn_metrics, row_log_loss
from training.models.contract_bundle import LIFE_TABLE, ContractBundle
from training.models.flat_column import FlatColumn
from training.models.hazard import LifeTable
from training.settings import TrainingSettings

__all__ = [
    "BASE_RATE",
    "ContractJudged",
    "ContractTrained",
    "contract_loss",
    "fit_contracts",
    "life_table",
    "train_contracts",
]

Floats = npt.NDArray[np.float64]
BASE_RATE = "base_rate"
_ROWS = 60_000
_FOLDS = 4
_LEAST = 1e-6
# Ours to make, from the contracts themselves: they may be as certain as a signature.
_TRUSTED = ("tenure_days", "days_left", "term_days", "terms", LIFE_TABLE)


@dataclass(frozen=True)
class ContractJudged:
    """What was foretold on one past day, and what came.

    Parameters
    ----------
    day : date
    running : pandas.DataFrame
        The relationships that ran on it.
    left : array of 0 and 1
        Whether each ended within the window.
    forecasts : dict
        P(ends) by model: ours, the life table, the base rate.
    """

    day: date
    running: pd.DataFrame = field(repr=False)
    left: Floats = field(repr=False)
    forecasts: dict[str, Floats] = field(repr=False)

    @cached_property
    def models(self) -> dict[str, dict[str, float]]:
        """Figures by model."""
        return {name: churn_metrics(self.left, ends) for name, ends in self.forecasts.items()}

    def to_json(self) -> dict[str, Any]:
        """Plain values; figures that cannot be computed are left out."""
        models = {m: {k: v for k, v in f.items() if np.isfinite(v)} for m, f in self.models.items()}
        return {"cut_off": self.day.isoformat(), "customers": len(self.running), "models": models}


@dataclass(frozen=True)
class ContractTrained:
    """What one run made: an unsaved bundle, its judgement, and what the user should know."""

    bundle: ContractBundle
    judged: ContractJudged | None
    notes: tuple[str, ...]


def train_contracts(
    tables: Tables, as_of: date, settings: TrainingSettings, *, progress: Progress | None = None
) -> ContractTrained:
    """Trains on the contracts known before `as_of`, and judges by date what it would have shipped.

    Parameters
    ----------
    tables : Tables
        With contracts; orders, contacts and surveys add what they know.
    as_of : date
    settings : TrainingSettings
        Window, horizons, money rules, seed.
    progress : callable, optional
        Told the stage and its share done.

    Raises
    ------
    NotEnoughData
        There are no contracts, or none runs on the day.
    InputError
        A column alone tells who left too well to have been known beforehand.
    """
    tell = progress or silent
    tell("contracts of past days", 0.0)
    panel = contract_panel(tables, as_of)
    running = panel.running(as_of)
    if running.empty:
        raise NotEnoughData(
            f"contracts: none of {len(panel.rows)} runs on {as_of.isoformat()}; choose an earlier --as-of"
        )
    window, notes = settings.churn.window_days, _of_panel(panel)
    labelled = panel.labelled(window, by=as_of)
    judged = None
    if labelled:
        tell(f"judging on {labelled[-1].isoformat()}", 0.3)
        judged = _judge(panel, labelled[-1], settings)
    else:
        notes.append(f"no past day has {window + GAP_DAYS} days after it: the model is not judged yet")
    tell("fitting all days", 0.7)
    bundle, why = fit_contracts(panel, as_of, settings)
    grid = np.quantile(bundle.churn_probability(running), np.linspace(0.0, 1.0, 101))
    notes += [why] if why else []
    card = _card(panel, settings, judged, bundle.evidence, len(running))
    tell("done", 1.0)
    return ContractTrained(replace(bundle, grid=tuple(map(float, grid)), card=card), judged, tuple(notes))


def contract_loss(left: Floats, probability: Floats) -> Floats:
    """Log loss of each relationship, in nats; a life table's certainties are kept a millionth from both ends."""
    return row_log_loss(left, probability, least=_LEAST)


def life_table(panel: ContractPanel, day: date) -> LifeTable:
    """The life table of all relationships as they were known on `day`."""
    known = relationships(panel.rows, day)
    cut = pd.Series(np.datetime64(day, "s"), index=known.index)
    # One that may still be renewed is censored on the day its term ran out.
    until = known["stop"].fillna(cut)
    duration = (until - known["start"]).dt.days.to_numpy(np.int64)
    terms = known["term_days"].dropna()
    term = 0 if terms.empty else int(terms.median())
    return LifeTable.fit(duration, known["ended"], known["plan"].fillna("").astype(str), term_days=term)


def fit_contracts(panel: ContractPanel, day: date, settings: TrainingSettings) -> tuple[ContractBundle, str]:
    """The bundle as it would have been trained on `day`, and why it is the life table alone (else empty).

    Notes
    -----
    Covariates are used when, on the latest day with a label, a model of the days whose window had passed by then had
    lower losses than the life table by more than one standard error.
    """
    plain = _bundle(life_table(panel, day), day, settings)
    days = panel.labelled(settings.churn.window_days, by=day)
    if not days:
        return plain, "life table alone: no past day is labelled yet"
    latest = days[-1]
    known = _bundle(life_table(panel, latest), latest, settings)
    tried = _with_model(panel, known, panel.labelled(settings.churn.window_days, by=latest), settings)
    if tried.model is None:
        return plain, f"life table alone: too few past days before {latest.isoformat()} to try covariates"
    running = panel.running(latest)
    left = panel.ended(latest, settings.churn.window_days, running, by=day)
    new, old = (contract_loss(left, bundle.churn_probability(running)) for bundle in (tried, known))
    if not decide(new, old, running["customer_id"]).better:
        return plain, f"life table alone: covariates did not make it better on {latest.isoformat()}"
    return _with_model(panel, plain, days, settings), ""


def _with_model(
    panel: ContractPanel, bundle: ContractBundle, days: list[date], settings: TrainingSettings
) -> ContractBundle:
    """The bundle with covariates learned on `days`, each beside the life table as it was known then."""
    parts = []
    for day in days:
        then = replace(bundle, table=life_table(panel, day))
        running = panel.running(day)
        left = panel.ended(day, bundle.window_days, running, by=bundle.trained_as_of)
        parts.append(then.with_table(running).assign(left=left))
    if not parts:
        return bundle
    rows = pd.concat(parts, ignore_index=True)
    if len(rows) > _ROWS:
        rows = rows.sample(_ROWS, random_state=settings.seed % 2**31, ignore_index=True)
    left = rows["left"].to_numpy(np.float64)
    columns = tuple(c for c in (*COLUMNS, FlatColumn(LIFE_TABLE, "number")) if _varies(rows[c.name]))
    typed = pd.DataFrame({column.name: column.read(rows[column.name]) for column in columns})
    allow = (*_TRUSTED, *settings.churn.allow_columns)
    remedy = "repair their times, or name them in [churn] allow_columns if they were known before"
    check_leaks(typed, left, allow=allow, remedy=remedy, redundant=True)
    # All days of one customer are in one fold: otherwise the trees would know him.
    fold = np.asarray(pd.util.hash_pandas_object(rows["customer_id"], index=False) % _FOLDS, dtype=np.int64)
    model = fit_snapshot_model(columns, typed, left, seed=settings.seed, fold=fold)
    return bundle if model.evidence == BASE_RATE else replace(bundle, model=model)


def _varies(values: pd.Series) -> bool:
    known = values.dropna()
    return bool(len(known)) and bool((known != known.iloc[0]).any())


def _judge(panel: ContractPanel, day: date, settings: TrainingSettings) -> ContractJudged | None:
    running = panel.running(day)
    if running.empty:
        return None
    left = panel.ended(day, settings.churn.window_days, running, by=panel.as_of)
    bundle, _ = fit_contracts(panel, day, settings)
    forecasts = {
        OURS: bundle.churn_probability(running),
        LIFE_TABLE: replace(bundle, model=None).churn_probability(running),
        BASE_RATE: np.full(len(running), _base_rate(panel, day, settings.churn.window_days)),
    }
    return ContractJudged(day, running, left, forecasts)


def _base_rate(panel: ContractPanel, day: date, window_days: int) -> float:
    """Share that ended within the window, over the days that were labelled by then; the daily rate without any."""
    found = []
    for past in panel.labelled(window_days, by=day):
        running = panel.running(past)
        found.append(panel.ended(past, window_days, running, by=day))
    known = np.concatenate(found) if found else np.empty(0)
    if known.size:
        return float(known.mean())
    return float(1.0 - (1.0 - life_table(panel, day).rate) ** window_days)


def _bundle(table: LifeTable, day: date, settings: TrainingSettings) -> ContractBundle:
    value = settings.value
    return ContractBundle(
        table,
        None,
        day,
        settings.churn.window_days,
        value.horizons_days,
        value.margin_rate,
        value.discount_rate,
        value.lifetime_days,
    )


def _of_panel(panel: ContractPanel) -> list[str]:
    if not panel.aside:
        return []
    return [f"{panel.aside} of {panel.aside + len(panel.rows)} contracts end before they start: not used"]


def _card(
    panel: ContractPanel,
    settings: TrainingSettings,
    judged: ContractJudged | None,
    evidence: str,
    running: int,
) -> dict[str, Any]:
    return {
        "as_of": panel.as_of.isoformat(),
        "contracts": len(panel.rows),
        "running": running,
        "snapshots": len(panel.days),
        "window_days": settings.churn.window_days,
        "seed": settings.seed,
        "data_hash": data_hash(panel.rows.astype(str)),
        "evidence": evidence,
        "judged": None if judged is None else judged.to_json(),
    }
