from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest

from features.errors import InputError
from retain.cli import run
from retain.flat_files import read_flat
from tests.training.flat_tables import telecom

# The libraries' own, not ours.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("flat")
    telecom(150).to_csv(place / "customers.csv", index=False, sep=";")
    telecom(40).to_excel(place / "customers.xlsx", index=False)
    telecom(40).to_parquet(place / "customers.parquet")
    guessed = telecom(150).assign(left=telecom(150)["left"].sample(frac=1, random_state=1).to_numpy())
    guessed.to_csv(place / "guessed.csv", index=False)
    telecom(60, seed=8).drop(columns="left").to_csv(place / "now.csv", index=False)
    return place


def test_all_three_formats_give_the_same_cells(folder: Path) -> None:
    expected = telecom(40)
    for name in ("customers.xlsx", "customers.parquet"):
        found, told = read_flat(folder / name)
        assert told == []
        assert found["account"].tolist() == expected["account"].tolist()
        assert pd.to_numeric(found["months"]).tolist() == expected["months"].tolist()


def test_what_the_reader_sets_aside_is_told(tmp_path: Path) -> None:
    file = tmp_path / "ragged.csv"
    file.write_text("id,plan\n1,a\n2,a,b\n3,b\n")
    found, told = read_flat(file)
    assert found["id"].tolist() == ["1", "3"]
    assert len(told) == 1
    assert "line 3" in told[0]


@pytest.mark.parametrize("text", ["", "id,plan\n"])
def test_a_file_without_rows_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "none.csv").write_text(text)
    with pytest.raises(InputError, match=r"empty|no rows"):
        read_flat(tmp_path / "none.csv")


def test_from_a_table_to_a_list_by_commands_alone(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(folder)
    words = ["--snapshot", "customers.csv", "--label", "left", "--repeats", "1", "--json", "--quiet"]
    assert run(["train", *words]) == 0
    trained = json.loads(capsys.readouterr().out)
    assert (
        trained["judged"]["models"]["retain"]["log_loss"]
        < trained["judged"]["models"]["base_rate"]["log_loss"]
    )
    assert len(trained["mlflow_run"]) == 32
    assert (trained["promoted"], trained["verdict"]["en"]) == (True, "no champion to compare with")
    assert run(["train", "--snapshot", "guessed.csv", *words[2:]]) == 0
    worse = json.loads(capsys.readouterr().out)
    assert worse["promoted"] is False
    assert "share of the base rate's log loss" in worse["verdict"]["en"]
    assert run(["score", "--snapshot", "now.csv", "--out", "list.csv", "--json"]) == 0
    scored = json.loads(capsys.readouterr().out)
    rows = pd.read_csv(folder / "list.csv")
    assert (scored["rows"], scored["model_version"]) == (60, trained["model_version"])
    assert set(rows["customer_id"]) == set(telecom(60, seed=8)["account"])
    assert rows["churn_probability"].is_monotonic_decreasing
    assert rows["reasons"].str.count("the risk|no effect").eq(3).all()
    assert rows["reasons_zh"].str.contains("风险").all()


def test_scoring_before_training_says_what_to_do(
    tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(["score", "--snapshot", str(folder / "now.csv"), "--out", "list.csv"]) == 6
    assert "run `retain train --snapshot FILE --label COLUMN` first" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "told", "code"),
    [
        (["--snapshot", "now.csv"], "needs --label COLUMN", 2),
        (["--label", "left"], "need --snapshot FILE", 2),
        (["--snapshot", "nowhere.csv", "--label", "left"], "there is no such file", 2),
        (["--snapshot", "now.csv", "--label", "left"], "has no column 'left'", 2),
        (["--snapshot", "customers.csv", "--label", "plan"], "say which one means left", 2),
        (["--snapshot", "customers.csv", "--label", "months"], "values where two are expected", 2),
    ],
)
def test_what_cannot_be_trained_on_is_told(
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    words: list[str],
    told: str,
    code: int,
) -> None:
    monkeypatch.chdir(folder)
    assert run(["train", *words]) == code
    assert told in capsys.readouterr().err
