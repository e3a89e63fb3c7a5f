"""LightGBM asked about one row: all but the row is handed over once, so that an answer takes microseconds.

``Booster.predict`` prepares every call anew, which with one row takes ten times as long as the trees do.
"""

from __future__ import annotations

import ctypes
import weakref
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from features.errors import ModelError

__all__ = ["OneRow"]

Floats = npt.NDArray[np.float64]
# Of LightGBM's C interface: raw scores, from the first tree to the last, of float64 figures.
_RAW_SCORE, _FIRST, _ALL, _FLOAT64 = 1, 0, -1, 1


class OneRow:
    """One row at a time through all trees of a booster; for one thread at a time, as it owns one row of memory.

    Parameters
    ----------
    booster : lightgbm.Booster
        The model; it is kept for as long as this is.
    width : int
        Columns of a row.

    Raises
    ------
    ModelError
        LightGBM refuses.
    """

    def __init__(self, booster: Any, width: int) -> None:
        library = _library()
        self._booster = booster
        self._row, self._score = np.empty(width), np.empty(1)
        handle, self._scores = ctypes.c_void_p(), ctypes.c_int64()
        options = (_RAW_SCORE, _FIRST, _ALL, _FLOAT64, width)
        _check(
            library.LGBM_BoosterPredictForMatSingleRowFastInit(
                booster._handle, *map(ctypes.c_int, options), b"num_threads=1", ctypes.byref(handle)
            )
        )
        # Runs before the booster is let go.
        weakref.finalize(self, library.LGBM_FastConfigFree, handle)
        self._ask = library.LGBM_BoosterPredictForMatSingleRowFast
        self._told = (
            handle,
            self._row.ctypes.data_as(ctypes.c_void_p),
            ctypes.byref(self._scores),
            self._score.ctypes.data_as(ctypes.c_void_p),
        )

    def raw(self, row: Floats) -> Floats:
        """Raw score of a row, shape (1,), bit for bit that of ``Booster.predict``."""
        self._row[:] = row
        _check(self._ask(*self._told))
        return self._score.copy()


@lru_cache(maxsize=1)
def _library() -> Any:
    """LightGBM's library, called without letting other threads run: waiting for them would take longer."""
    from lightgbm.basic import _LIB

    return ctypes.PyDLL(_LIB._name)


def _check(code: int) -> None:
    if code != 0:
        tell = _library().LGBM_GetLastError
        tell.restype = ctypes.c_char_p
        why = tell().decode().partition("\n")[0].rstrip(".")
        raise ModelError(f"LightGBM cannot predict: {why}; train again with `retain train`")
