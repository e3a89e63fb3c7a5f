"""Phrases: sentences in two languages that quote quantities, filled for whole columns at once.

A template names quantities in braces with their unit, ``{days_since_last:days}``. The first phrase of a list
whose quantities are all known is used, so the last one should quote none.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from string import Formatter
from typing import Final, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from features.errors import ConfigError
from strategies.columns import Columns, Numbers

__all__ = ["Lang", "Phrase", "Quantities", "check_lang", "fill", "in_words", "money", "spell", "unit_of"]

Lang = Literal["en", "zh"]
_SIGNIFICANT: Final = 2
# For fewer values it takes longer to find the different ones than to speak them.
_MANY: Final = 200
# One, several, and Chinese with its measure word.
_COUNTED: Final[dict[str, tuple[str, str, str]]] = {
    "days": ("day", "days", "天"),
    "more_days": ("more day", "more days", "天"),
    "new_orders": ("new order", "new orders", "笔新订单"),
    "orders": ("order", "orders", "笔订单"),
    "purchase_days": ("purchase day", "purchase days", "个购买日"),
    "products": ("product", "products", "种商品"),
    "categories": ("category", "categories", "个品类"),
    "complaints": ("complaint", "complaints", "次投诉"),
    "contacts": ("contact", "contacts", "次联系"),
    "campaigns": ("campaign contact", "campaign contacts", "次营销触达"),
    "contracts": ("contract", "contracts", "份合同"),
}


def check_lang(lang: str) -> None:
    """Refuse a language that has no texts.

    Raises
    ------
    ConfigError
        When `lang` is neither ``en`` nor ``zh``.
    """
    if lang not in ("en", "zh"):
        raise ConfigError(f"language {lang!r} has no texts; expected en or zh.")


def money(value: float, currency: str) -> str:
    """An amount as people say it: two significant digits, and the currency where it is known.

    Examples
    --------
    >>> money(1234.56, "GBP"), money(0.0849, ""), money(-99.6, "CNY"), money(0.0, "EUR")
    ('1,200 GBP', '0.085', '-100 CNY', '0 EUR')
    """
    # Adding zero turns -0.0 into 0.0.
    rounded = float(f"{value:.{_SIGNIFICANT - 1}e}") + 0.0
    size = math.floor(math.log10(abs(rounded))) if rounded else _SIGNIFICANT
    return f"{rounded:,.{max(0, _SIGNIFICANT - 1 - size)}f} {currency}".rstrip()


def spell(value: float, unit: str, lang: str, currency: str) -> str:
    """A quantity with its unit.

    Parameters
    ----------
    value : float
        Finite.
    unit : str
        ``money``, ``percent`` (of a share), ``score`` (one decimal), ``number`` (whole), ``figure`` (two significant
        digits), or something counted, such as ``days``.
    lang : {"en", "zh"}
        Language of the unit.
    currency : str
        Code of the currency, or nothing.

    Examples
    --------
    >>> spell(1.2, "days", "en", ""), spell(41.0, "days", "en", ""), spell(41.0, "days", "zh", "")
    ('1 day', '41 days', '41天')
    >>> spell(0.123, "percent", "en", ""), spell(7.25, "score", "en", "")
    ('12%', '7.2')
    """
    return _speller(unit, lang, currency)(value)


def unit_of(unit: str) -> str:
    """How to spell what the catalogue gives in a unit.

    Examples
    --------
    >>> unit_of("share"), unit_of("currency per day"), unit_of("days"), unit_of("visits")
    ('percent', 'money', 'days', 'figure')
    """
    if unit.startswith("currency"):
        return "money"
    return "percent" if unit == "share" else unit if unit in _COUNTED else "figure"


@lru_cache(maxsize=256)
def _speller(unit: str, lang: str, currency: str) -> Callable[[float], str]:
    plain: dict[str, Callable[[float], str]] = {
        "money": lambda value: money(value, currency),
        "percent": "{:.0%}".format,
        "score": "{:.1f}".format,
        "number": "{:,.0f}".format,
        "figure": lambda value: money(value, ""),
    }
    return plain[unit] if unit in plain else _counter(unit, lang)


def _counter(unit: str, lang: str) -> Callable[[float], str]:
    one, several, chinese = _COUNTED[unit]

    def count(value: float) -> str:
        text = f"{value:,.0f}"
        if lang == "zh":
            return text + chinese
        return f"{text} {one if text == '1' else several}"

    return count


@dataclass(frozen=True)
class Phrase:
    """One sentence in English and Chinese, as templates."""

    en: str
    zh: str

    @cached_property
    def parts(self) -> dict[str, list[tuple[str, str, str]]]:
        """By language: pieces of text, each followed by a quantity and its unit (empty at the end)."""
        return {
            lang: [(text, name or "", unit or "") for text, name, unit, _ in Formatter().parse(template)]
            for lang, template in (("en", self.en), ("zh", self.zh))
        }

    @cached_property
    def needs(self) -> tuple[str, ...]:
        """The quantities that must be known, in either language."""
        names = {name for parts in self.parts.values() for _, name, _ in parts if name}
        return tuple(sorted(names))


class Quantities:
    """Columns of the customer table as numbers; a column that is not there is missing in every row.

    Parameters
    ----------
    features : DataFrame or Columns
        One row per customer.
    derived : mapping
        Name of a quantity to the two columns of money whose difference it is.
    extra : mapping
        Further quantities by name, one value per row, NaN where there is none.
    """

    def __init__(
        self,
        features: pd.DataFrame | Columns,
        derived: Mapping[str, tuple[str, str]] | None = None,
        extra: Mapping[str, Numbers] | None = None,
    ) -> None:
        self._features = Columns.of(features) if isinstance(features, pd.DataFrame) else features
        self._derived = derived or {}
        self._read: dict[str, Numbers] = dict(extra or {})

    def __getitem__(self, name: str) -> Numbers:
        if name not in self._read:
            self._read[name] = self._column(name)
        return self._read[name]

    def _column(self, name: str) -> Numbers:
        if name in self._derived:
            left, right = self._derived[name]
            # Money holds four decimals; what lies below is the dust of the subtraction.
            return np.round(self[left] - self[right], 4)
        return self._features[name]

    def known(self, names: Sequence[str], rows: NDArray[np.intp]) -> NDArray[np.bool_]:
        """Whether all the quantities are finite numbers, for each of the rows."""
        found = np.ones(len(rows), dtype=bool)
        for name in names:
            found &= np.isfinite(self[name][rows])
        return found


def fill(
    phrases: Sequence[Phrase], quantities: Quantities, rows: NDArray[np.intp], *, lang: Lang, currency: str
) -> NDArray[np.object_]:
    """The first phrase that can be said, for each of the rows.

    Parameters
    ----------
    phrases : sequence of Phrase
        In order of preference; the last one needs no quantity.
    quantities : Quantities
        Where the numbers come from.
    rows : 1-d array of int
        Positions of the customers to speak of.
    lang : {"en", "zh"}
        Language.
    currency : str
        Code of the currency, or nothing.

    Returns
    -------
    array of str
        One text per row.

    Examples
    --------
    >>> phrases = [Phrase("silent for {gap:days}", "沉默{gap:days}"), Phrase("silent", "沉默")]
    >>> people = Quantities(pd.DataFrame({"gap": [1.0, None, 30.0]}))
    >>> fill(phrases, people, np.arange(3), lang="en", currency="").tolist()
    ['silent for 1 day', 'silent', 'silent for 30 days']
    """
    found = np.full(len(rows), "", dtype=object)
    left = np.arange(len(rows))
    for phrase in phrases:
        if not left.size:
            break
        can = quantities.known(phrase.needs, rows[left])
        said = left[can]
        found[said] = _say(phrase, quantities, rows[said], lang, currency)
        left = left[~can]
    return found


def in_words(speak: Callable[[float], str], values: Numbers) -> list[str]:
    """Every value in words; each different one is spoken once.

    Examples
    --------
    >>> in_words("{:.0f}".format, np.array([1.0, 2.0, 1.0]))
    ['1', '2', '1']
    """
    if len(values) < _MANY:
        return [speak(value) for value in values.tolist()]
    # By their bits: as numbers 0.0 and -0.0 are equal.
    places, bits = pd.factorize(np.ascontiguousarray(values, np.float64).view(np.int64))
    known = [speak(value) for value in bits.view(np.float64).tolist()]
    return list(map(known.__getitem__, places.tolist()))


def _say(
    phrase: Phrase, quantities: Quantities, rows: NDArray[np.intp], lang: Lang, currency: str
) -> NDArray[np.object_]:
    parts: list[list[str]] = []
    for piece, name, unit in phrase.parts[lang]:
        parts.append([piece] * len(rows))
        if name:
            speak = _speller(unit, lang, currency)
            parts.append(in_words(speak, quantities[name][rows]))
    return np.array(["".join(pieces) for pieces in zip(*parts, strict=True)], dtype=object)
