"""The ``[serving]`` section of ``retain.toml``."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

__all__ = ["ServingSettings"]


class ServingSettings(BaseModel):
    """Where the endpoint listens, who may ask, and how much.

    ``keys_file`` holds one SHA-256 hex digest per line; without it only loopback addresses are allowed.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    host: str = "127.0.0.1"
    port: int = Field(default=3000, ge=0, le=65535)
    keys_file: Path | None = None
    max_body_bytes: int = Field(default=1_048_576, ge=1024)
    max_rows: int = Field(default=1000, ge=1)
    max_id_length: int = Field(default=64, ge=1)
    max_concurrency: int = Field(default=64, ge=1)
