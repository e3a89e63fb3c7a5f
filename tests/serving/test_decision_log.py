"""The log of decisions: once and for ever, results in versions, customers' data kept to itself."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

import numpy as np
import pandas as pd
import pytest
import sqlalchemy as sa

from features.errors import ConfigError, InputError
from serving.decision_log import DecisionLog, Saved
from serving.store import Store
from tests.serving.logged import decisions
from tests.serving.saved_runs import run_info, scores, sql


@pytest.fixture
def log(url: str) -> Iterator[DecisionLog]:
    opened = DecisionLog(url)
    yield opened
    opened.close()


def test_decisions_come_back_as_they_were_saved(log: DecisionLog) -> None:
    frame = decisions()
    assert log.save(frame) == Saved(new=4)
    found = log.decisions()
    pd.testing.assert_frame_equal(found[list(frame)], frame, check_dtype=False)
    assert found.loc[0, "expected_gain"] == 1 / 3
    assert found["as_of"].tolist() == [date(2026, 1, 5)] * 4


def test_saving_a_run_again_changes_nothing(log: DecisionLog) -> None:
    log.save(decisions())
    assert log.save(decisions()) == Saved(new=0, known=4)
    assert log.save(decisions(6).sample(frac=1, random_state=1)) == Saved(new=2, known=4)
    assert len(log.decisions()) == 6


def test_other_content_is_refused_with_counts_and_nothing_is_saved(log: DecisionLog) -> None:
    log.save(decisions(2))
    with pytest.raises(
        InputError, match=r"2 of 4 decisions are logged already with other content.*row 1"
    ) as caught:
        log.save(decisions(4, cost=9.0))
    assert "canary" not in str(caught.value)
    assert len(log.decisions()) == 2


def test_labels_beside_the_row_count_as_content(log: DecisionLog) -> None:
    log.save(decisions(2))
    with pytest.raises(InputError, match="1 of 2 decisions"):
        log.save(decisions(2, risk=["high", "low"]))


def test_runs_and_days_can_be_asked_for(log: DecisionLog) -> None:
    log.save(decisions(2, "r1", date(2026, 1, 5)))
    log.save(decisions(3, "r2", date(2026, 2, 5)))
    assert len(log.decisions("r2")) == 3
    assert set(log.decisions(since=date(2026, 2, 1))["run_id"]) == {"r2"}
    assert log.decisions("none").empty


def test_what_is_missing_stays_missing(log: DecisionLog) -> None:
    frame = decisions(2).drop(columns=["owner", "planned_offer", "risk"]).assign(value_at_stake=np.nan)
    log.save(frame.assign(note=[None, "x"]))
    found = log.decisions()
    assert found["value_at_stake"].isna().all()
    assert found["owner"].isna().all()
    assert found["planned_offer"].tolist() == ["call", "call"]
    assert found["note"].isna().tolist() == [True, False]


BAD = {
    "arm": (decisions(arm="maybe"), "arm is none of treat, hold_out, explore in 4 of 4 rows"),
    "propensity": (
        decisions(propensity=[0.5, 0.0, 1.1, np.nan]),
        r"\(0, 1\] in 3 of 4 rows, the first is row 2",
    ),
    "cost": (decisions(cost=[1, -1, np.inf, 2]), "cost is missing, negative or infinite in 2 of 4"),
    "doubled": (decisions(decision_id="x"), "decision_id is there before in 3 of 4 rows, the first is row 2"),
    "id": (decisions(customer_id=[7, None, "a", ""]), "customer_id is empty or no text in 3 of 4"),
    "day": (decisions(as_of="soon"), "as_of is no day in 4 of 4"),
    "column": (decisions().drop(columns=["arm", "cost"]), "columns cost, arm are missing"),
    "infinite": (decisions(note=np.inf), "holds values that are infinite"),
}


@pytest.mark.parametrize("case", BAD)
def test_what_could_not_be_evaluated_is_refused(log: DecisionLog, case: str) -> None:
    frame, message = BAD[case]
    with pytest.raises(InputError, match=message) as caught:
        log.save(frame)
    assert "canary" not in str(caught.value)
    assert log.decisions().empty


def results(**changes: object) -> pd.DataFrame:
    frame = pd.DataFrame(
        {"decision_id": ["r1-0", "r1-1"], "reached": [True, False], "accepted": [True, None]}
    )
    return frame.assign(refusal_reason=None, cost=[2.0, 0.0], time="2026-01-07T10:00:00").assign(**changes)


def test_results_are_kept_once_and_corrections_take_their_place(log: DecisionLog) -> None:
    log.save(decisions())
    assert log.save_results(results()) == Saved(new=2)
    assert log.save_results(results()) == Saved(new=0, known=2)
    later = results(cost=[3.0, 0.0], time="2026-01-09T10:00:00").head(1)
    assert log.save_results(later) == Saved(new=0, known=0, corrected=1)
    found = log.results().set_index("decision_id")
    assert found["cost"].tolist() == [3.0, 0.0]
    assert found["version"].tolist() == [2, 1]
    # the first file once more: known, and it does not bring the old cost back
    assert log.save_results(results()) == Saved(new=0, known=2)
    assert log.results()["cost"].tolist() == [3.0, 0.0]


def test_a_report_of_an_earlier_time_does_not_replace_a_later_one(log: DecisionLog) -> None:
    log.save(decisions())
    log.save_results(results())
    log.save_results(results(cost=[8.0, 8.0], time="2026-01-06T10:00:00"))
    assert log.results()["cost"].tolist() == [2.0, 0.0]
    log.save_results(results(cost=[5.0, 5.0], time=None))
    assert log.results()["cost"].tolist() == [5.0, 5.0]


def test_results_without_a_decision_are_refused(log: DecisionLog) -> None:
    log.save(decisions(1))
    with pytest.raises(InputError, match="1 of 2 results belong to no logged decision, the first in row 2"):
        log.save_results(results())
    with pytest.raises(InputError, match="cost is negative or infinite in 1 of 1"):
        log.save_results(results(cost=-1.0).head(1))
    assert log.results().empty


def test_a_database_that_held_only_scores_is_mended_and_scores_stay(url: str) -> None:
    store = Store(url)
    store.save_run(run_info(), scores())
    log = DecisionLog(url)
    log.save(decisions())
    assert store.get(["007"])["007"]["customer_id"] == "007"
    log.close()
    store.close()
    again = DecisionLog(url)
    assert len(again.decisions()) == 4
    again.close()


def test_a_log_of_another_layout_is_refused(url: str) -> None:
    DecisionLog(url).close()
    sql(url, "UPDATE decision_log_schema SET version = 9")
    with pytest.raises(ConfigError, match="version 9, this program reads 1"):
        DecisionLog(url)


def test_the_tables_can_be_made_on_postgresql() -> None:
    from sqlalchemy.dialects import postgresql
    from sqlalchemy.schema import CreateTable

    from serving.decision_log import _metadata

    made = [str(CreateTable(t).compile(dialect=postgresql.dialect())) for t in _metadata.sorted_tables]
    assert any("DOUBLE PRECISION" in text for text in made)


def test_nothing_of_the_engine_is_told_when_it_fails(log: DecisionLog, url: str) -> None:
    log.save(decisions())
    sql(url, "DROP TABLE decisions")
    with pytest.raises(InputError, match="could not be read") as caught:
        log.decisions()
    assert "canary" not in str(caught.value)
    assert not isinstance(caught.value, sa.exc.SQLAlchemyError)
