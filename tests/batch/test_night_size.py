"""What makes a night small, and the one file per table that it reads."""

from datetime import UTC, date, datetime
from pathlib import Path

import pyarrow as pa
import pytest

from app.settings import BatchSettings
from app.topics import PRODUCT_VIEWS
from batch.lake import Lake
from batch.manifest import DayChecksum, LakeDay, Manifest
from batch.night_size import NightSize
from batch.sources import LAKE_TABLES

_VIEWS = LAKE_TABLES[PRODUCT_VIEWS]
_DAYS = (date(2025, 12, 1), date(2025, 12, 2))


@pytest.mark.parametrize(
    ("rows", "adaptive", "partitions"),
    [(0, "false", "2"), (150_000, "false", "2"), (750_001, "false", "4"), (1_000_001, "true", "16")],
)
def test_a_small_night_has_fixed_plans_and_few_partitions(rows: int, adaptive: str, partitions: str) -> None:
    size = NightSize(rows, BatchSettings(small_rows=1_000_000))
    assert size.options == {"spark.sql.adaptive.enabled": adaptive, "spark.sql.shuffle.partitions": partitions}


@pytest.mark.parametrize("rows", [10, 1_900_000])
def test_a_small_night_has_no_more_partitions_than_the_settings_allow(rows: int) -> None:
    size = NightSize(rows, BatchSettings(shuffle_partitions=1))
    assert size.options["spark.sql.shuffle.partitions"] == "1"


def test_a_night_counts_the_events_up_to_its_day(tmp_path: Path) -> None:
    manifest = _filled(Lake(str(tmp_path)))
    found = [NightSize.of(manifest, day, BatchSettings(small_rows=2)) for day in _DAYS]
    assert [(size.rows, size.small) for size in found] == [(2, True), (4, False)]


def test_gathered_rows_are_those_of_the_files_until_orphans_are_removed(tmp_path: Path) -> None:
    lake = Lake(str(tmp_path))
    manifest = _filled(lake)
    names = manifest.files(_VIEWS.name, _DAYS[-1])
    gathered = lake.gather(_VIEWS, names)
    assert lake.read_file(gathered) == pa.concat_tables([lake.read_file(name) for name in names])
    assert lake.remove_orphans(manifest, [_VIEWS.name]) == 1
    assert (lake.has(gathered), [lake.has(name) for name in names]) == (False, [True, True])


def _filled(lake: Lake) -> Manifest:
    """Two views on each day."""
    days = {day: LakeDay(DayChecksum(2, 0), _file(lake, day)) for day in _DAYS}
    return lake.read_manifest().with_days(_VIEWS.name, days)


def _file(lake: Lake, day: date) -> str:
    rows = [
        {"event_id": f"{day}-{number}", "timestamp": datetime(day.year, day.month, day.day, number, tzinfo=UTC)}
        for number in range(2)
    ]
    with lake.new_file(_VIEWS, day) as file:
        file.write(pa.Table.from_pylist(rows, _VIEWS.arrow_schema))
    return file.name
