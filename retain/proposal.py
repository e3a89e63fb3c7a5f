"""From the heads of files to a proposed configuration: known layouts, guesses, and what is missing."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from features.contract import TABLES
from features.errors import ConfigError
from retain.guess import Guess, Match, guess_columns, guess_table
from retain.heads import Head
from retain.layouts import recognise, snapshot_of
from retain.synonyms import plain

__all__ = ["Business", "Proposal", "propose"]

_LABELS = frozenset(
    {"churn", "churned", "churnvalue", "churnlabel", "exited", "attrition", "是否流失", "流失"}
)
_COMMAS = 0.5
# Only signs with one meaning: ¥ and $ have several.
_SIGNS = {"€": "EUR", "£": "GBP", "元": "CNY", "圆": "CNY", "RMB": "CNY", "円": "JPY", "₹": "INR", "₩": "KRW"}
_MAIN = {"orders", "contracts"}


@dataclass(frozen=True)
class Business:
    """What the files tell about the business; ``""`` where they do not.

    ``layout`` is the known data set, ``about`` what to know about it.
    """

    currency: str = ""
    timezone: str = ""
    layout: str = ""
    about: str = ""


@dataclass(frozen=True)
class Proposal:
    """Which file is which table.

    Parameters
    ----------
    guesses : tuple of Guess
        One per table, in the contract's order.
    unused : tuple of Path
        Files that fit no table, or one that another file fits better.
    business : Business
        Currency and zone as far as the files tell.
    decimal_comma : bool
        Whether numbers are written with a decimal comma.
    """

    guesses: tuple[Guess, ...]
    unused: tuple[Path, ...]
    business: Business
    decimal_comma: bool


def propose(heads: Sequence[Head], mapping: Mapping[str, Mapping[str, str]] | None = None) -> Proposal:
    """Assign every file to a table and map its columns.

    Parameters
    ----------
    heads : sequence of Head
        What was found in the files.
    mapping : mapping of table to mapping of contract name to source name, optional
        What the user said; it stands above every guess.

    Raises
    ------
    ConfigError
        No file can be the orders (or contracts); the message lists the columns found and how to map them.
    """
    said = dict(mapping or {})
    _refuse_unknown(heads, said)
    for head in heads:
        _refuse_snapshot(head, said)
    best: dict[str, Guess] = {}
    unused: list[Path] = []
    for guess in sorted((_guess(head, said) for head in heads), key=lambda g: -g.score):
        if guess.missing or guess.table in best or (guess.table not in _MAIN and guess.score <= 0):
            unused += guess.head.paths
        else:
            best[guess.table] = guess
    if not best.keys() & _MAIN:
        raise ConfigError(_no_orders(heads, said))
    guesses = tuple(best[table] for table in TABLES if table in best)
    layout = recognise(guesses[0].head.columns)
    if layout is not None and not said:
        known = layout[0]
        business = Business(known.currency, known.timezone, known.name, known.about)
    else:
        business = _business_of(guesses)
    return Proposal(guesses, tuple(unused), business, _has_commas(guesses))


def _guess(head: Head, said: Mapping[str, Mapping[str, str]]) -> Guess:
    for table, mapping in said.items():
        if set(mapping.values()) <= set(head.columns):
            return _with_mapping(head, table, mapping)
    found = recognise(head.columns)
    if found is None:
        return guess_table(head)
    layout, columns = found
    matches = tuple(Match(column, source, 1.0, "known layout") for column, source in columns.items())
    return Guess(head, layout.table, matches, (), 1.0)


def _with_mapping(head: Head, table: str, mapping: Mapping[str, str]) -> Guess:
    guess = guess_columns(head, table)
    taken = set(mapping.values())
    kept = [m for m in guess.matches if m.column not in mapping and m.source not in taken]
    own = [Match(column, source, 1.0, "your word") for column, source in mapping.items()]
    by_name = {match.column: match for match in (*own, *kept)}
    matches = tuple(by_name[name] for name in TABLES[table].names if name in by_name)
    missing = tuple(name for name in guess.missing if name not in by_name)
    return replace(guess, matches=matches, missing=missing, score=guess.score + 1.0)


def _refuse_unknown(heads: Sequence[Head], said: Mapping[str, Mapping[str, str]]) -> None:
    for table, mapping in said.items():
        if any(set(mapping.values()) <= set(head.columns) for head in heads):
            continue
        there = {name for head in heads for name in head.columns}
        absent = [name for name in mapping.values() if name not in there]
        found = "; ".join(f"{h.paths[0].name} has {', '.join(map(repr, h.columns))}" for h in heads)
        lacking = f"no column {', '.join(map(repr, absent))}" if absent else "no single file with all of them"
        raise ConfigError(f"--map for {table}: {lacking}; {found}")


def _business_of(guesses: Sequence[Guess]) -> Business:
    names = "".join("".join(guess.head.columns) for guess in guesses)
    chinese = any("\u4e00" <= character <= "\u9fff" for character in names)
    currency = _currency_of(guesses[0]) or ("CNY" if chinese else "")
    return Business(currency, "Asia/Shanghai" if chinese else "")


def _currency_of(guess: Guess) -> str:
    """The one currency that a column of codes or the signs beside the amounts name; ``""`` when in doubt."""
    columns, head = guess.columns, guess.head
    if "currency" in columns:
        at = head.columns.index(columns["currency"])
        codes = {row[at].strip().upper() for row in head.rows if row[at].strip()}
        code = codes.pop() if len(codes) == 1 else ""
        return code if re.fullmatch("[A-Z]{3}", code) else ""
    sign = head.looks[columns["amount"]].sign if "amount" in columns else ""
    return _SIGNS.get(sign, sign.upper() if re.fullmatch("[A-Za-z]{3}", sign) else "")


def _has_commas(guesses: Sequence[Guess]) -> bool:
    looks = [
        guess.head.looks[match.source]
        for guess in guesses
        for match in guess.matches
        if TABLES[guess.table].column(match.column).kind in ("money", "number")
    ]
    return any(look.commas > _COMMAS for look in looks)


def _refuse_snapshot(head: Head, said: Mapping[str, Mapping[str, str]]) -> None:
    if said:
        return
    snapshot = snapshot_of(head.columns)
    labelled = any(plain(name) in _LABELS for name in head.columns)
    dated = any(look.dates > 0.9 for look in head.looks.values())
    if snapshot is None and (dated or not labelled):
        return
    what = snapshot.name if snapshot else "a table with a churn label and no dates"
    raise ConfigError(
        f"{head.paths[0].name}: this is {what}, a snapshot: one row per customer and a label, as of one day. "
        "It holds no dated orders or contracts: no past to learn from, no later time to judge by, so no "
        "forecast can come of it. It may serve to practise with a classifier, or describe customers next to "
        "an order file. What is needed, as CSV, Excel or Parquet: the orders or invoices behind it, one row "
        "each with customer, date and amount; or the contracts, one row each with customer, start and, where "
        "it ended, the date of its end ([data.contracts])"
    )


def _no_orders(heads: Sequence[Head], said: Mapping[str, Mapping[str, str]]) -> str:
    """Why no file can be the orders: per file the columns found and those that are missing."""
    lines = [
        "none of the files can be read as orders (customer, time, amount) or contracts (customer, start):"
    ]
    for head in heads:
        guess = _with_mapping(head, "orders", said.get("orders", {}))
        found = ", ".join(f"{name!r}" for name in head.columns) or "no columns"
        missing = ", ".join(f"{name} ({TABLES['orders'].column(name).en})" for name in guess.missing)
        lines.append(f"  {head.paths[0].name}: found {found}; nothing that looks like {missing}")
    contract = TABLES["orders"]
    mapping = "\n".join(f'    {name} = "…"   # {contract.column(name).en}' for name in contract.required)
    lines.append(
        "name the columns: --map customer_id=ID --map time=WHEN --map amount=TOTAL, or write\n"
        f'  [data.orders]\n    path = "{heads[0].paths[0]}"\n  [data.orders.columns]\n{mapping}\n'
        "  into retain.toml by hand; where orders carry no amounts, add a column of 1 to the file and map it to amount: "
        "values are then numbers of orders"
    )
    return "\n".join(lines)
