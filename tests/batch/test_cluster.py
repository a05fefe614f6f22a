"""The same night submitted to a standalone cluster of two workers, and there with the official connectors."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

import bson
import pytest
from pyspark.sql import SparkSession

from batch.mart_catalogue import MARTS
from tests.batch.cluster import run_on, standalone_cluster, submit
from tests.batch.generated import make_shop
from tests.batch.nights import Nights

_AS_OF = date(2026, 1, 2)
_NIGHT = ("nightly", "--as-of", str(_AS_OF))
_WORKERS = 2
#: The way of a large night: plans that adapt, and executors that write.
_LARGE = {"GLOBALMART_BATCH_SMALL_ROWS": "0", "GLOBALMART_BATCH_DRIVER_WRITE_ROWS": "0"}
_CONNECTORS = {"GLOBALMART_BATCH_READER": "jdbc", "GLOBALMART_BATCH_WRITER": "connector"}


@dataclass(frozen=True)
class Cluster:
    """A master's address, and the folder its workers keep their executors' in."""

    master: str
    work_dir: Path

    def executors(self) -> list[int]:
        """How many each worker has started so far."""
        return [len(list(self.work_dir.glob(f"worker{number}/app-*/*/stderr"))) for number in range(_WORKERS)]


@pytest.fixture(scope="module")
def cluster(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Two workers for this module; the tests' own session has found them a Java."""
    work_dir = tmp_path_factory.mktemp("cluster")
    with standalone_cluster(work_dir, _WORKERS) as master:
        yield Cluster(master, work_dir)


async def test_a_night_on_a_cluster_publishes_what_a_single_process_does(
    nights: Nights, cluster: Cluster, tmp_path: Path
) -> None:
    await nights.insert_shop(make_shop(seed=9, visits=60))
    before = cluster.executors()
    submit(cluster.master, {**nights.variables, **_LARGE}, *_NIGHT)
    assert cluster.executors() == [number + 1 for number in before]
    alone = _assert_a_single_process_agrees(nights, tmp_path)
    # The connectors' whole numbers are 64 bits wide, ours as wide as their value: only equal as values.
    assert _stored(nights) == _stored(alone)


async def test_the_connectors_on_a_cluster_publish_what_a_single_process_does(
    nights: Nights, cluster: Cluster, tmp_path: Path
) -> None:
    await nights.insert_shop(make_shop(seed=10, visits=60))
    before = cluster.executors()
    run_on(cluster.master, {**nights.variables, **_LARGE, **_CONNECTORS}, *_NIGHT)
    assert cluster.executors() == [number + 1 for number in before]
    _assert_a_single_process_agrees(nights, tmp_path)


def _assert_a_single_process_agrees(nights: Nights, tmp_path: Path) -> Nights:
    """One run has published every mart, with the values a run here shows that fills a lake and warehouse of its own."""
    other = {
        "GLOBALMART_VAR_DIR": str(tmp_path / "alone"),
        "GLOBALMART_MONGO_DATABASE": f"{nights.settings.mongo.database}_alone",
    }
    alone = replace(nights, variables={**nights.variables, **other})
    assert alone.run(_AS_OF).snapshot == nights.pointer["snapshot"]
    assert [one["status"] for one in nights.log] == ["published"]
    ours, theirs = alone.everything(), nights.everything()
    assert theirs.keys() == {mart.name for mart in MARTS}
    assert [mart for mart in ours if ours[mart] != theirs[mart]] == []
    assert ours["fact_sales"] and ours["customer_segments"]
    return alone


def _stored(nights: Nights) -> dict[str, list[bytes]]:
    """What the pointer names, as MongoDB keeps it: types, order of fields, keys and versions too."""
    database = nights.mongo[nights.settings.mongo.database]
    return {
        mart: sorted(bson.encode(document) for document in database[entry["collection"]].find())
        for mart, entry in nights.pointer["marts"].items()
    }
