"""A back room for `test_back_room`, run as ``python -m tests.serving.back_room_answers FOLDER DESCRIPTOR``."""

from __future__ import annotations

import os
import socket
import sys
import time
from pathlib import Path

from serving.back_room import answer_questions, lower_priority
from serving.refusal import Refusal

__all__ = ["answer"]


def answer(question: bytes) -> tuple[int, bytes]:
    """Echo, refuse, fail, die, or wait until the file ``go`` is in the folder."""
    folder, word = Path(sys.argv[1]), question.partition(b" ")[0]
    if word == b"refuse":
        raise Refusal(400, "invalid", "as_of: is required")
    if word == b"fail":
        raise ValueError(question)
    if word == b"die":
        os._exit(7)
    if word == b"wait":
        (folder / f"began-{os.getpid()}").touch()
        while not (folder / "go").exists():
            time.sleep(0.01)
    if word == b"who":
        return 200, f"{os.getpid()} {os.nice(0)}".encode()
    return 200, question


if __name__ == "__main__":
    lower_priority()
    answer_questions(socket.socket(fileno=int(sys.argv[2])), answer)
