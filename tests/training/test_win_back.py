"""Win-back models: figures out of fold, honest folds, refusals, and the model as text."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features.errors import InputError, ModelError, NotEnoughData
from training.models.effect import Line
from training.models.flat_column import FlatColumn
from training.models.win_back import MoneyLine, WinBackModel
from training.win_back import WinBackFit, learn_win_back

KNOWN = ["duration_1", "offer", "duration_lapse", "price_change", "gender", "age"]


def _table(rows: int = 300, seed: int = 0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    x, z = rng.normal(size=(2, rows))
    back = (rng.random(rows) < 1 / (1 + np.exp(-x))).astype(float)
    worth = np.where(back == 1, np.exp(3 + 0.8 * z + rng.normal(0, 0.2, rows)), 0.0)
    return pd.DataFrame({"x": x, "z": z, "noise": rng.normal(size=rows), "back": back, "worth": worth})


def _fit(table: pd.DataFrame, **more: object) -> WinBackFit:
    return learn_win_back(table, regained="back", value="worth", columns=["x", "z", "noise"], **more)  # type: ignore[arg-type]


def test_money_that_grows_by_shares_is_found_on_the_scale_of_its_logarithm() -> None:
    fit = _fit(_table())
    assert fit.model.value.log
    assert fit.model.figures["r2_if_regained"] > 0.7
    assert fit.model.otherwise == 0.0


def test_sums_foretold_are_near_the_sums_that_came() -> None:
    table = _table(600)
    fit = _fit(table)
    assert fit.foretold["second_life"].sum() == pytest.approx(table["worth"].sum(), rel=0.15)
    assert fit.foretold["regain_probability"].mean() == pytest.approx(table["back"].mean(), abs=0.02)


def test_noise_is_not_taken_for_skill() -> None:
    table = _table(400).assign(back=np.random.default_rng(3).integers(0, 2, 400).astype(float))
    table["worth"] = np.random.default_rng(4).gamma(1.0, 10.0, 400) * table["back"]
    figures = _fit(table).model.figures
    assert 0.4 < figures["auc"] < 0.6
    assert -0.1 < figures["r2_if_regained"] < 0.1


def test_rows_of_one_customer_share_a_fold() -> None:
    table = _table(120)
    twice = pd.concat([table, table], ignore_index=True)
    fit = _fit(twice, customers=[*range(120), *range(120)])
    assert (fit.fold[:120] == fit.fold[120:]).all()


def test_no_row_is_judged_by_a_model_that_saw_it() -> None:
    table = _table(200)
    fit = _fit(table)
    changed = table.copy()
    changed.loc[7, ["back", "worth"]] = [1.0 - table.loc[7, "back"], 40.0 * (1.0 - table.loc[7, "back"])]
    again = fit.parts[fit.fold[7]].predict(changed.iloc[[7]])
    pd.testing.assert_frame_equal(again, fit.foretold.iloc[[7]])
    pd.testing.assert_frame_equal(fit.foretell(table), fit.foretold)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"back": 0.5}, "300 of 300 rows"),
        ({"worth": np.nan}, "300 of 300 rows"),
    ],
)
def test_outcomes_that_are_none_are_refused(change: dict[str, float], message: str) -> None:
    with pytest.raises(InputError, match=message):
        _fit(_table().assign(**change))


def test_an_outcome_is_no_column_to_learn_from() -> None:
    with pytest.raises(InputError, match="known before the offer"):
        learn_win_back(_table(), regained="back", value="worth", columns=["x", "worth"])
    with pytest.raises(InputError, match="'y' is missing"):
        learn_win_back(_table(), regained="back", value="worth", columns=["y"])


def test_too_few_who_came_back() -> None:
    with pytest.raises(NotEnoughData, match="0 of 300 lost customers came back"):
        _fit(_table().assign(back=0.0))


def test_the_model_is_text_and_foretells_the_same(tmp_path: Path) -> None:
    table = _table()
    model = _fit(table).model
    again = WinBackModel.load(tmp_path / model.write(tmp_path))
    assert again == model
    pd.testing.assert_frame_equal(again.predict(table), model.predict(table))


def test_a_changed_file_is_refused(tmp_path: Path) -> None:
    place = tmp_path / _fit(_table()).model.write(tmp_path)
    text = (place / "win_back.json").read_text(encoding="utf-8")
    (place / "win_back.json").write_text(text.replace("otherwise", "otherwize"), encoding="utf-8")
    with pytest.raises(ModelError, match="missing or changed"):
        WinBackModel.load(place)


def test_missing_columns_are_told() -> None:
    model = WinBackModel((FlatColumn("x", "number"),), Line(0.0, (0.0, 0.0), True), _flat(5.0))
    with pytest.raises(ModelError, match="1 of 1 columns are missing, such as 'x'"):
        model.predict(pd.DataFrame({"y": [1.0]}))


def _flat(money: float) -> MoneyLine:
    return MoneyLine(Line(money, (0.0, 0.0)), False, 1.0, -1e9, 1e9)


@settings(max_examples=30)
@given(
    x=st.lists(st.one_of(st.none(), st.floats(-1e9, 1e9)), min_size=1, max_size=5), cost=st.floats(-100, 0)
)
def test_what_is_expected_is_the_chance_times_the_value(x: list[float | None], cost: float) -> None:
    line = Line(0.1, (1e-3, 0.5), True)
    model = WinBackModel((FlatColumn("x", "number"),), line, _flat(50.0), otherwise=cost)
    found = model.predict(pd.DataFrame({"x": pd.Series(x, dtype="float64")}))
    assert found["regain_probability"].between(0, 1).all()
    by_hand = found["regain_probability"] * 50.0 + (1 - found["regain_probability"]) * cost
    assert np.allclose(found["second_life"], by_hand)


@pytest.mark.data
def test_the_textbook_table(shared_data: Path) -> None:
    table = pd.read_parquet(shared_data / "smcrm_winback.parquet").astype(float)
    figures = learn_win_back(table, regained="reacquire", value="sclv", columns=KNOWN).model.figures
    assert figures["auc"] >= 0.95
    assert figures["r2_if_regained"] >= 0.93
