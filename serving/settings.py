"""The ``[serving]`` section of ``retain.toml``."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

__all__ = ["ServingSettings"]


class ServingSettings(BaseModel):
    """Where the endpoint listens, who may ask, and how much.

    Without keys, which `retain keys` makes, only loopback addresses are allowed.

    Parameters
    ----------
    host : str
        Address it listens on.
    port : int
        Port it listens on; 0 takes a free one.
    max_body_bytes : int
        Largest body of all routes but batches.
    max_rows : int
        Customers in one batch.
    max_id_length : int
        Characters of a customer's id.
    max_concurrency : int
        Decisions at a time per worker, and as many events; the rest are told 429.
    workers : int
        Processes that answer, 1 to 64; about one per core.
    pull_seconds : float
        How often the champion is fetched from the registry, in seconds; 0 leaves it to other means.
    header_seconds : float
        Seconds from the first byte of a request, or from the connection, until its headers must be there.
    max_connections : int
        Open connections per worker; beyond them the one that has waited longest without asking is closed.
    max_batch_bytes : int
        Largest body of a batch; a thousand customers with ready features take about 3.5 MB.
    threads : int
        Customers scored from order lines at a time per worker; half as many wait, the rest are told 429.
    batch_waiting : int
        Batches that wait per worker while one is answered; the rest are told 429.
    stuck_seconds : float
        Seconds after which a worker that answers nothing any more is killed and started anew; 0 for never.
    histories : bool
        Keep each customer's rows beside the list, so that a score by id takes in what was told since.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    host: str = "127.0.0.1"
    port: int = Field(default=3000, ge=0, le=65535)
    max_body_bytes: int = Field(default=1_048_576, ge=1024)
    max_batch_bytes: int = Field(default=8_388_608, ge=1024)
    max_rows: int = Field(default=1000, ge=1)
    max_id_length: int = Field(default=64, ge=1)
    max_concurrency: int = Field(default=64, ge=1)
    workers: int = Field(default=1, ge=1, le=64)
    pull_seconds: float = Field(default=0.0, ge=0.0, le=86_400.0)
    header_seconds: float = Field(default=5.0, gt=0.0, le=60.0)
    max_connections: int = Field(default=4096, ge=16, le=100_000)
    threads: int = Field(default=2, ge=1, le=64)
    batch_waiting: int = Field(default=3, ge=0, le=64)
    stuck_seconds: float = Field(default=30.0, ge=0.0, le=3600.0)
    histories: bool = True
