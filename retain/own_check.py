"""Features on a made-up shop: which laws of `features.invariants` each keeps, and whether it says anything there."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import date
from typing import Any

from features.catalogue import catalogue
from features.family import ColumnDoc
from features.invariants import Broken, check_invariants
from features.own_features import own_files
from retain.shop import ShopSettings, simulate

__all__ = ["Tested", "check_all"]

_SHOP = ShopSettings(customers=120, days=500, seed=7)
_COUNTRY = "GB"
_CONSTANT = "the same for everyone on the made-up shop, so that little was tested"
_DAYS = (date(2023, 9, 1), date(2024, 1, 1), date(2024, 3, 1))


@dataclass(frozen=True)
class Tested:
    """One feature: its file if it is the user's own, the laws it breaks, and what else is worth knowing."""

    doc: ColumnDoc
    file: str
    broken: tuple[Broken, ...]
    note: str

    @property
    def holds(self) -> bool:
        """Whether it keeps every law."""
        return not self.broken

    @property
    def document(self) -> dict[str, Any]:
        """The same as plain values."""
        broken = [{"law": broken.law, "example": broken.example} for broken in self.broken]
        return {
            **asdict(self.doc),
            "file": self.file,
            "holds": self.holds,
            "broken": broken,
            "note": self.note,
        }


def check_all() -> list[Tested]:
    """Hold all features of this process to `features.invariants.LAWS`.

    Returns
    -------
    list of Tested
        One per column, in the order of the customer table.
    """
    files = {doc.name: file.path.name for file in own_files() for doc in file.family.docs}
    found = check_invariants(simulate(_SHOP).tables, _DAYS, country=_COUNTRY)
    return [
        Tested(
            doc,
            files.get(doc.name, ""),
            tuple(broken for broken in found.broken if broken.feature == doc.name),
            _CONSTANT if doc.name in found.constant else "",
        )
        for doc in catalogue()
    ]
