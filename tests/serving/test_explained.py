"""What stands behind the scores is kept for the latest run and the one it is compared with."""

from __future__ import annotations

import json
from datetime import date

import pandas as pd

from serving.explained import Explained
from tests.serving.saved_runs import explained, run_info, save, scores


def test_explanations_keep_every_bit_of_the_contributions(store):
    save(store, "run-1", date(2011, 6, 12), 0.1)
    found = store.explained("run-1")
    pd.testing.assert_frame_equal(
        found.groups, explained(0.1).groups, check_exact=True, check_index_type=False
    )
    assert found.quantities["days_since_last"].tolist() == [41.0, 41.0]
    assert found.quantities["gap_mean"].isna().all()
    assert found.quantities["T"].tolist() == [0.3333333] * 2
    assert found.moved is None
    assert store.explained("run-1", ["7", "8"]).groups.index.tolist() == ["7"]


def test_moves_are_kept_for_those_who_moved(store):
    now = explained(0.2)
    moves = pd.DataFrame({"rhythm": [0.1], "model": [1 / 3]}, index=["7"])
    store.save_run(run_info(), scores(), Explained(now.groups, now.quantities, moves))
    found = store.explained("run-1").moved
    assert found.index.tolist() == ["7"]
    assert (found.loc["7", "rhythm"], found.loc["7", "model"], found.loc["7", "trend"]) == (0.1, 1 / 3, 0.0)


def test_explanations_written_and_read_in_blocks_are_the_same(monkeypatch):
    ids = ("007", "7", "8", "9", "10")
    moves = pd.DataFrame({"rhythm": [0.1, 0.3], "model": [1 / 3, 0.2]}, index=["10", "7"])
    given = Explained(explained(0.1, ids).groups, explained(0.1, ids).quantities, moves)
    whole = list(given.rows())
    monkeypatch.setattr("serving.explained._BLOCK", 2)
    assert list(given.rows()) == whole
    found = Explained.read(whole)
    assert found.groups.equals(given.groups)
    assert found.quantities["T"].tolist() == [0.3333333] * 5
    assert found.moved["rhythm"].to_dict() == {"7": 0.3, "10": 0.1}


def test_the_run_before_is_of_an_earlier_day_and_only_it_is_kept(store):
    days = [date(2011, 6, 1), date(2011, 6, 8), date(2011, 6, 15)]
    assert store.run_before(days[2]) is None
    for number, day in enumerate(days):
        save(store, f"run-{number}", day, float(number))
    assert store.run_before(days[2]).run_id == "run-1"
    assert store.run_before(days[1]) is None
    assert store.explained("run-0").groups.empty
    save(store, "again", days[2], 9.0)  # the same day once more: still compared with the week before
    assert store.run_before(days[2]).run_id == "run-1"
    assert store.explained("run-2").groups.empty


def test_a_run_of_an_earlier_day_forgets_later_ones(store):
    save(store, "later", date(2011, 7, 1), 1.0)
    save(store, "earlier", date(2011, 6, 1), 2.0)
    assert store.run_before(date(2011, 7, 2)).run_id == "earlier"
    assert store.explained("later").groups.empty


def test_a_run_without_explanations_is_nothing_to_compare_with(store):
    store.save_run(run_info("old", as_of=date(2011, 6, 1)), scores())
    assert store.run_before(date(2011, 7, 1)) is None


def test_contributions_of_a_group_unknown_here_count_as_other_traits():
    row = json.dumps({"groups": {"astrology": 0.5, "other": 0.25, "base": -1.0}, "quantities": {"sign": 7}})
    found = Explained.read([("7", row)])
    assert found.groups.loc["7", "other"] == 0.75
    assert found.groups.loc["7"].sum() == -0.25
