"""Search for tree settings: rolling origin, resumable, and a verdict on days that the search has not seen.

Trials are kept in a SQLite file, in a study named by a hash of data and settings: the same command goes on where it
stopped, and another data set begins anew. The winner has to beat the present settings on held-out days by more than
the noise of customers; the search itself proves nothing, because the best of many trials always looks good.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from features.progress import Progress
from training.data_hash import data_hash
from training.gate import Decision, decide
from training.panel import Panel
from training.search_cases import Case, SearchDays, search_days
from training.search_study import (
    SPACE,
    add_present,
    best_trial,
    distributions,
    ended_trials,
    open_study,
    require_optuna,
    trees_of,
)
from training.settings import TrainingSettings, TreeSettings

if TYPE_CHECKING:
    from optuna import Study, Trial

__all__ = ["Found", "Plan", "Tried", "search"]

OnTrial = Callable[["Tried"], None]


@dataclass(frozen=True)
class Plan:
    """How long to search and where to keep the trials.

    Parameters
    ----------
    database : Path
        SQLite file; made when absent.
    trials : int
        Trials in all, those of earlier runs included, ≥ 1.
    seconds : float or None
        Time for this run; None for as long as the trials take.
    """

    database: Path
    trials: int = 40
    seconds: float | None = None


@dataclass(frozen=True)
class Tried:
    """One trial.

    Parameters
    ----------
    number : int
        Number within the study.
    trees : TreeSettings
        What was tried.
    loss : float
        Mean loss over the days it was tried on, 1 for the present settings.
    days : int
        Days it was tried on; fewer than all when it was stopped early as hopeless.
    pruned : bool
        Stopped early.
    """

    number: int
    trees: TreeSettings
    loss: float
    days: int
    pruned: bool = False


@dataclass(frozen=True)
class Found:
    """What a search found, and whether it may replace the present settings.

    Parameters
    ----------
    study : str
        Name of the study.
    days : SearchDays
        Days searched and held out.
    trials, pruned : int
        Trials that ended, and those of them that were stopped early.
    best : TreeSettings
        Of the trial with the lowest loss on the searched days; the present ones where none was lower.
    loss : float
        That loss, 1 for the present settings.
    verdict : Decision
        Best less present on the held-out days, in shares of the present loss.
    resumed : int
        Trials that were there already.
    """

    study: str
    days: SearchDays
    trials: int
    pruned: int
    best: TreeSettings
    loss: float
    verdict: Decision
    resumed: int = 0

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "study": self.study,
            "searched": [d.isoformat() for d in self.days.searched],
            "held_out": [d.isoformat() for d in self.days.held_out],
            "trials": self.trials,
            "pruned": self.pruned,
            "resumed": self.resumed,
            "best": self.best.model_dump(),
            "loss": self.loss,
            "held_out_difference": self.verdict.difference,
            "held_out_low": self.verdict.low if np.isfinite(self.verdict.se) else None,
            "held_out_high": self.verdict.high if np.isfinite(self.verdict.se) else None,
            "better": self.verdict.better,
        }


def search(
    panel: Panel,
    settings: TrainingSettings,
    plan: Plan,
    *,
    on_trial: OnTrial | None = None,
    progress: Progress | None = None,
) -> Found:
    """Searches tree settings and judges the best on held-out days.

    Parameters
    ----------
    panel : Panel
        From `training.fit.anchored`.
    settings : TrainingSettings
        Its trees are the present ones, which a winner has to beat.
    plan : Plan
        Trials, time, file.
    on_trial : callable, optional
        Told every trial of this run as it ends.
    progress : callable, optional
        Told the stage and its share done.

    Raises
    ------
    ConfigError
        When Optuna is not installed.
    NotEnoughData
        When there are no days to search on and to judge.

    Notes
    -----
    A trial's loss is the mean over the searched days of half the log loss of churn and half the Tweedie deviance of
    value at the churn window, each as a share of what the present settings lose there. Trials whose mean so far is
    above the median of earlier ones at the same day are stopped.

    References
    ----------
    Tashman (2000), Out-of-sample tests of forecasting accuracy (rolling origin).
    Bergstra, Bardenet, Bengio & Kégl (2011), Algorithms for hyper-parameter optimization (TPE).
    Cawley & Talbot (2010), On over-fitting in model selection (why the verdict is nested).
    """
    require_optuna()
    days = search_days(panel, settings.churn.window_days)
    cases = []
    for done, day in enumerate(reversed(days.searched)):
        _tell(progress, f"present settings at {day.isoformat()}", 0.1 * done / len(days.searched))
        cases.append(Case.of(panel, day, settings))
    name = _study_name(panel, settings, days)
    study = open_study(name, plan.database, seed=settings.seed)
    resumed = len(ended_trials(study))
    if not study.trials:
        add_present(study, settings.trees, len(cases))
    _Run(study, cases, plan, on_trial, progress).until_done()
    ended = ended_trials(study)
    best, loss = best_trial(study, settings.trees)
    _tell(progress, "the verdict on held-out days", 0.9)
    verdict = _verdict([Case.of(panel, day, settings) for day in days.held_out], settings.trees, best)
    pruned = sum(t.state.name == "PRUNED" for t in ended)
    return Found(name, days, len(ended), pruned, best, loss, verdict, resumed)


@dataclass
class _Run:
    """The trials of one run."""

    study: Study
    cases: list[Case]
    plan: Plan
    on_trial: OnTrial | None
    progress: Progress | None
    started: float = field(default_factory=time.monotonic)

    def until_done(self) -> None:
        """Tries until there are enough trials or no time is left."""
        while (ended := len(ended_trials(self.study))) < self.plan.trials and not self._late():
            share = max(ended / self.plan.trials, self._spent())
            _tell(self.progress, f"trial {ended + 1} of {self.plan.trials}", 0.1 + 0.8 * share)
            self._try()

    def _try(self) -> None:
        from optuna.trial import TrialState

        trial = self.study.ask(distributions())
        trees = trees_of(trial.params)
        losses: list[float] = []
        for step, case in enumerate(self.cases):
            if losses and self._late():
                self.study.tell(trial, state=TrialState.FAIL)
                return
            losses.append(float(case.losses(trees).mean()))
            trial.report(float(np.mean(losses)), step)
            if len(losses) < len(self.cases) and trial.should_prune():
                self._end(trial, trees, losses, pruned=True)
                return
        self._end(trial, trees, losses, pruned=False)

    def _end(self, trial: Trial, trees: TreeSettings, losses: list[float], *, pruned: bool) -> None:
        from optuna.trial import TrialState

        loss = float(np.mean(losses))
        if pruned:
            self.study.tell(trial, state=TrialState.PRUNED)
        else:
            self.study.tell(trial, loss)
        if self.on_trial:
            self.on_trial(Tried(trial.number, trees, loss, len(losses), pruned))

    def _spent(self) -> float:
        return 0.0 if self.plan.seconds is None else (time.monotonic() - self.started) / self.plan.seconds

    def _late(self) -> bool:
        return self._spent() >= 1.0


def _study_name(panel: Panel, settings: TrainingSettings, days: SearchDays) -> str:
    """Hash of everything a trial's loss depends on."""
    found = hashlib.sha256(data_hash(panel.frame).encode())
    found.update(settings.model_dump_json(include={"churn", "trees", "seed"}).encode())
    found.update(repr((sorted(SPACE.items()), panel.as_of, days)).encode())
    return f"trees-{found.hexdigest()[:16]}"


def _verdict(cases: list[Case], present: TreeSettings, best: TreeSettings) -> Decision:
    """Best less present over the customers of the held-out days."""
    old = np.concatenate([case.losses(present) for case in cases])
    new = old if best == present else np.concatenate([case.losses(best) for case in cases])
    return decide(new, old, np.concatenate([case.meeting.customer for case in cases]))


def _tell(progress: Progress | None, stage: str, share: float) -> None:
    if progress:
        progress(stage, min(share, 1.0))
