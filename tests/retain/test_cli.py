from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import typer

from features.errors import ModelError, UnsafeError
from retain import cli
from retain.console import EXIT_CODES, Screen

HEAVY = (
    "pandas",
    "duckdb",
    "ibis",
    "sklearn",
    "lightgbm",
    "mlflow",
    "bentoml",
    "pydantic",
    "pyarrow",
    "rich",
)


def python(code: str, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True, timeout=120)


@pytest.fixture
def failing(monkeypatch: pytest.MonkeyPatch):
    """A command line with one command, ``fail``, that raises what the test puts in."""

    def install(error: BaseException) -> None:
        app = typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False)

        @app.command()
        def fail(json: bool = False) -> None:
            raise error

        app.callback()(lambda: None)
        monkeypatch.setattr(cli, "app", app)

    return install


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys, retain.cli as c; rc = c.main(['--help']); "
        f"print(sorted(set({HEAVY!r}) & set(sys.modules)), rc, file=sys.stderr)"
    )
    done = python(code)
    assert done.stderr.strip() == "[] 0"
    assert "Exit codes" in done.stdout


def all_commands() -> list[str]:
    """The words that name each command; those of a group have two."""
    top = typer.main.get_command(cli.app).commands
    return sorted(
        " ".join(filter(None, (name, inner)))
        for name, command in top.items()
        for inner in inner_names(command)
    )


def inner_names(command: object) -> list[str]:
    return list(getattr(command, "commands", [""]))


@pytest.mark.parametrize("name", all_commands())
def test_every_command_has_help_and_takes_the_configuration(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.run([*name.split(), "--help"]) == 0
    text = capsys.readouterr().out
    # This one asks an address, whoever runs there.
    assert ("--config" in text) == (name != "bench-endpoint")
    assert "--json" in text
    assert "--quiet" in text


def test_help_documents_every_exit_code(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["--help"]) == 0
    text = " ".join(capsys.readouterr().out.split())
    assert all(f"{code} {meaning}" in text for code, meaning in EXIT_CODES.items())


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["--version"]) == 0
    assert capsys.readouterr().out.startswith("retain 0.")


def test_an_unknown_command_is_exit_2_with_the_nearest_name(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["chek"]) == 2
    assert "Did you mean 'check'" in capsys.readouterr().err


@pytest.mark.parametrize(("error", "code"), [(UnsafeError("open"), 3), (ModelError("torn"), 6)])
def test_errors_of_ours_are_printed_and_have_their_code(error, code, failing, capsys) -> None:
    failing(error)
    assert cli.run(["fail"]) == code
    streams = capsys.readouterr()
    assert streams.err == f"{error}\n"
    assert streams.out == ""


def test_errors_are_a_document_with_json(failing, capsys) -> None:
    failing(ModelError("torn"))
    assert cli.run(["fail", "--json"]) == 6
    document = json.loads(capsys.readouterr().out)
    assert document == {"error": {"kind": "ModelError", "message": "torn", "exit_code": 6}}


def test_an_unexpected_failure_hides_its_text_until_debug(failing, capsys) -> None:
    failing(KeyError("customer 4711"))
    assert cli.run(["fail"]) == 1
    hidden = capsys.readouterr().err
    assert "4711" not in hidden
    assert "KeyError" in hidden
    assert cli.run(["fail", "--debug"]) == 1
    assert "Traceback" in capsys.readouterr().err


def test_a_missing_library_is_named(failing, capsys) -> None:
    failing(ImportError("libgomp.so.1: cannot open shared object file"))
    assert cli.run(["fail"]) == 1
    assert "libgomp.so.1" in capsys.readouterr().err


def test_ctrl_c_is_130(failing) -> None:
    failing(KeyboardInterrupt())
    assert cli.run(["fail"]) == 130


STOPPED = """
import os, pathlib, signal, sys
import retain.cli as c
def wait() -> None:
    mark, swallow = sys.argv[1], sys.argv[3] == "1"
    try:
        os.kill(os.getpid(), signal.Signals[sys.argv[2]])
        signal.pause()
    except BaseException as error:
        if swallow:
            raise RuntimeError("Query interrupted") from error
        raise
    finally:
        pathlib.Path(mark).write_text("unwound")
c.app = c.typer.Typer(rich_markup_mode=None)
c.app.command()(wait)
sys.exit(c.main([]))
"""


@pytest.mark.parametrize(("name", "code"), [("SIGTERM", 143), ("SIGINT", 130), ("SIGHUP", 129)])
@pytest.mark.parametrize("swallow", ["0", "1"])
def test_a_signal_unwinds_and_has_its_code(name: str, code: int, swallow: str, tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    done = python(STOPPED, str(mark), name, swallow)
    assert done.returncode == code
    assert mark.read_text() == "unwound"
    assert "Traceback" not in done.stderr


def test_a_signal_that_nohup_ignores_stays_ignored() -> None:
    code = (
        "import os, signal, sys, retain.cli as c\n"
        "signal.signal(signal.SIGHUP, signal.SIG_IGN)\n"
        "c.run = lambda *_: os.kill(os.getpid(), signal.SIGHUP) or 0\n"
        "sys.exit(c.main([]))"
    )
    assert python(code).returncode == 0


def test_the_process_is_private_and_silent_to_the_outside(tmp_path: Path) -> None:
    code = (
        "import os, sys, retain.cli as c\n"
        "c.run = lambda *_: open(sys.argv[1], 'w').close() or 0\n"
        "c.main([]); print(os.environ['DO_NOT_TRACK'], os.environ['BENTOML_DO_NOT_TRACK'], "
        "os.environ['MLFLOW_DISABLE_TELEMETRY'])"
    )
    file = tmp_path / "made"
    assert python(code, str(file)).stdout.split() == ["true", "True", "true"]
    assert file.stat().st_mode & 0o777 == 0o600


def test_what_the_user_set_in_the_environment_stays() -> None:
    code = "import os, retain.cli as c; c.run = lambda *_: 0; c.main([]); print(os.environ['DO_NOT_TRACK'])"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env={**os.environ, "DO_NOT_TRACK": "1"}
    )
    assert done.stdout.strip() == "1"


def test_json_results_are_strict_and_alone(capsys: pytest.CaptureFixture[str]) -> None:
    screen = Screen(json=True)
    screen.result({"name": "客户"}, "for people")
    screen.note("in passing")
    streams = capsys.readouterr()
    assert json.loads(streams.out) == {"name": "客户"}
    assert streams.err == "in passing\n"
    with pytest.raises(ValueError, match="Out of range"):
        screen.result({"share": float("nan")})


def test_quiet_says_nothing_in_passing(capsys: pytest.CaptureFixture[str]) -> None:
    screen = Screen(quiet=True)
    screen.note("in passing")
    with screen.progress() as progress:
        assert progress is None
    assert capsys.readouterr().err == ""


def test_progress_in_a_log_tells_a_stage_only_once_it_lasts(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = iter([0.0, 1.0, 3.0, 3.5, 6.0])
    monkeypatch.setattr("retain.console.time.monotonic", lambda: next(clock))
    with Screen().progress("step ") as progress:
        assert progress is not None
        for stage, share in (("read", 0.1), ("read", 0.2), ("cast", 0.5), ("cast", 0.6)):
            progress(stage, share)
    assert capsys.readouterr().err == "step read (20%)\nstep cast (60%)\n"


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class ImmediateTimer(threading.Timer):
    def start(self) -> None:
        self.function()

    def join(self, timeout: float | None = None) -> None:
        """Nothing runs."""


def test_a_terminal_sees_a_bar_once_work_lasts(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = Terminal()
    monkeypatch.setattr("sys.stderr", screen)
    monkeypatch.setenv("TERM", "xterm")
    with Screen().progress("reading ") as progress:
        assert progress is not None
        progress("orders", 0.5)
    assert screen.getvalue() == ""
    monkeypatch.setattr("retain.console.threading.Timer", ImmediateTimer)
    with Screen().progress("reading ") as progress:
        assert progress is not None
        progress("orders", 0.5)
    assert "reading orders" in screen.getvalue()
    assert "50%" in screen.getvalue()


def test_config_prints_one_value_and_the_whole(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "retain.toml"
    path.write_text(
        '[churn]\nwindow_days = 61\n[data.orders]\nurl = "postgresql://u:s3cret@db/x"\ntable = "o"\n'
    )
    assert cli.run(["config", "churn.window_days", "-c", str(path)]) == 0
    assert capsys.readouterr().out == "61\n"
    assert cli.run(["config", "-c", str(path)]) == 0
    text = capsys.readouterr().out
    assert "s3cret" not in text
    assert "window_days = 61" in text
    assert cli.run(["config", "churn.nope", "-c", str(path)]) == 2
    assert "known: window_days" in capsys.readouterr().err


def test_config_schema_names_every_section(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["config", "--schema"]) == 0
    schema = json.loads(capsys.readouterr().out)
    assert {"schema", "data", "churn", "value", "run", "serving"} <= set(schema["properties"])


def test_features_catalogue_is_printed_in_both_languages(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["features", "--catalogue", "--json"]) == 0
    columns = json.loads(capsys.readouterr().out)["columns"]
    first = columns[0]
    assert first["name"] == "frequency"
    assert set(first) == {"name", "en", "zh", "unit", "window", "formula", "source"}
    assert cli.run(["features", "--catalogue", "--lang", "zh"]) == 0
    assert first["zh"] in capsys.readouterr().out.replace("\n", "")
