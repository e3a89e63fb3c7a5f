"""The list on Spark: the model's files go to every worker once, and partitions of features become rows of the list.

Each batch goes through the function that fills a streamed list on one machine, so rows are the same bit for bit. The
workers need this package; nothing else is sent but the texts of the model and of the strategy table, whose hashes are
checked where they arrive. Rows come in no particular order: sort by ``value_at_stake`` and ``customer_id`` for that of
the list.
"""

from __future__ import annotations

import tempfile
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import ibis.expr.types as ir
import pyarrow as pa

from features.errors import InputError
from serving.list_batches import equal_batches, list_batch, list_schema
from serving.scorer import Scorer
from strategies.edited_file import read_edited
from strategies.frameworks import FrameworkSettings
from strategies.settings import StrategySettings
from training.models.bundle import Bundle

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

__all__ = ["Shipped", "score_on_spark"]

_ROWS_AT_ONCE = 20_000


@dataclass(frozen=True)
class Shipped:
    """A scorer as plain texts, to be put together again on another machine.

    Parameters
    ----------
    version : str
        Of the model; the folder it stood in.
    files : tuple of tuple of str
        Name and text of the model's files, its manifest among them.
    settings, frameworks : str
        Sections of the configuration as JSON.
    table : tuple of str or None
        Name and text of the strategy table; None for the textbook's.
    currency : str
        Shown in reasons.
    """

    version: str
    files: tuple[tuple[str, str], ...]
    settings: str
    frameworks: str
    table: tuple[str, str] | None
    currency: str

    @classmethod
    def of(
        cls,
        bundle: Path,
        settings: StrategySettings,
        *,
        currency: str = "",
        frameworks: FrameworkSettings | None = None,
    ) -> Shipped:
        """The scorer of a bundle's folder and the settings of a project.

        Raises
        ------
        ModelError, ConfigError
            The model or the strategy table cannot be used.
        """
        chosen = frameworks or FrameworkSettings()
        Scorer(Bundle.load(bundle), settings, currency=currency, frameworks=chosen)
        files = tuple((file.name, file.read_text(encoding="utf-8")) for file in sorted(bundle.iterdir()))
        table = None
        if settings.table is not None:
            table = settings.table.name, read_edited(settings.table, named_by="[strategies] table")
        plain = settings.model_copy(update={"table": None, "offers": None})
        return cls(bundle.name, files, plain.model_dump_json(), chosen.model_dump_json(), table, currency)

    def scorer(self) -> Scorer:
        """The scorer, the model's hashes checked again."""
        with tempfile.TemporaryDirectory(prefix="retain-model-") as name:
            bundle = Path(name, self.version)
            bundle.mkdir()
            for file, text in self.files:
                (bundle / file).write_bytes(text.encode())
            settings = StrategySettings.model_validate_json(self.settings)
            if self.table is not None:
                table = Path(name, self.table[0])
                table.write_text(self.table[1], encoding="utf-8")
                settings = settings.model_copy(update={"table": table})
            frameworks = FrameworkSettings.model_validate_json(self.frameworks)
            return Scorer(Bundle.load(bundle), settings, currency=self.currency, frameworks=frameworks)


def score_on_spark(
    features: DataFrame | ir.Table,
    shipped: Shipped,
    as_of: date,
    *,
    explain: bool = True,
    left_out: Collection[str] = frozenset(),
) -> DataFrame:
    """The list's rows of the customers in a Spark table of features.

    Parameters
    ----------
    features : pyspark.sql.DataFrame, or ibis table on Spark
        ``customer_id`` and all features of the day, each customer once; for one, what
        `features.pipeline.customer_features` gives of tables on Spark.
    shipped : Shipped
        The model and the strategies.
    as_of : date
        The day the features describe.
    explain : bool, default True
        Give ``reasons`` and ``reasons_zh``.
    left_out : collection of str
        Customers who get no row.

    Returns
    -------
    pyspark.sql.DataFrame
        Columns as the list has them; nothing runs before it is written or collected.

    Raises
    ------
    InputError
        A column is missing.
    """
    from pyspark.sql.pandas.types import from_arrow_schema

    wanted = _plain(list_schema(shipped.scorer(), as_of, explain=explain))
    frame = _frame(features)
    _check(frame.columns)
    session: Any = frame.sparkSession
    sent = session.sparkContext.broadcast((shipped, frozenset(left_out)))

    def score(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        model, refused = sent.value
        scorer = _scorer(model)
        for batch in equal_batches(batches, _ROWS_AT_ONCE):
            yield list_batch(scorer, batch, as_of, explain=explain, left_out=refused).cast(wanted)

    return frame.mapInArrow(score, from_arrow_schema(wanted))


def _frame(features: DataFrame | ir.Table) -> DataFrame:
    """An ibis table as the table of Spark that it is."""
    if isinstance(features, ir.Table):
        backend: Any = features.get_backend()
        return backend.raw_sql(backend.compile(features))
    return features


@lru_cache(maxsize=1)
def _scorer(shipped: Shipped) -> Scorer:
    """One in each worker, kept for its next partitions."""
    return shipped.scorer()


def _plain(schema: pa.Schema) -> pa.Schema:
    """Coded words as texts, which Spark wants."""
    kinds = (f.type.value_type if pa.types.is_dictionary(f.type) else f.type for f in schema)
    return pa.schema([pa.field(f.name, kind) for f, kind in zip(schema, kinds, strict=True)])


def _check(columns: Collection[str]) -> None:
    """Missing columns are told before anything runs."""
    from features.pipeline import FEATURES

    missing = [name for name in ("customer_id", *FEATURES) if name not in columns]
    if missing:
        raise InputError(
            f"features: {len(missing)} of {len(FEATURES) + 1} columns are missing, e.g. {missing[0]!r}; make them with "
            "`retain features` of this version"
        )
