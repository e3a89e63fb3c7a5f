"""The policy in force: the table, the catalogue and the settings that decide, and the version of them together."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import BaseModel

from features.errors import ConfigError
from strategies.edited_file import hashed, refuse
from strategies.offer_rows import check_channels, checked, rows_of_sections
from strategies.offers import OfferCatalogue
from strategies.protected import protected_names, refuse_protected
from strategies.settings import ChannelSettings, OfferSettings, StrategySettings
from strategies.strategy_rules import KEYS
from strategies.strategy_table import StrategyTable

__all__ = ["catalogue_in_force", "policy_version", "table_in_force"]


def table_in_force(settings: StrategySettings) -> StrategyTable:
    """The strategy table that a configuration asks for: its file, or else the default.

    Raises
    ------
    ConfigError
        When the file cannot be read, or for all its faults at once; or when a label that the table decides by is
        protected.
    """
    refuse_protected(KEYS, protected_names(settings), step="[strategies] protected")
    return StrategyTable.default() if settings.table is None else StrategyTable.load(settings.table)


def catalogue_in_force(
    settings: StrategySettings,
    table: StrategyTable,
    *,
    offers: Mapping[str, OfferSettings] | None = None,
    channels: Mapping[str, ChannelSettings] | None = None,
    text: str = "",
) -> OfferCatalogue:
    """The catalogue that a configuration asks for: its file, its own sections, or else the default.

    Parameters
    ----------
    settings : StrategySettings
        ``[strategies]``, with paths resolved.
    table : StrategyTable
        The table in force.
    offers, channels : mapping of str to settings, optional
        ``[offers.NAME]`` and ``[channels.NAME]`` of ``retain.toml``; its channels win over those of a file, key by key.
    text : str
        ``retain.toml``, for line numbers.

    Raises
    ------
    ConfigError
        All faults of the catalogue at once; or when there are a file and sections as well.
    """
    protected = protected_names(settings)
    if settings.offers is not None and offers:
        raise ConfigError(
            f"[strategies] offers names {settings.offers.name}, and there are [offers.NAME] sections too "
            f"({', '.join(offers)}); keep one of both"
        )
    faults: list[str] = []
    if settings.offers is not None:
        found = OfferCatalogue.load(settings.offers, table, protected=protected)
    elif offers:
        rows = rows_of_sections(offers, text, faults)
        read = checked(rows, faults, strategies=table.names, protected=protected)
        found = OfferCatalogue.of(read)
    else:
        found = OfferCatalogue.default()
    used = {offer.channel for offer in (offers.values() if offers else found.offers)}
    own = check_channels(channels or {}, used, text, faults)
    refuse("retain.toml", faults)
    return found.with_channels(own)


def policy_version(table: StrategyTable, catalogue: OfferCatalogue, settings: BaseModel) -> str:
    """First 12 hex digits of the SHA-256 of everything that decides: table, catalogue and settings.

    Parameters
    ----------
    table, catalogue
        In force.
    settings : BaseModel
        Every setting that the decision depends on; names of files do not count, their content does.

    Examples
    --------
    >>> from pathlib import Path
    >>> table, catalogue = StrategyTable.default(), OfferCatalogue.default()
    >>> first = policy_version(table, catalogue, StrategySettings())
    >>> first == policy_version(table, catalogue, StrategySettings(table=Path("copy.toml")))
    True
    >>> first == policy_version(table, catalogue, StrategySettings(high_risk=0.6))
    False
    """
    values = settings.model_dump(mode="json", exclude={"table", "offers"})
    return hashed({"table": table.version, "catalogue": catalogue.version, "settings": values})
