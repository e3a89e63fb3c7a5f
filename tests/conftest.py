"""Fixtures shared by all rooms."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from pathlib import Path

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


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Tell how many tests ran on PostgreSQL: CI wants some."""
    if os.environ.get(POSTGRES):
        passed = terminalreporter.stats.get("passed", [])
        ran = sum(("database", "postgresql") in report.user_properties for report in passed)
        terminalreporter.write_line(f"PostgreSQL: {ran} tests passed on a server")
