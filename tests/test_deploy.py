"""The files for running Retain elsewhere: they name commands, routes and exit codes that exist, and leave no door open."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import typer
import yaml

from retain.cli import COMMANDS, app
from retain.console import EXIT_CODES

ROOT = Path(__file__).resolve().parents[1]
DEPLOY = ROOT / "deploy"
_LOCKED = re.compile(r"^([A-Za-z0-9_.-]+)==(\S+)", re.MULTILINE)


def text(name: str) -> str:
    return (DEPLOY / name).read_text(encoding="utf-8")


def versions(path: Path) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for name, version in _LOCKED.findall(path.read_text()):
        found.setdefault(name, set()).add(version)
    return found


def compose() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(text("compose.yaml"))
    return found


def pods() -> list[dict[str, Any]]:
    return list(yaml.safe_load_all(text("kubernetes.yaml")))


def words_of(command: str, said: list[str]) -> None:
    """Fails unless the command line knows this command and all its options."""
    assert command in COMMANDS, command
    known = typer.main.get_command(app).commands[command]  # type: ignore[attr-defined]
    parts = [known, *(getattr(known, "commands", {}).get(word) for word in said)]
    options = {option for part in parts if part is not None for p in part.params for option in p.opts}
    unknown = [word for word in said if word.startswith("-") and word not in options]
    assert not unknown, (command, unknown)


def test_the_image_installs_what_the_project_was_tested_with() -> None:
    tested, image = versions(ROOT / "requirements.lock"), versions(DEPLOY / "requirements.lock")
    differ = {name: found for name, found in image.items() if name in tested and not found <= tested[name]}
    assert not differ
    assert {"bentoml", "mlflow", "psycopg", "hatchling", "flask-wtf"} <= image.keys()
    assert text("requirements.lock").count("--hash=sha256:") > len(image)


def test_the_image_runs_as_nobody_special_and_installs_by_hash_alone() -> None:
    lines = text("Dockerfile")
    assert "--require-hashes --no-deps" in lines
    assert lines.index("USER 10001:10001") < lines.index("ENTRYPOINT")
    rooms = set(re.findall(r"^COPY (\w+) /build/", lines, re.MULTILINE))
    assert rooms == {"features", "strategies", "training", "serving", "retain"}


def test_every_command_named_exists_with_its_options() -> None:
    endpoint = compose()["services"]["endpoint"]["command"]
    unit = re.search(r"^ExecStart=/opt/retain/bin/retain (.+)$", text("retain.service"), re.MULTILINE)
    assert unit is not None
    containers = pods()[0]["spec"]["template"]["spec"]
    image = re.search(r"^CMD (\[.+\])$", text("Dockerfile"), re.MULTILINE)
    assert image is not None
    lines = [
        endpoint,
        shlex.split(unit[1]),
        yaml.safe_load(image[1]),
        containers["containers"][0]["args"],
        containers["initContainers"][0]["args"],
    ]
    nightly = compose()["services"]["nightly"]["command"][0]
    lines += [shlex.split(part)[1:] for part in nightly.split("&&")]
    for name in ("compose.yaml", "kubernetes.yaml"):
        lines += [
            shlex.split(found)
            for found in re.findall(r"(?:retain|endpoint) (keys add .+)$", text(name), re.M)
        ]
    assert len(lines) == 10
    for command, *said in lines:
        words_of(command, said)


def test_three_probes_ask_the_routes_that_need_no_key() -> None:
    container = pods()[0]["spec"]["template"]["spec"]["containers"][0]
    paths = {
        kind: container[f"{kind}Probe"]["httpGet"]["path"] for kind in ("startup", "readiness", "liveness")
    }
    assert paths == {"startup": "/readyz", "readiness": "/readyz", "liveness": "/livez"}
    assert container["readinessProbe"]["failureThreshold"] == 1


def test_nobody_is_root_and_nothing_is_published_beyond_this_machine() -> None:
    spec = pods()[0]["spec"]["template"]["spec"]
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert all(
        c["securityContext"]["readOnlyRootFilesystem"] for c in spec["containers"] + spec["initContainers"]
    )
    services = compose()["services"]
    assert {name for name, service in services.items() if "ports" in service} == {"endpoint"}
    assert all(port.startswith("127.0.0.1:") for port in services["endpoint"]["ports"])
    assert compose()["networks"]["inside"]["internal"] is True


def test_mlflow_asks_for_a_password_and_runs_no_jobs() -> None:
    tracking = compose()["services"]["tracking"]
    assert "--app-name=basic-auth" in tracking["command"]
    assert tracking["environment"]["MLFLOW_SERVER_ENABLE_JOB_EXECUTION"] == "false"
    assert "default_permission = NO_PERMISSIONS" in text("env.example")


def test_no_password_stands_in_a_file() -> None:
    given = re.findall(r"(?im)^(\w*(?:password|secret_key)\w*)=(.*)$", text("env.example"))
    assert len(given) == 3
    assert all(not value for _, value in given)


def test_there_is_time_to_finish_everywhere() -> None:
    spec = pods()[0]["spec"]["template"]["spec"]
    assert spec["terminationGracePeriodSeconds"] > 30
    assert int(compose()["services"]["endpoint"]["stop_grace_period"].rstrip("s")) > 30
    assert int(re.findall(r"^TimeoutStopSec=(\d+)$", text("retain.service"), re.M)[0]) > 30


def test_systemd_does_not_restart_what_cannot_heal() -> None:
    codes = re.findall(r"^RestartPreventExitStatus=(.+)$", text("retain.service"), re.M)[0].split()
    meant = {
        code
        for code, told in EXIT_CODES.items()
        if "configuration" in told or "expose" in told or "bundle" in told
    }
    assert {int(code) for code in codes} == meant


def test_the_bento_holds_the_rooms_and_the_service() -> None:
    bento = yaml.safe_load(text("bentofile.yaml"))
    assert all((ROOT / name.strip("/")).exists() for name in bento["include"])
    assert {name.strip("/") for name in bento["include"] if name.endswith("/")} == {
        *("features", "strategies", "training", "serving", "retain")
    }
    module, _, name = bento["service"].partition(":")
    assert f"class {name}:" in (ROOT / f"{module.replace('.', '/')}.py").read_text(encoding="utf-8")
    assert (ROOT / bento["python"]["requirements_txt"]).exists()
