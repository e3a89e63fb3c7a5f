"""Fixtures shared by all rooms."""

from __future__ import annotations

import importlib.util
import os
import shutil
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, settings

settings.register_profile(
    "retain",
    derandomize=True,
    database=None,
    deadline=None,
    max_examples=50,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("retain")

POSTGRES = "RETAIN_TEST_POSTGRES"
SPARK = "RETAIN_TEST_SPARK"
SHARED = Path(__file__).resolve().parents[1].parent / "shared" / "data"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real data sets; absent on a user's machine, required in CI."""
    if not SHARED.is_dir():
        if os.environ.get("CI"):
            pytest.fail(f"real data sets are expected beside the checkout in CI: {SHARED.name}/ is missing")
        pytest.skip("real data sets (../shared/data) are not here")
    return SHARED


@pytest.fixture
def postgres_url(request: pytest.FixtureRequest) -> Iterator[str]:
    """The address of an empty schema on a real PostgreSQL server, dropped afterwards; CI starts the server."""
    address = os.environ.get(POSTGRES)
    if not address:
        if os.environ.get("CI"):
            pytest.fail(f"{POSTGRES} is not set: CI starts a server with .ci/postgres")
        pytest.skip(f"{POSTGRES} is not set; .ci/postgres starts a server and prints it")
    request.node.user_properties.append(("database", "postgresql"))
    schema = f"test_{uuid.uuid4().hex}"
    engine = sa.create_engine(address, poolclass=sa.NullPool)
    with engine.begin() as connection:
        connection.execute(sa.schema.CreateSchema(schema))
    url = sa.make_url(address).update_query_dict(
        {"options": f"-csearch_path={schema}", "application_name": schema}
    )
    yield url.render_as_string(hide_password=False)
    with engine.begin() as connection:
        connection.execute(sa.schema.DropSchema(schema, cascade=True))


@pytest.fixture(params=["sqlite", "postgresql"])
def state_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of an empty state database, once on SQLite and once on PostgreSQL."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'state' / 'retain.db'}"
    address: str = request.getfixturevalue("postgres_url")
    return address


@pytest.fixture(scope="session")
def spark_session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A small Spark on this machine: two cores, loopback alone, made to start rather than to run for long."""
    if importlib.util.find_spec("pyspark") is None or shutil.which("java") is None:
        pytest.skip("pyspark and Java are not here; .ci/spark brings both")
    from pyspark.sql import SparkSession

    options = {
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.driver.host": "127.0.0.1",
        "spark.driver.memory": "1g",
        "spark.pyspark.python": sys.executable,
        # Small statements of many columns: compiling each, and each part of it, takes longer than running it.
        "spark.driver.extraJavaOptions": "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC",
        "spark.sql.adaptive.enabled": "false",
        "spark.sql.codegen.factoryMode": "NO_CODEGEN",
        "spark.sql.codegen.wholeStage": "false",
        "spark.sql.session.timeZone": "UTC",
        "spark.sql.shuffle.partitions": "1",
        "spark.sql.warehouse.dir": str(tmp_path_factory.mktemp("spark")),
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
    }
    builder = SparkSession.builder.master("local[2]").appName("retain tests")
    for name, value in options.items():
        builder = builder.config(name, value)
    session = builder.getOrCreate()
    yield session
    session.stop()


@pytest.fixture
def spark(spark_session: Any) -> Any:
    """An ibis backend on a local Spark; a test that asks for it is marked ``spark``, and counted by that."""
    import ibis

    return ibis.pyspark.connect(spark_session)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Tell how many tests ran on PostgreSQL and on Spark: CI wants some."""
    passed = terminalreporter.stats.get("passed", [])
    if os.environ.get(POSTGRES):
        ran = sum(("database", "postgresql") in report.user_properties for report in passed)
        terminalreporter.write_line(f"PostgreSQL: {ran} tests passed on a server")
    if os.environ.get(SPARK):
        ran = sum("spark" in report.keywords for report in passed)
        terminalreporter.write_line(f"Spark: {ran} tests passed on a session")
