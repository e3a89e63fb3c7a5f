"""The challenge of contracts and flat tables: whether a new model takes the champion's place."""

from __future__ import annotations

from typing import Any

import numpy as np

from features.errors import ModelError
from training.challenge import (
    NOBODY,
    NOT_COMPARABLE,
    NOT_JUDGED,
    WINDOW_CHANGED,
    Losses,
    Verdict,
    by_card,
    by_customer,
)
from training.contracts.contract_fit import ContractJudged, ContractTrained, contract_loss
from training.contracts.snapshot_judge import BASE_RATE
from training.contracts.snapshot_train import SnapshotTrained
from training.gate import decide
from training.meeting import OURS
from training.models.contract_bundle import ContractBundle
from training.models.snapshot_bundle import SnapshotBundle

__all__ = ["challenge_contracts", "challenge_snapshot"]

_RULE = ("base rate", "基准率")


def challenge_contracts(trained: ContractTrained, champion: ContractBundle | None) -> Verdict:
    """Whether a new model of contracts replaces the champion, by log loss at the judged day.

    A champion trained by that day foretells it for the same relationships, and stays only when it is better by more
    than one standard error over customers. One trained later has seen part of the answer: it is compared by its card.
    """
    judged = trained.judged
    if champion is None:
        return NOBODY
    if champion.window_days != trained.bundle.window_days:
        return WINDOW_CHANGED
    if judged is None:
        return NOT_JUDGED
    if champion.trained_as_of <= judged.day:
        return _face_to_face(judged, champion)
    theirs, day = champion.card.get("judged") or {}, judged.day.isoformat()
    pair = (_losses(judged.models), _losses(theirs.get("models", {})))
    return by_card(*pair, same=theirs.get("cut_off") == day, at=day, rule=_RULE)


def challenge_snapshot(trained: SnapshotTrained, champion: SnapshotBundle | None) -> Verdict:
    """Whether a new model of a flat table replaces the champion, by the log loss of both cross-validations.

    Which rows the champion has learned from is not known: two models of the very same table are compared by log loss,
    of different ones by log loss as a share of the base rate's. A champion that asks for columns the table does not
    have any more, or foretells something else, is no rival.
    """
    new = trained.bundle
    if champion is None:
        return NOBODY
    if (champion.label, champion.positive) != (new.label, new.positive):
        return Verdict(promote=True, en="the label changed", zh="标签已变更")
    if lost := sorted(set(champion.model.names) - set(new.model.names)):
        return Verdict(
            promote=True,
            en=f"the champion needs the column {lost[0]!r}, which this table lacks",
            zh=f"现任模型需要的列 {lost[0]!r} 已不在表中",
        )
    if trained.judged is None:
        return Verdict(
            promote=True, en="too few rows to judge; newer data win", zh="行数太少无法评估,以新数据为准"
        )
    theirs = champion.card.get("judged") or {}
    pair = (_losses(trained.judged.models), _losses(theirs.get("models", {})))
    same = champion.card.get("data_hash") == new.card["data_hash"]
    return by_card(*pair, same=same, at=f"{trained.judged.rows} rows", rule=_RULE)


def _face_to_face(judged: ContractJudged, champion: ContractBundle) -> Verdict:
    """Both on the same relationships of the same day."""
    try:
        theirs = champion.churn_probability(judged.running)
    except ModelError:
        return NOT_COMPARABLE
    new, old = (contract_loss(judged.left, p) for p in (judged.forecasts[OURS], theirs))
    return by_customer(decide(new, old, judged.running["customer_id"]), judged.day)


def _losses(models: dict[str, Any]) -> Losses:
    ours, base = (models.get(name, {}).get("log_loss", np.nan) for name in (OURS, BASE_RATE))
    return Losses(float(ours), float(base))
