"""What the children of `test_back_room` answer with."""

from __future__ import annotations

import os
import time
from pathlib import Path

from serving.back_room import Answers
from serving.refusal import Refusal

__all__ = ["broken", "opened"]


def opened(folder: str) -> Answers:
    """Answers that echo, refuse, fail, die, or wait until the file ``go`` is in `folder`."""

    def answer(question: bytes) -> tuple[int, bytes]:
        word = question.partition(b" ")[0]
        if word == b"refuse":
            raise Refusal(400, "invalid", "as_of: is required")
        if word == b"fail":
            raise ValueError(question)
        if word == b"die":
            os._exit(7)
        if word == b"wait":
            (Path(folder) / f"began-{os.getpid()}").touch()
            while not (Path(folder) / "go").exists():
                time.sleep(0.01)
        if word == b"nice":
            return 200, str(os.nice(0)).encode()
        return 200, question

    return answer


def broken(folder: str) -> Answers:
    """A child that cannot be opened, and counts how often it was tried."""
    with (Path(folder) / "tries").open("a") as file:
        file.write("x")
    raise SystemExit(3)
