"""``retain explain`` and the list's ``moved``: one customer whole, before and after, by commands alone."""

from __future__ import annotations

import re
import shutil
from dataclasses import replace
from datetime import date
from pathlib import Path

import pandas as pd
import pytest

from retain.config import load_config
from serving.store import Store
from tests.retain.command_runs import Said, make_model, retain, write_demo_orders
from training.models.bundle import Bundle, champion_path

FIRST, SECOND = "2024-06-01", "2024-07-02"


def score(config: Path, day: str) -> Said:
    out = config.parent / f"{day}.parquet"
    return retain("score", "-c", config, "--as-of", day, "--out", out, "--json")


def listed(config: Path, day: str) -> pd.DataFrame:
    return pd.read_parquet(config.parent / f"{day}.parquet").set_index("customer_id")


def explained(config: Path, customer: str, *words: str) -> Said:
    return retain("explain", customer, "-c", config, *words)


def notes(said: str) -> list[str]:
    """What was said beside progress, which a slow machine shows."""
    return [line for line in said.splitlines() if not line.endswith("%)")]


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A shop with a closed-form model, scored for two days; its configuration."""
    folder = tmp_path_factory.mktemp("moved")
    orders, config = write_demo_orders(folder / "orders.csv", customers=120, days=600), folder / "retain.toml"
    words = ["--churn-window", "45", "--horizons", "45,200", "--out-dir", folder / "out"]
    assert retain("init", orders, "-c", config, *words, "--json", "--quiet").code == 0
    make_model(config, date(2024, 6, 1), evidence="btyd")
    said = [score(config, day) for day in (FIRST, SECOND)]
    assert [one.code for one in said] == [0, 0]
    assert said[0].document["moved"] is None
    return config


@pytest.fixture
def own(shop: Path, tmp_path: Path) -> Path:
    """A copy of the shop whose model may be replaced."""
    shutil.copytree(shop.parent, tmp_path / "shop")
    config = tmp_path / "shop" / "retain.toml"
    config.write_text(config.read_text(encoding="utf-8").replace(str(shop.parent), str(config.parent)))
    return config


def another_model(config: Path, *, base: float) -> None:
    """A champion that sees every customer's log-odds of churn `base` higher, and no other difference."""
    models = load_config(config).models_dir
    old = Bundle.load(champion_path(models))
    moved = replace(old, churn=replace(old.churn, level=replace(old.churn.level, **shifted(base))))
    (models / "champion").write_text(moved.save(models).version, encoding="utf-8")


def shifted(base: float) -> dict[str, object]:
    days = (date(2023, 5, 15), date(2023, 8, 1))
    return {"days": days, "errors": (base, base), "weight": 1.0}


def test_the_first_list_tells_of_no_move_and_the_second_of_every_one(shop: Path) -> None:
    first, second = listed(shop, FIRST), listed(shop, SECOND)
    assert (first["moved"] == "").all()
    assert (first["moved_zh"] == "").all()
    both = second.index.isin(first.index)
    assert second.loc[both, "moved"].str.fullmatch(rf"risk (up|down|unchanged).* since {FIRST}.*").all()
    assert (second.loc[~both, "moved"] == f"new since {FIRST}").all()
    assert second["moved_zh"].str.contains(FIRST).all()
    points = 100 * (second["churn_probability"] - first["churn_probability"])[second.index[both]]
    told = second.loc[both, "moved"].str.extract(r"(up|down) (\d+) point")
    sign = told[0].map({"up": 1.0, "down": -1.0}).fillna(0.0) * told[1].astype(float).fillna(0.0)
    assert (sign - points).abs().max() <= 0.500001


def test_the_list_says_silence_in_days(shop: Path) -> None:
    texts = listed(shop, SECOND)["moved"]
    assert texts.str.contains(r"up \d+ points? since 2024-06-01: 31 more days without an order \(\+").any()


def test_reasons_of_the_closed_form_add_up_in_print(shop: Path) -> None:
    rows = listed(shop, SECOND)
    for text, p in zip(rows["reasons"], rows["churn_probability"], strict=True):
        *named, total = text.split("; ")
        assert len(named) == 3
        pushes = [float(n) for part in named for n in re.findall(r"([+-]\d+\.\d\d)\)$", part)]
        rest, start, score_ = (float(w.strip(",:")) for w in total.split() if w[0] in "+-")
        assert round(sum(pushes) + rest + start, 2) == score_
        assert 1 / (1 + 2.718281828459045**-score_) == pytest.approx(p, abs=0.0013)


def test_explain_adds_up_and_tells_what_changed(shop: Path) -> None:
    then, now = listed(shop, FIRST), listed(shop, SECOND)
    for customer in then.index[:10]:
        found = explained(shop, customer, "--json").document
        assert found["churn_probability"] == pytest.approx(now.loc[customer, "churn_probability"], abs=1e-12)
        parts = sum(group["contribution"] for group in found["groups"]) + found["starting_point"]
        assert parts == pytest.approx(found["log_odds"], abs=1e-12)
        moved = found["moved"]
        assert moved["since"] == FIRST
        assert moved["churn_probability"] == pytest.approx(then.loc[customer, "churn_probability"], abs=1e-12)
        assert sum(moved["changes"].values()) == pytest.approx(
            found["log_odds"] - moved["log_odds"], abs=1e-12
        )
        assert moved["changes"]["model"] == pytest.approx(0.0, abs=1e-12)


@pytest.mark.parametrize(("lang", "words"), [("en", "starting point"), ("zh", "起点")])
def test_explain_speaks_to_people_in_both_languages(shop: Path, lang: str, words: str) -> None:
    customer = listed(shop, FIRST).index[0]
    said = explained(shop, customer, "--lang", lang)
    assert (said.code, notes(said.err)) == (0, [])
    assert words in said.out
    assert FIRST in said.out
    assert SECOND in said.out


def test_strangers_are_told_without_their_id(shop: Path, tmp_path: Path) -> None:
    said = explained(shop, "canary-7")
    assert said.code == 2
    assert "explains no such customer" in said.err
    assert "canary" not in said.err


def test_before_any_list_there_is_nothing_to_explain(own: Path) -> None:
    for file in (own.parent / "out").glob("retain.db*"):
        file.unlink()
    said = explained(own, "x")
    assert said.code == 2
    assert "run `retain score` first" in said.err


def test_a_new_model_is_told_apart_when_the_earlier_one_is_still_there(own: Path) -> None:
    another_model(own, base=0.5)
    said = score(own, SECOND)
    assert (said.code, notes(said.err)) == (0, [])
    customer = listed(own, FIRST).index[0]
    changes = explained(own, customer, "--json").document["moved"]["changes"]
    assert changes["model"] == pytest.approx(0.5, abs=1e-9)
    assert changes["recency"] != 0


def test_without_the_earlier_model_all_is_the_new_ones_and_said_so(own: Path) -> None:
    models = load_config(own).models_dir
    earlier = champion_path(models)
    another_model(own, base=0.5)
    shutil.rmtree(earlier)
    said = score(own, SECOND)
    assert said.code == 0
    assert "the model of the last list cannot be asked any more" in said.err
    assert set(said.document["moved"]["by"]) == {"model"}
    changes = explained(own, listed(own, FIRST).index[0], "--json").document["moved"]["changes"]
    assert all(value == 0 for code, value in changes.items() if code != "model")


def test_scoring_the_same_day_again_gives_the_same_list(own: Path) -> None:
    before = listed(own, SECOND)
    assert score(own, SECOND).code == 0
    pd.testing.assert_frame_equal(listed(own, SECOND), before)


def test_a_list_without_explanations_says_what_to_do_and_the_next_one_has_them(own: Path) -> None:
    import sqlite3

    with sqlite3.connect(own.parent / "out" / "retain.db") as raw:
        raw.execute("DELETE FROM explanations")
    raw.close()
    said = explained(own, listed(own, FIRST).index[0])
    assert "score again if the list was made by an earlier version" in said.err
    assert score(own, SECOND).document["moved"] is None
    store = Store(load_config(own).store_url)
    assert len(store.explained(store.latest_run().run_id).groups) == len(listed(own, SECOND))
    store.close()
