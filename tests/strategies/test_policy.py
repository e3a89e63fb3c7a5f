"""The policy in force: which files and sections decide, and one version for all of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from features.errors import ConfigError
from strategies.offers import OfferCatalogue, default_offers_text
from strategies.policy import catalogue_in_force, policy_version, table_in_force
from strategies.settings import ChannelSettings, OfferSettings, StrategySettings
from strategies.strategy_table import StrategyTable, default_text

TABLE = StrategyTable.default()
PLAIN = StrategySettings()
CALL = OfferSettings(channel="phone", cost=4.0)


def test_without_anything_the_defaults_are_in_force() -> None:
    assert table_in_force(PLAIN) == TABLE
    assert catalogue_in_force(PLAIN, TABLE).version == OfferCatalogue.default().version


def test_files_are_in_force_when_they_are_named(tmp_path: Path) -> None:
    (tmp_path / "t.toml").write_text(default_text().replace("win_back", "call_them"), encoding="utf-8")
    text = default_offers_text().replace("win_back", "call_them")
    (tmp_path / "o.toml").write_text(text, encoding="utf-8")
    settings = StrategySettings(table=tmp_path / "t.toml", offers=tmp_path / "o.toml")
    table = table_in_force(settings)
    assert "call_them" in table.names
    assert "call_them" in catalogue_in_force(settings, table).offer("voucher_10").strategies
    with pytest.raises(ConfigError, match="strategies 'call_them' is unknown"):
        catalogue_in_force(settings, TABLE)


def test_sections_are_a_catalogue_and_channels_are_checked_with_their_line() -> None:
    text = '[offers.call]\nchannel = "phone"\ncost = 4\n[channels.phone]\ncapacity = 9\n'
    found = catalogue_in_force(
        PLAIN, TABLE, offers={"call": CALL}, channels={"phone": ChannelSettings(capacity=9)}, text=text
    )
    assert (found.codes, found.channel_capacities) == (("call",), {"phone": 9})
    with pytest.raises(ConfigError, match=r"line 4: \[channels.phone\] no offer uses"):
        catalogue_in_force(
            PLAIN,
            TABLE,
            offers={"call": CALL.model_copy(update={"channel": "fax"})},
            channels={"phone": ChannelSettings()},
            text=text,
        )
    bad = OfferSettings(channel="phone", cost=4.0, strategies=("rescu",))
    with pytest.raises(ConfigError, match=r"line 1: \[offers.call\] strategies 'rescu' is unknown; did you"):
        catalogue_in_force(PLAIN, TABLE, offers={"call": bad}, text=text)


def test_a_limit_of_the_configuration_joins_the_default_catalogue() -> None:
    found = catalogue_in_force(PLAIN, TABLE, channels={"phone": ChannelSettings(capacity=50)})
    assert found.channel_capacities == {"phone": 50}
    assert found.costs.tolist() == OfferCatalogue.default().costs.tolist()
    assert found.version != OfferCatalogue.default().version


def test_a_file_and_sections_together_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="keep one of both"):
        catalogue_in_force(StrategySettings(offers=tmp_path / "o.toml"), TABLE, offers={"call": CALL})


def test_what_the_table_decides_by_cannot_be_protected() -> None:
    with pytest.raises(ConfigError, match=r"\[strategies\] protected: status is protected"):
        table_in_force(StrategySettings(protected=("status",)))


def test_the_version_follows_each_part_of_the_policy() -> None:
    catalogue = OfferCatalogue.default()
    other = StrategyTable.parse(default_text().replace("win_back", "call_them"))
    versions = {
        policy_version(TABLE, catalogue, PLAIN),
        policy_version(other, catalogue, PLAIN),
        policy_version(TABLE, catalogue.with_channels({"phone": ChannelSettings(capacity=1)}), PLAIN),
        policy_version(TABLE, catalogue, StrategySettings(protected=("age",))),
    }
    assert len(versions) == 4
    assert all(len(version) == 12 for version in versions)
