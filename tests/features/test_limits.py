"""What the embedded engine may take: as configured, else what the machine or container has."""

from __future__ import annotations

import os

import pytest
from pydantic import ValidationError

from features.limits import EngineLimits, cores_available
from features.read_files import memory_budget
from features.settings import DataSettings


def test_limits_are_those_configured_or_a_share_of_the_machine():
    assert EngineLimits.of(DataSettings(memory_limit="2GB", threads=3)) == EngineLimits(2_000_000_000, 3)
    assert EngineLimits.of(DataSettings()) == EngineLimits(memory_budget(), cores_available())
    assert 1 <= cores_available() <= (os.cpu_count() or 1)


@pytest.mark.parametrize(
    ("text", "told"), [("lots", "is no size"), ("2", "is no size"), ("1MB", "below 256 MB")]
)
def test_a_size_that_is_none_or_too_small_is_refused(text, told):
    with pytest.raises(ValidationError, match=told):
        DataSettings(memory_limit=text)
