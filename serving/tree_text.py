"""The text of trees as LightGBM writes it, checked letter by letter before LightGBM reads it.

LightGBM follows whatever a text says: a cut one is read beyond its end, and a branch that leads nowhere, or round
in a circle, ends or hangs the process with the first customer who takes it, while golden rows walk a few paths
only. So a text must have every part and no other, and every tree in it must be one: each branch and each leaf is
reached exactly once from the root, splits are on columns there are, and the training rows add up at every branch.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from itertools import pairwise

from features.errors import ModelError

__all__ = ["check_trees"]

_HEAD = ("version", "num_class", "num_tree_per_iteration", "label_index", "max_feature_idx", "objective")
_COLUMNS = ("feature_names", "feature_infos", "tree_sizes")
_TREE = ("Tree", "num_leaves", "num_cat")
_BRANCHES = ("split_feature", "split_gain", "threshold", "decision_type", "left_child", "right_child")
_LEAVES = ("leaf_value", "leaf_weight", "leaf_count")
_INNER = ("internal_value", "internal_weight", "internal_count")
_KIND = ("is_linear", "shrinkage")
_WHOLE = frozenset(
    {"split_feature", "decision_type", "left_child", "right_child", "leaf_count", "internal_count"}
)

_START = re.compile(r"^Tree=", re.MULTILINE)
_BODY = re.compile(r"tree\n(?P<head>.+?\n)\n(?P<trees>(?:Tree=.*\n\n\n)?)end of trees\n", re.DOTALL)
_TAIL = re.compile(
    r"\nfeature_importances:\n(?P<splits>(?:[^\s=]+=\d+\n)*)\nparameters:\n(?:\[\w+: [\w.,:/+\[\] -]*\]\n)*\n"
    r"end of parameters\n\npandas_categorical:null\n",
)
_NUMBER = re.compile(r"-?(?:\d+(?:\.\d+)?(?:e[+-]\d+)?|inf)")
_INTEGER = re.compile(r"-?\d{1,10}")
# Bit 0 of a decision is a category; our columns are numbers. Bit 1: missing goes left; bits 2 and 3: what is missing.
_DECISIONS = frozenset({0, 2, 4, 6, 8, 10})
# Sums over branches are written with six digits.
_ERROR = 1e-4

_Fields = dict[str, str]
_Numbers = list[float]


class _Wrong(Exception):  # noqa: N818 - never leaves this module
    """What is wrong, as the end of a sentence."""


def check_trees(text: str, name: str) -> None:
    """Raise unless a text is one of trees on numbers, as ``Booster.model_to_string`` writes it.

    Parameters
    ----------
    text : str
        The text.
    name : str
        Of the file, for the message.

    Raises
    ------
    ModelError
        The text is cut or changed, or a tree in it is none.
    """
    try:
        _check(text)
    except _Wrong as wrong:
        raise ModelError(f"{name}: {wrong}; train or pull the model again") from None


def _check(text: str) -> None:
    body = _BODY.match(text)
    tail = _TAIL.fullmatch(text, body.end()) if body and text.isascii() else None
    if body is None or tail is None:
        raise _Wrong("does not begin, go on and end as a text of trees")
    head = _fields(body["head"], (*_HEAD, *_COLUMNS))
    names = _names(head)
    starts = [found.start() for found in _START.finditer(body["trees"])]
    sizes = [stop - start for start, stop in pairwise([*starts, len(body["trees"])])]
    if sizes != _numbers(head["tree_sizes"], len(sizes), "tree_sizes", whole=True):
        raise _Wrong("its trees are not of the sizes that its head says")
    splits: Counter[str] = Counter()
    for number, (start, size) in enumerate(zip(starts, sizes, strict=True)):
        fields = _fields(body["trees"][start : start + size], (*_TREE, *_BRANCHES, *_LEAVES, *_INNER, *_KIND))
        splits.update(names[int(feature)] for feature in _tree(fields, number, len(names)))
    if splits != {name: int(count) for name, _, count in _pairs(tail["splits"])}:
        raise _Wrong("its splits are not as many as its end says")


def _pairs(lines: str) -> list[tuple[str, str, str]]:
    return [line.partition("=") for line in lines.splitlines() if line]


def _fields(part: str, keys: tuple[str, ...]) -> _Fields:
    """The parts of the head or of a tree, which come in one order."""
    pairs = _pairs(part)
    if tuple(key for key, _, _ in pairs) != keys:
        raise _Wrong("has other parts than a text of trees")
    return {key: value for key, _, value in pairs}


def _names(head: _Fields) -> list[str]:
    names = head["feature_names"].split(" ")
    count = _numbers(head["max_feature_idx"], 1, "max_feature_idx", whole=True)[0] + 1
    same = {count, len(names), len(set(names)), len(head["feature_infos"].split(" "))}
    if len(same) > 1 or (head["version"], head["num_class"], head["num_tree_per_iteration"]) != (
        "v4",
        "1",
        "1",
    ):
        raise _Wrong("its head is not that of one number from columns with names")
    return names


def _tree(fields: _Fields, number: int, columns: int) -> _Numbers:
    """Check one tree, and give the columns it splits on."""
    leaves = int(_numbers(fields["num_leaves"], 1, "num_leaves", whole=True)[0])
    kind = (fields["Tree"], fields["num_cat"], fields["is_linear"])
    rate = _numbers(fields["shrinkage"], 1, "shrinkage")[0]
    if kind != (str(number), "0", "0") or leaves < 1 or not 0.0 < rate <= 1.0:
        raise _Wrong(f"tree {number} is of no kind that is trained here")
    if leaves == 1:
        _numbers(fields["leaf_value"], 1, "leaf_value")
        return []
    count = {**dict.fromkeys((*_BRANCHES, *_INNER), leaves - 1), **dict.fromkeys(_LEAVES, leaves)}
    found = {key: _numbers(fields[key], n, key, whole=key in _WHOLE) for key, n in count.items()}
    if not all(0 <= at < columns for at in found["split_feature"]):
        raise _Wrong(f"tree {number} splits on a column that is not there")
    if not _DECISIONS.issuperset(found["decision_type"]):
        raise _Wrong(f"tree {number} decides by something else than numbers")
    _check_branches(found, number)
    return found["split_feature"]


def _check_branches(found: dict[str, _Numbers], number: int) -> None:
    """Branches are numbered from the root down, so each comes after the one that leads to it."""
    children = list(zip(found["left_child"], found["right_child"], strict=True))
    branches = len(children)
    reached = sorted(child for both in children for child in both)
    downward = all(child < 0 or child > at for at, both in enumerate(children) for child in both)
    if not downward or reached != [*range(-branches - 1, 0), *range(1, branches)]:
        raise _Wrong(f"tree {number} has a branch that leads nowhere or is reached twice")
    for kind, error in (("count", 0.0), ("weight", _ERROR)):
        ends, inner = found[f"leaf_{kind}"], found[f"internal_{kind}"]
        for at, both in enumerate(children):
            below = sum(ends[-int(child) - 1] if child < 0 else inner[int(child)] for child in both)
            if abs(below - inner[at]) > error * abs(below):
                raise _Wrong(f"tree {number} does not add up")


def _numbers(text: str, count: int, key: str, *, whole: bool = False) -> _Numbers:
    words = text.split(" ") if count else text.split()
    form = _INTEGER if whole else _NUMBER
    if len(words) != count or not all(map(form.fullmatch, words)):
        raise _Wrong(f"{key} is not {count} numbers")
    found = list(map(float, words))
    # Only a threshold may be infinite: everybody whose value is known goes left.
    if key != "threshold" and not all(map(math.isfinite, found)):
        raise _Wrong(f"{key} has a number without end")
    return found
