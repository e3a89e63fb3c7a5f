"""The list of a flat table: one row per customer, likeliest leavers first."""

from __future__ import annotations

import numpy as np
import pandas as pd

from features.errors import InputError
from serving.flat_reasons import flat_reasons
from training.models.flat_column import texts_of
from training.models.snapshot_bundle import SnapshotBundle

__all__ = ["score_snapshot"]


def score_snapshot(bundle: SnapshotBundle, table: pd.DataFrame) -> pd.DataFrame:
    """P(leaves) of every row of a table, with reasons.

    Parameters
    ----------
    bundle : SnapshotBundle
    table : pandas.DataFrame
        With the columns the model was trained on; others, the label too, are not looked at.

    Returns
    -------
    pandas.DataFrame
        ``customer_id, churn_probability, churn_percentile, reasons, reasons_zh, evidence``, highest
        probability first.

    Raises
    ------
    ModelError
        Columns of the model are missing.
    InputError
        There are no rows, or a column holds texts where numbers were.
    """
    if table.empty:
        raise InputError("the table has no rows to score")
    typed = bundle.model.read(table)
    probability = bundle.model.predict(typed)
    parts = bundle.model.contributions(typed)
    found = pd.DataFrame(
        {
            "customer_id": _ids(bundle, table),
            "churn_probability": probability,
            "churn_percentile": bundle.percentile(probability),
            "reasons": flat_reasons(typed, parts, lang="en"),
            "reasons_zh": flat_reasons(typed, parts, lang="zh"),
            "evidence": bundle.model.evidence,
        }
    )
    return found.sort_values("churn_probability", ascending=False, kind="stable", ignore_index=True)


def _ids(bundle: SnapshotBundle, table: pd.DataFrame) -> pd.Series:
    if bundle.id_column and bundle.id_column in table.columns:
        return texts_of(table[bundle.id_column]).fillna("").astype(str)
    return pd.Series(np.arange(1, len(table) + 1), index=table.index).astype(str)
