from __future__ import annotations

from datetime import date

import pandas as pd
import pytest

from features.errors import NotEnoughData
from features.frames import tables_from_frames
from tests.training.contract_tables import AS_OF, renewals
from training.contracts.contract_panel import ContractPanel, contract_panel, relationships

DAY = date(2024, 7, 1)


def panel_of(*rows: tuple[str, str, str | None, str | None], day: date = DAY) -> ContractPanel:
    frame = pd.DataFrame(rows, columns=["customer_id", "start", "end", "cancelled_at"])
    for name in ("start", "end", "cancelled_at"):
        frame[name] = pd.to_datetime(frame[name])
    return contract_panel(tables_from_frames({"contracts": frame}), day)


def test_terms_that_follow_each_other_are_one_relationship() -> None:
    panel = panel_of(("a", "2024-01-01", "2024-04-01", None), ("a", "2024-04-03", "2024-10-01", None))
    (row,) = panel.running(DAY).to_dict("records")
    assert (row["start"], row["terms"], row["tenure_days"], row["days_left"]) == (
        pd.Timestamp("2024-01-01"),
        2,
        182,
        92,
    )


def test_a_pause_begins_another_relationship() -> None:
    panel = panel_of(("a", "2024-01-01", "2024-03-01", None), ("a", "2024-06-01", "2024-10-01", None))
    found = relationships(panel.rows, DAY)
    assert found["ended"].tolist() == [True, False]
    assert panel.running(DAY)["earlier_relationships"].tolist() == [1.0]


def test_a_term_that_ran_out_lately_neither_runs_nor_has_ended() -> None:
    panel = panel_of(("a", "2024-01-01", "2024-06-25", None), ("b", "2024-01-01", "2024-05-01", None))
    found = relationships(panel.rows, DAY)
    assert found["stop"].notna().tolist() == [True, True]
    assert found["ended"].tolist() == [False, True]


def test_a_cancellation_of_the_future_is_not_known() -> None:
    panel = panel_of(("a", "2024-01-01", "2025-01-01", "2024-07-20"), day=date(2024, 12, 1))
    assert panel.running(DAY)["days_left"].tolist() == [184.0]
    assert panel.running(date(2024, 12, 1)).empty
    running = panel.running(DAY)
    assert panel.ended(DAY, 30, running, by=date(2024, 12, 1)).tolist() == [1.0]
    assert panel.ended(DAY, 10, running, by=date(2024, 12, 1)).tolist() == [0.0]
    assert panel.ended(DAY, 30, running, by=date(2024, 7, 10)).tolist() == [0.0]


def test_contracts_without_end_run_on() -> None:
    panel = panel_of(("a", "2020-01-01", None, None), ("b", "2020-01-01", None, "2024-06-30"))
    assert panel.running(DAY)["customer_id"].tolist() == ["a"]
    assert panel.running(DAY)["agreed_end"].isna().all()


def test_ends_before_starts_are_set_aside_and_counted() -> None:
    panel = panel_of(("a", "2024-01-01", "2023-01-01", None), ("b", "2024-01-01", "2025-01-01", None))
    assert (panel.aside, len(panel.rows)) == (1, 1)
    with pytest.raises(NotEnoughData, match="1 end before they start"):
        panel_of(("a", "2024-01-01", "2023-01-01", None))


def test_without_contracts_the_message_says_where_to_name_them() -> None:
    with pytest.raises(NotEnoughData, match=r"\[data\.contracts\]"):
        contract_panel(tables_from_frames({}), DAY)


def test_later_rows_change_nothing_on_a_past_day() -> None:
    rows = renewals(60)
    whole = contract_panel(tables_from_frames({"contracts": rows}), AS_OF)
    known = contract_panel(tables_from_frames({"contracts": rows[rows["start"] < pd.Timestamp(DAY)]}), AS_OF)
    pd.testing.assert_frame_equal(whole.running(DAY), known.running(DAY))


def test_a_label_counts_once_window_and_time_to_renew_have_passed() -> None:
    panel = contract_panel(tables_from_frames({"contracts": renewals(60)}), AS_OF)
    assert panel.labelled(90, by=AS_OF)[-1] == date(2024, 9, 3)
    assert panel.labelled(90, by=date(2022, 3, 1)) == []
