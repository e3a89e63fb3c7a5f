"""Data that no shop should have and every shop has: a clear message or a wider interval, never NaN, never silence."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from features.load import load
from retain.as_of import as_of_day
from retain.config import load_config
from tests.retain.command_runs import Line, retain, write_orders
from training.models.bundle import POINTER
from training.models.text_files import point_at
from training.train import train

# The libraries' own, not ours.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
START = date(2025, 1, 1)
CONFIG = """
[data]
timezone = "Europe/Berlin"
max_quarantined_share = 0.1
[data.orders]
path = "orders.csv"
[churn]
window_days = 30
[value]
horizons_days = [30, 365]
[run]
num_threads = 1
"""
Lines = list[Line]


def shop(customers: int = 40, days: int = 110, *, seed: int = 1) -> Lines:
    """Customers with gaps of their own, lognormal amounts."""
    rng = np.random.default_rng(seed)
    found: Lines = []
    for i in range(customers):
        gap, now = rng.uniform(8, 40), rng.uniform(0, days / 2)
        while now < days and rng.random() < 0.95:
            found.append((f"c{i}", START + timedelta(days=int(now)), round(float(rng.lognormal(3, 0.6)), 2)))
            now += rng.exponential(gap) + 0.5
    return found


def changed(amount: Callable[[int, float], float], lines: Lines | None = None) -> Lines:
    """The shop with other amounts, by the number of the line."""
    ordered = sorted(lines or shop(), key=lambda line: line[1])
    return [(who, day, amount(n, old)) for n, (who, day, old) in enumerate(ordered)]


def on(days: list[int], customers: int, amount: float = 10.0) -> Lines:
    """Every customer on the same days."""
    return [(f"c{i}", START + timedelta(days=d), amount) for i in range(customers) for d in days]


def closed_for_a_year() -> Lines:
    return shop() + [(who, day + timedelta(days=500), amount) for who, day, amount in shop(seed=2)]


def yearly_gifts() -> Lines:
    years = np.random.default_rng(3).random((20, 11)) < 0.7
    return [
        (f"d{i}", date(2014 + int(y), 12, 1 + i % 28), float(10 * (1 + i % 5)))
        for i, y in zip(*years.nonzero(), strict=True)
    ]


# What the customers' lines are; which findings check has; what the model may rest on.
LISTED: dict[str, tuple[Callable[[], Lines], set[str], set[str]]] = {
    "one order": (lambda: on([0], 1), set(), {"rule"}),
    "one customer": (lambda: on(list(range(0, 110, 9)), 1), set(), {"rule"}),
    "a handful": (lambda: shop(5), set(), {"rule"}),
    "fifty customers": (lambda: shop(50), set(), {"rule", "btyd"}),
    "all on one day": (lambda: on([0], 60), set(), {"rule"}),
    "three days": (lambda: shop(60, 3), set(), {"rule", "btyd"}),
    "one order each": (lambda: [(f"c{n}", day, a) for n, (_, day, a) in enumerate(shop())], set(), {"rule"}),
    "all alike": (lambda: on(list(range(0, 110, 7)), 40), set(), {"btyd"}),
    "all the same amount": (lambda: changed(lambda n, a: 1.0), set(), {"btyd"}),
    "more returns than purchases": (
        lambda: changed(lambda n, a: a if n % 3 else -9 * a),
        {"returns_exceed"},
        {"btyd"},
    ),
    "cents for half": (lambda: changed(lambda n, a: a * (100 if n > 90 else 1)), {"maybe_cents"}, {"btyd"}),
    "a giant amount": (
        lambda: changed(lambda n, a: 9.9e10 if n == 50 else a),
        {"outlier_amount"},
        {"btyd"},
    ),
    "giants only": (lambda: on([0, 50, 100], 2, 9.9e10), set(), {"rule"}),
    "an order in 2099": (lambda: [*shop(), ("c1", date(2099, 1, 1), 5.0)], {"future_date"}, {"btyd"}),
    "closed for a year": (closed_for_a_year, set(), {"btyd", "ml"}),
    "eleven years of gifts": (yearly_gifts, set(), {"rule"}),
    "five thousand orders of one": (
        lambda: shop() + [("big", START + timedelta(days=n % 110), 5.0 + n) for n in range(5000)],
        set(),
        {"btyd", "ml"},
    ),
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "retain.toml").write_text(CONFIG, encoding="utf-8")
    return tmp_path


def trained(folder: Path) -> tuple[str, ...]:
    """A judged champion, without what MLflow takes; what the user is told of it."""
    project = load_config(folder / "retain.toml")
    tables = load(project.config.data, base=project.base).tables
    found = train(tables, as_of_day(tables, project.config.run), project.config.training, project.strategies)
    project.models_dir.mkdir(parents=True)
    point_at(project.models_dir, POINTER, found.bundle.save(project.models_dir).version)
    return found.notes


@pytest.mark.parametrize("case", LISTED)
def test_a_list_comes_of_it_that_says_what_it_rests_on(case: str, folder: Path) -> None:
    lines, rules, evidence = LISTED[case]
    write_orders(folder / "orders.csv", lines())
    checked = retain("check", "--json")
    assert checked.code == 0
    besides = {"exact_duplicates", "lost_customers", "never_bought"}
    assert {f["rule"] for f in checked.document["findings"]} - besides == rules
    notes = trained(folder)
    assert any(note.startswith("evidence") for note in notes) or "ml" in evidence
    said = retain("score", "--out", "list.parquet", "--json")
    assert said.code == 0
    assert set(said.document["evidence"]) <= evidence
    assert bool(rules) == ("data: " in said.err or "set aside" in said.err)
    assert not any(word in said.err for word in ("Traceback", "Warning", "unexpected"))
    assert_sound(pd.read_parquet(folder / "list.parquet"))


def assert_sound(found: pd.DataFrame) -> None:
    """Figures where there must be some, chances within 0 and 1, bounds in order, no bound surer than the level."""
    assert len(found) > 0
    assert found["customer_id"].is_unique
    figures = found.filter(regex="^(expected_(orders|value|margin)_|clv|churn_)").select_dtypes("number")
    assert np.isfinite(figures.to_numpy(np.float64)).all()
    assert found["churn_probability"].between(0.0, 1.0).all()
    for low in [str(name) for name in found.columns if str(name).endswith("_p10")]:
        p10, p90 = found[low], found[low.replace("_p10", "_p90")]
        assert (p10 <= p90).all(), low
        assert (p10 <= found[low.removesuffix("_p10")] * (1 + 1e-9)).all(), low
        if "orders" not in low:
            assert (p90[p90 > 0] > 1.2 * p10[p90 > 0]).all(), low


# What the customers' lines are; the command that refuses; its exit code; what it says.
REFUSED: dict[str, tuple[Callable[[], Lines], str, int, str]] = {
    "all returns": (
        lambda: changed(lambda n, a: -a),
        "train",
        5,
        "customers has a purchase with a positive amount",
    ),
    "no amounts": (lambda: changed(lambda n, a: 0.0), "train", 5, "check the amount column"),
    "nothing but a header": (list, "train", 5, "give --as-of DATE"),
    "most amounts missing": (lambda: changed(lambda n, a: np.nan), "check", 2, "set aside"),
    "long ids": (lambda: [("x" * 10_000, day, a) for _, day, a in shop()], "check", 2, "256 characters"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_it_is_refused_with_what_to_do(case: str, folder: Path) -> None:
    lines, command, code, text = REFUSED[case]
    write_orders(folder / "orders.csv", lines())
    said = retain(command)
    assert said.code == code
    assert text in " ".join((said.out + said.err).split())
    assert not any(word in said.err for word in ("Traceback", "Warning", "unexpected"))


def test_a_shop_where_nobody_bought_is_told_by_check(folder: Path) -> None:
    write_orders(folder / "orders.csv", changed(lambda n, a: -a))
    (finding,) = retain("check", "--json").document["findings"]
    assert (finding["rule"], finding["state"]) == ("no_purchases", "warning")
    assert "no model can be trained" in finding["en"]


def test_currencies_are_never_added(folder: Path) -> None:
    rows = [f"{who},{day},{a},{('EUR', 'USD')[n % 2]}" for n, (who, day, a) in enumerate(shop())]
    text = "\n".join(["customer_id,time,amount,currency", *rows])
    (folder / "orders.csv").write_text(text + "\n", encoding="utf-8")
    for command in ("check", "train"):
        said = retain(command)
        assert said.code == 2
        assert "several currencies (EUR, USD)" in " ".join((said.out + said.err).split())


@pytest.mark.parametrize("day", ["2020-01-01", "2025-01-01"])
def test_a_day_before_the_first_order_is_refused(day: str, folder: Path) -> None:
    write_orders(folder / "orders.csv", shop())
    said = retain("train", "--as-of", day)
    assert said.code == 5
    assert day in said.err


def test_hours_that_daylight_saving_skips_or_repeats_are_read(folder: Path) -> None:
    hours = [("c0", f"2025-{day} 02:30:00", 5.0) for day in ("03-30", "10-26", "10-26")]
    text = "\n".join(f"{who},{at},{a}" for who, at, a in hours)
    (folder / "orders.csv").write_text(f"customer_id,time,amount\n{text}\n", encoding="utf-8")
    facts = retain("check", "--json").document["facts"]
    assert (facts["rows"], facts["first_day"], facts["last_day"]) == (3, "2025-03-30", "2025-10-26")


# The label of each row; what the refusal says, and its exit code.
LABELS: dict[str, tuple[Callable[[int], str], int, str]] = {
    "one value": (lambda n: "no", 5, "all rows have the one value 'no' (60 rows)"),
    "no value": (lambda n: "", 5, "none of 60 rows has a value"),
    "three values": (lambda n: ("no", "yes", "maybe")[n % 3], 2, "--positive VALUE"),
    "numbers": (lambda n: f"{n / 7:.3f}", 2, "has 60 values where two are expected"),
}


@pytest.mark.parametrize("case", LABELS)
def test_a_label_that_is_none_is_refused(case: str, folder: Path) -> None:
    label, code, text = LABELS[case]
    rows = [f"{n},{n % 9},{label(n)}" for n in range(60)]
    (folder / "flat.csv").write_text("\n".join(["id,months,left", *rows]) + "\n", encoding="utf-8")
    said = retain("train", "--snapshot", "flat.csv", "--label", "left")
    assert said.code == code
    assert text in said.err


def test_a_column_known_only_afterwards_is_refused_by_name(folder: Path) -> None:
    rows = [f"{n},{n * 7 % 11},{'price' if n % 3 else ''},{'yes' if n % 3 else 'no'}" for n in range(90)]
    (folder / "flat.csv").write_text("\n".join(["id,months,reason,left", *rows]) + "\n", encoding="utf-8")
    said = retain("train", "--snapshot", "flat.csv", "--label", "left", "--repeats", "1")
    assert said.code == 2
    assert "'reason'" in said.err


def test_contracts_that_end_before_they_start_are_refused(folder: Path) -> None:
    rows = [f"k{n},2025-01-{1 + n % 28:02d},2024-01-01" for n in range(40)]
    (folder / "contracts.csv").write_text("\n".join(["customer_id,start,end", *rows]) + "\n")
    text = '[data.contracts]\npath = "contracts.csv"\n[churn]\nkind = "contract"\n'
    (folder / "retain.toml").write_text(text)
    checked = retain("check", "--json")
    assert [(f["rule"], f["rows"]) for f in checked.document["findings"]] == [("ends_first", 40)]
    said = retain("train")
    assert said.code == 5
    assert "40 end before they start" in said.err


@pytest.mark.parametrize("command", [("backtest",), ("tune", "--trials", "2")])
def test_too_little_for_a_back_test_is_said(command: tuple[str, ...], folder: Path) -> None:
    write_orders(folder / "orders.csv", on([0, 3], 5))
    said = retain(*command)
    assert said.code == 5
    assert "Traceback" not in said.err
    assert "day" in said.err
