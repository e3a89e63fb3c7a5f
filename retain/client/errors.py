"""What can go wrong when an endpoint is asked, by who can do something about it."""

from __future__ import annotations

__all__ = ["Busy", "EndpointError", "Refused", "Unreachable"]


class EndpointError(Exception):
    """The endpoint gave no answer that can be used.

    Parameters
    ----------
    message : str
        What happened and what to do.
    status : int
        HTTP status; 0 when there was none.
    code : str
        Stable word of the endpoint, e.g. ``"invalid"``.
    field : str or None
        Path of the field at fault.
    """

    def __init__(self, message: str, *, status: int = 0, code: str = "", field: str | None = None) -> None:
        super().__init__(message)
        self.status, self.code, self.field = status, code, field


class Refused(EndpointError):  # noqa: N818 - it is an answer
    """The question is wrong or not allowed (4xx): asking again would not help."""


class Busy(EndpointError):  # noqa: N818 - it is an answer
    """The endpoint is overloaded, starting or stopping (429, 503), and stayed so over all retries."""


class Unreachable(EndpointError):  # noqa: N818 - it is no answer
    """No answer came: no connection, a broken one, or it took longer than the timeout; over all retries."""
