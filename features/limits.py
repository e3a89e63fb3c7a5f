"""What the embedded engine may take of the machine or container it runs on."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from features.read_files import memory_budget
from features.settings import DataSettings

__all__ = ["EngineLimits", "cores_available"]


@dataclass(frozen=True)
class EngineLimits:
    """Memory in bytes and threads that the embedded engine may take."""

    memory_bytes: int
    threads: int

    @classmethod
    def of(cls, settings: DataSettings) -> EngineLimits:
        """As configured; half of the memory, and all cores, where nothing is."""
        return cls(settings.memory_limit_bytes or memory_budget(), settings.threads or cores_available())


def cores_available() -> int:
    """Cores this process may use, ≥ 1: those it is bound to, and no more than the container's share."""
    bound = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    control = Path("/sys/fs/cgroup/cpu.max")
    if control.is_file():
        quota, _, period = control.read_text().strip().partition(" ")
        if quota.isdigit() and period.isdigit():
            bound = min(bound, max(1, round(int(quota) / int(period))))
    return bound
