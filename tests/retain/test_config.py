from __future__ import annotations

import re
from datetime import date
from pathlib import Path

import pytest

from features.errors import ConfigError
from retain import cli
from retain.commands.config import effective, masked
from retain.config import Project, RetainConfig, load_config, parse_config
from retain.toml_text import Wishes, configuration_text
from strategies.offers import OfferCatalogue, default_offers_text
from strategies.strategy_table import StrategyTable, default_text


def fault(text: str) -> str:
    with pytest.raises(ConfigError) as caught:
        parse_config(text)
    return str(caught.value)


def test_empty_file_gives_every_default() -> None:
    config = parse_config("")
    assert config.churn.window_days == 90
    assert config.value.horizons_days == (30, 90, 180, 365)
    assert config.run.as_of == "auto"
    assert config.paths.out_dir == Path("retain-out")


def test_all_sections_are_read() -> None:
    config = parse_config(
        'schema = 1\n[run]\nas_of = 2011-06-12\nseed = 7\n[data.orders]\npath = "o.csv"\n'
        '[offers.coupon]\nchannel = "email"\ncost = 2.5\n'
    )
    assert config.run.as_of == date(2011, 6, 12)
    assert config.data.sources["orders"].path == ("o.csv",)
    assert config.offers["coupon"].cost == 2.5
    assert config.training.seed == 7


def test_a_date_may_be_written_as_text() -> None:
    assert parse_config('[run]\nas_of = "2011-06-12"').run.as_of == date(2011, 6, 12)


def test_all_faults_are_told_at_once_in_the_order_of_the_file() -> None:
    lines = fault('[churn]\nwindow_day = 60\n[value]\nmargin_rate = 7\n[serving]\nport = "abc"').split("\n")
    assert lines == [
        "retain.toml has 3 faults:",
        "  line 2: [churn] window_day is unknown; did you mean window_days?",
        "  line 4: [value] margin_rate is 7 (whole number), expected less than or equal to 1",
        "  line 6: [serving] port is 'abc' (text), expected a whole number",
    ]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[data]\nwindow_days = 3", "line 2: [data] window_days is unknown; window_days belongs to [churn]"),
        ("[chrun]\n", "line 1: chrun is unknown; did you mean churn?"),
        ("schema = 2", "line 1: schema is 2 (whole number), expected 1"),
        ("churn = 3", "line 1: churn is 3 (whole number), expected a section"),
        ("[data]\norders = { path = 3 }", "line 2: [data.orders] path is 3 (whole number), expected a list"),
        ("[offers.coupon]\ncost = 1", "line 1: [offers.coupon] channel is missing"),
        ('[run]\nas_of = "soon"', "expected a date such as 2026-01-31 or 'auto'"),
        (
            '[data]\ntimezone = "Europa/X"',
            "line 2: [data] timezone 'Europa/X' is unknown; use a name such as",
        ),
        ('[value]\nhorizons_days = ["x"]', "[value] horizons_days is 'x' (text), expected a whole number"),
        (
            "[data.orders.columns]\ntime = 3",
            "line 2: [data.orders.columns] time is 3 (whole number), expected text",
        ),
    ],
)
def test_a_fault_says_line_key_found_and_expected(text: str, words: str) -> None:
    assert words in fault(text)


def test_a_wrong_address_is_not_repeated() -> None:
    assert "s3cret" not in fault('[tracking]\nuri = ["postgresql://u:s3cret@db"]')


def test_toml_faults_come_with_line_and_column() -> None:
    assert "line 2, column" in fault("[churn]\nwindow_days == 3")


def test_a_missing_file_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="retain init YOUR_ORDERS_FILE"):
        load_config(tmp_path / "retain.toml")


def test_a_file_in_another_encoding_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "retain.toml"
    path.write_bytes("# 客户\nschema = 1\n".encode("gbk"))
    with pytest.raises(ConfigError, match="save it as UTF-8"):
        load_config(path)


def test_a_byte_order_mark_is_fine(tmp_path: Path) -> None:
    path = tmp_path / "retain.toml"
    path.write_bytes(b"\xef\xbb\xbfschema = 1\n")
    assert load_config(path).config == RetainConfig()


def test_paths_start_at_the_folder_of_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.delenv("RETAIN_STORE_URL", raising=False)
    config = parse_config('[paths]\nout_dir = "out"\n')
    project = Project(config, tmp_path / "retain.toml")
    assert project.models_dir == tmp_path / "out" / "models"
    assert project.lists_dir == tmp_path / "out" / "lists"
    assert project.store_url == f"sqlite:///{tmp_path}/out/retain.db"
    assert project.tracking_uri == f"sqlite:///{tmp_path}/out/mlflow.db"


def test_the_environment_wins_for_addresses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project = Project(parse_config('[tracking]\nuri = "http://a:5000"'), tmp_path / "retain.toml")
    assert project.tracking_uri == "http://a:5000"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://b:5000")
    monkeypatch.setenv("RETAIN_STORE_URL", "postgresql://db/retain")
    assert project.tracking_uri == "http://b:5000"
    assert project.store_url == "postgresql://db/retain"


def test_a_relative_tracking_file_starts_at_the_folder_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    project = Project(parse_config('[tracking]\nuri = "sqlite:///runs.db"'), tmp_path / "retain.toml")
    assert project.tracking_uri == f"sqlite:///{tmp_path}/runs.db"


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("postgresql://u:p@ss@db/x", "postgresql://u:***@db/x"),
        ("mssql://db/x?user=u&password=s3cret&a=1", "mssql://db/x?user=u&password=***&a=1"),
        ("https://db/x", "https://db/x"),
    ],
)
def test_passwords_are_masked(address: str, shown: str) -> None:
    assert masked({"data": [{"url": address}]}) == {"data": [{"url": shown}]}


def test_effective_values_are_a_valid_configuration(tmp_path: Path) -> None:
    tomli_w = pytest.importorskip("tomli_w")
    config = parse_config('[data.orders]\npath = "o.csv"\n[run]\nas_of = 2011-06-12')
    again = parse_config(tomli_w.dumps(effective(Project(config, tmp_path / "retain.toml"))))
    assert again.run == config.run
    assert again.data == config.data
    assert again.paths.out_dir == tmp_path / "retain-out"


def write(folder: Path, toml: str) -> Path:
    (folder / "retain.toml").write_text(toml, encoding="utf-8")
    return folder / "retain.toml"


def printed(folder: Path, capsys: pytest.CaptureFixture[str], toml: str, *words: str) -> str:
    assert cli.run(["config", "-c", str(write(folder, toml)), *words]) == 0
    return capsys.readouterr().out


def test_table_and_catalogue_are_printed_to_start_from(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = printed(tmp_path, capsys, "", "--strategies")
    assert StrategyTable.parse(table).version == StrategyTable.default().version
    offers = printed(tmp_path, capsys, "", "--offers")
    assert OfferCatalogue.parse(offers, StrategyTable.default()).version == OfferCatalogue.default().version
    sections = '[offers.call]\nchannel = "phone"\ncost = 1\n[channels.phone]\ncapacity = 9\n'
    own = OfferCatalogue.parse(printed(tmp_path, capsys, sections, "--offers"), StrategyTable.default())
    assert (own.codes, own.channel_capacities) == (("call",), {"phone": 9})


def test_files_of_ones_own_are_in_force_and_printed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "t.toml").write_text("# ours\n" + default_text(), encoding="utf-8")
    (tmp_path / "o.toml").write_text("# ours\n" + default_offers_text(), encoding="utf-8")
    toml = '[strategies]\ntable = "t.toml"\noffers = "o.toml"\n'
    assert printed(tmp_path, capsys, toml, "--strategies").startswith("# ours")
    assert printed(tmp_path, capsys, toml, "--offers").startswith("# ours")
    assert f'offers = "{tmp_path / "o.toml"}"' in printed(tmp_path, capsys, toml)


def test_faults_of_table_and_catalogue_are_told(tmp_path: Path) -> None:
    toml = '[offers.call]\nchannel = "phone"\ncost = 1\nstrategies = ["rescu"]\n'
    with pytest.raises(ConfigError, match=r"line 4: \[offers.call\] strategies 'rescu' is unknown; did you"):
        load_config(write(tmp_path, toml)).policy()
    with pytest.raises(ConfigError, match="no offer uses this channel; did you mean phone"):
        load_config(write(tmp_path, "[channels.phon]\ncost = 1\n")).policy()
    with pytest.raises(ConfigError, match=r"t\.csv: cannot be read"):
        load_config(write(tmp_path, '[strategies]\ntable = "t.csv"\n')).policy()


def test_the_examples_of_a_new_configuration_hold(tmp_path: Path) -> None:
    text = configuration_text(Wishes(), [])
    text = re.sub(r"^# (\[|[a-z_]+ = )", r"\1", text[text.index("# [offers") :], flags=re.MULTILINE)
    table, catalogue = load_config(write(tmp_path, text.replace("phone", "email"))).policy()
    assert table == StrategyTable.default()
    assert catalogue.offer("coupon_10").total_cost == 7.0
