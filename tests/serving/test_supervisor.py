"""Workers under their parent: killed and replaced, stopped without losing an answer, ended with it."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import psutil
import pytest

from tests.serving.small_servers import ROOT, Served, served, until


def both(server: Served) -> set[int]:
    """Both workers, once each has answered."""
    seen: set[int] = set()
    until(lambda: len(seen.add(server.pid()) or seen) == 2)
    return seen


def refused(port: int) -> bool:
    with socket.socket() as asking:
        return asking.connect_ex(("127.0.0.1", port)) != 0


def test_two_workers_answer_on_one_listening_socket(tmp_path: Path) -> None:
    with served(tmp_path, workers=2) as server:
        assert both(server) <= {child.pid for child in server.children()}
        until((tmp_path / "helpers").exists)
        listening = {
            (process.pid, found.laddr)
            for process in [psutil.Process(server.process.pid), *server.children()]
            for found in process.net_connections("inet")
            if found.status == psutil.CONN_LISTEN
        }
        assert {address.port for _, address in listening} == {server.port}
        helper = int((tmp_path / "helpers").read_text())
        assert helper not in {pid for pid, _ in listening}


def test_killed_workers_are_replaced_and_nobody_is_refused_meanwhile(tmp_path: Path) -> None:
    with served(tmp_path, workers=2) as server:
        first = both(server)
        os.kill(min(first), signal.SIGKILL)
        second = until(lambda: both(server) - {min(first)})
        assert max(first) in second
        for pid in both(server):
            os.kill(pid, signal.SIGKILL)
        began = time.monotonic()
        assert server.pid() not in first
        assert not both(server) & second
        assert time.monotonic() - began < 3


def test_no_child_outlives_a_killed_parent(tmp_path: Path) -> None:
    with served(tmp_path, workers=2) as server:
        until((tmp_path / "helpers").exists)
        children = server.children()
        assert len(children) == 3
        server.process.kill()
        until(lambda: refused(server.port))
        assert psutil.wait_procs(children, 2)[1] == []


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_to_the_whole_group_loses_no_answer(tmp_path: Path, signum: signal.Signals) -> None:
    with served(tmp_path, workers=2) as server, ThreadPoolExecutor(1) as threads, httpx.Client() as kept:
        assert kept.get(server.address).headers.get("connection") is None
        waiting = threads.submit(server.get, "/wait")
        until(lambda: list(tmp_path.glob("began-*")))
        os.killpg(server.process.pid, signum)
        # At once or soon, as the machine allows: what counts is that it is said before nobody listens.
        until(lambda: server.get("/readyz").status_code == 503)
        assert kept.get(server.address).headers["connection"] == "close"
        until(lambda: refused(server.port))
        (tmp_path / "go").touch()
        assert waiting.result(20).status_code == 200
        assert waiting.result().headers["connection"] == "close"
        assert server.end() == (0, "")
        # What an application closes at the end is closed before its process ends.
        assert len(list(tmp_path.glob("closed-*"))) == 2


def test_a_second_signal_ends_it_at_once(tmp_path: Path) -> None:
    with served(tmp_path, workers=2) as server, ThreadPoolExecutor(1) as threads:
        waiting = threads.submit(server.get, "/wait")
        until(lambda: list(tmp_path.glob("began-*")))
        server.process.terminate()
        until(lambda: refused(server.port))
        server.process.terminate()
        began = time.monotonic()
        assert server.end()[0] == 128 + signal.SIGTERM
        assert time.monotonic() - began < 1
        with pytest.raises(httpx.RemoteProtocolError):
            waiting.result(20)


def test_an_answer_that_never_comes_does_not_keep_it_from_ending(tmp_path: Path) -> None:
    with served(tmp_path) as server, ThreadPoolExecutor(1) as threads:
        waiting = threads.submit(server.get, "/wait")
        until(lambda: list(tmp_path.glob("began-*")))
        server.process.terminate()
        code, said = server.end()
        assert (code, said) == (0, "worker 1 did not end in time and was killed\n")
        with pytest.raises(httpx.HTTPError):
            waiting.result(20)


def test_a_worker_whose_loop_stands_still_is_killed_and_started_anew(tmp_path: Path) -> None:
    with served(tmp_path, stuck_seconds=2.0) as server, ThreadPoolExecutor(1) as threads:
        first = server.pid()
        hanging = threads.submit(server.get, "/hang")
        with pytest.raises(httpx.HTTPError):
            hanging.result(20)
        second = server.pid()
        os.kill(second, signal.SIGSTOP)
        until(lambda: not psutil.pid_exists(second))
        assert len({first, second, server.pid()}) == 3
        server.process.terminate()
        code, said = server.end()
    told = "worker 1 did nothing for 2 seconds and was killed"
    assert (code, said.count(told), "Traceback" in said) == (0, 2, False)


def test_a_server_that_was_stopped_as_a_whole_goes_on_with_its_workers(tmp_path: Path) -> None:
    with served(tmp_path, stuck_seconds=2.0) as server:
        worker = server.pid()
        for signum, wait in ((signal.SIGSTOP, 4.0), (signal.SIGCONT, 0.0)):
            os.killpg(server.process.pid, signum)
            time.sleep(wait)
        assert [server.pid() for _ in range(3)] == [worker] * 3
        server.process.terminate()
        assert server.end() == (0, "")


def test_what_keeps_it_from_starting_is_said_once_with_its_exit_code(tmp_path: Path) -> None:
    (tmp_path / "broken").touch()
    with served(tmp_path, workers=1) as server:
        code, said = server.end()
    assert code == 6
    assert said.splitlines()[-1] == "ModelError: bundle abc: is damaged; run `retain train`"
    assert "Traceback" not in said


def test_workers_that_die_again_and_again_end_it_with_the_cause(tmp_path: Path) -> None:
    with served(tmp_path, workers=2) as server:
        for _ in range(5):
            os.kill(server.pid(), signal.SIGKILL)
        code, said = server.end()
    assert code == 1
    assert "the workers ended 5 times within a minute" in said
    assert "SIGKILL" in said.splitlines()[-1]


def test_a_model_that_breaks_later_is_told_when_a_worker_cannot_come_back(tmp_path: Path) -> None:
    with served(tmp_path, workers=1) as server:
        (tmp_path / "broken").touch()
        os.kill(server.pid(), signal.SIGKILL)
        until(lambda: (server.process.poll() is not None) or None, 15)
        code, said = server.end()
    assert code == 6
    assert "the last time because: bundle abc: is damaged" in said


def test_the_helper_is_started_again_with_pauses_and_disturbs_nobody(tmp_path: Path) -> None:
    (tmp_path / "no-help").touch()
    helpers = tmp_path / "helpers"
    with served(tmp_path) as server:
        worker = server.pid()
        until(lambda: helpers.exists() and len(helpers.read_text().split()) >= 2)
        assert server.pid() == worker
        server.process.terminate()
        code, said = server.end()
    assert code == 0
    assert "helper ended: unexpected ValueError" in said
    assert "example.com" not in said


def test_the_parent_of_the_real_workers_runs_one_thread_when_it_forks() -> None:
    program = """
import os, threading, time
from pathlib import Path
from serving.live import LiveSettings
from serving.run_server import prepare
def named(task):
    try:
        return Path(f"/proc/self/task/{task}/comm").read_text().strip()
    except FileNotFoundError:  # it ended meanwhile
        return "ended"
settings = LiveSettings(models=Path("models"), store_url="sqlite://", tables=("orders", "contracts"))
with prepare(settings):
    threads = [1]
    end = time.monotonic() + 10
    # The allocator of Arrow gives its threads their names a moment after it started them.
    while set(threads) - {"jemalloc_bg_thd"} and time.monotonic() < end:
        tasks = [t for t in os.listdir("/proc/self/task") if int(t) != os.getpid()]
        threads = [named(task) for task in tasks]
    print(threading.active_count(), set(threads) - {"jemalloc_bg_thd"})
"""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OPENBLAS_NUM_THREADS": "1"}
    command = [sys.executable, "-c", program]
    said = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert said.stdout.split("\n")[0] == "1 set()", said
