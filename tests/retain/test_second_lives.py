"""The win-back model of a project: learned at training, read at labelling, and told when there is none."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pandas as pd

from features.frames import tables_from_frames
from features.tables import Tables
from retain.config import Project, RetainConfig
from retain.second_lives import learn_second_lives, priced, second_lives

_START = date(2024, 1, 1)


def _shop(days: int) -> tuple[Tables, date]:
    rng = np.random.default_rng(1)
    rows = []
    for i in range(220):
        now = int(rng.integers(0, 60))
        while now < days:
            rows.append((f"c{i:03d}", pd.Timestamp(_START) + pd.Timedelta(days=now), 20.0 + i % 7))
            now += int(rng.integers(40, 160))
    orders = pd.DataFrame(rows, columns=["customer_id", "time", "amount"])
    return tables_from_frames({"orders": orders}), _START + timedelta(days=days)


def _project(folder: Path) -> Project:
    config = RetainConfig.model_validate({"churn": {"window_days": 30}})
    return Project(config, folder / "retain.toml")


def test_the_longest_life_that_the_history_allows_is_learned_and_read_again(tmp_path: Path) -> None:
    project, (tables, end) = _project(tmp_path), _shop(420)
    note = learn_second_lives(project, tables, end)
    assert "a second life is counted for 180 days" in note
    model = second_lives(project)
    assert model is not None
    assert (model.horizon_days, model.life_days) == (30, 180)


def test_too_short_a_history_leaves_no_model_and_says_why(tmp_path: Path) -> None:
    project, (tables, end) = _project(tmp_path), _shop(420)
    learn_second_lives(project, tables, end)
    note = learn_second_lives(project, tables, _START + timedelta(days=100))
    assert note.startswith("no second lifetime value: win-back: orders reach back")
    assert second_lives(project) is None
    learn_second_lives(project, tables, end)
    assert second_lives(project) is not None


def test_trying_costs_what_the_cheapest_offer_costs_unless_it_is_said(tmp_path: Path) -> None:
    project = _project(tmp_path)
    (tmp_path / "retain.toml").write_text("", encoding="utf-8")
    # The win-back e-mail of the default catalogue: 0 and 0.10 for the channel.
    assert priced(project).second_lifetime_value.cost == 0.1
    told = {"frameworks": {"second_lifetime_value": {"cost": 7.0}}}
    own = Project(RetainConfig.model_validate(told), tmp_path / "retain.toml")
    assert priced(own).second_lifetime_value.cost == 7.0
