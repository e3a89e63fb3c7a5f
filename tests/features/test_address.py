"""Urls of databases: which engine, shown without secrets, and clear words when a server or driver is missing."""

from __future__ import annotations

import pytest

from features.address import connect_backend, engine_name, local_file, resolve_url, show_url, without_secrets
from features.errors import ConfigError, InputError


def test_a_url_comes_from_the_environment_or_the_missing_variable_is_named(monkeypatch):
    monkeypatch.setenv("SHOP_URL", "duckdb:///shop.duckdb")
    assert resolve_url("env:SHOP_URL") == "duckdb:///shop.duckdb"
    with pytest.raises(ConfigError, match="SHOP_ADDRESS is not set"):
        resolve_url("env:SHOP_ADDRESS")


def test_engines_are_told_from_the_scheme():
    names = {"postgresql+psycopg://h/d": "postgres", "spark://local": "pyspark", "trino://h/d": "trino"}
    assert {url: engine_name(url) for url in names} == names
    with pytest.raises(ConfigError, match="not a database address"):
        engine_name("shop.duckdb")


def test_no_secret_is_shown():
    url = "postgresql://shop:p%40ss@db:5432/orders?sslpassword=hush&application_name=retain"
    assert show_url(url) == "postgresql://shop:***@db:5432/orders"
    for said in ("password p@ss refused", "bad p%40ss", "option sslpassword=hush", f"cannot open {url}"):
        shown = without_secrets(said, url)
        assert not any(secret in shown for secret in ("p@ss", "p%40ss", "hush"))
    assert without_secrets("first\nsecond", "duckdb:///x") == "first"
    connect = "sc://host:15002/;use_ssl=true;token=hush"
    assert show_url(connect) == "sc://host:15002/"
    assert "hush" not in without_secrets(f"refused: hush, {connect}", connect)


def test_a_server_that_cannot_be_reached_is_told_without_the_password():
    with pytest.raises(InputError) as failure:
        connect_backend("postgresql://shop:hushhush@127.0.0.1:1/orders?connect_timeout=2")
    assert "cannot connect to postgresql://shop:***@127.0.0.1:1/orders" in str(failure.value)
    assert "hushhush" not in str(failure.value)


def test_spark_connect_where_nobody_listens_is_told_at_once(monkeypatch):
    monkeypatch.setattr("features.address._is_installed", lambda engine: True)
    with pytest.raises(InputError, match=r"cannot connect to sc://127\.0\.0\.1:1/: .*refused") as failure:
        connect_backend("sc://127.0.0.1:1/;token=hush")
    assert "hush" not in str(failure.value)


def test_a_driver_that_is_missing_is_named_with_what_to_install(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    for url, extra in [
        ("spark://local", "retain[spark]"),
        ("sc://host:15002", "retain[spark]"),
        ("postgresql://h/d", "retain[postgres]"),
        ("snowflake://u@a/d", "ibis-framework[snowflake]"),
    ]:
        with pytest.raises(ConfigError) as failure:
            connect_backend(url)
        assert f"pip install '{extra}'" in str(failure.value)


def test_files_behind_urls_are_relative_to_the_configuration(tmp_path):
    (tmp_path / "shop.duckdb").touch()
    assert local_file("duckdb:///shop.duckdb", tmp_path) == tmp_path / "shop.duckdb"
    assert local_file(f"duckdb:///{tmp_path}/shop.duckdb", tmp_path / "x") == tmp_path / "shop.duckdb"
    assert local_file("postgresql://h/d", tmp_path) is None
    with pytest.raises(ConfigError, match="names no file"):
        local_file("duckdb://", tmp_path)
    with pytest.raises(InputError, match="there is no file"):
        local_file("duckdb:///absent.duckdb", tmp_path)
