"""A lake whose files are older than some fields of an order: they are read, merged, erased and computed with nulls."""

from datetime import date, timedelta
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from app.domain.pseudonyms import Pseudonym
from app.ops.erasure.warehouse_eraser import erase_from_lake
from batch.lake import Lake
from batch.manifest import DayChecksum, LakeDay, Manifest
from batch.sources import LAKE_TABLES
from tests.batch.generated import make_shop
from tests.batch.nights import Nights
from tests.ops.replay.test_from_files import DAY, kept_order

_SOURCE: Final = LAKE_TABLES["transactions"]
_AS_OF: Final = date(2026, 1, 2)
_NEW: Final = ["card", "device", "ip", "email"]


def without_new_fields(file: Path) -> None:
    """Rewrites a file as the version before the fields wrote it."""
    pq.write_table(pq.read_table(file, partitioning=None).drop_columns(_NEW), file, compression="zstd")


def _lake(folder: Path, *rows: dict[str, Any], older: bool, day: date = DAY) -> tuple[Lake, str]:
    lake = Lake(str(folder))
    with lake.new_file(_SOURCE, day) as file:
        file.write(pa.Table.from_pylist(list(rows), schema=_SOURCE.arrow_schema))
    if older:
        without_new_fields(folder / file.name)
    return lake, file.name


def test_missing_fields_are_read_as_nulls(tmp_path: Path) -> None:
    order = kept_order("a", 1, "10.00")
    lake, name = _lake(tmp_path, order, older=True)
    assert "card" not in lake.read_file(name).column_names
    for rows in (lake.read_day(_SOURCE, name), *lake.read_day_pieces(_SOURCE, name)):
        assert rows.schema == _SOURCE.arrow_schema
        assert rows.to_pylist() == [order]


def test_older_and_newer_files_are_gathered(tmp_path: Path) -> None:
    newer = kept_order("b", 2, "20.00") | {"card": "c1"}
    lake, old = _lake(tmp_path, kept_order("a", 1, "10.00"), older=True)
    _, new = _lake(tmp_path, newer, older=False, day=DAY + timedelta(days=1))
    rows = lake.read_file(lake.gather(_SOURCE, [old, new]))
    assert rows.schema == _SOURCE.arrow_schema
    assert rows["card"].to_pylist() == [None, "c1"]


def test_a_user_is_erased_from_an_older_file(tmp_path: Path) -> None:
    lake, name = _lake(tmp_path, kept_order("a", 1, "10.00"), older=True)
    lake.write_manifest(Manifest().with_days(_SOURCE.name, {DAY: LakeDay(DayChecksum(1, 1000), name)}))
    assert erase_from_lake(lake, "user of a", Pseudonym("erased-1", b"key"), lambda _: None) == 1
    (day,) = lake.read_manifest().days(_SOURCE.name).values()
    (row,) = lake.read_file(day.file).to_pylist()
    assert (row["user_id"], row["card"]) == ("erased-1", None)


async def test_nights_go_on_over_an_older_lake(nights: Nights) -> None:
    """The next night computes the same from the older files, and merges a day that retention has begun to delete."""
    await nights.insert_shop(make_shop(seed=7, visits=60))
    nights.run(_AS_OF)
    computed = nights.everything()
    folder = nights.settings.general.var_dir / "lake"
    manifest = Lake(str(folder)).read_manifest()
    days = manifest.days(_SOURCE.name)
    for day in days.values():
        without_new_fields(folder / day.file)
    nights.run(_AS_OF)
    assert nights.everything() == computed
    oldest = min(days)
    await nights.execute(f"DELETE FROM transactions WHERE timestamp < '{oldest} 12:00:00+00'")
    nights.run(_AS_OF, full=True)
    assert nights.everything() == computed
