"""Which model answers: a thread follows the pointer file, and one reference is swapped when a new version is proved.

Whoever scores takes `ModelWatch.served` once and uses that to the end of the request, so that an answer is of one
version whatever happens meanwhile. A version that the gate refuses is never loaded: the one before goes on, and
`state` says why. The pointer is looked at, not MLflow and not the folder of versions, so nothing outside this disk
can disturb serving.
"""

from __future__ import annotations

import logging
import re
import threading
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from features.errors import ModelError, RetainError
from features.files import identity
from serving.model_gate import prove
from serving.opening import open_scorer
from serving.verdicts import NotTriedYet, Verdicts
from training.models.bundle import POINTER
from training.models.text_files import pointed

if TYPE_CHECKING:
    from serving.live import LiveSettings
    from serving.scorer import Scorer

__all__ = ["ModelWatch", "Refused", "Served"]

_SECONDS = 0.25
_MOST_OLDER = 3
_VERSION = re.compile("[0-9a-f]{1,64}")
_log = logging.getLogger("retain.serving")


@dataclass(frozen=True)
class Served:
    """The model that answers.

    Parameters
    ----------
    scorer : Scorer
        With the bundle.
    version : str
        Version of the bundle.
    since : datetime
        When this process began to answer with it (UTC).
    """

    scorer: Scorer
    version: str
    since: datetime


@dataclass(frozen=True)
class Refused:
    """What the pointer names and is not served.

    Parameters
    ----------
    version : str or None
        Version of the bundle; None when the pointer file names none.
    reason : str
        Why not.
    at : datetime
        When it was refused (UTC).
    """

    version: str | None
    reason: str
    at: datetime


class ModelWatch:
    """Serves the champion of a models folder, and the next one as soon as the pointer names it.

    Parameters
    ----------
    settings : LiveSettings
        Where the models are, and what they score with.
    seconds : float
        Time between two looks at the pointer.

    Examples
    --------
    ::

        watch = ModelWatch(settings)
        watch.start()
        served = watch.served
        rows, version = served.scorer.rows(features, day), served.version
        watch.stop()
    """

    def __init__(self, settings: LiveSettings, *, seconds: float = _SECONDS) -> None:
        self._settings, self._seconds = settings, seconds
        self._verdicts = Verdicts(settings.models)
        self._served: Served | None = None
        self._refused: Refused | None = None
        self._seen: tuple[int, ...] | None = None
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    @property
    def served(self) -> Served:
        """The model that answers now.

        Raises
        ------
        ModelError
            `start` was not called, or found no model.
        """
        found = self._served
        if found is None:
            raise ModelError("no model is loaded yet")
        return found

    def state(self) -> dict[str, Any]:
        """What is served and what was refused, as plain values.

        Returns
        -------
        dict
            ``version``, ``since`` and ``refused``: None, or a dict of ``version``, ``reason`` and ``at``.
        """
        served, refused = self.served, self._refused
        told = None
        if refused is not None:
            told = {"version": refused.version, "reason": refused.reason, "at": refused.at.isoformat()}
        return {"version": served.version, "since": served.since.isoformat(), "refused": told}

    def start(self) -> None:
        """Load what the pointer names, and follow it from now on.

        When that version is refused, the one that was served last before it is taken and an error is logged.

        Raises
        ------
        ModelError
            There is no model that may be served.
        ConfigError
            What the configuration names cannot be used.
        """
        try:
            self._seen = identity(self._settings.models / POINTER)
            self._take(self._named())
        except ModelError as error:
            self._refuse(error)
            if not self._take_older():
                raise
        self._thread = threading.Thread(target=self._follow, name="model-watch", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Follow the pointer no more; `served` stays."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()

    def look(self) -> None:
        """Look at the pointer once; when it changed, serve what it names or say why not."""
        seen = identity(self._settings.models / POINTER)
        if seen == self._seen:
            return
        self._seen = seen
        try:
            version = self._named()
            if self._served is None or version != self._served.version:
                self._take(version)
            self._refused = None
        except NotTriedYet as error:
            # That is no verdict: the next look asks again.
            self._seen = None
            self._refuse(error)
        except RetainError as error:
            self._refuse(error)

    def _follow(self) -> None:
        while not self._stop.wait(self._seconds):
            try:
                self.look()
            except Exception as error:  # noqa: BLE001 - nothing may end this thread but `stop`
                self._refuse(error)

    def _named(self) -> str:
        try:
            name = pointed(self._settings.models, POINTER, train="retain train").name
        except (OSError, UnicodeDecodeError) as error:
            text = f"the pointer file `{POINTER}` cannot be read ({type(error).__name__}); run `retain agent`"
            raise ModelError(text) from None
        if not _VERSION.fullmatch(name):
            # Whatever stands there instead may be a customer's; it is told to anybody who asks what is served.
            raise ModelError(f"the pointer file `{POINTER}` does not name a model; run `retain agent`")
        return name

    def _take(self, version: str) -> None:
        """Prove a version, load it beside the one that answers, and put it in its place."""
        prove(self._settings, version)
        scorer = open_scorer(self._settings, version)
        self._served = Served(scorer, version, datetime.now(UTC))
        self._verdicts.note_served(version)

    def _take_older(self) -> bool:
        """Serve the version that was served last and is still good; only at a start, when there is no other."""
        for version in self._verdicts.served()[:_MOST_OLDER]:
            with suppress(ModelError):
                self._take(version)
                _log.error("serving the older model %s instead", version)
                return True
        return False

    def _refuse(self, error: Exception) -> None:
        # Other errors than ours may quote what they choked on.
        reason = str(error) if isinstance(error, RetainError) else f"unexpected {type(error).__name__}"
        version = None
        with suppress(RetainError):
            version = self._named()
        self._refused = Refused(version, reason, datetime.now(UTC))
        _log.error("model refused: %s", reason)
