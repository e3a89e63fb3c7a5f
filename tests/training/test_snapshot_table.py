from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from features.errors import ConfigError, InputError, NotEnoughData
from tests.training.flat_tables import telecom
from training.contracts.snapshot_table import snapshot_table


def labelled(values: list[object]) -> pd.DataFrame:
    return pd.DataFrame({"x": np.arange(len(values)) % 3, "left": values})


def test_types_ids_and_label_are_found() -> None:
    found = snapshot_table(telecom(), "left")
    assert {c.name: c.kind for c in found.columns} == {
        "plan": "category",
        "months": "number",
        "charge": "number",
        "sex": "category",
    }
    assert (found.id_column, found.positive) == ("account", "Yes")
    assert found.features["charge"].isna().sum() == 16
    assert found.left.sum() == (telecom()["left"] == "Yes").sum()


@pytest.mark.parametrize(
    ("values", "positive"),
    [
        (["Yes", "No"], "Yes"),
        ([1, 0], "1"),
        ([1.0, 0.0], "1"),
        ([True, False], "True"),
        (["churned", "stayed"], "churned"),
        (["left", "somewhere"], "left"),
        (["Closed", "Active"], "Closed"),
        (["是", "否"], "是"),
    ],
)
def test_labels_that_speak_for_themselves(values: list[object], positive: str) -> None:
    found = snapshot_table(labelled(values * 4), "left")
    assert found.positive == positive
    assert found.left.tolist() == [1.0, 0.0] * 4


@pytest.mark.parametrize("values", [["A", "B"], [1, 2], [0, 2]])
def test_a_label_that_means_nothing_asks_for_the_value(values: list[object]) -> None:
    with pytest.raises(InputError, match="say which one means left: --positive"):
        snapshot_table(labelled(values * 4), "left")
    assert (
        snapshot_table(labelled(values * 4), "left", positive=str(values[1])).left.tolist() == [0.0, 1.0] * 4
    )


def test_a_label_with_three_values_is_refused_until_one_is_named() -> None:
    table = labelled(["Stayed", "Churned", "Joined", "Stayed"])
    with pytest.raises(InputError, match=r"has 3 values .*'Stayed' \(2 rows\).*--positive VALUE"):
        snapshot_table(table, "left")
    found = snapshot_table(table, "left", positive="Churned")
    assert found.left.tolist() == [0.0, 1.0, 0.0, 0.0]
    assert "the 2 other values stayed" in found.notes[0]


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ([None, None], "none of 2 rows has a value"),
        (["Yes"] * 3, r"one value 'Yes' \(3 rows\)"),
        (["No"], "one value"),
    ],
)
def test_too_little_label_is_told(values: list[object], told: str) -> None:
    with pytest.raises(NotEnoughData, match=told):
        snapshot_table(labelled(values), "left")


def test_rows_without_label_are_left_out_and_counted() -> None:
    found = snapshot_table(labelled(["Yes", None, "No", " "]), "left")
    assert found.left.tolist() == [1.0, 0.0]
    assert found.notes[0] == "2 of 4 rows have no 'left' and are left out"


def test_columns_that_cannot_teach_are_left_out_with_the_reason() -> None:
    rows = 40
    table = pd.DataFrame(
        {
            "left": ["Yes", "No"] * 20,
            "same": "x",
            "empty": None,
            "since": ["2024-01-05", "2023-02-06"] * 20,
            "number": np.arange(rows) + 100,
            "note": [f"call {k}" for k in range(rows)],
            "zip": ["01234", "99999"] * 20,
        }
    )
    found = snapshot_table(table, "left")
    assert [(c.name, c.kind) for c in found.columns] == [("zip", "category")]
    assert found.id_column == "number"
    told = "\n".join(found.notes)
    for text in (
        "'same' is left out: it has the same",
        "'empty' is left out",
        "'since' is left out: dates",
        "'note'",
    ):
        assert text in told


def test_a_table_without_anything_to_learn_from_is_refused() -> None:
    with pytest.raises(InputError, match="no column is left to learn 'left' from: column 'same'"):
        snapshot_table(pd.DataFrame({"left": [0, 1], "same": [1, 1]}), "left")


def test_more_columns_than_rows_can_teach_are_refused_before_they_are_read() -> None:
    wide = pd.DataFrame(np.zeros((120, 2000)), columns=[f"c{n}" for n in range(2000)]).astype(str)
    wide["left"] = ["yes", "no"] * 60
    with pytest.raises(InputError, match=r"2,000 columns beside 120 rows.*at most 1,000.*--drop"):
        snapshot_table(wide, "left")
    few = snapshot_table(
        wide.assign(x=np.arange(120) % 9, y=np.arange(120) % 7), "left", drop=list(wide)[:-1]
    )
    assert [column.name for column in few.columns] == ["x", "y"]


def test_unknown_columns_and_values_are_told() -> None:
    with pytest.raises(ConfigError, match="no column 'lefft'; its columns are 'x', 'left'"):
        snapshot_table(labelled(["Yes", "No"]), "lefft")
    with pytest.raises(ConfigError, match="no column 'y'"):
        snapshot_table(labelled(["Yes", "No"]), "left", drop=["y"])
    with pytest.raises(ConfigError, match="has no value 'Maybe'"):
        snapshot_table(labelled(["Yes", "No"]), "left", positive="Maybe")


def test_an_infinite_number_is_refused_by_column() -> None:
    table = labelled(["Yes", "No"]).assign(x=[1.0, np.inf])
    with pytest.raises(InputError, match="'x': 1 of 2 cells are infinite"):
        snapshot_table(table, "left")


def test_a_column_of_numbers_with_some_words_is_told():
    cells = [*map(str, range(10, 28)), "inf", "unknown?"]
    table = pd.DataFrame({"months": cells, "plan": ["a", "b"] * 10, "left": ["yes", "no"] * 10})
    found = snapshot_table(table, "left")
    (note,) = (note for note in found.notes if "months" in note)
    assert "2 of 20 cells are no finite numbers, e.g. 'inf'" in note
    assert {c.name: c.kind for c in found.columns}["months"] == "category"
    codes = table.assign(months=[f"0{cell}" for cell in cells])
    assert not any("read as text" in note for note in snapshot_table(codes, "left").notes)
