"""What is wanted of a customer's row: with reasons or without, and which columns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from pydantic_core import from_json

from serving.refusal import Refusal
from serving.row_text import row_text

__all__ = ["Wanted"]

_ALWAYS: Final = ("found", "customer_id", "as_of", "model_version", "error")
_RISK: Final = frozenset({"churn_probability", "churn_percentile"})


@dataclass(frozen=True)
class Wanted:
    """What is wanted of a row.

    Parameters
    ----------
    reasons : bool
        The reasons of the score.
    columns : tuple of str, optional
        Columns of the list beside customer, day and model; all without it.

    Examples
    --------
    >>> Wanted(columns=("churn_probability",)).risk_alone, Wanted(columns=("clv",)).risk_alone, Wanted().risk_alone
    (True, False, False)
    """

    reasons: bool = False
    columns: tuple[str, ...] | None = None

    @property
    def risk_alone(self) -> bool:
        """Whether nothing is wanted for which a customer's worth must be worked out."""
        return not self.reasons and self.columns is not None and _RISK.issuperset(self.columns)

    def narrowed(self, answer: str) -> str:
        """The answer for one customer with the columns wanted, in the order of the list.

        Parameters
        ----------
        answer : str
            JSON text, as `serving.row_text.found_text` and `unknown_text` write it.

        Raises
        ------
        Refusal
            400: the list has no such column.

        Examples
        --------
        >>> row = '{"found":true,"customer_id":"7","as_of":"2026-01-05","clv":0.1,"risk":"low"}'
        >>> Wanted(columns=("clv",)).narrowed(row)
        '{"found":true,"customer_id":"7","as_of":"2026-01-05","clv":0.1}'
        """
        if self.columns is None:
            return answer
        row = from_json(answer)
        unknown = [place for place, name in enumerate(self.columns) if name not in row]
        if row["found"] and unknown:
            field = f"columns[{unknown[0]}]"
            text = f"{field}: is no column of the list; ask for one customer without columns to see them all"
            raise Refusal(400, "columns", text, field=field)
        return row_text({name: row[name] for name in row if name in _ALWAYS or name in self.columns})
