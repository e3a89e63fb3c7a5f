"""The [trees] section: written in place, nothing else touched."""

from __future__ import annotations

from pathlib import Path

import pytest

from features.errors import ConfigError
from retain.config import load_config, parse_config
from retain.toml_text import Wishes, configuration_text
from retain.trees_section import trees_text, with_trees, write_trees
from training.settings import TreeSettings

FOUND = TreeSettings(learning_rate=0.0123, num_leaves=7, max_rounds=900)


def test_a_file_of_init_gets_a_section_at_its_end_and_keeps_every_line():
    before = configuration_text(Wishes(), [])
    after = with_trees(before, FOUND)
    assert after.startswith(before)
    assert parse_config(after).trees == FOUND
    assert with_trees(after, TreeSettings()).count("[trees]") == 1


def test_a_section_is_replaced_where_it_stands():
    before = "[trees] # mine\nnum_leaves = 31\n\n[churn] # weeks\nwindow_days = 28\n"
    after = with_trees(before, FOUND)
    assert after.endswith("\n\n[churn] # weeks\nwindow_days = 28\n")
    assert "31" not in after
    assert with_trees(after, FOUND) == after


def test_windows_line_ends_stay():
    after = with_trees("[churn]\r\nwindow_days = 28\r\n", FOUND)
    assert after.count("\n") == after.count("\r\n")


@pytest.mark.parametrize(
    "text", ["trees = {num_leaves = 5}\n", "trees.num_leaves = 5\n[churn]\nwindow_days = 9\n"]
)
def test_another_form_is_left_alone_and_told(text):
    with pytest.raises(ConfigError, match="put these lines there yourself") as told:
        with_trees(text, FOUND)
    assert trees_text(FOUND) in str(told.value)


def test_the_file_is_replaced_whole(tmp_path: Path):
    path = tmp_path / "retain.toml"
    path.write_text("[churn]\nwindow_days = 28\n")
    write_trees(path, FOUND)
    config = load_config(path).config
    assert (config.trees, config.churn.window_days) == (FOUND, 28)
    assert [p.name for p in tmp_path.iterdir()] == ["retain.toml"]
