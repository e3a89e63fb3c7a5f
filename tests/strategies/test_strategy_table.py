"""The strategy table: total, editable cell by cell, and plain about its faults."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.errors import ConfigError, InputError
from strategies.strategy_rules import CELLS, KEYS
from strategies.strategy_table import StrategyTable, assign

DEFAULT = Path(__file__).resolve().parents[2] / "strategies" / "default_strategies.toml"
EVERYONE = pd.DataFrame(list(CELLS), columns=list(KEYS))
NAMES = '[strategies]\nkeep = { en = "Keep", zh = "保持" }\ndrop = { en = "Drop", zh = "放手" }\n'


def row(value_class: str = '"*"', status: str = '"*"', risk: str = '"*"', strategy: str = "keep") -> str:
    keys = f"value_class = {value_class}\nstatus = {status}\nrisk = {risk}\n"
    return f'[[rule]]\n{keys}strategy = "{strategy}"\nreason = "r"\nen = "why"\nzh = "原因"\n'


def test_every_combination_has_exactly_one_strategy() -> None:
    table = StrategyTable.default()
    owners = [[r for r in table.rules if cell in r.cells] for cell in CELLS]
    assert len(CELLS) == 60
    assert all(len(found) == 1 for found in owners)
    assert assign(EVERYONE, table).notna().all(axis=None)


@pytest.mark.parametrize(
    ("cell", "strategy"),
    [
        (("lead", "active", "low"), "release"),
        (("iron", "active", "low"), "re_engineer"),
        (("gold", "active", "low"), "keep"),
        (("platinum", "active", "low"), "one_to_one"),
        (("gold", "active", "high"), "rescue"),
        (("platinum", "lapsed", "high"), "reactivate"),
        (("platinum", "lost", "low"), "win_back"),
        (("lead", "lost", "high"), "do_not_regain"),
        (("unknown", "lost", "high"), "observe"),
        (("gold", "active", "unknown"), "observe"),
    ],
)
def test_the_default_states_the_textbook_policy(cell: tuple[str, str, str], strategy: str) -> None:
    assert StrategyTable.default().rule(*cell).strategy == strategy


def test_reasons_come_in_both_languages_with_one_code_per_rule() -> None:
    table = StrategyTable.default()
    found = assign(EVERYONE, table)
    assert list(found) == ["strategy", "strategy_reason", "strategy_reason_en", "strategy_reason_zh"]
    assert found["strategy_reason"].nunique() == len(table.rules)
    assert found["strategy_reason_en"].str.isascii().all()
    assert not found["strategy_reason_zh"].str.isascii().any()
    assert set(found["strategy"]) == set(table.names)


@given(st.sampled_from(CELLS))
def test_editing_one_cell_changes_only_its_customers(cell: tuple[str, str, str]) -> None:
    rows = [row(*(f'"{label}"' for label in c), strategy="drop" if c == cell else "keep") for c in CELLS]
    edited = StrategyTable.parse(NAMES + "".join(rows))
    before = StrategyTable.parse(NAMES + row())
    changed = assign(EVERYONE, edited)["strategy"] != assign(EVERYONE, before)["strategy"]
    assert [tuple(c) for c in EVERYONE[changed].to_numpy()] == [cell]
    assert edited.version != before.version


def test_the_version_follows_the_content_and_not_its_spelling() -> None:
    whole = NAMES + row()
    split = NAMES + row(risk='["high", "unknown"]') + "# a comment\n" + row(risk='"low"')
    assert StrategyTable.parse(whole).version == StrategyTable.parse(split).version
    assert StrategyTable.parse(whole.replace("why", "because")).version != StrategyTable.parse(whole).version
    assert len(StrategyTable.default().version) == 12


def test_a_gap_is_named_by_its_cell() -> None:
    text = NAMES + row(status='["active", "lapsed", "lost"]')
    with pytest.raises(ConfigError, match=r"15 fault\(s\)") as caught:
        StrategyTable.parse(text)
    assert "value_class = gold, status = unknown, risk = low: no rule covers it" in str(caught.value)


def test_an_overlap_is_named_by_both_lines() -> None:
    text = NAMES + row() + row('"gold"', '"lost"', '"low"', strategy="drop")
    with pytest.raises(
        ConfigError, match=r"covered by rule 1 \(line 4\) and by rule 2 \(line 12\); keep one"
    ):
        StrategyTable.parse(text, source="mine.toml")


def test_all_faults_are_told_at_once_with_their_lines() -> None:
    bad = row('"golden"', strategy="nothing") + row().replace('en = "why"', "colour = 3")
    with pytest.raises(ConfigError) as caught:
        StrategyTable.parse(NAMES + bad, source="mine.toml")
    text = str(caught.value)
    assert "mine.toml has 4 fault(s)" in text
    assert "rule 1 (line 4): value_class 'golden' is unknown; expected lead, iron" in text
    assert "rule 1 (line 4): strategy 'nothing' is not among [strategies]: keep, drop" in text
    assert "rule 2 (line 12): en is missing" in text
    assert "rule 2 (line 12): colour is unknown" in text


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", r"\[strategies\] is missing"),
        (NAMES, r"\[\[rule\]\] is missing"),
        (NAMES + row() + "[extra]\n", "extra is unknown"),
        (NAMES + row(risk="[]"), "risk names no label"),
        (NAMES + row(risk='["low", "low"]'), "or one twice"),
        (NAMES + row(risk="3"), "risk 3 is unknown"),
        (NAMES + row().replace('"why"', '" "'), "en must be a text"),
        ("rule = [1]\n" + NAMES, "rule 1: expected a table"),
        ('[strategies]\nkeep = { en = "Keep" }\n' + row(), r"\[strategies\] keep: expected"),
        ("rule = !", r"not valid TOML: .*line 1"),
    ],
)
def test_each_fault_has_its_message(text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        StrategyTable.parse(text)


def test_a_table_is_read_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "策略.toml"
    path.write_text(DEFAULT.read_text(encoding="utf-8"), encoding="utf-8-sig")
    assert StrategyTable.load(path) == StrategyTable.default()
    with pytest.raises(ConfigError, match="cannot be read"):
        StrategyTable.load(tmp_path / "none.toml")
    path.write_bytes("放手".encode("gbk"))
    with pytest.raises(ConfigError, match="not UTF-8"):
        StrategyTable.load(path)


def test_a_label_that_does_not_exist_is_refused() -> None:
    frame = EVERYONE.assign(status=["gone", *EVERYONE["status"][1:]])
    with pytest.raises(InputError, match=r"status holds 1 value\(s\) that are no label, e\.g\. 'gone'"):
        assign(frame, StrategyTable.default())
    with pytest.raises(InputError, match=r"lacks 1 column\(s\): risk"):
        assign(EVERYONE.drop(columns="risk"), StrategyTable.default())


def test_one_row_answers_as_the_batch_and_the_index_is_kept() -> None:
    frame = EVERYONE.set_index(pd.Index([f"c{i}" for i in range(len(EVERYONE))]))
    table = StrategyTable.default()
    batch = assign(frame, table)
    alone = pd.concat([assign(frame.iloc[[i]], table) for i in range(len(frame))])
    pd.testing.assert_frame_equal(batch, alone)
    assert assign(frame.iloc[:0], table).empty
