"""What each feature contributes to the raw score of boosted trees: exact Shapley values, from tables made once.

A leaf's contributions depend on nothing but which of the facts on its path hold for a customer. With d features on
the path there are 2^d cases; they are worked out once per model, and a customer is then looked up. LightGBM works
them out for every customer and tree anew, which takes ten times as long.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby
from math import factorial
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["TreeShares"]

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Places = npt.NDArray[np.intp]
# Beyond that, tables take more memory than they are worth: 64 MB.
_MOST_CASES = 2**23
_BLOCK = 4096
# Up to here one customer after the other is sooner told than leaf after leaf.
_FEW = 64


@dataclass(frozen=True)
class _Fact:
    """All conditions on one feature on the way to a leaf.

    Parameters
    ----------
    feature : int
        Column.
    share : float
        Share of the training rows that met them, of those that got to them, in (0, 1].
    conditions : tuple of (int, bool)
        Branch, and whether the way goes left there.
    """

    feature: int
    share: float
    conditions: tuple[tuple[int, bool], ...]


@dataclass(frozen=True)
class _Leaf:
    """Its raw score, and the facts that lead to it."""

    value: float
    facts: tuple[_Fact, ...]


@dataclass(frozen=True)
class _Branch:
    """Left where the column is at most the threshold; `missing_left` says where to go without a value."""

    feature: int
    threshold: float
    missing_left: bool


@dataclass(frozen=True)
class TreeShares:
    """Contributions of features to a sum of trees.

    Parameters
    ----------
    width : int
        Columns of a row.
    base : float
        Mean raw score over the rows the trees were grown on.
    branches : tuple of _Branch
        Of all trees.
    leaves : tuple of _Leaf
        Of all trees that split at all, tree by tree.

    Notes
    -----
    A leaf of value v with facts N, d of them, of which a customer meets those with o = 1, gives fact i::

        φ_i = v (o_i − z_i) Σ_{S ⊆ N∖i} |S|! (d − |S| − 1)! / d! · Π_{j ∈ S} o_j · Π_{j ∉ S, j ≠ i} z_j

    with z the facts' shares of the training rows. The inner sums are the coefficients of Π (z_j + o_j t). Everything in
    them is positive, so that nothing cancels. One customer alone gets the bits of a batch: shares are added in the
    order of the leaves.

    References
    ----------
    Lundberg et al. (2020), From local explanations to global understanding with explainable AI for trees, Nature
    Machine Intelligence 2, algorithm 1 (path-dependent). Yang (2021), Fast TreeSHAP, arXiv:2109.09847, version 2
    (tables of cases).
    """

    width: int
    base: float
    branches: tuple[_Branch, ...]
    leaves: tuple[_Leaf, ...]

    @classmethod
    def of(cls, booster: Any) -> TreeShares | None:
        """Read from a LightGBM model; None where its trees are of kinds that tables do not serve.

        That is: splits on categories, linear leaves, zeros taken as missing, or so many facts on a path that tables would
        need too much memory.
        """
        branches: list[_Branch] = []
        leaves: list[_Leaf] = []
        base = 0.0
        for tree in booster.dump_model()["tree_info"]:
            root = tree["tree_structure"]
            if "leaf_value" in root:
                base += float(root["leaf_value"])
                continue
            grown = _grown(root, branches)
            if grown is None:
                return None
            leaves += (leaf for leaf, _ in grown)
            whole = int(root["internal_count"])
            base += sum(count / whole * leaf.value for leaf, count in grown)
        if sum(len(leaf.facts) << len(leaf.facts) for leaf in leaves) > _MOST_CASES:
            return None
        return cls(booster.num_feature(), base, tuple(branches), tuple(leaves))

    def __call__(self, matrix: Floats) -> Floats:
        """Shape (rows, width + 1): contributions of each column, and the base; rows add up to the raw score."""
        found = np.empty((len(matrix), self.width + 1))
        found[:, -1] = self.base
        if len(matrix) <= _FEW:
            for row, out in zip(matrix, found, strict=True):
                out[:-1] = self._one(row)
            return found
        for start in range(0, len(matrix), _BLOCK):
            rows = slice(start, start + _BLOCK)
            found[rows, :-1] = self._many(matrix[rows]).T
        return found

    def _one(self, row: Floats) -> Floats:
        if not self.leaves:
            return np.zeros(self.width)
        flat = self._flat
        values = row.take(flat.feature)
        left = np.where(np.isnan(values), flat.missing_left, values <= flat.threshold)
        met = np.logical_and.reduceat(left.take(flat.branch) == flat.goes_left, flat.fact_start)
        case = np.add.reduceat(met * flat.power, flat.leaf_start)
        shares = self._tables[1].take(self._tables[0] + case.take(flat.leaf))
        return np.asarray(np.bincount(flat.fact_feature, shares, minlength=self.width), dtype=np.float64)

    def _many(self, matrix: Floats) -> Floats:
        """Shape (width, rows)."""
        columns = np.ascontiguousarray(matrix.T)
        absent = np.isnan(columns)
        ways: list[tuple[Bools, Bools]] = []
        for branch in self.branches:
            left = columns[branch.feature] <= branch.threshold
            if branch.missing_left:
                left |= absent[branch.feature]
            ways.append((~left, left))
        found, (starts, table) = np.zeros(columns.shape), self._tables
        share, place = np.empty(columns.shape[1]), 0
        for leaf in self.leaves:
            case = _case(leaf.facts, ways)
            for fact in leaf.facts:
                of_fact = table[starts[place] : starts[place] + (1 << len(leaf.facts))]
                np.take(of_fact, case, out=share, mode="clip")
                found[fact.feature] += share
                place += 1
        return found

    @cached_property
    def _flat(self) -> _Flat:
        return _Flat.of(self.branches, self.leaves)

    @cached_property
    def _tables(self) -> tuple[Places, Floats]:
        """Where each fact's cases begin, in the order of the leaves, and the contribution in each case."""
        sizes = [1 << len(leaf.facts) for leaf in self.leaves for _ in leaf.facts]
        starts = np.cumsum([0, *sizes])[:-1].astype(np.intp)
        table = np.empty(sum(sizes))
        firsts = np.cumsum([0, *(len(leaf.facts) for leaf in self.leaves)])
        order = sorted(range(len(self.leaves)), key=lambda n: len(self.leaves[n].facts))
        for d, alike in groupby(order, key=lambda n: len(self.leaves[n].facts)):
            places = list(alike)
            value = np.array([self.leaves[n].value for n in places])
            share = np.array([[fact.share for fact in self.leaves[n].facts] for n in places])
            for n, cases in zip(places, _cases(value, share), strict=True):
                table[starts[firsts[n]] :][: d << d] = cases.ravel()
        return starts, table


@dataclass(frozen=True)
class _Flat:
    """Branches, conditions, facts and leaves as arrays, for one row at a time."""

    feature: Places
    threshold: Floats
    missing_left: Bools
    branch: Places
    goes_left: Bools
    fact_start: Places
    fact_feature: Places
    power: Places
    leaf: Places
    leaf_start: Places

    @classmethod
    def of(cls, branches: tuple[_Branch, ...], leaves: tuple[_Leaf, ...]) -> _Flat:
        facts = [fact for leaf in leaves for fact in leaf.facts]
        conditions = [one for fact in facts for one in fact.conditions]
        sizes = [len(leaf.facts) for leaf in leaves]
        return cls(
            np.array([b.feature for b in branches], dtype=np.intp),
            np.array([b.threshold for b in branches]),
            np.array([b.missing_left for b in branches]),
            np.array([branch for branch, _ in conditions], dtype=np.intp),
            np.array([goes_left for _, goes_left in conditions]),
            _starts([len(fact.conditions) for fact in facts]),
            np.array([fact.feature for fact in facts], dtype=np.intp),
            np.array([1 << place for size in sizes for place in range(size)], dtype=np.intp),
            np.repeat(np.arange(len(leaves)), sizes),
            _starts(sizes),
        )


def _starts(sizes: list[int]) -> Places:
    return np.cumsum([0, *sizes[:-1]]).astype(np.intp)


def _case(facts: tuple[_Fact, ...], ways: list[tuple[Bools, Bools]]) -> Places:
    """Which of the facts each row meets, as one number: fact j is bit j."""
    kind: Any = np.uint8 if len(facts) <= 8 else np.uint32
    found = np.zeros(ways[0][0].size, dtype=kind)
    for place, fact in enumerate(facts):
        (branch, goes_left), *further = fact.conditions
        met: Any = ways[branch][goes_left]
        for branch, goes_left in further:
            met = met & ways[branch][goes_left]
        found |= met.astype(kind) << kind(place)
    return found.astype(np.intp)


def _cases(value: Floats, share: Floats) -> Floats:
    """Contributions of leaves with equally many facts, shape (leaves, facts, cases)."""
    leaves, d = share.shape
    met = (np.arange(1 << d) >> np.arange(d)[:, None] & 1).astype(np.float64)
    weight = np.array([factorial(k) * factorial(d - 1 - k) / factorial(d) for k in range(d)])
    found = np.empty((leaves, d, 1 << d))
    for i in range(d):
        # Coefficients of the product over the other facts, lowest first.
        product = np.zeros((d, leaves, 1 << d))
        product[0] = 1.0
        others = [j for j in range(d) if j != i]
        for degree, j in enumerate(others, 1):
            product[1 : degree + 1] = product[1 : degree + 1] * share[:, j, None] + product[:degree] * met[j]
            product[0] *= share[:, j, None]
        whole = np.add.reduce(weight[:, None, None] * product, axis=0)
        found[:, i] = value[:, None] * (met[i] - share[:, i, None]) * whole
    return found


def _grown(root: dict[str, Any], branches: list[_Branch]) -> list[tuple[_Leaf, int]] | None:
    """Leaves of a tree with their training rows; its branches are put to the others. None where tables do not serve."""
    found: list[tuple[_Leaf, int]] = []
    ways: list[tuple[dict[str, Any], tuple[_Fact, ...]]] = [(root, ())]
    while ways:
        node, facts = ways.pop()
        if "leaf_value" in node:
            if "leaf_features" in node:
                return None
            found.append((_Leaf(float(node["leaf_value"]), facts), _rows_in(node)))
            continue
        if node["decision_type"] != "<=" or node["missing_type"] == "Zero" or not _rows_in(node):
            return None
        place, feature, threshold = len(branches), int(node["split_feature"]), float(node["threshold"])
        # Without a kind of its own a missing figure counts as zero.
        by_default = bool(node["default_left"]) if node["missing_type"] == "NaN" else threshold >= 0.0
        branches.append(_Branch(feature, threshold, by_default))
        for goes_left, side in ((False, "right_child"), (True, "left_child")):
            share = _rows_in(node[side]) / _rows_in(node)
            ways.append((node[side], tuple(_with(facts, _Fact(feature, share, ((place, goes_left),))))))
    return found


def _with(facts: tuple[_Fact, ...], new: _Fact) -> Iterator[_Fact]:
    """The facts and one more; a further condition on a feature belongs to the fact that there is."""
    for fact in facts:
        if fact.feature == new.feature:
            yield _Fact(fact.feature, fact.share * new.share, (*fact.conditions, *new.conditions))
        else:
            yield fact
    if all(fact.feature != new.feature for fact in facts):
        yield new


def _rows_in(node: dict[str, Any]) -> int:
    return int(node["leaf_count" if "leaf_value" in node else "internal_count"])
