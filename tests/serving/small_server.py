"""A server of a few lines under the real supervisor, for `test_supervisor` and `test_protocol`.

Run as ``python -m tests.serving.small_server FOLDER SETTINGS``: it says its address, and what its requests do depends
on files in the folder.
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
import sys
import time
from functools import partial
from pathlib import Path

from features.errors import ModelError, RetainError
from serving.child import Job, Link
from serving.guard import State
from serving.settings import ServingSettings
from serving.supervisor import Events, Supervisor
from serving.wire import App, Receive, Scope, Send
from serving.worker import Worker, raise_file_limit

__all__ = ["main"]


def main(folder: Path, settings: ServingSettings) -> None:
    """Serve until a signal comes."""
    raise_file_limit()
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        ready = partial(print, f"http://127.0.0.1:{listener.getsockname()[1]}", flush=True)
        events = Events(ready=ready, stopping=listener.close, ended=lambda _: None, log=_log)
        jobs = [
            Job(f"worker {n + 1}", partial(work, folder, settings, listener)) for n in range(settings.workers)
        ]
        jobs.append(Job("helper", partial(help_out, folder, listener), vital=False))
        Supervisor(jobs, events, stop_seconds=5, stuck_seconds=settings.stuck_seconds).run()


def _log(text: str) -> None:
    sys.stderr.write(text + "\n")


def work(folder: Path, settings: ServingSettings, listener: socket.socket, link: Link) -> None:
    """What a worker does."""
    state = State()
    application_ = application(folder, state)
    worker = Worker(
        application_, settings, state=state, ready=lambda: link.ready(worker.stop), beat=link.beat
    )
    worker.answer(listener)


def help_out(folder: Path, listener: socket.socket, link: Link) -> None:
    """What the process beside the workers does: note that it lives; die at once while ``no-help`` is there."""
    listener.close()
    link.ready(lambda: os._exit(0))
    with (folder / "helpers").open("a") as file:
        file.write(f"{os.getpid()}\n")
    if (folder / "no-help").exists():
        raise ValueError("somebody@example.com")
    while True:
        time.sleep(60)


def application(folder: Path, state: State) -> App:
    """Answers with what it got; ``/wait`` until the file ``go`` is there, ``/big`` with five megabytes."""

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await receive()
            if (folder / "broken").exists():
                raise ModelError("bundle abc: is damaged; run `retain train`")
            await send({"type": "lifespan.startup.complete"})
            await receive()
            await send({"type": "lifespan.shutdown.complete"})
            await asyncio.sleep(0.2)
            (folder / f"closed-{os.getpid()}").touch()
            return
        body, more = b"", True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            body, more = body + message["body"], message["more_body"]
        if scope["path"] == "/hang":
            time.sleep(600)
        if scope["path"] == "/wait":
            (folder / f"began-{os.getpid()}").touch()
            while not (folder / "go").exists():
                await asyncio.sleep(0.01)
        told = {
            "pid": os.getpid(),
            "path": scope["path"],
            "bytes": len(body),
            "headers": len(scope["headers"]),
        }
        said = b"x" * 5_000_000 if scope["path"] == "/big" else json.dumps(told).encode()
        status = 503 if scope["path"] == "/readyz" and state.stopping else 200
        length = [(b"content-length", str(len(said)).encode())]
        await send({"type": "http.response.start", "status": status, "headers": length})
        await send({"type": "http.response.body", "body": said})

    return answer


if __name__ == "__main__":
    try:
        main(Path(sys.argv[1]), ServingSettings.model_validate_json(sys.argv[2]))
    except RetainError as error:
        sys.stderr.write(f"{type(error).__name__}: {error}\n")
        sys.exit(error.exit_code)
