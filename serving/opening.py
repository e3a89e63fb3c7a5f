"""Opening what a serving process answers with, and proving it in a process of its own first.

A damaged model text can kill or hang the process that reads it, so a child process reads it before the server
does: hashes, golden predictions, one made-up customer from order lines to row.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from pydantic import ValidationError

from features.errors import ConfigError, ModelError, RetainError
from serving.live import Live, LiveSettings

__all__ = ["open_live", "read_settings", "start_check", "wait_check"]

_CHECK_SECONDS = 30.0
_CHECK = "import sys; from serving.opening import check; sys.exit(check(sys.argv[1]))"


def open_live(settings: LiveSettings) -> Live:
    """Load the bundle, check its golden predictions, open the store.

    Raises
    ------
    ConfigError
        The strategy table or the store cannot be used.
    ModelError
        The bundle is missing, damaged, or does not give the predictions it gave at training.
    """
    from training.models.bundle import Bundle, champion_path

    bundle = Bundle.load(champion_path(settings.models))
    bundle.check_golden()
    # After the bundle: most of what can be wrong is wrong there, and this import takes a second.
    from serving.scorer import Scorer
    from serving.store import Store

    scorer = Scorer(bundle, settings.strategies, currency=settings.currency, frameworks=settings.frameworks)
    return Live(scorer, Store(settings.store_url), settings, version=bundle.version)


def read_settings(path: Path) -> LiveSettings:
    """The settings file of a serving process.

    Raises
    ------
    ConfigError
        The file cannot be read, or its values do not fit.
    """
    try:
        return LiveSettings.model_validate_json(path.read_bytes())
    except OSError as error:
        raise ConfigError(f"service settings {path}: {error.strerror}; `retain serve` writes them") from None
    except ValidationError as error:
        names = [
            ".".join(map(str, fault["loc"])) or "not JSON" for fault in error.errors(include_input=False)
        ]
        text = f"service settings {path} do not fit ({', '.join(names)}); `retain serve` writes them"
        raise ConfigError(text) from None


def check(path: str) -> int:
    """What the child process does: open everything and score one made-up customer; 0 when all is well."""
    try:
        open_live(read_settings(Path(path))).warm()
    except RetainError as error:
        sys.stderr.write(str(error))
        return error.exit_code
    return 0


def start_check(path: Path) -> subprocess.Popen[bytes]:
    """Start the child process that opens what the settings file at `path` names."""
    command = [sys.executable, "-c", _CHECK, str(path)]
    return subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE)  # noqa: S603


def wait_check(child: subprocess.Popen[bytes], *, seconds: float = _CHECK_SECONDS) -> None:
    """Wait for the child's verdict.

    Raises
    ------
    ConfigError
        It refused what the configuration names, such as a strategy table.
    ModelError
        It refused the model (with its reason), died, or took longer than `seconds`.
    """
    try:
        _, said = child.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        child.kill()
        child.communicate()
        raise ModelError(f"the model could not be opened within {seconds:.0f} seconds; retrain it") from None
    if child.returncode == 0:
        return
    reason = said.decode("utf-8", "replace").strip()
    if child.returncode == ConfigError.exit_code:
        raise ConfigError(reason)
    if child.returncode < 0:
        reason = f"reading the model killed the process that tried (signal {-child.returncode}); retrain it"
    elif child.returncode == 1 or not reason:
        reason = f"the model could not be opened: {reason.rpartition(chr(10))[2] or 'no reason given'}"
    raise ModelError(reason)
