"""``retain serve``: the configuration becomes the settings of the serving process."""

from __future__ import annotations

import json
from contextlib import closing
from pathlib import Path

import pytest

from features.errors import ModelError, UnsafeError
from retain.champion import live_settings
from retain.commands.serve import _announce, serve
from retain.config import Project, parse_config
from retain.console import Screen
from serving.keys import KeyStore
from serving.live import LiveSettings

TOML = """
[data]
timezone = "Asia/Shanghai"
currency = "CNY"
[serving]
port = 4000
max_rows = 7
[strategies]
high_value_share = 0.1
"""


def project(folder: Path, toml: str = TOML) -> Project:
    models = folder / "retain-out" / "models"
    models.mkdir(parents=True)
    (models / "champion").write_text("0123456789ab\n")
    return Project(parse_config(toml), folder / "retain.toml")


def test_settings_name_the_champion_and_resolve_paths(tmp_path: Path) -> None:
    settings = live_settings(project(tmp_path))
    assert settings.models == tmp_path / "retain-out/models"
    assert settings.store_url == f"sqlite:///{tmp_path / 'retain-out/retain.db'}"
    assert (settings.timezone, settings.currency) == ("Asia/Shanghai", "CNY")
    assert (settings.serving.port, settings.serving.max_rows) == (4000, 7)
    assert settings.strategies.high_value_share == 0.1


def test_options_win_over_the_file_and_port_0_is_a_port(tmp_path: Path) -> None:
    settings = live_settings(project(tmp_path), host="::1", port=0)
    assert (settings.serving.host, settings.serving.port) == ("::1", 0)


def test_without_a_champion_the_message_says_what_to_run(tmp_path: Path) -> None:
    shop = Project(parse_config(""), tmp_path / "retain.toml")
    shop.path.write_text("")
    with pytest.raises(ModelError, match="retain train"):
        serve(shop.path, quiet=True)


def test_an_open_address_without_keys_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    shop = project(tmp_path, "")
    shop.path.write_text("")
    with pytest.raises(UnsafeError, match=r"host 0\.0\.0\.0 can be reached"):
        serve(shop.path, host="0.0.0.0", quiet=True)
    assert not (shop.out_dir / "service.json").exists()


def test_the_address_is_printed_once_for_programs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "champion").write_text("abc\n")
    settings = LiveSettings(models=tmp_path, store_url="sqlite://")
    _announce(Screen(json=True), settings, "http://127.0.0.1:4000")
    said = json.loads(capsys.readouterr().out)
    assert said == {"address": "http://127.0.0.1:4000", "model_version": "abc", "keys": False}


def test_what_is_printed_says_whether_a_key_is_needed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "champion").write_text("abc\n")
    settings = LiveSettings(models=tmp_path, store_url=f"sqlite:///{tmp_path / 'retain.db'}")
    with closing(KeyStore(settings.store_url)) as keys:
        keys.add(["score"])
    _announce(Screen(json=True), settings, "http://127.0.0.1:4000")
    assert json.loads(capsys.readouterr().out)["keys"] is True
