"""The list on Spark has the rows of the plain one, bit for bit; what is shipped is a scorer as texts."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from features.errors import InputError, ModelError
from serving.list_batches import list_batch
from serving.spark_scorer import Shipped, score_on_spark
from strategies.settings import StrategySettings
from strategies.strategy_table import default_text
from tests.serving.streamed_shop import CURRENCY, DAY, bundle_and_features, scorer_of


@pytest.fixture(scope="module")
def known() -> pa.Table:
    return bundle_and_features()[1]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The model's folder."""
    models = tmp_path_factory.mktemp("models")
    return models / bundle_and_features()[0].save(models).version


def test_shipped_scorer_gives_the_same_rows(folder: Path, known: pa.Table) -> None:
    shipped = Shipped.of(folder, StrategySettings(), currency=CURRENCY)
    assert hash(shipped) == hash(Shipped.of(folder, StrategySettings(), currency=CURRENCY))
    batch = known.combine_chunks().to_batches()[0]
    there, here = (list_batch(scorer, batch, DAY) for scorer in (shipped.scorer(), scorer_of_folder(folder)))
    assert there.equals(here)


def scorer_of_folder(folder: Path) -> Any:
    from training.models.bundle import Bundle

    return scorer_of(Bundle.load(folder))


def test_own_strategy_table_goes_along_and_damage_on_the_way_is_told(folder: Path, tmp_path: Path) -> None:
    table = tmp_path / "mine.toml"
    table.write_text(default_text(), encoding="utf-8")
    shipped = Shipped.of(folder, StrategySettings(table=table), currency=CURRENCY)
    table.unlink()
    assert shipped.scorer().table.version == scorer_of_folder(folder).table.version
    name, text = shipped.files[0]
    torn = Shipped(**{**shipped.__dict__, "files": ((name, text[:-5]), *shipped.files[1:])})
    with pytest.raises(ModelError, match="changed"):
        torn.scorer()


# Spark's own client leaves a socket open when it gives rows as Arrow
@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.spark
def test_rows_on_spark_are_those_of_the_plain_list(
    spark: Any, spark_session: Any, folder: Path, known: pa.Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    # the workers' Python is this one, with all that is installed here
    monkeypatch.setattr(spark_session.sparkContext, "pythonExec", sys.executable)
    shipped = Shipped.of(folder, StrategySettings(), currency=CURRENCY)
    features = spark_session.createDataFrame(known.to_pandas()).repartition(3)
    refused = known["customer_id"][0].as_py()
    found = score_on_spark(features, shipped, DAY, left_out={refused}).toArrow().sort_by("customer_id")
    wanted = list_batch(scorer_of_folder(folder), known.to_batches()[0], DAY, left_out={refused})
    plain = pa.Table.from_batches([wanted]).cast(found.schema).sort_by("customer_id")
    assert found.combine_chunks().equals(plain.combine_chunks())
    features.createOrReplaceTempView("streamed_features")
    lazy = spark.table("streamed_features").filter(lambda t: t.customer_id == refused)
    (one,) = score_on_spark(lazy, shipped, DAY, explain=False).toArrow().to_pylist()
    assert (one["customer_id"], one["as_of"], "reasons" in one) == (refused, DAY, False)
    with pytest.raises(InputError, match=r"1 of .* columns are missing, e\.g\. 'recency'"):
        score_on_spark(features.drop("recency"), shipped, DAY)
