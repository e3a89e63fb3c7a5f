"""What every framework of customer relations looks like: columns, labels and reasons in both languages.

A framework looks at columns of the customer table and answers with one or more columns and one reason code per
customer. Thresholds that depend on the customer base are taken once per run (`Framework.cuts`) and passed on, so
that one customer's answer depends on that customer and on frozen figures only.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from string import Formatter
from typing import Any, Literal

import numpy as np
import pandas as pd
from pydantic import BaseModel

from features.errors import InputError
from strategies.columns import as_numbers

__all__ = ["UNKNOWN", "Cuts", "Found", "Framework", "Language", "Texts", "tell"]

Cuts = Mapping[str, float]
Language = Literal["en", "zh"]
Texts = dict[str, dict[str, str]]
UNKNOWN: Texts = {"unknown": {"en": "unknown", "zh": "未知"}}


@dataclass(frozen=True)
class Found:
    """What a framework answers.

    Parameters
    ----------
    columns : DataFrame
        One row per customer, index as given; texts are labels, numbers quantities.
    reason : Series of str
        One reason code per customer, a key of the framework's ``reasons``.
    """

    columns: pd.DataFrame
    reason: pd.Series


@dataclass(frozen=True)
class Framework:
    """One framework of the textbooks.

    Parameters
    ----------
    name : str
        Code of the framework; also the name of its file, and of its reason column: ``{name}_reason``.
    texts : dict
        Its name as people read it, ``en`` and ``zh``.
    columns : dict of str to dict
        Column to its description in both languages.
    settings : BaseModel
        The framework's own section ``[frameworks.NAME]`` with its defaults; frozen, ``extra="forbid"``.
    label : callable
        ``label(people, cuts, settings, before) -> Found``. ``people`` has one row per customer and may lack
        columns: what cannot be answered is ``unknown`` (numbers: missing) with a reason that says what is
        missing. ``before`` has the columns of the last run by ``customer_id`` index, or is None; a label is left only
        when the quantity behind it passed the threshold by a margin (`strategies.damping`).
    labels : dict of str to dict
        Label to both texts, of the own columns and of those that reasons name.
    reasons : dict of str to dict
        Reason code to a template in both languages; ``{column}`` or ``{column:format}`` names a quantity of the
        customer table or of the framework's own columns.
    cuts : callable, optional
        ``cuts(people, settings) -> dict``: thresholds taken from the customer base of the run.
    source : str
        Table of the contract the answer rests on besides orders.
    literature : str
        Author and year.
    free_text : tuple of str
        Own columns that hold the user's words, such as a category, and no label.
    """

    name: str
    texts: dict[str, str]
    columns: Texts
    settings: BaseModel
    label: Callable[[pd.DataFrame, Cuts, Any, pd.DataFrame | None], Found]
    reasons: Texts
    labels: Texts = field(default_factory=dict)
    cuts: Callable[[pd.DataFrame, Any], dict[str, float]] | None = None
    source: str = "orders"
    literature: str = ""
    free_text: tuple[str, ...] = ()


def tell(framework: Framework, people: pd.DataFrame, found: Found, lang: Language) -> pd.Series:
    """The reasons as sentences, with the customer's own quantities.

    Parameters
    ----------
    framework : Framework
        Whose reasons they are.
    people : DataFrame
        The customer table.
    found : Found
        What the framework answered for it.
    lang : {"en", "zh"}

    Returns
    -------
    Series of str
        Index of ``found``. A quantity that is missing, or a column that is not there, is shown as "?".

    Raises
    ------
    InputError
        When a reason code has no text.

    Examples
    --------
    >>> from strategies.pyramid import PYRAMID
    >>> people = pd.DataFrame({"customer_id": ["a", "b"], "current_value": [1200.0, 5.0]})
    >>> found = PYRAMID.label(people, PYRAMID.cuts(people, PYRAMID.settings), PYRAMID.settings, None)
    >>> tell(PYRAMID, people, found, "en").tolist()
    ['margin of the last year 1,200: tier iron', 'margin of the last year 5: tier lead']
    >>> tell(PYRAMID, people, found, "zh").iloc[0]
    '近一年毛利 1,200,层级 钢铁客户'
    """
    told = np.empty(len(found.reason), dtype=object)
    words = {label: texts[lang] for label, texts in framework.labels.items()}
    table = people.drop(columns=found.columns.columns, errors="ignore").join(found.columns)
    for code, rows in found.reason.groupby(found.reason, sort=False).indices.items():
        template = framework.reasons.get(str(code))
        if template is None:
            raise InputError(f"{framework.name}: the reason {code!r} has no text; add it to its reasons")
        told[rows] = _filled(template[lang], table.iloc[rows], words)
    return pd.Series(told, index=found.reason.index, dtype="str")


def _filled(template: str, table: pd.DataFrame, words: Mapping[str, str]) -> list[str]:
    """The template with each customer's quantities, column by column; labels as people read them."""
    parts: list[list[str]] = []
    for text, name, form, _ in Formatter().parse(template):
        parts.append([text] * len(table))
        if name is None:
            continue
        known = name in table.columns
        parts.append(_shown(table[name], form or "", words) if known else ["?"] * len(table))
    return ["".join(cells) for cells in zip(*parts, strict=True)]


def _shown(column: pd.Series, form: str, words: Mapping[str, str]) -> list[str]:
    if not pd.api.types.is_numeric_dtype(column):
        texts = (("?" if gone else str(v)) for v, gone in zip(column, column.isna(), strict=True))
        return [words.get(text, text) for text in texts]
    return ["?" if np.isnan(v) else format(v, form or "g") for v in as_numbers(column).tolist()]
