"""Opening what a serving process answers with: its settings, the scorer of one model version, one trial row.

`serving.model_gate` does all this in a process of its own first, because a damaged model text can kill or hang the
process that reads it.
"""

from __future__ import annotations

from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import ValidationError

from features.errors import ConfigError, ModelError
from features.own_features import register_folder

if TYPE_CHECKING:
    from serving.live import LiveSettings
    from serving.scorer import Scorer

__all__ = ["open_scorer", "read_settings", "try_scorer"]

_TRIAL_DAYS = (datetime(2026, 1, 5), datetime(2026, 2, 9), datetime(2026, 3, 2))
_TRIAL_AS_OF = date(2026, 4, 1)


def open_scorer(settings: LiveSettings, version: str) -> Scorer:
    """Load one version, hold its golden predictions against those it gives now, and make its scorer.

    Parameters
    ----------
    settings : LiveSettings
        Where the models are, the strategy table and the currency.
    version : str
        Folder in the models folder; the folder must bear the version of what it holds.

    Raises
    ------
    ConfigError
        The strategy table cannot be used.
    ModelError
        The bundle is missing, damaged, another one than its name says, or does not give the predictions it gave at
        training.
    """
    from training.models.bundle import Bundle

    bundle = Bundle.load(settings.models / version)
    if bundle.version != version:
        raise ModelError(
            f"bundle {version}: holds version {bundle.version}, so it was changed or renamed; pull it again"
        )
    bundle.check_golden()
    # After the bundle: most of what can be wrong is wrong there, and this import takes its time.
    from serving.scorer import Scorer

    return Scorer(bundle, settings.strategies, currency=settings.currency, frameworks=settings.frameworks)


def try_scorer(scorer: Scorer, settings: LiveSettings) -> None:
    """Take one made-up customer from order lines to a row of the list, with reasons.

    Raises
    ------
    ModelError
        The row is missing, or its churn probability is none.
    """
    import pyarrow as pa

    from features.plan import FeatureEngine
    from features.rfm import buyers

    days = pa.array(_TRIAL_DAYS, pa.timestamp("us"))
    lines = pa.table({"customer_id": ["trial"] * len(days), "time": days, "amount": [10.0] * len(days)})
    features = FeatureEngine(settings.timezone, settings.country).fetch(lines, _TRIAL_AS_OF)
    rows = scorer.rows(buyers(features.to_pandas(use_threads=False)), _TRIAL_AS_OF)
    if [0.0 <= chance <= 1.0 for chance in rows["churn_probability"]] != [True]:
        raise ModelError(
            f"bundle {scorer.bundle.version}: gives a made-up customer no churn probability; run `retain train`"
        )


def read_settings(path: Path) -> LiveSettings:
    """The settings file of a serving process.

    Raises
    ------
    ConfigError
        The file cannot be read, or its values do not fit.
    """
    from serving.live import LiveSettings

    try:
        settings = LiveSettings.model_validate_json(path.read_bytes())
    except OSError as error:
        raise ConfigError(f"service settings {path}: {error.strerror}; `retain serve` writes them") from None
    except ValidationError as error:
        names = [
            ".".join(map(str, fault["loc"])) or "not JSON" for fault in error.errors(include_input=False)
        ]
        text = f"service settings {path} do not fit ({', '.join(names)}); `retain serve` writes them"
        raise ConfigError(text) from None
    register_folder(settings.own_features)
    return settings
