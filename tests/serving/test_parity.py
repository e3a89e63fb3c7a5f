"""The list and the endpoint give the same bits: by id and by order lines, alone or among a thousand."""

from __future__ import annotations

import json
import math
import random
import struct
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import lightgbm
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from features.frames import tables_from_frames
from features.parquet import read_parquet
from features.pipeline import FEATURES
from features.plan import fetch_features
from retain.shop import ShopSettings, simulate
from serving.asked import Asked
from serving.lists import write_list
from serving.live import Live, LiveSettings
from serving.lookup import Lookup
from serving.refusal import Refusal
from serving.schemas import BatchRequest
from serving.scorer import Scorer
from serving.settings import ServingSettings
from serving.store import RunInfo, Store
from serving.table_rows import ROWS, OrderLine
from strategies.settings import StrategySettings
from tests.serving.endpoint_fakes import FakeKnown, FakeLookup, FakeModels, FakeServed
from training.build import build_bundle
from training.fit import anchored
from training.models.bundle import Bundle
from training.models.head import Head
from training.models.level import LevelCurve
from training.models.trees import Trees
from training.panel import Panel, build_panel
from training.settings import ChurnSettings, TrainingSettings, ValueSettings

DAY = date(2024, 3, 1)
ZONE, CURRENCY = "Europe/Berlin", "EUR"
HORIZONS = (30, 60, 250)
Row = dict[str, Any]


def orders_of(customers: int, days: int, seed: int) -> pa.Table:
    """Order lines of a simulated shop, with returns, discounts, costs and late arrivals."""
    start = date.fromordinal(DAY.toordinal() + 20 - days)
    made = simulate(ShopSettings(customers=customers, days=days, seed=seed, start=start))
    return made.tables["orders"].drop_columns(["currency"])


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """A model with trees in five heads, whether they are any good or not, and one horizon without."""
    tables = tables_from_frames({"orders": orders_of(350, 400, 11)}, timezone=ZONE)
    settings = TrainingSettings(
        churn=ChurnSettings(window_days=60), value=ValueSettings(horizons_days=HORIZONS)
    )
    panel = anchored(build_panel(tables, DAY, HORIZONS))
    closed = build_bundle(panel, settings, evidence="btyd")
    heads = {h: grown(panel, h) for h in (30, 60)}
    curve = replace(closed.curve, orders=heads, value=heads)
    made = replace(closed, evidence="ml", churn=grown(panel, 60), curve=curve)
    folder = tmp_path_factory.mktemp("models")
    rows = panel.at(DAY)[list(FEATURES)].tail(5).reset_index(drop=True)
    return Bundle.load(folder / made.with_golden(rows).save(folder).version)


def grown(panel: Panel, horizon: int) -> Head:
    rows = panel.labelled(horizon, by=DAY)
    columns = [*FEATURES, f"btyd_orders_{horizon}", f"btyd_no_order_{horizon}"]
    data = lightgbm.Dataset(rows[columns].to_numpy(float), np.sin(rows["T"] * horizon), feature_name=columns)
    options = {"objective": "regression", "num_leaves": 15, "num_threads": 1, "verbosity": -1}
    trees = lightgbm.train(options, data, num_boost_round=60)
    level = LevelCurve((date(2023, 3, 2),), (0.1,), weight=1.0)
    return Head(Trees(trees.model_to_string()), level, 0.3, learned_days=horizon)


@pytest.fixture(scope="module")
def scorer(bundle: Bundle) -> Scorer:
    return Scorer(bundle, StrategySettings(), currency=CURRENCY)


@pytest.fixture(scope="module")
def orders() -> pa.Table:
    return orders_of(1_300, 500, 12)


@pytest.fixture(scope="module")
def scored(scorer: Scorer, orders: pa.Table) -> pd.DataFrame:
    return scorer.score(tables_from_frames({"orders": orders}, timezone=ZONE, currency=CURRENCY), DAY)


@pytest.fixture(scope="module")
def listed(scored: pd.DataFrame) -> dict[str, Row]:
    """The list's rows in bits, by customer."""
    found = {row["customer_id"]: bits(row) for row in scored.to_dict("records")}
    assert len(found) == len(scored) >= 1_000
    return found


@pytest.fixture(scope="module")
def asked(orders: pa.Table) -> dict[str, list[Row]]:
    """Each customer's order lines as a client would send them."""
    lines: dict[str, list[Row]] = {}
    for row in orders.to_pylist():
        line = {name: _json(value) for name, value in row.items() if name in OrderLine.model_fields}
        lines.setdefault(row["customer_id"], []).append({n: v for n, v in line.items() if v is not None})
    return lines


@pytest.fixture(scope="module")
def live(scorer: Scorer, scored: pd.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    url = f"sqlite:///{tmp_path_factory.mktemp('state') / 'retain.db'}"
    run = RunInfo("r", DAY, scorer.bundle.version, "c", len(scored), datetime(2024, 3, 1, tzinfo=UTC))
    store = Store(url)
    store.save_run(run, scored)
    settings = LiveSettings(
        models=Path("m"),
        store_url=url,
        timezone=ZONE,
        currency=CURRENCY,
        serving=ServingSettings(max_rows=2_000),
    )
    models = FakeModels(FakeServed(scorer, scorer.bundle.version))
    lookup = Lookup(url)
    yield Live(settings, models, lookup, past=FakeKnown())
    lookup.close()
    store.close()


def _json(value: Any) -> Any:
    return value.isoformat() if isinstance(value, datetime) else value


def bits(row: Row) -> Row:
    """A row as JSON can tell it, with every float as its 64 bits."""
    found = {}
    for name, value in row.items():
        if isinstance(value, float):
            found[name] = None if math.isnan(value) else struct.pack(">d", value)
        elif value is None or value is pd.NaT:
            found[name] = None
        else:
            found[name] = value.isoformat() if isinstance(value, date) else value
    return found


def answers(live: Live, **request: Any) -> list[Row]:
    """What a client reads: request and answer have been JSON on the way."""
    asked = BatchRequest.model_validate_json(json.dumps({"reasons": True, **request}))
    read: list[Row] = json.loads(live.many(asked, Asked()))["results"]
    return read


def rows_of(results: Iterable[Row]) -> dict[str, Row]:
    """Found rows in bits, by customer, less what the list does not have."""
    extra = ("found", "error")
    return {
        r["customer_id"]: bits({n: v for n, v in r.items() if n not in extra}) for r in results if r["found"]
    }


def post(live: Live, asked: dict[str, list[Row]], ids: Sequence[str], chunk: int) -> dict[str, Row]:
    found: dict[str, Row] = {}
    for start in range(0, len(ids), chunk):
        some = [{"customer_id": i, "orders": asked[i]} for i in ids[start : start + chunk]]
        found |= rows_of(answers(live, customers=some, as_of=DAY.isoformat()))
    return found


def test_a_thousand_customers_by_order_lines_get_the_bits_of_the_list(live, asked, listed) -> None:
    found = post(live, asked, list(asked), 400)
    assert found.keys() == listed.keys()
    assert [i for i in listed if found[i] != listed[i]] == []
    floats = sum(isinstance(value, bytes) for row in listed.values() for value in row.values())
    assert floats > 10_000


def test_the_rows_hold_every_kind_of_answer(scored) -> None:
    assert set(scored["status"]) == {"active", "lapsed", "lost"}
    assert set(scored["value_class"]) == {"lead", "iron", "gold", "platinum"}
    assert scored["expected_next_order_date"].isna().any()
    assert scored["expected_next_order_date"].notna().any()
    assert scored["overdue_ratio"].isna().any()
    assert scored["reasons"].str.contains(" EUR").any()
    assert scored["reasons_zh"].str.contains("；").all()


def test_by_id_the_store_gives_the_bits_of_the_list(live, listed) -> None:
    assert rows_of(answers(live, customer_ids=list(listed))) == listed


def test_alone_shuffled_and_among_others_the_same(live, asked, listed) -> None:
    chance = random.Random(5)
    ids = chance.sample(sorted(listed), 25)
    alone = post(live, asked, ids, 1)
    shuffled = {i: chance.sample(asked[i], len(asked[i])) for i in asked}
    among = post(live, shuffled, chance.sample(list(asked), len(asked)), 2_000)
    assert alone == {i: listed[i] for i in ids}
    assert among == listed


def test_a_list_made_in_small_pieces_is_the_same(
    scorer, orders, scored, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("serving.scorer.CHUNK", 97)
    found = scorer.score(tables_from_frames({"orders": orders}, timezone=ZONE, currency=CURRENCY), DAY)
    pd.testing.assert_frame_equal(found, scored, check_exact=True)


def test_threads_give_the_same_bits(live, asked, listed) -> None:
    ids = sorted(listed)[::30]
    with ThreadPoolExecutor(3) as pool:
        found = list(pool.map(lambda i: post(live, asked, [i], 1), ids))
    assert {i: row for one in found for i, row in one.items()} == {i: listed[i] for i in ids}


def test_who_only_returned_is_not_on_the_list(scorer) -> None:
    lines = [("a", "2024-02-01", 9.0), ("b", "2024-02-02", -9.0), ("c", "2024-02-03", 0.0)]
    orders = pd.DataFrame(lines, columns=["customer_id", "time", "amount"])
    assert scorer.score(tables_from_frames({"orders": orders}), DAY)["customer_id"].tolist() == ["a"]


def test_unknown_customers_are_answered_one_by_one_and_the_others_scored(live, asked, listed) -> None:
    known = next(iter(listed))
    later = [{"time": "2024-03-01", "amount": 1.0}]
    customers = [{"customer_id": "later", "orders": later}, {"customer_id": known, "orders": asked[known]}]
    by_lines = answers(live, customers=customers, as_of=DAY.isoformat())
    by_id = answers(live, customer_ids=["nobody", known])
    assert [row["found"] for row in (*by_lines, *by_id)] == [False, True, False, True]
    assert (by_lines[0]["error"], by_id[0]["error"]) == (
        "no order before 2024-03-01",
        "not in the latest list",
    )
    assert rows_of(by_lines) == rows_of(by_id) == {known: listed[known]}


def test_reasons_can_be_left_out_and_nothing_else_changes(live, asked, listed) -> None:
    known = next(iter(listed))
    lines = [{"customer_id": known, "orders": asked[known]}]
    wanted = {name: value for name, value in listed[known].items() if not name.startswith("reasons")}
    assert rows_of(answers(live, customer_ids=[known], reasons=False))[known] == wanted
    assert rows_of(answers(live, customers=lines, as_of=DAY.isoformat(), reasons=False))[known] == wanted


def test_ready_features_get_the_bits_of_the_list(live, orders, listed) -> None:
    tables = tables_from_frames({"orders": orders}, timezone=ZONE, currency=CURRENCY)
    known = fetch_features(tables, [DAY]).to_pandas().sample(frac=1.0, random_state=3)
    values = known[list(FEATURES)].astype(object).where(known[list(FEATURES)].notna(), None)
    rows = [
        {"customer_id": customer, "features": features}
        for customer, features in zip(known["customer_id"], values.to_dict("records"), strict=True)
    ]
    assert rows_of(answers(live, feature_rows=rows, as_of=DAY.isoformat())) == listed


def test_rows_of_all_tables_get_the_bits_of_the_list_made_of_them(scorer) -> None:
    start = date.fromordinal(DAY.toordinal() - 380)
    made = simulate(ShopSettings(customers=120, days=400, seed=7, start=start)).tables
    frames = {
        name: made[name].drop_columns(["currency"]) if name == "orders" else made[name] for name in ROWS
    }
    whole = scorer.score(tables_from_frames(frames, timezone=ZONE, currency=CURRENCY), DAY)
    sent: dict[str, Row] = {}
    for name, table in frames.items():
        for row in table.to_pylist():
            customer = sent.setdefault(row["customer_id"], {"customer_id": row["customer_id"], "orders": []})
            told = {n: _json(v) for n, v in row.items() if n in ROWS[name].model_fields and v is not None}
            customer.setdefault(name, []).append(told)
    settings = LiveSettings(models=Path("m"), store_url="", timezone=ZONE, tables=(*ROWS, "customers"))
    models = FakeModels(FakeServed(scorer, scorer.bundle.version))
    service = Live(settings, models, FakeLookup({}), past=FakeKnown())
    found = rows_of(answers(service, customers=list(sent.values()), as_of=DAY.isoformat()))
    assert found == {row["customer_id"]: bits(row) for row in whole.to_dict("records")}
    assert len({row["satisfaction_loyalty"] for row in found.values()}) > 1


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_the_files_hold_the_same_bits(tmp_path: Path, scored, listed, ending: str) -> None:
    path = tmp_path / f"list.{ending}"
    write_list(scored, path)
    if ending == "parquet":
        read = read_parquet(path).to_pylist()
    else:
        texts = pd.read_csv(path, dtype=str, keep_default_na=False, encoding="utf-8-sig").to_dict("records")
        floats = {n for row in listed.values() for n, value in row.items() if isinstance(value, bytes)}
        read = [{n: (float(v) if n in floats else v) if v else None for n, v in row.items()} for row in texts]
    assert {row["customer_id"]: bits(row) for row in read} == listed


@pytest.mark.parametrize("columns", [["churn_probability"], ["clv", "churn_percentile", "strategy"]])
def test_some_columns_have_the_bits_of_the_list(live, asked, listed, columns: list[str]) -> None:
    ids = sorted(listed)[:40]
    some = [{"customer_id": i, "orders": asked[i]} for i in ids]
    day = DAY.isoformat()
    by_rows = answers(live, customers=some, as_of=day, columns=columns, reasons=False)
    by_id = answers(live, customer_ids=ids, columns=columns, reasons=False)
    assert by_rows == by_id
    kept = ("customer_id", "as_of", "model_version", *columns)
    assert rows_of(by_id) == {i: {name: listed[i][name] for name in listed[i] if name in kept} for i in ids}


def test_a_column_that_the_list_lacks_is_named(live, listed) -> None:
    with pytest.raises(Refusal, match=r"columns\[1\]: is no column of the list") as caught:
        answers(live, customer_ids=[min(listed)], columns=["clv", "shoe_size"])
    assert (caught.value.status, caught.value.field) == (400, "columns[1]")
    assert answers(live, customer_ids=["nobody"], columns=["shoe_size"])[0]["found"] is False
