"""``python -m retain`` is the same as ``retain``."""

from __future__ import annotations

import sys

from retain.cli import main

__all__: list[str] = []

if __name__ == "__main__":
    sys.exit(main())
