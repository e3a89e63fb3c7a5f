"""What a key may see of the customers: labels of the list and the values that are allowed.

Only labels are scopes: they take few values, stand in every row of the list, and are the same however a customer is
scored. A customer whose label is missing is outside every scope that asks for it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from features.errors import ConfigError
from strategies.status import RISKS, STATUSES
from strategies.strategy_rules import LIFECYCLE_STAGES, SATISFACTION_LOYALTIES
from strategies.value_class import VALUE_CLASSES

__all__ = ["SCOPE_LABELS", "ScopeValues", "check_scope", "in_scope", "read_scope"]

ScopeValues = Mapping[str, tuple[str, ...]]

# The shop names its strategies itself, so that any text may be one.
SCOPE_LABELS: Final[dict[str, tuple[str, ...]]] = {
    "value_class": VALUE_CLASSES,
    "status": STATUSES,
    "risk": RISKS,
    "lifecycle_stage": LIFECYCLE_STAGES,
    "satisfaction_loyalty": SATISFACTION_LOYALTIES,
    "strategy": (),
}


def read_scope(texts: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """The scope that texts such as ``value_class=gold,silver`` describe; every one of them must hold.

    Raises
    ------
    ConfigError
        A text is not of that form, names a label twice, or `check_scope` refuses it.

    Examples
    --------
    >>> read_scope(["value_class=gold, platinum", "risk=high"])
    {'value_class': ('gold', 'platinum'), 'risk': ('high',)}
    """
    scope: dict[str, tuple[str, ...]] = {}
    for text in texts:
        label, _, values = text.partition("=")
        label, found = label.strip(), tuple(value.strip() for value in values.split(",") if value.strip())
        if not label or not found:
            raise ConfigError(
                f"scope {text!r}: write LABEL=VALUE,VALUE, for example value_class=gold,platinum"
            )
        if label in scope:
            raise ConfigError(
                f"scope {text!r}: {label} is named before; put its values into one, after commas"
            )
        scope[label] = tuple(dict.fromkeys(found))
    check_scope(scope)
    return scope


def check_scope(scope: ScopeValues) -> None:
    """Refuse a scope that could never cover a customer, or that rests on what is no label of the list.

    Raises
    ------
    ConfigError
        A label or a value is unknown; the known ones are named.
    """
    for label, values in scope.items():
        if label not in SCOPE_LABELS:
            raise ConfigError(f"scope {label}: it is no label of the list; known: {', '.join(SCOPE_LABELS)}")
        known = SCOPE_LABELS[label]
        if unknown := [value for value in values if known and value not in known]:
            raise ConfigError(f"scope {label}: {', '.join(unknown)} is unknown; known: {', '.join(known)}")
        if not values:
            raise ConfigError(f"scope {label}: no value is allowed, so that no customer would be covered")


def in_scope(scope: ScopeValues, row: Mapping[str, Any]) -> bool:
    """Whether a row of the list is inside a scope; all are inside an empty one.

    Examples
    --------
    >>> in_scope({"risk": ("high",)}, {"customer_id": "007", "risk": "high"}), in_scope({"risk": ("high",)}, {})
    (True, False)
    """
    return all(row.get(label) in values for label, values in scope.items())
