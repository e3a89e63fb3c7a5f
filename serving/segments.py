"""Segments of a day: all labels of all customers, who moved since the run before, and the files that keep them.

The labels of a run stay in one Parquet file per day under ``segments/``; the latest of an earlier day is the memory
by which labels are damped and moves are told.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, Final

import pandas as pd

from features.tables import Tables
from serving.lists import write_list
from serving.people import people_of
from serving.scorer import Scorer
from strategies.framework import Language
from strategies.frameworks import FRAMEWORKS, FrameworkSettings, Segmented, moves, segment
from training.models.win_back import WinBackModel

__all__ = ["Segments", "exported", "keep", "segments_of", "shares"]

_NAME: Final = re.compile(r"segments-(\d{4}-\d{2}-\d{2})\.parquet")


@dataclass(frozen=True)
class Segments:
    """The segments of one day.

    Parameters
    ----------
    as_of : date
    found : Segmented
        Labels and reasons of every customer who may be contacted.
    since : date or None
        Day of the run before; None when this is the first.
    moved : DataFrame
        Moves since then, see `strategies.frameworks.moves`.
    opted_out : int
        Customers left out because they want no contact.
    """

    as_of: date
    found: Segmented
    since: date | None
    moved: pd.DataFrame
    opted_out: int


def segments_of(
    scorer: Scorer,
    tables: Tables,
    as_of: date,
    settings: FrameworkSettings,
    *,
    folder: Path,
    lang: Language = "en",
    win_back: WinBackModel | None = None,
    unwilling: Collection[str] = frozenset(),
) -> Segments:
    """Label every customer of a day and tell who moved.

    Parameters
    ----------
    scorer : Scorer
        The model.
    tables : Tables
        Loaded tables.
    as_of : date
        Everything before this day is past.
    settings : FrameworkSettings
        Thresholds.
    folder : Path
        Where the labels of runs are kept.
    lang : {"en", "zh"}
        Language of the reasons of moves.
    win_back : WinBackModel, optional
        For the second lifetime value of lost customers.
    unwilling : collection of str
        Customers who told by an event that they want no contact.
    """
    promises = settings.service_promises.hours
    people = people_of(scorer, tables, as_of, promises=promises, win_back=win_back, unwilling=unwilling)
    since, before = _before(folder, as_of)
    memory = None if before is None else before.set_index("customer_id")
    found = segment(people.frame, settings, before=memory)
    names = ["customer_id", "framework", "column", "from", "to", "why"]
    moved = pd.DataFrame(columns=names) if before is None else moves(before, found, lang)
    return Segments(as_of, found, since, moved, people.opted_out)


def _before(folder: Path, as_of: date) -> tuple[date | None, pd.DataFrame | None]:
    days = {
        date.fromisoformat(m[1]): p
        for p in folder.glob("segments-*.parquet")
        if (m := _NAME.fullmatch(p.name))
    }
    earlier = [day for day in days if day < as_of]
    if not earlier:
        return None, None
    return max(earlier), pd.read_parquet(days[max(earlier)])


def keep(segments: Segments, folder: Path) -> Path:
    """Write the labels of a run where the next one finds them."""
    folder.mkdir(parents=True, exist_ok=True)
    place = folder / f"segments-{segments.as_of.isoformat()}.parquet"
    write_list(segments.found.columns, place)
    return place


def exported(segments: Segments, lang: Language) -> pd.DataFrame:
    """One row per customer: every framework's columns, and its reason as a sentence in ``{name}_reason``."""
    parts: list[pd.DataFrame | pd.Series] = [segments.found.people[["customer_id"]]]
    for framework in FRAMEWORKS:
        parts.append(segments.found.found[framework.name].columns)
        parts.append(segments.found.told(framework.name, lang).rename(f"{framework.name}_reason"))
    return pd.concat(parts, axis=1)


def shares(segments: Segments, lang: Language) -> list[dict[str, Any]]:
    """How many customers carry each label, and what they are worth.

    Returns
    -------
    list of dict
        ``framework``, ``column``, ``label``, ``text``, ``customers``, ``share``, ``current_value``, ``clv``; labels
        in the order of their framework.
    """
    people = segments.found.people
    rows: list[dict[str, Any]] = []
    for framework in FRAMEWORKS:
        found = segments.found.found[framework.name].columns
        for column in found.columns[[d.kind not in "fib" for d in found.dtypes]]:
            worth = people[["current_value", "clv"]].astype("float64")
            sums = worth.assign(customers=1.0).groupby(found[column]).sum().to_dict("index")
            rows += [
                {
                    "framework": framework.texts[lang],
                    "column": str(column),
                    "label": label,
                    "text": texts[lang],
                    "customers": int(sums[label]["customers"]),
                    "share": sums[label]["customers"] / len(people),
                    "current_value": sums[label]["current_value"],
                    "clv": sums[label]["clv"],
                }
                for label, texts in framework.labels.items()
                if label in sums
            ]
    return rows
