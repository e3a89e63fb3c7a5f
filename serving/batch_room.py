"""What the back room answers: batches, from bytes to bytes, with its own model, state and engines."""

from __future__ import annotations

from features.errors import LockedError, PublishError
from serving.asked import Asked
from serving.back_room import Answers
from serving.batches import pack_answer, unpack_question
from serving.histories import Histories
from serving.live import Live, LiveSettings
from serving.lookup import Lookup
from serving.model_watch import ModelWatch
from serving.ready_features import ready_batch
from serving.refusal import Refusal, fitted, incident
from serving.schemas import BatchRequest
from serving.strict_json import strict_json

__all__ = ["open_batches"]


def open_batches(settings: LiveSettings) -> Answers:
    """Open all that batches need.

    Parameters
    ----------
    settings : LiveSettings
        What to serve, and where the state is.

    Returns
    -------
    callable
        A question as `serving.batches` packs it, to status and packed answer; refusals are answers, too.

    Raises
    ------
    ModelError
        There is no model that may be served.
    ConfigError
        What the configuration names cannot be used.
    """
    models = ModelWatch(settings)
    models.start()
    url = settings.store_url
    live = Live(settings, models, Lookup(url), past=Histories(url))
    live.warm()

    def answer(question: bytes) -> tuple[int, bytes]:
        asked, body = unpack_question(question)
        status, text = _answered(live, asked, body)
        return status, pack_answer(asked, text)

    return answer


def _answered(live: Live, asked: Asked, body: bytes) -> tuple[int, bytes]:
    try:
        if (given := ready_batch(body)) is not None:
            return 200, live.ready(given, asked).encode()
        request = fitted(BatchRequest, strict_json(body))
        return 200, live.many(request, asked).encode()
    except Refusal as refusal:
        found = refusal
    except (LockedError, PublishError) as error:
        found = Refusal(503, "store", str(error))
    except Exception as error:  # noqa: BLE001 - one batch that cannot be answered must not end the others
        found = incident(error)
    return found.status, found.body()
