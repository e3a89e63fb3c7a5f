"""Everything that one process of the endpoint holds open: model, state, keys, trail; opened once, closed together."""

from __future__ import annotations

import json
import os
from contextlib import ExitStack
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any

from serving.deciding import Deciding
from serving.desk import Batches, Desk, Page
from serving.docs_page import page
from serving.event_log import EventLog
from serving.fast_lane import FastLane
from serving.guard import State
from serving.histories import Histories
from serving.keys import KeyStore, KeyWatch
from serving.live import Live, LiveSettings
from serving.live_decision import LiveDecider
from serving.lookup import Lookup
from serving.metrics import MEDIA_TYPE, Metrics
from serving.model_watch import ModelWatch
from serving.openapi import openapi
from serving.schemas import ModelInfo, Status
from serving.shapes import SHAPES
from serving.trail import Trail, TrailWriter

__all__ = ["Endpoint"]

_HTML = "text/html; charset=utf-8"
_JSON = "application/json"


class Endpoint:
    """The parts of an endpoint, opened for one process.

    Parameters
    ----------
    settings : LiveSettings
        What to serve, and where the state is.

    Raises
    ------
    ModelError
        There is no model that may be served.
    ConfigError
        What the configuration names cannot be used.
    """

    def __init__(self, settings: LiveSettings) -> None:
        self.settings, self.started_at = settings, datetime.now(UTC)
        url = settings.store_url
        with ExitStack() as opened:
            # The model first: most of what can be wrong is wrong there.
            self.models = ModelWatch(settings)
            self.models.start()
            opened.callback(self.models.stop)
            self.lookup = _kept(opened, Lookup(url))
            self.events = _kept(opened, EventLog(url, settings.timezone))
            self.live = Live(settings, self.models, self.lookup, past=_kept(opened, Histories(url)))
            self.live.warm()
            self.deciding = Deciding(self.live, self.lookup, _kept(opened, LiveDecider(url)))
            self.keys = KeyWatch(_kept(opened, KeyStore(url)))
            self.keys.start()
            opened.callback(self.keys.stop)
            self.trail = TrailWriter(_kept(opened, Trail(url)))
            self.trail.start()
            opened.callback(self.trail.stop)
            self._opened = opened.pop_all()

    def close(self) -> None:
        """Write what is left of the trail and let go of everything."""
        self._opened.close()

    def desk(self, state: State, batches: Batches | None) -> Desk:
        """What a guard needs.

        Parameters
        ----------
        state : State
            Of the guard.
        batches : Batches, optional
            Answers batches beside this process; closed with everything else. Without it the framework is asked for
            all that takes long.
        """
        if batches is not None:
            self._opened.callback(batches.close)
        document = openapi(self.settings.serving, keyed=bool(self.keys.keys))
        html, as_json = page(document).encode(), json.dumps(document, ensure_ascii=False).encode()
        metrics = Metrics(lambda: self.models.served.version)
        pages = {
            "/": Page(_HTML, lambda: html),
            "/docs": Page(_HTML, lambda: html),
            "/docs.json": Page(_JSON, lambda: as_json),
            "/metrics": Page(MEDIA_TYPE, metrics.text),
            "/v1/model": Page(_JSON, lambda: self.info().model_dump_json().encode()),
            "/v1/admin/status": Page(_JSON, lambda: self.status(state).model_dump_json().encode()),
        }
        serving = self.settings.serving
        inline = self.settings.store_url.startswith("sqlite")
        fast = FastLane(self.lookup, self.models, longest_id=serving.max_id_length, inline=inline)
        keys, live = (lambda: self.keys.keys), None if batches is None else self.live.one
        return Desk(keys, pages, SHAPES, fast, batches, self.trail, metrics, self.close, live)

    def info(self) -> ModelInfo:
        """What is being served."""
        served, state, run = self.models.served, self.models.state(), self.lookup.latest()
        return ModelInfo.model_validate_json(
            json.dumps(
                {
                    "model_version": state["version"],
                    "since": state["since"],
                    "refused": state["refused"],
                    "list_version": None if run is None else run.model_version,
                    "list_as_of": None if run is None else run.as_of.isoformat(),
                    "card": served.scorer.bundle.card,
                }
            )
        )

    def status(self, state: State) -> Status:
        """The state of this process."""
        return Status(
            retain_version=version("retain"),
            process=os.getpid(),
            started_at=self.started_at,
            state=state.word,
            in_flight=state.in_flight,
            model=self.info(),
            keys=len(self.keys.keys.known),
            keys_problem=self.keys.problem,
            trail_lost=self.trail.lost,
            trail_problem=self.trail.problem,
        )


def _kept(opened: ExitStack, part: Any) -> Any:
    opened.callback(part.close)
    return part
