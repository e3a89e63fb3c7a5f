"""Files with features of the user's own: taken in whole, or refused with what to do."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime
from pathlib import Path

import ibis
import pyarrow as pa
import pytest

from features.days import day_facts, with_ends, with_gaps
from features.errors import ConfigError
from features.exact import from_units, only, ratio, to_units
from features.family import ColumnDoc, Family, nothing
from features.frames import tables_from_frames
from features.own_expressions import guarded, merged, with_own_events
from features.own_features import own_families, own_files, read_files, register_folder
from features.pipeline import FEATURES, OWN_FAMILIES
from features.snapshot import as_of_table, past

HEAD = "from features.family import ColumnDoc, Family, nothing\n"
DOC = 'ColumnDoc("mine", "My own", "我的特征", "days", "all", "largest age")'
GOOD = f'{HEAD}FAMILY = Family("orders", ({DOC},), lambda days: {{"mine": days.age.max()}})\n'
Make = Callable[[ibis.Table], dict[str, object]]


def faults_of(folder: Path, text: str, name: str = "mine.py") -> str:
    (folder / name).write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        read_files([folder])
    assert str(folder / name) in str(caught.value)
    return str(caught.value)


def doc(name: str = "mine") -> ColumnDoc:
    return ColumnDoc(name, "My own", "我的特征", "days", "all", "formula")


def days_of() -> ibis.Table:
    """The days that a family of the orders is given."""
    orders = tables_from_frames({}).orders
    days = past(with_gaps(day_facts(orders), ["customer_id"]), as_of_table([date(2026, 1, 1)]))
    return with_ends(days)


def test_files_are_taken_in_by_name_with_the_hash_of_their_text(tmp_path):
    (tmp_path / "b.py").write_text(GOOD.replace("mine", "mine_b"))
    (tmp_path / "a.py").write_bytes(GOOD.replace("\n", "\r\n").encode())
    (tmp_path / "notes.txt").write_text("no feature")
    (tmp_path / ".#b.py").write_text("an editor's")
    one, other = read_files([tmp_path])
    assert [one.path.name, other.path.name] == ["a.py", "b.py"]
    assert (one.family.names, other.family.names) == (("mine",), ("mine_b",))
    (tmp_path / "a.py").write_bytes(GOOD.encode())
    assert read_files([tmp_path])[0].sha256 == one.sha256 != other.sha256
    assert not (tmp_path / "__pycache__").exists()


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("def measures(:", "line 1: "),
        ("x = 1\ny = 1 / 0\n", "line 2: ZeroDivisionError"),
        ("import no_such_package\n", "line 1: ModuleNotFoundError: No module named 'no_such_package'"),
        ("MEASURES = 1", "holds no FAMILY; end it with FAMILY = Family("),
        (
            GOOD.replace('"orders"', '"order_lines"'),
            "source 'order_lines' has no rows to count; take one of orders",
        ),
        (GOOD.replace('"orders"', '"customers"'), "source 'customers' has no rows to count"),
        (f'{HEAD}FAMILY = Family("orders", (), nothing)', "docs must be a tuple of at least one ColumnDoc"),
        (GOOD.replace("mine", "Mine"), "column 'Mine' is not named in lower snake case"),
        (GOOD.replace("mine", "mine__2"), "not named in lower snake case"),
        (GOOD.replace("mine", "as_of"), "as_of bears a name of another table's"),
        (
            GOOD.replace("mine", "churn_probability"),
            "put your own word before it, such as my_churn_probability",
        ),
        (GOOD.replace("我的特征", " "), "column mine has no zh; write what people shall read"),
        (GOOD.replace('"days"', '""'), "column mine has no unit"),
        (GOOD.replace("My own", "My; own"), "en holds a semicolon, brace or line end"),
        (GOOD.replace(f"({DOC},)", f"({DOC}, {DOC})"), "mine has two ColumnDocs"),
        (GOOD.replace("max()})", 'max()}, fill=("ours",))'), "ours stands in fill without a ColumnDoc"),
    ],
)
def test_a_file_that_cannot_be_taken_in_says_why(tmp_path, text, told):
    assert told in faults_of(tmp_path, text)


def test_all_faults_are_told_at_once(tmp_path):
    (tmp_path / "other.py").write_bytes(b"\xff")
    (tmp_path / "Bad-Name.py").write_text(GOOD)
    said = faults_of(tmp_path, "FAMILY = 3")
    assert said.startswith("own features have 3 faults:")
    assert "not UTF-8 text" in said
    assert "name the file in lower snake case, such as month_start.py" in said


def test_a_name_belongs_to_one_feature_and_a_file_name_to_one_file(tmp_path):
    (tmp_path / "a.py").write_text(GOOD.replace("mine", "frequency"))
    (tmp_path / "b.py").write_text(GOOD)
    (tmp_path / "c.py").write_text(GOOD)
    with pytest.raises(
        ConfigError, match="frequency is the name of a feature of Retain's already; choose"
    ) as caught:
        own_families(FEATURES, read_files([tmp_path]))
    assert "c.py: mine is the name of a feature of b.py already" in str(caught.value)
    with pytest.raises(ConfigError, match=r"a\.py: there are two files of this name"):
        read_files([tmp_path, tmp_path])


def test_a_process_keeps_the_folder_it_began_with(tmp_path):
    assert own_files() == OWN_FAMILIES == ()
    register_folder(None)
    with pytest.raises(ConfigError, match="takes its own features from no folder and cannot change to"):
        register_folder(tmp_path)
    with pytest.raises(ConfigError, match="there is no such folder; make it, or take the line out"):
        register_folder(tmp_path / "absent")


MEASURES: list[tuple[Make, str]] = [
    (lambda d: {"mine": d.no_such.sum()}, "measures raises AttributeError"),
    (lambda d: [d.age.max()], "gives no mapping from column name to expression"),
    (lambda d: {"mine": 1.5}, "mine is no Ibis expression but float"),
    (lambda d: {"mine": d.age.max(), "ours": d.age.min()}, "ours has no ColumnDoc; write one, or begin"),
    (lambda d: {"_step": d.age.max()}, "mine has a ColumnDoc, but neither measures nor derived gives it"),
    (lambda d: {"mine": d.customer_id.max()}, "mine is string, not a number"),
    (lambda d: {"mine": (d.age > 3).any()}, "mine is boolean, not a number; a condition becomes one by"),
    (lambda d: {"mine": d.day.max()}, "mine is date, not a number"),
    (lambda d: {"mine": d.age}, "has a value per row, not one per customer"),
    (lambda d: {"mine": d.age.lag().sum()}, "looks from row to row; days have gap"),
    (lambda d: {"mine": d.filter(d.age < 9).count()}, "reads other rows than those it is given"),
    (
        lambda d: {"mine": ibis.memtable(pa.table({"x": [1]})).x.max() + d.age.max()},
        "reads other rows than those",
    ),
    (lambda d: {"mine": (d.age + ibis.random()).max()}, "uses RandomScalar"),
    (lambda d: {"mine": ibis.now().date().delta(d.day.max(), unit="day")}, "uses TimestampNow"),
    (lambda d: {"mine": d.age.approx_median()}, "uses ApproxMedian"),
    (lambda d: {"mine": d.age.first()}, r"depends on the order of rows; give it one: \.first\(order_by"),
    (lambda d: {"mine": d.customer_id.cast("int64").max()}, "casts text, which fails on the first"),
    (lambda d: {"mine": (d.spend_u / 3).sum()}, "adds up fractions, whose last bits depend on the order"),
    (lambda d: {"mine": d.spend_u.std()}, "adds up fractions"),
]


@pytest.mark.parametrize(("measures", "told"), MEASURES, ids=range(len(MEASURES)))
def test_measures_keep_to_the_rows_of_one_customer(measures, told):
    family, days = guarded(Family("orders", (doc(),), measures), "mine.py"), days_of()
    with pytest.raises(ConfigError, match=f"^mine.py: .*{told}"):
        family.derived(days.group_by(["as_of", "customer_id"]).aggregate(**family.measures(days)))


@pytest.mark.parametrize(
    ("derived", "told"),
    [
        (lambda t: {"mine": t.total - t.total.mean()}, "mine looks at other customers"),
        (lambda t: {"mine": t.total.rank()}, "mine looks at other customers"),
        (lambda t: {"mine": t.absent}, "derived raises .* There are: as_of, customer_id, total"),
    ],
)
def test_derived_knows_one_customer_only(derived, told):
    family = guarded(Family("orders", (doc(),), nothing, derived), "mine.py")
    table = ibis.table(
        {"as_of": "date", "customer_id": "string", "total": "int64", "_step": "int64"}, name="t"
    )
    with pytest.raises(ConfigError, match=told):
        family.derived(table)


def test_what_is_no_finite_number_is_missing_or_0_where_it_is_to_be_filled():
    docs = tuple(doc(name) for name in ("kept", "divided", "filled"))
    rows = ibis.memtable(pa.table({"x": [4.0, 0.0]}))
    parts = {"kept": rows.x, "divided": 1.0 / rows.x, "filled": 1.0 / rows.x}
    family = guarded(Family("orders", docs, nothing, lambda _: parts, fill=("filled",)), "mine.py")
    found = rows.select(**family.derived(rows)).to_pyarrow().to_pylist()
    assert found == [
        {"kept": 4.0, "divided": 0.25, "filled": 0.25},
        {"kept": 0.0, "divided": None, "filled": 0.0},
    ]


def test_two_expressions_of_one_name_are_refused():
    assert merged([{"a": 1}, {"b": 2}]) == {"a": 1, "b": 2}
    with pytest.raises(ConfigError, match="_step is the name of two expressions; rename the one of your own"):
        merged([{"_step": 1}, {"b": 2, "_step": 3}])


def test_events_are_cut_to_what_was_known_of_them():
    day = datetime(2026, 1, 10)
    calls = [
        ("a", datetime(2026, 1, 1), "visit", datetime(2026, 1, 4)),
        ("a", datetime(2026, 1, 5), "visit", datetime(2026, 1, 10)),
        ("a", datetime(2026, 1, 12), "visit", None),
        ("b", datetime(2026, 1, 9), "contact", None),
    ]
    names = ("customer_id", "time", "kind", "resolved_at")
    rows = pa.Table.from_pylist([dict(zip(names, call, strict=True)) for call in calls])
    docs = tuple(doc(name) for name in ("visits", "solved", "last_age", "telephone"))

    def measures(events):
        visit = events.kind == "visit"
        return {
            "visits": visit.cast("int64").sum(),
            "solved": events.resolved_at.notnull().cast("int64").sum(),
            "_last": only(events.age, visit).min(),
            "telephone": (events.channel == "telephone").cast("int64").sum(),
        }

    family = Family("interactions", docs, measures, lambda t: {"last_age": t["_last"]}, fill=("visits",))
    tables = tables_from_frames({"interactions": rows})
    customers = ibis.memtable(pa.table({"as_of": [day.date()] * 3, "customer_id": ["a", "b", "c"]}))
    cuts = as_of_table([day.date()])
    found = with_own_events(customers, [guarded(family, "mine.py")], tables, cuts)
    told = tables.con.to_pyarrow(found.order_by("customer_id")).drop("as_of").to_pylist()
    assert [tuple(row.values()) for row in told] == [
        ("a", 2.0, 1.0, 5.0, None),
        ("b", 0.0, 0.0, None, None),
        ("c", 0.0, None, None, None),
    ]


def test_money_of_events_adds_up_in_whole_units():
    day = date(2026, 1, 10)
    times = [datetime(2026, 1, 1), datetime(2026, 1, 2)]
    costs = pa.table({"customer_id": ["a", "a"], "time": times, "cost": [0.1, 0.2]})

    def measures(events):
        return {"mine": from_units(to_units(events.cost).sum()), "_all": events.count()}

    family = Family("campaigns", (doc(), doc("each")), measures, lambda t: {"each": ratio(t.mine, t["_all"])})
    tables = tables_from_frames({"campaigns": costs})
    customers = ibis.memtable(pa.table({"as_of": [day], "customer_id": ["a"]}))
    found = with_own_events(customers, [guarded(family, "mine.py")], tables, as_of_table([day]))
    row = tables.con.to_pyarrow(found).to_pylist()[0]
    assert (row["mine"], row["each"]) == (0.3, 0.15)
