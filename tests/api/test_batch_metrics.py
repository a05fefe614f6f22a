"""The batch in the API's metrics: what a run left in the data folder, with its age."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from prometheus_client import CollectorRegistry
from prometheus_client.parser import text_string_to_metric_families

from api.api_metrics import BatchCollector
from batch.run_metrics import write_metrics
from tests.api.serving import api_over
from tests.support.databases import Database

_ENDED = datetime(2025, 12, 8, 3, 0, tzinfo=UTC)


def _run(job: str, status: str, ended: datetime) -> dict[str, object]:
    started = ended - timedelta(seconds=90)
    counts = {"counts": {"fact_sales": 7}} if status == "published" else {}
    return {"job": job, "status": status, "started": started, "ended": ended, **counts}


def _registry(path: Path, now: datetime) -> CollectorRegistry:
    registry = CollectorRegistry()
    registry.register(BatchCollector(path, now.timestamp))
    return registry


def test_nothing_is_shown_before_the_first_run(tmp_path: Path) -> None:
    assert list(_registry(tmp_path / "batch.prom", _ENDED).collect()) == []


def test_each_run_shows_at_once_and_the_age_counts_from_the_last_success(tmp_path: Path) -> None:
    path = tmp_path / "batch.prom"
    registry = _registry(path, _ENDED + timedelta(hours=5))
    failed = _run("nightly", "failed", _ENDED + timedelta(hours=1))
    for runs, succeeded in (
        ([_run("nightly", "published", _ENDED)], 1),
        ([_run("nightly", "published", _ENDED), failed], 0),
    ):
        write_metrics(path, runs)
        nightly = {"command": "nightly"}
        shown = {
            name: registry.get_sample_value(f"globalmart_batch_{name}", labels)
            for name, labels in (
                ("age_seconds", nightly),
                ("duration_seconds", nightly),
                ("last_run_success", nightly),
                ("rows", {"mart": "fact_sales"}),
            )
        }
        assert shown == {"age_seconds": 5 * 3600, "duration_seconds": 90, "last_run_success": succeeded, "rows": 7}


async def test_the_api_shows_batch_process_and_disk(database: Database, tmp_path: Path) -> None:
    general = database.settings.general
    database.settings.general = general.model_copy(update={"var_dir": tmp_path})
    write_metrics(tmp_path / "batch.prom", [_run("nightly", "published", _ENDED)])
    async with api_over(database) as client:
        text = (await client.get("/metrics")).text
    names = {family.name for family in text_string_to_metric_families(text)}
    assert names >= {
        "globalmart_batch_age_seconds",
        "globalmart_batch_rows",
        "globalmart_disk_free_bytes",
        "process_resident_memory_bytes",
    }
