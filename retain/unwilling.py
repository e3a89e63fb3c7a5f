"""Who told the endpoint that they want no contact; the customers table may not know it yet."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from retain.config import Project

__all__ = ["told_unwilling"]


def told_unwilling(project: Project) -> set[str]:
    """Customers whose latest word on it, told by an event, is that they want no contact."""
    from serving.event_log import EventLog

    with closing(EventLog(project.store_url, project.config.data.timezone)) as log:
        return log.opted_out()
