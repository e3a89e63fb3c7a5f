"""One training run: the ladder of evidence, the verdict, and nothing but the past."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from features.errors import NotEnoughData
from features.load import tables_from_frames
from retain.shop import ShopSettings, simulate
from tests.training.small_shops import SETTINGS, day, drawn, features_of, settings, shop, telling_rows
from training.backtest import back_test, judge
from training.build import build_bundle, evidence_for
from training.challenge import Verdict, challenge
from training.fit import anchored, fit_head
from training.head_kind import HeadKind
from training.meeting import OURS
from training.metrics import normalised_gini, roc_auc
from training.models.bundle import Bundle
from training.models.head import Head
from training.models.level import LevelCurve
from training.panel import Panel, build_panel
from training.train import Trained, train

BRIEF = settings(60, 60)
ROOT = Path(__file__).resolve().parents[2]

# ---------------------------------------------------------------- point in time, and the same again


@pytest.fixture(scope="module")
def mid_run(demo, demo_tables) -> Trained:
    """Trained a hundred days before the data end."""
    return train(demo_tables, demo.settings.end - timedelta(days=100), BRIEF)


SCRIPT = """
import json, sys
from datetime import date
from pathlib import Path
import pandas as pd
from features.load import tables_from_frames
from retain.shop import ShopSettings, simulate
from tests.training.small_shops import settings, telling
from training.train import train
shop = telling(simulate(ShopSettings.model_validate_json(sys.argv[1])))
start = pd.Timestamp(sys.argv[2])
lines = shop.tables["orders"].to_pandas().sample(frac=1.0, random_state=1)
later = (lines["time"] >= start) | (lines["known_at"] >= start)
assert ((lines["time"] < start) & later).any()
lines.loc[later, "amount"] *= 1000
lines.loc[later, "customer_id"] = "x" + lines.loc[later, "customer_id"]
tables = tables_from_frames({**shop.tables, "orders": lines}, timezone=shop.settings.timezone)
found = train(tables, start.date(), settings(60, 60, num_threads=2))
made = {"version": found.bundle.save(Path(sys.argv[3])).version, "judged": found.judged.to_json()}
sys.stdout.write(json.dumps(made))
"""


def test_shuffled_rows_other_orders_from_as_of_on_another_process_and_more_threads_train_the_same_model(
    demo, mid_run, tmp_path
):
    assert mid_run.bundle.evidence == "ml"
    told = [demo.settings.model_dump_json(), mid_run.panel.as_of.isoformat(), str(tmp_path)]
    other = subprocess.run(
        [sys.executable, "-c", SCRIPT, *told], cwd=ROOT, capture_output=True, text=True, check=True
    )
    made = json.loads(other.stdout)
    assert made["judged"] == mid_run.judged.to_json()
    assert made["version"] == mid_run.bundle.save(tmp_path).version


def test_the_card_tells_how_it_was_trained(mid_run):
    card = mid_run.bundle.card
    assert card["as_of"] == mid_run.panel.as_of.isoformat()
    assert card["judged"]["cut_off"] == (mid_run.panel.as_of - timedelta(days=60)).isoformat()
    assert card["rows"] == len(mid_run.panel.frame)
    assert (card["snapshots"], card["sampled"]) == (len(mid_run.panel.days), 1.0)
    assert len(card["data_hash"]) == 64
    assert "num_threads" not in card["settings"]


def test_the_quality_card_judges_values_over_several_days_whatever_the_window():
    found = train(shop(telling_rows(drawn(250, 420, gap=20.0))), day(420), settings(50, 30, 90))
    quality = found.bundle.card["quality"]
    assert [m["day"] for m in quality["meetings"]] == [day(n).isoformat() for n in (240, 300, 360)]
    assert quality["campaign"]["horizon_days"] == 30
    grades = {part["name"]: part["grade"] for part in quality["parts"]}
    assert grades["level"] is not None
    assert quality["grade"] in "ABCDE"


# ---------------------------------------------------------------- the ladder

NEEDS = "fitting needs at least 30 customers and 10 with a repeat purchase"
RNG = np.random.default_rng(0)
LADDER = {
    "one customer": ([("a", d, 12.5) for d in range(0, 200, 20)], "rule", NEEDS),
    "one order": ([("a", 150, 12.5)], "rule", NEEDS),
    "five": ([(f"c{i}", d, 10.0 + i) for i in range(5) for d in range(i * 7, 200, 30 + i)], "rule", NEEDS),
    "one-time buyers": ([(f"c{i}", i % 200, 5.0 + i % 9) for i in range(500)], "rule", NEEDS),
    "ten thousand orders": ([("a", int(d), 9.99) for d in RNG.integers(0, 200, 10_000)], "rule", NEEDS),
    "no churners": (
        [(f"c{i}", d, 10.0 + i % 7) for i in range(120) for d in range(i % 15, 200, 15)],
        "btyd",
        "0 of at least 50 customers of the rarer outcome",
    ),
    "constant": (
        [(f"c{i}", d, 10.0) for i in range(120) for d in range(0, 200, 20)],
        "btyd",
        "0 of at least 50 customers of the rarer outcome",
    ),
    "all churners": (
        [(f"c{i}", d, 10.0 + i % 7) for i in range(120) for d in range(i % 20, 75, 15)],
        "btyd",
        "no order in the last 126 days before 2025-07-20, so everybody looks lost",
    ),
    "some return everything": (
        [(f"c{i}", d, -9.0 if i < 9 else 9.0) for i in range(60) for d in range(i % 20, 200, 20 + i)],
        "btyd",
        "labelled rows of at least 400",
    ),
}


@pytest.mark.parametrize("name", LADDER)
def test_the_ladder_of_evidence(name, tmp_path):
    rows, rung, why = LADDER[name]
    found = train(shop(rows), day(200), settings(30, 30, 365))
    assert found.bundle.evidence == rung
    assert why in " | ".join(found.notes)
    predicted = found.bundle.predict(features_of(found.panel, day(200)), day(200))
    assert len(predicted) == len({customer for customer, _, amount in rows if amount > 0})
    numbers = predicted.drop(columns=["evidence", "evidence_value", "expected_next_order_days"]).astype(float)
    assert np.isfinite(numbers).all(axis=None)
    assert (numbers >= 0).all(axis=None)
    Bundle.load(tmp_path / found.bundle.save(tmp_path).version).check_golden()


@pytest.mark.parametrize("amount", [-10.0, 0.0])
def test_returns_alone_are_not_enough(amount):
    tables = shop([(f"c{i}", d, amount) for i in range(20) for d in range(0, 60, 20)])
    with pytest.raises(NotEnoughData, match="none of 20 customers has a purchase with a positive amount"):
        train(tables, day(60), settings(30, 30))


def test_horizons_longer_than_the_history_say_that_the_closed_form_speaks():
    found = train(shop(telling_rows(drawn(400, 260, gap=25.0))), day(260), settings(30, 30, 365))
    assert found.bundle.evidence == "ml"
    assert "closed form for orders 365 d, value 365 d: 0 labelled rows of at least 400" in found.notes
    assert sorted(found.bundle.curve.value) == [30, 365]


def test_a_window_nobody_has_lived_through_says_where_it_was_learned():
    found = train(shop(telling_rows(drawn(450, 330, gap=25.0))), day(330), settings(300, 300))
    assert found.bundle.evidence == "ml"
    assert found.bundle.churn.learned_days == 90
    (note,) = [
        note
        for note in found.notes
        if note.startswith("learned at 90 d and continued by the closed form for")
    ]
    assert "churn 300 d" in note
    assert note.endswith(": 0 labelled rows of at least 400")


def test_trees_that_help_nowhere_are_left_out_and_it_is_said(monkeypatch):
    monkeypatch.setattr("training.fit._Task.beats", lambda *_: False)
    found = train(shop(drawn(400, 260, gap=40.0)), day(260), settings(30, 30))
    assert found.bundle.evidence == "btyd"
    assert "evidence btyd: no trees made the closed form better on the latest labelled days" in found.notes


def test_a_short_history_is_not_judged_and_says_so():
    found = train(shop(drawn(60, 80)), day(80), settings(60, 60))
    assert found.judged is None
    assert found.bundle.card["judged"] is None
    assert "no past day has 60 days after it: the model is not judged yet" in found.notes


def test_a_day_years_after_the_last_order_warns_that_all_look_lost():
    found = train(shop(drawn(20, 200)), day(2500), settings(90, 90))
    assert "so everybody looks lost: load newer orders or choose an earlier --as-of" in found.notes[0]
    predicted = found.bundle.predict(features_of(found.panel, day(2500)), day(2500))
    assert (predicted["churn_probability"] > 0.9).all()


def test_a_sampled_panel_is_told(monkeypatch):
    monkeypatch.setattr("training.panel.MAX_ROWS", 300)
    found = train(shop(drawn(200, 120)), day(120), settings(30, 30))
    assert found.panel.sampled < 1
    assert f"the model learns from {found.panel.sampled:.0%} of the customers" in found.notes[0]


def test_nothing_of_a_customer_is_in_any_file(tmp_path):
    rows = [(f"canary-{c}", d, a) for c, d, a in telling_rows(drawn(400, 260, gap=25.0))]
    rows += [("canary-whale", d, 987_654.3125) for d in (3, 60, 120, 170, 230, 259)]
    found = train(shop(rows), day(260), settings(30, 30))
    folder = tmp_path / replace(found.bundle, evidence="ml").save(tmp_path).version
    assert found.bundle.evidence == "ml"
    for file in folder.iterdir():
        text = file.read_text(encoding="utf-8")
        assert "canary" not in text, file.name
        assert "987654.3" not in text, file.name
        assert str(987_654.3125 * 6) not in text, file.name


# ---------------------------------------------------------------- what it is worth


@pytest.fixture(scope="module")
def shop_panel() -> Panel:
    """The demo shop: 1,500 customers, two and a half years."""
    made = simulate(ShopSettings(customers=1_500, days=913, seed=5, timing="regular"))
    tables = tables_from_frames(made.tables, timezone=made.settings.timezone)
    return anchored(build_panel(tables, made.settings.end, (90,)))


def test_on_the_demo_shop_trees_beat_the_recency_rule(shop_panel):
    found = back_test(shop_panel, settings(90, 90), count=1).cut_offs[0]
    models = found.models
    assert found.evidence == "ml"
    assert models["retain"]["churn"]["roc_auc"] > models["recency_rule"]["churn"]["roc_auc"] + 0.01
    assert models["retain"]["churn"]["log_loss"] < models["recency_rule"]["churn"]["log_loss"]
    assert (
        models["retain"]["value"][90]["normalised_gini"]
        > models["closed_form"]["value"][90]["normalised_gini"]
    )
    assert abs(models["retain"]["value"][90]["total_bias"]) < 0.25


def test_outcomes_of_other_customers_teach_nothing(shop_panel):
    """Labels dealt out anew within each snapshot: what is left above one half would be a leak."""
    rng = np.random.default_rng(3)
    frame = shop_panel.frame.copy()
    names = ["orders_ahead_90", "value_ahead_90"]
    for rows in frame.groupby("as_of").groups.values():
        frame.loc[rows, names] = frame.loc[rng.permutation(rows), names].to_numpy()
    panel = Panel(frame, shop_panel.as_of, (90,))
    cut = shop_panel.as_of - timedelta(days=90)
    kind = HeadKind("churn", 90)
    head = fit_head(panel.before(cut), kind, settings(90, 90))
    whole = head.raw(kind.closed_form(panel.at(cut)), panel.at(cut), cut)
    for score in (
        whole,
        *(trees.raw(panel.at(cut)) for trees in (head.trees, head.free) if trees is not None),
    ):
        assert roc_auc(kind.target(panel.at(cut)), score) == pytest.approx(0.5, abs=0.05)


# ---------------------------------------------------------------- the verdict


def trained_on(panel: Panel, cut_back: int = 2) -> Trained:
    cut = panel.days[-1 - cut_back]
    bundle = build_bundle(panel, SETTINGS, evidence="btyd")
    judged = judge(panel, build_bundle(panel.before(cut), SETTINGS, evidence="btyd"), cut, SETTINGS)
    card = {"judged": judged.to_json()}
    return Trained(replace(bundle, card=card), panel, judged, ())


@pytest.fixture(scope="module")
def challenger(demo_panel) -> Trained:
    return trained_on(demo_panel)


def verdict(challenger: Trained, champion: Bundle | None) -> Verdict:
    return challenge(challenger, champion, SETTINGS)


def test_without_a_champion_the_model_is_promoted(challenger):
    assert verdict(challenger, None) == Verdict(
        promote=True, en="no champion to compare with", zh="没有可比较的现任模型"
    )


def test_another_window_is_another_question(challenger):
    found = challenge(challenger, replace(challenger.bundle, window_days=30), SETTINGS)
    assert (found.promote, found.en) == (True, "the churn window changed")


def test_without_a_judgement_newer_data_win(challenger):
    found = verdict(replace(challenger, judged=None), challenger.bundle)
    assert (found.promote, found.en) == (True, "no past day to judge on; newer data win")


def shifted(bundle: Bundle, shift: float) -> Bundle:
    """The bundle with all log-odds of churn moved."""
    year_ago = bundle.trained_as_of - timedelta(days=3650)
    always = LevelCurve((year_ago, bundle.trained_as_of + timedelta(days=3650)), (shift, shift), weight=1.0)
    return replace(bundle, churn=Head(level=always))


def test_a_better_model_replaces_an_older_champion_on_the_same_customers(demo_panel, challenger):
    old = build_bundle(demo_panel.before(demo_panel.days[-4]), SETTINGS, evidence="btyd")
    found = verdict(challenger, shifted(old, 3.0))
    assert found.promote
    assert found.en.startswith("log loss -")
    assert f"customers of {challenger.judged.day.isoformat()}" in found.en


def test_a_worse_model_does_not_replace_a_better_champion(demo_panel, challenger):
    old = build_bundle(demo_panel.before(demo_panel.days[-4]), SETTINGS, evidence="btyd")
    meeting = challenger.judged.meeting
    ours = meeting.forecasts[OURS]
    wrong = replace(ours, churn_probability=1.0 - ours.churn_probability)
    judged = replace(challenger.judged, meeting=replace(meeting, forecasts={OURS: wrong}))
    found = verdict(replace(challenger, judged=judged), old)
    assert not found.promote
    assert found.en.startswith("log loss +")


def test_a_champion_that_is_better_by_chance_only_gives_way_to_newer_data(demo_panel, challenger):
    old = build_bundle(demo_panel.before(demo_panel.days[-4]), SETTINGS, evidence="btyd")
    assert verdict(challenger, shifted(old, 0.0)).promote


@pytest.mark.parametrize(("theirs", "promote"), [(0.9, True), (0.1, False), (None, True)])
def test_a_champion_of_the_same_day_is_compared_by_its_card(challenger, theirs, promote):
    card = json.loads(json.dumps(challenger.bundle.card))
    card["judged"]["models"]["retain"]["churn"]["log_loss"] = theirs
    found = verdict(challenger, replace(challenger.bundle, card=card))
    assert found.promote == promote
    assert ("cannot be judged" in found.en) == (theirs is None)


@pytest.mark.parametrize(("theirs", "promote"), [(1.0, True), (0.5, False)])
def test_a_champion_that_saw_the_answers_is_compared_by_its_skill_elsewhere(challenger, theirs, promote):
    """Last month's champion knows part of the judged window: its own day's figures are used instead."""
    earlier = challenger.judged.day - timedelta(days=30)
    models = json.loads(json.dumps(challenger.judged.to_json()["models"]))
    models["retain"]["churn"]["log_loss"] = theirs * models["recency_rule"]["churn"]["log_loss"]
    card = {"judged": {"cut_off": earlier.isoformat(), "models": models}}
    last_month = replace(
        challenger.bundle, trained_as_of=challenger.panel.as_of - timedelta(days=30), card=card
    )
    found = verdict(challenger, last_month)
    assert found.promote == promote
    assert found.en.startswith("share of the recency rule's log loss")


def test_a_champion_without_a_card_cannot_be_judged(challenger):
    assert "cannot be judged" in verdict(challenger, replace(challenger.bundle, card={})).en


# ---------------------------------------------------------------- the real shop


@pytest.fixture(scope="session")
def retail_panel(shared_data) -> Panel:
    """Online Retail II as known on 2011-12-09: 180 days after the day that is judged."""
    lines = pd.read_parquet(shared_data / "online_retail_ii_lines.parquet").dropna(subset="customer_id")
    lines = lines.rename(columns={"timestamp": "time", "stock_code": "product", "price": "unit_price"})
    known = ["customer_id", "time", "amount", "order_id", "product", "quantity", "unit_price"]
    orders = lines[[name for name in known if name in lines]]
    return anchored(build_panel(tables_from_frames({"orders": orders}), date(2011, 12, 9), (180,)))


@pytest.mark.data
def test_on_online_retail_the_promises_are_kept(retail_panel):
    cut, chosen = date(2011, 6, 12), settings(180, 180)
    past = retail_panel.before(cut)
    assert evidence_for(past, 180) == ("ml", "")
    found = judge(retail_panel, build_bundle(past, chosen, evidence="ml"), cut, chosen, known=past).models
    churn = {name: models["churn"] for name, models in found.items()}
    value = {name: models["value"][180] for name, models in found.items()}
    assert churn["retain"]["roc_auc"] >= 0.80
    assert churn["retain"]["log_loss"] < churn["recency_rule"]["log_loss"]
    now = retail_panel.at(cut)
    by_spend = normalised_gini(now["value_ahead_180"], now["spend_total"])
    assert value["retain"]["normalised_gini"] > max(value["closed_form"]["normalised_gini"], by_spend)
    assert abs(value["retain"]["total_bias"]) <= 0.15
