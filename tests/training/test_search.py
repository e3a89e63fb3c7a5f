"""The search for tree settings: what it sees, what it keeps, and when it may replace the present settings."""

from __future__ import annotations

import builtins
from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest

from features.errors import ConfigError, NotEnoughData
from tests.training.small_shops import day, drawn, settings, shop, telling_rows
from training import search as search_module
from training.fit import anchored
from training.panel import build_panel
from training.search import Plan, search
from training.search_cases import Case, search_days
from training.search_study import SPACE, best_trial, distributions, ended_trials, open_study, trees_of
from training.settings import TreeSettings

CHOSEN = settings(30, 30)


@pytest.fixture(scope="module")
def panel():
    return anchored(build_panel(shop(drawn(180, 420, gap=30.0)), day(420), [30]))


@pytest.fixture(scope="module")
def first(panel, tmp_path_factory):
    """A search of three trials, the present settings among them."""
    database = tmp_path_factory.mktemp("tune") / "tune.db"
    told = []
    return search(panel, CHOSEN, Plan(database, trials=3), on_trial=told.append), told, database


def test_outcomes_of_searched_days_end_before_the_held_out_ones_begin(panel):
    found = search_days(panel, 30)
    assert len(found.held_out) == 3
    assert found.searched[-1] + timedelta(days=30) <= found.held_out[0]
    assert found.held_out[-1] + timedelta(days=30) <= panel.as_of
    gaps = np.diff(np.array(found.searched, dtype="datetime64[D]")).astype(int)
    assert (gaps >= 30).all()


def test_short_histories_keep_one_day_each_or_say_what_is_missing(panel):
    found = search_days(panel, 30)
    early = panel.before(found.searched[0] + timedelta(days=90))
    one = search_days(early, 30)
    assert (len(one.searched), len(one.held_out)) <= (2, 1)
    with pytest.raises(NotEnoughData, match=r"one to search on, one to judge\. Bring more history"):
        search_days(panel.before(found.searched[0]), 30)


def test_present_settings_lose_one_and_others_what_they_lose():
    rows = telling_rows(drawn(180, 420, gap=30.0))
    panel = anchored(build_panel(shop(rows), day(420), [30]))
    case = Case.of(panel, search_days(panel, 30).held_out[0], CHOSEN)
    assert case.losses(CHOSEN.trees).mean() == pytest.approx(1.0)
    wild = TreeSettings(learning_rate=0.5, num_leaves=60, min_data_in_leaf=5, lambda_l2=0.0, max_rounds=10)
    assert case.losses(wild).mean() != pytest.approx(1.0, abs=1e-9)
    assert len(case.losses(wild)) == len(case.meeting.customer)


def test_the_search_keeps_trials_and_starts_from_the_present_settings(first):
    found, told, database = first
    assert found.trials == 3
    assert [t.number for t in told] == [1, 2]
    assert found.loss <= 1.0
    assert found.resumed == 0
    study = open_study(found.study, database, seed=1)
    assert trees_of(study.trials[0].params) == TreeSettings()
    assert study.trials[0].value == 1.0
    assert found.to_json()["best"] == best_trial(study, TreeSettings())[0].model_dump()


def test_the_same_command_goes_on_and_other_settings_begin_anew(first, panel):
    found, _, database = first
    told = []
    again = search(panel, CHOSEN, Plan(database, trials=4), on_trial=told.append)
    assert (again.study, again.resumed, again.trials) == (found.study, 3, 4)
    assert [t.number for t in told] == [3]
    assert told[0].trees not in [
        trees_of(t.params) for t in open_study(found.study, database, seed=1).trials[:3]
    ]
    other = search_module._study_name(panel, settings(30, 30, seed=4), found.days)
    assert other != found.study
    assert search_module._study_name(replace(panel, frame=panel.frame[1:]), CHOSEN, found.days) != found.study


def test_no_time_leaves_the_present_settings(panel, tmp_path):
    found = search(panel, CHOSEN, Plan(tmp_path / "tune.db", trials=50, seconds=1e-9))
    assert (found.trials, found.best, found.loss) == (1, TreeSettings(), 1.0)
    assert (found.verdict.difference, found.verdict.better) == (0.0, False)


def test_an_interrupted_search_keeps_what_ended(panel, tmp_path):
    def stop(tried):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        search(panel, CHOSEN, Plan(tmp_path / "tune.db", trials=5), on_trial=stop)
    days = search_days(panel, 30)
    study = open_study(search_module._study_name(panel, CHOSEN, days), tmp_path / "tune.db", seed=1)
    assert len(ended_trials(study)) == 2


def test_hopeless_trials_are_stopped_early(tmp_path, monkeypatch):
    panel = anchored(build_panel(shop(drawn(180, 540, gap=30.0)), day(540), [30]))
    assert len(search_days(panel, 30).searched) > 2
    tried = [TreeSettings()]

    def bad(self, trees):
        if trees not in tried:
            tried.append(trees)
        return np.full(len(self.meeting.customer), 5.0 if tried.index(trees) > 7 else 1.1)

    monkeypatch.setattr(Case, "losses", bad)
    found = search(panel, CHOSEN, Plan(tmp_path / "tune.db", trials=16))
    assert found.pruned > 0
    assert found.best == TreeSettings()


def test_the_space_is_that_of_the_settings():
    assert set(SPACE) == set(TreeSettings.model_fields) == set(distributions())
    for end in (0, 1):
        TreeSettings.model_validate({k: v[end] for k, v in SPACE.items()})
    present = TreeSettings().model_dump()
    assert all(low <= present[name] <= high for name, (low, high, _) in SPACE.items())


def test_without_optuna_the_message_says_how_to_install_it(panel, tmp_path, monkeypatch):
    plain = builtins.__import__

    def absent(name, *rest, **more):
        if name == "optuna":
            raise ImportError(name)
        return plain(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", absent)
    with pytest.raises(ConfigError, match=r"pip install 'retain\[tune\]'"):
        search(panel, CHOSEN, Plan(tmp_path / "tune.db"))
