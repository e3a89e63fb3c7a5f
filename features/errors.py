"""The error tree of every room.

::

    RetainError(ValueError)          exit 1
    ├── ConfigError                  exit 2   the configuration file or an option is wrong
    ├── InputError                   exit 2   the data cannot be read without guessing
    ├── NotEnoughData                exit 5   fewer rows or classes than the step needs
    ├── UnsafeError                  exit 3   a setting would expose customers' data
    ├── PublishError                 exit 4   an output could not be written whole
    │   └── LockedError              exit 4   another process holds the output
    └── ModelError                   exit 6   a bundle is missing, damaged or does not fit the features

A message names the table and field, how many rows, one example, what was expected and what to do.
The command line prints the message and exits with the code; the endpoint answers 4xx with the same text.
"""

from __future__ import annotations

__all__ = [
    "ConfigError",
    "InputError",
    "LockedError",
    "ModelError",
    "NotEnoughData",
    "PublishError",
    "RetainError",
    "UnsafeError",
]


class RetainError(ValueError):
    """Root of everything Retain raises on purpose."""

    exit_code = 1


class ConfigError(RetainError):
    """The configuration file or a command-line option is wrong."""

    exit_code = 2


class InputError(RetainError):
    """The data cannot be read without guessing."""

    exit_code = 2


class NotEnoughData(RetainError):  # noqa: N818
    """Fewer rows, dates or classes than the step needs."""

    exit_code = 5


class UnsafeError(RetainError):
    """A setting would expose customers' data."""

    exit_code = 3


class PublishError(RetainError):
    """An output could not be written whole; the old one still stands."""

    exit_code = 4


class LockedError(PublishError):
    """Another process is writing the same output."""


class ModelError(RetainError):
    """A model bundle is missing, damaged, or does not fit the features."""

    exit_code = 6
