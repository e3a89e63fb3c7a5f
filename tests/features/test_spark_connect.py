"""Spark Connect: a server of this machine, reached as `sc://` by a process of its own."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
# One shop of the four: the others have been through the same engine.
ONE_SHOP = (
    "import sys; from features import made_up_shops as made; some = made.made_up_shops()[3:]; "
    "made.made_up_shops = lambda: some; from retain.cli import main; sys.exit(main())"
)
STARTED = "Spark Connect server started at"


@pytest.fixture
def address(tmp_path: Path) -> Iterator[str]:
    found = importlib.util.find_spec("pyspark")
    if found is None or found.origin is None or shutil.which("java") is None:
        pytest.skip("pyspark and Java are not here; .ci/spark brings both")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    options = {
        "spark.connect.grpc.binding.address": "127.0.0.1",
        "spark.connect.grpc.binding.port": port,
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.driver.host": "127.0.0.1",
        "spark.driver.memory": "1g",
        "spark.driver.extraJavaOptions": "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC",
        "spark.sql.adaptive.enabled": "false",
        "spark.sql.codegen.factoryMode": "NO_CODEGEN",
        "spark.sql.codegen.wholeStage": "false",
        "spark.sql.shuffle.partitions": "1",
        "spark.sql.warehouse.dir": tmp_path / "warehouse",
        "spark.ui.enabled": "false",
    }
    home = Path(found.origin).parent
    words = [home / "bin" / "spark-submit", "--master", "local[2]"]
    words += ["--class", "org.apache.spark.sql.connect.service.SparkConnectServer"]
    words += [word for name, value in options.items() for word in ("--conf", f"{name}={value}")]
    log = tmp_path / "server.log"
    environment = {**os.environ, "SPARK_HOME": str(home)}
    with subprocess.Popen(
        [*map(str, words), "spark-internal"], cwd=tmp_path, env=environment, stderr=subprocess.PIPE, text=True
    ) as server:
        assert server.stderr is not None
        said = next((line for line in server.stderr if STARTED in line), None)
        assert said is not None, "the server ended before it had started"
        # Nobody reads on, and a full pipe would stop the server.
        with log.open("w") as rest:
            reader = subprocess.Popen(["cat"], stdin=server.stderr, stdout=rest)
            yield f"sc://127.0.0.1:{port}"
            server.terminate()
            server.wait(timeout=60)
            reader.wait(timeout=60)


@pytest.mark.spark
def test_features_and_labels_are_those_of_duckdb(address: str, tmp_path: Path) -> None:
    words = ["doctor", "--backend", address, "-c", str(tmp_path / "none.toml"), "--json", "--quiet"]
    said = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", ONE_SHOP, *words],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])},
        capture_output=True,
        text=True,
        check=False,
    )
    assert said.returncode == 0, said.stderr[-3000:]
    document = json.loads(said.stdout)
    assert (document["ok"], document["engine"], document["address"]) == (True, "pyspark", address)
    assert {part["step"] for part in document["parts"]} == {"days", "facts", "features", "labels"}
    assert "Exception ignored" not in said.stderr
