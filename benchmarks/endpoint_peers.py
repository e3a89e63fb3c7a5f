"""The peers of the endpoint, each a server of its own: ``python endpoint_peers.py WHAT CONFIG PORT``.

``hello`` is the least an ASGI server can do. ``fastapi`` does the work of our endpoint with the same key check, the
same metrics library, the same look-up and the same scorer, as a plain FastAPI application would be written. Both run
under uvicorn with uvloop and httptools and one worker, as ours does. ``log-model`` writes the model that
``mlflow models serve`` serves: a scikit-learn pipeline of as many trees as our churn head has.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from fastapi import Depends, FastAPI, HTTPException, Request
from pydantic import BaseModel, ConfigDict

__all__ = ["fastapi_app", "hello", "log_model"]

_OURS = ["collections.OrderedDict", "lightgbm.basic.Booster", "lightgbm.sklearn.LGBMClassifier"]
_HELLO = b'{"hello":"world"}'


class Asked(BaseModel):
    """A question to the FastAPI peer."""

    model_config = ConfigDict(extra="forbid", strict=True)

    customer_id: str
    features: dict[str, float | None] | None = None
    as_of: str | None = None
    reasons: bool = False
    columns: list[str] | None = None


async def hello(scope: Any, receive: Any, send: Any) -> None:
    """Answers everything with the same 17 bytes."""
    if scope["type"] != "http":
        return
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(_HELLO)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": _HELLO})


def fastapi_app(config: Path) -> Any:
    """A plain FastAPI application: one route by id or by ready features, a key, metrics."""
    from datetime import UTC, datetime

    from prometheus_client import CollectorRegistry, Counter, Histogram

    from retain.config import load_config
    from serving.keys import KeyStore

    project = load_config(config)
    answer, keys = _answers(project), KeyStore(project.store_url).snapshot()
    registry = CollectorRegistry()
    counted = Counter("requests", "Requests", ["route", "status"], registry=registry)
    lasted = Histogram("seconds", "Latency", ["route"], registry=registry)
    app = FastAPI()

    @app.middleware("http")
    async def measured(request: Request, call_next: Any) -> Any:
        began = time.perf_counter()
        response = await call_next(request)
        counted.labels("/v1/score", str(response.status_code)).inc()
        lasted.labels("/v1/score").observe(time.perf_counter() - began)
        return response

    def admitted(request: Request) -> None:
        presented = request.headers.get("authorization", "").removeprefix("Bearer ").encode()
        key = keys.find(presented, datetime.now(UTC))
        if key is None or "score" not in key.roles:
            raise HTTPException(401)

    @app.get("/readyz")
    async def ready() -> dict[str, str]:
        return {"status": "ready"}

    @app.post("/v1/score", dependencies=[Depends(admitted)])
    async def score(asked: Asked) -> dict[str, Any]:
        return answer(asked)

    return app


def _answers(project: Any) -> Callable[[Asked], dict[str, Any]]:
    """The work itself: the stored row, or the scorer on ready features."""
    import json
    from datetime import date

    import numpy as np

    from features.pipeline import FEATURES
    from retain.champion import champion_scorer
    from serving.lookup import Lookup
    from training.models.rows import Rows

    scorer, lookup = champion_scorer(project), Lookup(project.store_url)

    def answer(asked: Asked) -> dict[str, Any]:
        name = asked.customer_id
        if asked.features is None:
            stored = lookup.get(name)
            if stored is None or stored.row is None:
                return {"customer_id": name, "found": False}
            return {"found": True, **json.loads(stored.row)}
        given = [asked.features[column] for column in FEATURES]
        matrix = np.array([[np.nan if value is None else value for value in given]])
        rows, day = Rows(FEATURES, matrix), date.fromisoformat(str(asked.as_of))
        if asked.columns == ["churn_probability"]:
            risk = float(scorer.bundle.risk(rows, day)["churn_probability"][0])
            return {"found": True, "customer_id": name, "churn_probability": risk}
        return {"found": True, **scorer.answer_rows(rows, [name], day)[0]}

    return answer


def log_model(folder: Path, trees: int) -> None:
    """A scikit-learn pipeline with LightGBM on made-up rows, in MLflow's format."""
    import lightgbm
    import mlflow
    import numpy as np
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    from features.pipeline import FEATURES

    random = np.random.default_rng(1)
    rows = random.normal(size=(5_000, len(FEATURES)))
    labels = (rows[:, 0] + random.normal(size=5_000) > 0).astype(int)
    model = make_pipeline(
        StandardScaler(), lightgbm.LGBMClassifier(n_estimators=trees, num_threads=1, verbose=-1)
    )
    mlflow.sklearn.save_model(
        model.fit(rows, labels),
        str(folder),
        pip_requirements=["lightgbm", "scikit-learn"],
        skops_trusted_types=_OURS,
    )


def main() -> None:
    """Serve one of the peers."""
    what, config, port = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
    if what == "log-model":
        log_model(config, port)
        return
    import uvicorn

    app = hello if what == "hello" else fastapi_app(config)
    uvicorn.run(
        app, host="127.0.0.1", port=port, loop="uvloop", http="httptools", log_level="error", access_log=False
    )


if __name__ == "__main__":
    main()
