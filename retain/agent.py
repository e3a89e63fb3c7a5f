"""The agent that follows MLflow: it brings the champion to this disk, has it proved, and only then points at it.

Serving never waits for MLflow and does not know it: it follows the pointer file in the models folder, which this
agent moves. MLflow is asked by a process of its own, which is ended when it takes too long, so that a server that
is down, silent or slow costs seconds and no more. What was refused is remembered for an hour and not pulled again,
unless the alias names another version.
"""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from features.errors import ModelError, RetainError

if TYPE_CHECKING:
    from retain.config import Project
    from training.registry import Champion

__all__ = ["Agent", "Step", "follow"]

_POINTER = "champion"
# Loading MLflow takes two seconds or three, on a machine that is out of breath many more.
_LOAD_SECONDS = 60.0
_ASK_SECONDS, _FETCH_SECONDS = 6.5, 120.0
_ROOT = Path(__file__).resolve().parents[1]
_ADVICE = "serving goes on as it is; check [tracking] uri or MLFLOW_TRACKING_URI"
_CHILD = "import sys; sys.path.insert(0, sys.argv[1]); from retain.agent import _child; _child()"
Tell = Callable[["Step"], None]


@dataclass(frozen=True)
class Step:
    """What one look at MLflow led to.

    Parameters
    ----------
    action : {"moved", "kept", "refused", "failed"}
        The pointer was moved, there was nothing to do, the champion may not be served, or MLflow could not be
        asked.
    version : str or None
        Version of the bundle that is pointed at afterwards.
    said : str
        The same in a sentence.
    exit_code : int
        0, or that of the error.
    """

    action: Literal["moved", "kept", "refused", "failed"]
    version: str | None
    said: str
    exit_code: int = 0


class Agent:
    """Keeps the models folder of a project at the champion of MLflow.

    Parameters
    ----------
    project : Project
        Its configuration names MLflow and the models folder.
    """

    def __init__(self, project: Project) -> None:
        from serving.verdicts import Verdicts

        self._project, self._models = project, project.models_dir.absolute()
        self._given = {
            "tracking": project.config.tracking.model_dump(mode="json"),
            "uri": project.tracking_uri,
            "models": str(self._models),
        }
        self._scheme = project.tracking_uri.partition("://")[0]
        self._verdicts = Verdicts(self._models)

    def step(self) -> Step:
        """Look at MLflow once and do what follows; whatever goes wrong is told in the step."""
        try:
            return self._step()
        except ModelError as error:
            return Step("refused", self._current(), str(error), error.exit_code)
        except RetainError as error:
            return Step("failed", self._current(), str(error), error.exit_code)

    def _step(self) -> Step:
        from training.models.text_files import point_at

        current = self._current()
        champion = self._ask()
        whole = self._whole(champion.version)
        if champion.version == current and whole:
            return Step(
                "kept", current, f"model {current} is the champion in MLflow and is pointed at already"
            )
        self._not_refused(champion)
        try:
            if not whole:
                self._fetch(champion)
            self._prove(champion.version)
        except ModelError as error:
            self._remember(champion, str(error))
            raise
        point_at(self._models, _POINTER, champion.version)
        came = "was here" if whole else "fetched from MLflow"
        text = f"model {champion.version} (version {champion.number} in MLflow; {came}), proved; now champion"
        return Step("moved", champion.version, f"{text} in place of {current or 'none'}")

    def _current(self) -> str | None:
        from training.models.text_files import pointed

        with suppress(ModelError, OSError, UnicodeDecodeError):
            return pointed(self._models, _POINTER, train="retain train").name
        return None

    def _ask(self) -> Champion:
        from training.registry import Champion

        found = self._child_does("ask", {}, _ASK_SECONDS)
        if found is None:
            raise ModelError("MLflow names no champion; `retain train` names one, serving goes on as it is")
        return Champion(**found)

    def _fetch(self, champion: Champion) -> None:
        self._models.mkdir(parents=True, exist_ok=True)
        self._child_does("fetch", {"champion": asdict(champion)}, _FETCH_SECONDS)

    def _prove(self, version: str) -> None:
        # What a score needs takes a second to load, and most looks at MLflow find nothing new.
        from retain.champion import live_settings
        from serving.model_gate import prove

        prove(live_settings(self._project), version)

    def _whole(self, version: str) -> bool:
        from serving.model_gate import check_files

        try:
            check_files(self._models, version)
        except ModelError:
            return False
        return True

    def _not_refused(self, champion: Champion) -> None:
        known = self._verdicts.known(_registered(champion), champion.version)
        if known is not None:
            raise ModelError(known.reason)

    def _remember(self, champion: Champion, reason: str) -> None:
        from serving.verdicts import Verdict

        self._verdicts.keep(Verdict.now(_registered(champion), champion.version, reason))

    def _child_does(self, what: str, more: dict[str, Any], seconds: float) -> Any:
        """The answer of a process that asks MLflow; its errors become ours."""
        given = json.dumps({**self._given, **more, "what": what}).encode()
        command, pipe = [sys.executable, "-P", "-c", _CHILD, str(_ROOT)], subprocess.PIPE
        with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL) as child:  # noqa: S603
            try:
                child.stdin.write(given)  # type: ignore[union-attr]
                child.stdin.close()  # type: ignore[union-attr]
                self._line(child, _LOAD_SECONDS)
                answer = json.loads(self._line(child, seconds))
            except (json.JSONDecodeError, OSError):
                raise RetainError(f"{self._name}: asking it failed; {_ADVICE}") from None
            finally:
                child.kill()
        if "error" in answer:
            raise {"ModelError": ModelError}.get(answer["kind"], RetainError)(answer["error"])
        return answer["found"]

    def _line(self, child: subprocess.Popen[bytes], seconds: float) -> bytes:
        """The next line, which comes whole or not at all."""
        assert child.stdout is not None
        if not select.select([child.stdout], [], [], seconds)[0]:
            raise RetainError(f"{self._name} did not answer within {seconds:g} seconds; {_ADVICE}")
        return child.stdout.readline()

    @property
    def _name(self) -> str:
        return f"MLflow ({self._scheme})"


def follow(project: Project, seconds: float, tell: Tell) -> None:
    """Look at MLflow every so many seconds until a signal comes; tell of a step when it says something new."""
    agent, last = Agent(project), None
    while True:
        step = agent.step()
        if step != last:
            tell(step)
        last = step
        time.sleep(seconds)


def _registered(champion: Champion) -> str:
    """Name of the verdict on what stands under a number in MLflow, whatever came of it on this disk."""
    return f"mlflow-{champion.number}"


def _child() -> None:
    """The process that asks MLflow: what is wanted on its input, the answer on its output."""
    from training.tracking import load_mlflow

    given = json.load(sys.stdin)
    answer_to = os.dup(1)
    os.dup2(2, 1)
    os.umask(0o077)
    # For the day when nobody is left who waits for it.
    signal.setitimer(signal.ITIMER_REAL, _LOAD_SECONDS + _FETCH_SECONDS)
    load_mlflow()
    os.write(answer_to, b"loaded\n")
    try:
        answer = {"found": _asked(given)}
    except RetainError as error:
        answer = {"error": str(error), "kind": type(error).__name__}
    except Exception as error:  # noqa: BLE001 - MLflow fails in many ways, and each is told as one sentence
        answer = {"error": f"MLflow failed ({type(error).__name__}); {_ADVICE}", "kind": "RetainError"}
    os.write(answer_to, json.dumps(answer).encode() + b"\n")
    # MLflow's threads may still wait for a server that says nothing.
    os._exit(0)


def _asked(given: dict[str, Any]) -> Any:
    from training.registry import Champion, fetch, named_champion
    from training.settings import TrackingSettings

    if given["what"] == "fetch":
        return fetch(Champion(**given["champion"]), Path(given["models"]), uri=given["uri"])
    found = named_champion(TrackingSettings.model_validate(given["tracking"]), uri=given["uri"])
    return None if found is None else asdict(found)
