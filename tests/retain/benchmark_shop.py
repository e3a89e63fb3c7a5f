"""A small shop for the benchmarks of the endpoint, scored and decided in this process, and their modules."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import date
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import pandas as pd
import pytest

from retain.config import load_config
from serving.keys import KeyStore
from tests.retain.command_runs import make_model, retain, write_demo_orders

__all__ = ["endpoint_modules", "missed", "scored_shop"]

FOLDER = Path(__file__).resolve().parents[2] / "benchmarks"
ROLES = ("score", "decide", "events", "admin")


@contextmanager
def endpoint_modules(*names: str) -> Iterator[list[ModuleType]]:
    """Modules of the benchmarks, forgotten afterwards: others have files of the same names."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(FOLDER))
        # The servers are processes of their own, which must find the same packages.
        patch.setenv("PYTHONPATH", str(FOLDER.parent))
        before = set(sys.modules)
        yield [import_module(name) for name in names]
        for name in set(sys.modules) - before:
            if Path(str(getattr(sys.modules[name], "__file__", ""))).parent == FOLDER:
                del sys.modules[name]


def scored_shop(folder: Path, shops: ModuleType) -> Any:
    """A shop as `benchmarks.endpoint_shop` knows it: a model, a list, decisions and a key for everything."""
    orders, config = write_demo_orders(folder / "orders.csv", customers=300, days=400), folder / "retain.toml"
    words = ["--churn-window", "45", "--horizons", "45,200", "--as-of", "2024-01-15"]
    assert retain("init", orders, "-c", config, *words, "--out-dir", folder / "out", "--quiet").code == 0
    make_model(config, date(2024, 1, 15), evidence="ml")
    assert retain("score", "-c", config, "--out", folder / "list.parquet", "--quiet").code == 0
    assert retain("decide", "-c", config, "--quiet").code == 0
    with closing(KeyStore(load_config(config).store_url)) as keys:
        key, _ = keys.add(ROLES, label="everything")
    ids = pd.read_parquet(folder / "list.parquet", columns=["customer_id"])["customer_id"]
    return shops.Shop(folder, key, tuple(ids.astype(str)))


def missed(figures: Sequence[Any], *, but: Sequence[str] = ()) -> list[str]:
    """Figures that are not as they should be, without those whose name holds a word of what a machine is fast at."""
    wrong = [one for one in figures if one.met is False]
    return [str(one) for one in wrong if not any(word in one.what for word in but)]
