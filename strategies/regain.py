"""Regain or not: a lost customer is won back where the second lifetime is expected to pay, else not."""

from __future__ import annotations

from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from features.errors import InputError
from strategies.columns import as_numbers

__all__ = ["DO_NOT_REGAIN", "REGAIN_REASONS", "WIN_BACK", "regain_or_not"]

WIN_BACK: Final = "win_back"
DO_NOT_REGAIN: Final = "do_not_regain"
REGAIN_REASONS: Final[dict[str, dict[str, str]]] = {
    "second_life_pays": {
        "en": "the second lifetime is expected to bring more than regaining costs: win back",
        "zh": "预计重生终身价值高于挽回成本:赢回",
    },
    "second_life_does_not_pay": {
        "en": "the second lifetime is not expected to pay for regaining: do not regain",
        "zh": "预计重生终身价值不抵挽回成本:不再挽回",
    },
    "second_life_not_wanted": {
        "en": "the queue of lost customers says not to regain: let go on purpose, or not past the margin yet",
        "zh": "挽回队列判定不再挽回:主动放手,或尚未越过阈值幅度",
    },
    "second_life_unknown": {
        "en": "the second lifetime value is not known; the strategy table decides",
        "zh": "重生终身价值未知:按策略表执行",
    },
    "not_for_regaining": {
        "en": "not in the queue of lost customers to win back",
        "zh": "不在待赢回的流失客户之列",
    },
}


def regain_or_not(
    strategy: pd.Series, second_lifetime_value: ArrayLike | pd.Series, *, queue: pd.Series | None = None
) -> pd.DataFrame:
    """Turn `win_back` into `do_not_regain` where the second lifetime is known not to pay, or is not wanted.

    Parameters
    ----------
    strategy : Series of str
        One strategy code per customer, as `strategies.strategy_table.assign` gives it.
    second_lifetime_value : column of float
        Expected discounted margin if regained × chance of regaining − cost, in money; missing where unknown.
    queue : Series of str, optional
        ``regain_queue`` of `strategies.second_lifetime_value`; its ``do_not_regain`` holds whatever the value, as with
        customers who were let go on purpose.

    Returns
    -------
    DataFrame
        ``strategy`` and ``regain_reason`` (a key of `REGAIN_REASONS`); index of `strategy`.

    Raises
    ------
    InputError
        When the columns differ in length.

    Notes
    -----
    A second lifetime value of exactly 0 does not pay: the effort would be for nothing. Only the code ``win_back``
    is looked at, so that a table with names of its own keeps what it says.

    References
    ----------
    Stauss, B. and Friege, C. (1999). Regaining service customers. Journal of Service Research 1(4).

    Examples
    --------
    >>> chosen = pd.Series(["win_back", "win_back", "win_back", "keep"])
    >>> found = regain_or_not(chosen, [12.5, -3.0, None, -3.0])
    >>> found["strategy"].tolist()
    ['win_back', 'do_not_regain', 'win_back', 'keep']
    >>> found["regain_reason"].tolist()
    ['second_life_pays', 'second_life_does_not_pay', 'second_life_unknown', 'not_for_regaining']
    """
    value = as_numbers(second_lifetime_value)
    if len(value) != len(strategy):
        raise InputError(f"regain: {len(strategy)} strategies but {len(value)} second lifetime values.")
    meant = (strategy == WIN_BACK).to_numpy(dtype=bool, na_value=False)
    barred = np.zeros(len(strategy), dtype=np.bool_)
    if queue is not None:
        barred = (queue == DO_NOT_REGAIN).to_numpy(dtype=bool, na_value=False)
    number = np.select([~meant, value <= 0, barred, np.isnan(value)], [4, 1, 2, 3], default=0)
    reason = pd.array(list(REGAIN_REASONS), dtype="str").take(number)
    decided = strategy.astype("str").mask(np.isin(number, (1, 2)), DO_NOT_REGAIN)
    return pd.DataFrame({"strategy": decided, "regain_reason": reason}, index=strategy.index)
