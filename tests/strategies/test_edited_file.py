"""Files edited by hand: where a key stands, and what a spreadsheet says."""

from __future__ import annotations

from pathlib import Path

import pytest

from features.errors import ConfigError
from strategies.edited_file import did_you_mean, labels, line_of, lines_of, read_csv, read_edited, refuse


def test_lines_of_sections_rows_and_keys() -> None:
    text = 'a = 1\n# [b]\n[b."c d"]  # note\n"e" = 2\n\n[[rule]]\nrisk = 1\n[[ rule ]]\nrisk = 2\n'
    assert lines_of(text) == {
        **{"a": 1, "b.c d": 3, "b.c d.e": 4, "rule.1": 6},
        **{"rule.1.risk": 7, "rule.2": 8, "rule.2.risk": 9},
    }


def test_the_nearest_known_place_is_told() -> None:
    assert line_of({"b": 2, "b.c": 3}, "b", "x") == "line 2: "
    assert line_of({}, "b") == ""


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_a_spreadsheet_may_separate_as_it_likes(separator: str) -> None:
    text = 'code,text\n\na,"two\nlines"\nb,x\n'.replace(",", separator)
    assert read_csv(text, "x.csv")[1] == [
        (3, {"code": "a", "text": "two\nlines"}),
        (5, {"code": "b", "text": "x"}),
    ]


def test_rows_of_other_length_are_told_together() -> None:
    with pytest.raises(ConfigError) as caught:
        read_csv("a,b\n1\n1,2,3\n", "x.csv")
    assert "x.csv has 2 fault(s):" in str(caught.value)
    assert "line 3: 3 cells, but the header has 2 columns" in str(caught.value)


def test_labels_of_a_cell() -> None:
    assert labels(" * ") == labels("") == labels(None) == ()
    assert labels("a|b") == labels(["a", "b"]) == ("a", "b")
    assert labels(3) == (3,)


def test_an_unknown_word_far_from_all_is_told_what_is_known() -> None:
    assert did_you_mean("Gold ", ["gold"]) == "; did you mean gold?"
    assert did_you_mean(3, ["low", "high"]) == "; expected low, high"
    assert refuse("x", []) is None


def test_a_file_that_cannot_be_read_says_who_named_it(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"see \[strategies\] offers"):
        read_edited(tmp_path / "none.toml", named_by="[strategies] offers")
