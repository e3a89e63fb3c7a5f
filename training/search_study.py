"""The Optuna study of a search: where trials are kept, what may be tried, which one is best."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from features.errors import ConfigError
from training.settings import TreeSettings

if TYPE_CHECKING:
    from optuna import Study
    from optuna.trial import FrozenTrial

__all__ = [
    "SPACE",
    "add_present",
    "best_trial",
    "distributions",
    "ended_trials",
    "open_study",
    "require_optuna",
    "trees_of",
]

# Lowest, highest, and whether steps are by ratio; whole numbers where the setting is one.
SPACE: dict[str, tuple[float, float, bool]] = {
    "learning_rate": (0.01, 0.2, True),
    "num_leaves": (4, 63, True),
    "min_data_in_leaf": (10, 300, True),
    "feature_fraction": (0.2, 1.0, False),
    "bagging_fraction": (0.4, 1.0, False),
    "lambda_l2": (0.1, 100.0, True),
    "max_rounds": (100, 2000, True),
}
_STARTUP_TRIALS = 8


def require_optuna() -> None:
    """Says how to install Optuna where it is missing.

    Raises
    ------
    ConfigError
        When it cannot be imported.
    """
    try:
        import optuna  # noqa: F401
    except ImportError:
        raise ConfigError(
            "the search for settings needs Optuna, which is not installed: pip install 'retain[tune]'"
        ) from None


def open_study(name: str, database: Path, *, seed: int) -> Study:
    """The study of this name, with the trials of earlier runs.

    Parameters
    ----------
    name : str
        Name within the file.
    database : Path
        SQLite file; made when absent.
    seed : int
        Of the sampler.
    """
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    database.parent.mkdir(parents=True, exist_ok=True)
    storage = optuna.storages.RDBStorage(f"sqlite:///{database.absolute()}")
    study = optuna.create_study(
        study_name=name,
        storage=storage,
        pruner=optuna.pruners.MedianPruner(n_startup_trials=_STARTUP_TRIALS, n_warmup_steps=1),
        load_if_exists=True,
    )
    # A run that goes on must not draw again what was drawn already.
    study.sampler = optuna.samplers.TPESampler(
        seed=(seed + len(study.trials)) % 2**31, n_startup_trials=_STARTUP_TRIALS
    )
    return study


def distributions() -> dict[str, Any]:
    """The space in Optuna's terms."""
    from optuna.distributions import FloatDistribution, IntDistribution

    return {
        name: IntDistribution(int(low), int(high), log=log)
        if TreeSettings.model_fields[name].annotation is int
        else FloatDistribution(low, high, log=log)
        for name, (low, high, log) in SPACE.items()
    }


def trees_of(params: dict[str, Any]) -> TreeSettings:
    """Settings of a trial; three digits of a fraction are enough, and can be read in a file."""
    told = {k: float(f"{v:.3g}") if isinstance(v, float) else v for k, v in params.items()}
    return TreeSettings.model_validate(told)


def add_present(study: Study, trees: TreeSettings, steps: int) -> None:
    """The present settings as a trial of loss 1, where the space holds them."""
    import optuna

    values = trees.model_dump()
    if all(low <= values[name] <= high for name, (low, high, _) in SPACE.items()):
        study.add_trial(
            optuna.trial.create_trial(
                params=values,
                distributions=distributions(),
                value=1.0,
                intermediate_values=dict.fromkeys(range(steps), 1.0),
            )
        )


def ended_trials(study: Study) -> list[FrozenTrial]:
    """Trials that came to an end, stopped early or not."""
    return [t for t in study.trials if t.state.name in {"COMPLETE", "PRUNED"}]


def best_trial(study: Study, present: TreeSettings) -> tuple[TreeSettings, float]:
    """The settings of the lowest loss and that loss; the present ones and 1 where none is lower."""
    losses = [
        (float(t.value), t) for t in ended_trials(study) if t.state.name == "COMPLETE" and t.value is not None
    ]
    loss, best = min(losses, key=lambda pair: pair[0], default=(1.0, None))
    return (present, 1.0) if best is None or loss >= 1.0 else (trees_of(best.params), loss)
