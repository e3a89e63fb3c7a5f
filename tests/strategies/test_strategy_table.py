"""The strategy table: total, first match wins, editable cell by cell, and plain about its faults."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.errors import ConfigError, InputError
from strategies.strategy_rules import CELLS, KEYS, Cell, Rule
from strategies.strategy_table import StrategyTable, assign

DEFAULT = Path(__file__).resolve().parents[2] / "strategies" / "default_strategies.toml"
EVERYONE = pd.DataFrame(list(CELLS), columns=list(KEYS))
NAMES = '[strategies]\nkeep = { en = "Keep", zh = "保持" }\ndrop = { en = "Drop", zh = "放手" }\n'
CSV = "value_class,lifecycle_stage,satisfaction_loyalty,risk,status,strategy,reason,en,zh\n"


def row(strategy: str = "keep", **keys: str) -> str:
    given = "".join(f"{key} = {value}\n" for key, value in keys.items())
    return f'[[rule]]\n{given}strategy = "{strategy}"\nreason = "r"\nen = "why"\nzh = "原因"\n'


def chosen(table: StrategyTable, cell: Cell) -> Rule:
    return table.rule(**dict(zip(KEYS, cell, strict=True)))


def covers(rule: Rule, cell: Cell) -> bool:
    return all(label in labels for label, labels in zip(cell, rule.labels, strict=True))


def test_every_combination_has_the_one_strategy_of_the_first_rule_that_fits() -> None:
    table = StrategyTable.default()
    first = [next(rule for rule in table.rules if covers(rule, cell)) for cell in CELLS]
    found = assign(EVERYONE, table)
    assert len(CELLS) == 5 * 6 * 5 * 3 * 4 == len(found)
    assert found["strategy"].tolist() == [rule.strategy for rule in first]
    assert found["strategy_reason"].tolist() == [rule.reason for rule in first]
    assert found.notna().all(axis=None)


@pytest.mark.parametrize(
    ("value_class", "strategies"),
    [
        # active at low and at high risk, lapsed, lost
        ("lead", "release release release do_not_regain"),
        ("iron", "re_engineer re_engineer reactivate win_back"),
        ("gold", "keep rescue reactivate win_back"),
        ("platinum", "one_to_one rescue reactivate win_back"),
        ("unknown", "observe observe observe observe"),
    ],
)
def test_the_policy_by_value_where_stage_and_loyalty_are_not_known(value_class: str, strategies: str) -> None:
    table = StrategyTable.default()
    known = {"value_class": value_class, "lifecycle_stage": "unknown", "satisfaction_loyalty": "unknown"}
    cases = (("active", "low"), ("active", "high"), ("lapsed", "high"), ("lost", "low"))
    assert [table.rule(status=s, risk=r, **known).strategy for s, r in cases] == strategies.split()
    assert table.rule(status="unknown", risk="high", **known).strategy == "observe"
    assert table.rule(status="active", risk="unknown", **known).strategy == "observe"


@pytest.mark.parametrize(
    ("cell", "strategy"),
    [
        (("gold", "commitment", "saboteur", "low", "active"), "green_channel"),
        (("platinum", "unknown", "saboteur", "unknown", "lapsed"), "green_channel"),
        (("iron", "exploration", "saboteur", "high", "active"), "re_engineer"),
        (("lead", "exploration", "saboteur", "high", "active"), "release"),
        (("gold", "commitment", "apostle", "low", "active"), "referral"),
        (("gold", "commitment", "apostle", "high", "active"), "rescue"),
        (("platinum", "commitment", "hostage", "low", "active"), "earn_satisfaction"),
        (("iron", "commitment", "mercenary", "low", "active"), "raise_switching_value"),
        (("lead", "commitment", "mercenary", "low", "active"), "release"),
        (("gold", "dissolution", "apostle", "low", "active"), "restore"),
        (("lead", "dissolution", "unknown", "low", "active"), "release"),
        (("iron", "expansion", "unknown", "low", "active"), "develop"),
        (("platinum", "exploration", "unknown", "low", "active"), "one_to_one"),
        (("unknown", "awareness", "unknown", "unknown", "unknown"), "first_order"),
        (("unknown", "commitment", "saboteur", "high", "active"), "observe"),
    ],
)
def test_the_policy_by_stage_and_by_satisfaction_and_loyalty(cell: Cell, strategy: str) -> None:
    assert chosen(StrategyTable.default(), cell).strategy == strategy


def test_reasons_come_in_both_languages_with_one_code_per_rule() -> None:
    table = StrategyTable.default()
    found = assign(EVERYONE, table)
    assert list(found) == ["strategy", "strategy_reason", "strategy_reason_en", "strategy_reason_zh"]
    assert found["strategy_reason"].nunique() == len(table.rules)
    assert found["strategy_reason_en"].str.isascii().all()
    assert not found["strategy_reason_zh"].str.isascii().any()
    assert set(found["strategy"]) == set(table.names)


@given(st.sampled_from(CELLS))
def test_editing_one_cell_changes_only_its_customers(cell: Cell) -> None:
    text = DEFAULT.read_text(encoding="utf-8")
    keys = {key: f'"{label}"' for key, label in zip(KEYS, cell, strict=True)}
    at = text.index("[[rule]]")
    mine = 'mine = { en = "Mine", zh = "自定" }\n\n'
    edited = StrategyTable.parse(text[:at] + mine + row("mine", **keys) + text[at:])
    before = StrategyTable.default()
    changed = assign(EVERYONE, edited)["strategy"] != assign(EVERYONE, before)["strategy"]
    assert [tuple(c) for c in EVERYONE[changed].to_numpy()] == [cell]
    told = before.diff(edited)
    assert [tuple(c) for c in told[list(KEYS)].to_numpy()] == [cell]
    assert told["other_strategy"].tolist() == ["mine"]
    assert edited.version != before.version


SOME = st.fixed_dictionaries(
    {},
    optional={key: st.lists(st.sampled_from(known), min_size=1, unique=True) for key, known in KEYS.items()},
)


@given(st.lists(SOME, max_size=6), st.lists(st.sampled_from(CELLS), min_size=1, max_size=20))
def test_any_table_is_refused_or_gives_each_cell_its_first_rule(
    rules: list[dict[str, list[str]]], cells: list[Cell]
) -> None:
    text = NAMES + "".join(row(**{k: str(v).replace("'", '"') for k, v in rule.items()}) for rule in rules)
    reached = [{key: rule.get(key, list(known)) for key, known in KEYS.items()} for rule in [*rules, {}]]
    shadowed = any(
        all(
            any(all(label in r[key] for key, label in zip(KEYS, cell, strict=True)) for r in reached[:i])
            for cell in itertools.product(*reached[i].values())
        )
        for i in range(len(reached))
    )
    if shadowed:
        with pytest.raises(ConfigError, match="can never be reached"):
            StrategyTable.parse(text + row("drop"))
        return
    table = StrategyTable.parse(text + row("drop"))
    for cell in cells:
        first = next(rule for rule in table.rules if covers(rule, cell))
        assert chosen(table, cell) is first
    assert set(np.unique(table.numbers)) == set(range(len(table.rules)))


def test_the_version_follows_what_is_decided_and_not_its_spelling() -> None:
    whole = StrategyTable.parse(NAMES + row())
    split = row(risk='"high | unknown"') + "# a comment\n" + row(risk='"*"', status='""')
    assert StrategyTable.parse(NAMES + split).version == whole.version
    assert StrategyTable.parse(NAMES + row().replace("why", "because")).version != whole.version
    assert len(StrategyTable.default().version) == 12


def test_the_order_of_rules_counts_where_it_decides() -> None:
    gold, lost = row("keep", value_class='"gold"'), row("drop", status='"lost"')
    one = StrategyTable.parse(NAMES + gold + lost + row())
    other = StrategyTable.parse(NAMES + lost + gold + row())
    assert one.version != other.version
    told = one.diff(other)
    assert len(told) == 6 * 5 * 3
    assert set(told["value_class"]) == {"gold"}
    assert set(told["status"]) == {"lost"}


def test_gaps_are_told_as_few_blocks() -> None:
    text = NAMES + row(status='["active", "lapsed", "lost"]') + row(value_class='"lead"')
    with pytest.raises(ConfigError, match=r"1 fault\(s\)") as caught:
        StrategyTable.parse(text)
    told = (
        "no rule covers 360 combination(s): value_class = iron | gold | platinum | unknown, status = unknown"
    )
    assert told in str(caught.value)


def test_many_gaps_are_counted() -> None:
    rows = [row(**{k: f'"{v}"' for k, v in zip(KEYS, cell, strict=True)}) for cell in CELLS[::7]]
    with pytest.raises(ConfigError, match=r"no rule covers \d+ more combination\(s\)"):
        StrategyTable.parse(NAMES + "".join(rows))


def test_a_rule_out_of_reach_is_named_by_its_line_and_those_above() -> None:
    text = NAMES + row(risk='"low"') + row(risk='["high", "unknown"]') + row("drop", value_class='"gold"')
    with pytest.raises(ConfigError) as caught:
        StrategyTable.parse(text, source="mine.toml")
    told = "rule 3 (line 16) can never be reached: rule 1 (line 4), rule 2 (line 10) above it"
    assert told in str(caught.value)


def test_all_faults_are_told_at_once_with_their_lines() -> None:
    bad = row("kep", value_class='"golden"', lifecycle='"expansion"') + row().replace(
        'en = "why"', "colour = 3"
    )
    with pytest.raises(ConfigError) as caught:
        StrategyTable.parse(NAMES + bad, source="mine.toml")
    text = str(caught.value)
    assert "mine.toml has 5 fault(s)" in text
    assert "rule 1 (line 4): value_class 'golden' is unknown; did you mean gold?" in text
    assert "rule 1 (line 4): lifecycle is unknown; did you mean lifecycle_stage?" in text
    assert "rule 1 (line 4): strategy 'kep' is not among [strategies]; did you mean keep?" in text
    assert "rule 2 (line 11): en is missing" in text
    assert "rule 2 (line 11): colour is unknown; expected value_class" in text


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", r"\[strategies\] is missing"),
        (NAMES, r"\[\[rule\]\] is missing"),
        (NAMES + row() + "[extra]\n", "extra is unknown"),
        (NAMES + row(risk="[]"), "risk names no label"),
        (NAMES + row(risk='["low", "low"]'), "or one twice"),
        (NAMES + row(risk="3"), "risk 3 is unknown; expected low, high, unknown"),
        (NAMES + row(risk='"low |"'), "risk '' is unknown"),
        (NAMES + row().replace('"why"', '" "'), "en must be a text"),
        ("rule = [1]\n" + NAMES, "rule 1: expected a table"),
        ('[strategies]\nkeep = { en = "Keep" }\n' + row(), r"\[strategies\] keep: expected"),
        (NAMES.replace("drop", "win_back") + row(), "do_not_regain is missing"),
        (NAMES + '"a b" = { en = "A", zh = "甲" }\n' + row(), r"\[strategies\] 'a b' must be 1 to 64"),
        ("rule = !", r"not valid TOML: .*line 1"),
    ],
)
def test_each_fault_has_its_message(text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        StrategyTable.parse(text)


def test_the_default_table_reads_the_same_from_a_spreadsheet(tmp_path: Path) -> None:
    table = StrategyTable.default()
    rows = [
        [
            "*" if given == known else "|".join(given)
            for given, known in zip(r.labels, KEYS.values(), strict=True)
        ]
        + [r.strategy, r.reason, r.en, r.zh]
        for r in table.rules
    ]
    path = tmp_path / "策略.csv"
    pd.DataFrame(rows, columns=CSV.strip().split(",")).to_csv(
        path, index=False, sep=";", encoding="utf-8-sig"
    )
    again = StrategyTable.load(path)
    assert again.version == table.version
    assert again.rules[3].place == "rule 4 (line 5)"


def test_faults_of_a_spreadsheet_come_with_their_lines() -> None:
    text = CSV + '\ngolden,,,,,keep,r,why,原因\n,,,,,kept,r,"two\nlines",原因\n,,,,,keep,,why,\n'
    with pytest.raises(ConfigError) as caught:
        StrategyTable.parse(text, source="mine.csv")
    told = str(caught.value)
    assert "mine.csv has 4 fault(s)" in told
    assert "rule 1 (line 3): value_class 'golden' is unknown; did you mean gold?" in told
    assert "rule 2 (line 4): strategy 'kept' is not among [strategies]; did you mean keep?" in told
    assert "rule 3 (line 6): reason must be a text" in told


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "it is empty"),
        (CSV, "there is no row"),
        (CSV.replace("risk", "risks"), "line 1: risks is unknown; did you mean risk"),
        (CSV.replace("risk", "region"), "line 1: region is protected and may not decide"),
        (CSV.replace("status", "risk"), "column 'risk' comes twice"),
        (CSV + "gold,,\n", "line 2: 3 cells, but the header has 9 columns"),
        ("risk,strategy,reason,en\nlow,keep,r,why\n", r"rule 1 \(line 2\): zh is missing"),
    ],
)
def test_each_fault_of_a_spreadsheet_has_its_message(text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        StrategyTable.parse(text, source="mine.csv")


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
    with pytest.raises(InputError, match=r"risk holds 2 value\(s\) that are no label, e\.g\. nan"):
        assign(EVERYONE.assign(risk=[None, None, *EVERYONE["risk"][2:]]), StrategyTable.default())
    with pytest.raises(InputError, match=r"lacks 2 column\(s\): lifecycle_stage, risk"):
        assign(EVERYONE.drop(columns=["risk", "lifecycle_stage"]), StrategyTable.default())


def test_one_row_answers_as_the_batch_and_the_index_is_kept() -> None:
    some = EVERYONE.iloc[::30]
    frame = some.set_index(pd.Index([f"c{i}" for i in range(len(some))]))
    table = StrategyTable.default()
    batch = assign(frame, table)
    alone = pd.concat([assign(frame.iloc[[i]], table) for i in range(len(frame))])
    pd.testing.assert_frame_equal(batch, alone)
    assert assign(frame.iloc[:0], table).empty
