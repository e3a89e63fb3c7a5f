"""What Prometheus may know: requests by route template and status, their seconds, and the model that answers.

Labels are templates and numbers only, so that no address and no customer becomes a series. With several workers
each counts into a file of its own below ``PROMETHEUS_MULTIPROC_DIR``, which must be set before prometheus_client is
first imported; whichever worker is asked adds all files up.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest, values
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

__all__ = ["MEDIA_TYPE", "Metrics"]

MEDIA_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)


class Metrics:
    """Counts the requests of this process.

    Parameters
    ----------
    version : callable
        Version of the model that answers now; empty for none.

    Examples
    --------
    >>> metrics = Metrics(lambda: "0123456789ab")
    >>> metrics.note("/v1/score", 200, 0.004)
    >>> [line for line in metrics.text().decode().splitlines() if "info{" in line]
    ['retain_model_info{version="0123456789ab"} 1.0']
    """

    def __init__(self, version: Callable[[], str]) -> None:
        self._own = CollectorRegistry()
        self._version = _Version(version)
        self._requests = Counter(
            "retain_requests", "Requests answered", ("route", "status"), registry=self._own
        )
        self._seconds = Histogram(
            "retain_request_seconds",
            "Seconds from the first look at a request to its answer",
            ("route",),
            registry=self._own,
            buckets=_SECONDS,
        )
        self._kept: dict[tuple[str, int], tuple[Counter, Histogram]] = {}

    def note(self, route: str, status: int, seconds: float) -> None:
        """Count one answered request.

        Parameters
        ----------
        route : str
            Template of the route.
        status : int
            HTTP status.
        seconds : float
            How long it took, >= 0.
        """
        kept = self._kept.get((route, status))
        if kept is None:
            kept = (self._requests.labels(route, str(status)), self._seconds.labels(route))
            self._kept[route, status] = kept
        kept[0].inc()
        kept[1].observe(seconds)

    def text(self) -> bytes:
        """All series of all workers, as Prometheus reads them."""
        registry = CollectorRegistry()
        if values.ValueClass is not values.MutexValue:
            MultiProcessCollector(registry)
        else:
            registry.register(_Others(self._own))
        registry.register(self._version)
        return generate_latest(registry)


class _Version(Collector):
    """Read when asked for, so that a version no longer served leaves no series behind."""

    def __init__(self, version: Callable[[], str]) -> None:
        self._version = version

    def collect(self) -> Iterable[Metric]:
        found = GaugeMetricFamily("retain_model_info", "Model that answers", labels=("version",))
        if version := self._version():
            found.add_metric((version,), 1.0)
        yield found


class _Others(Collector):
    """The series of one process."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._registry = registry

    def collect(self) -> Iterable[Metric]:
        return self._registry.collect()
