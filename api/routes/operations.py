"""The state of the whole system."""

from datetime import date, datetime
from typing import Any, Final

from fastapi import APIRouter, Depends, Response
from pydantic import BaseModel

from api import operations
from api.dependencies import Services, UsesServices
from api.parameters import no_parameters
from api.responses import example, uncached_response

router = APIRouter(prefix="/operations", tags=["operations"])

_SIZES_KEPT_SECONDS: Final = 15
_EXAMPLE: Final = """
{"at": "2025-12-07T04:32:00Z", "topics": [{"topic": "transactions", "consumed": 24811, "stored": 24800,
"duplicates": 9, "conflicting": 1, "dead_lettered": 2, "late": 14, "lost": 0, "watermark": "2025-12-07T04:31:59.874Z",
"lag": 0}], "end_to_end": {"events": 36012, "p50_seconds": 0.0312, "p99_seconds": 0.1875},
"workers": [{"worker_id": "shop-4711-1a2b3c4d", "host": "shop", "pid": 4711, "started_at": "2025-12-07T00:00:00Z",
"seen_at": "2025-12-07T04:31:57Z", "rss_bytes": 201326592, "lag": {"transactions": 0}, "end_to_end": {"events": 36012,
"p50_seconds": 0.0312, "p99_seconds": 0.1875}}], "batch_runs": [{"number": 7, "job": "nightly", "as_of": "2025-12-06",
"status": "published", "started": "2025-12-07T02:00:00Z", "ended": "2025-12-07T02:04:10Z", "error": null,
"extracted_rows": 24800, "counts": {"customer_segments": 8934}}], "stores": {"postgresql": {"bytes": 52428800,
"tables": [{"name": "transactions", "bytes": 9437184}]}, "mongodb": {"bytes": 10485760}},
"disk": {"total_bytes": 536870912000, "free_bytes": 268435456000}, "unavailable": []}"""


class Topic(BaseModel):
    """consumed = stored + duplicates + dead_lettered; `lag` is null while no worker reports it."""

    topic: str
    consumed: int
    stored: int
    duplicates: int
    conflicting: int
    dead_lettered: int
    late: int
    lost: int
    watermark: datetime | None
    lag: int | None


class EndToEnd(BaseModel):
    """From the producer's send to the worker's clock after COMMIT, over the last minute; null without events."""

    events: int
    p50_seconds: float | None
    p99_seconds: float | None


class Worker(BaseModel):
    """A worker with a heartbeat in the last 20 s; `lag` in records by topic."""

    worker_id: str
    host: str
    pid: int
    started_at: datetime
    seen_at: datetime
    rss_bytes: int | None
    lag: dict[str, int]
    end_to_end: EndToEnd


class BatchRun(BaseModel):
    """`status` is running, published, failed or killed; `counts` are rows by mart."""

    number: int
    job: str
    as_of: date
    status: str
    started: datetime
    ended: datetime | None
    error: str | None
    extracted_rows: int | None
    counts: dict[str, int]


class Table(BaseModel):
    """A table with its indexes."""

    name: str
    bytes: int


class PostgresSize(BaseModel):
    """The database and its tables, largest first."""

    bytes: int
    tables: list[Table]


class MongoSize(BaseModel):
    """The warehouse with its indexes when its run was first served; null while that is not known."""

    bytes: int | None


class StoreSizes(BaseModel):
    """The size of each store; PostgreSQL's is up to 15 s old."""

    postgresql: PostgresSize | None
    mongodb: MongoSize | None


class Disk(BaseModel):
    """The disk under the data folder of the API's host."""

    total_bytes: int
    free_bytes: int


class Operations(BaseModel):
    """Figures of a store that is down are null, and `unavailable` names it."""

    model_config = example(_EXAMPLE)
    at: datetime
    topics: list[Topic] | None
    end_to_end: EndToEnd | None
    workers: list[Worker] | None
    batch_runs: list[BatchRun] | None
    stores: StoreSizes
    disk: Disk
    unavailable: list[str]


@router.get("", response_model=Operations, dependencies=[Depends(no_parameters)])
async def state(services: UsesServices) -> Response:
    """Records by topic, lag, latency, workers, the last runs of the batch, sizes of the stores."""
    now = services.now().replace(microsecond=0)
    return uncached_response(await services.operations.get(now, lambda: _figures(services, now)))


async def _figures(services: Services, now: datetime) -> dict[str, Any]:
    database, warehouse, sizes = services.database, services.warehouse, services.sizes
    age = int(now.timestamp()) // _SIZES_KEPT_SECONDS
    figures = await operations.together(
        [
            lambda: operations.stream_part(database),
            lambda: operations.batch_part(warehouse),
            lambda: sizes.get((database.name, age), lambda: operations.postgres_size(database)),
            lambda: operations.mongo_size(warehouse),
        ]
    )
    names = ("topics", "end_to_end", "workers", "batch_runs")
    return {
        "at": now,
        **{name: figures.get(name) for name in names},
        "stores": {
            name: None if name in figures["unavailable"] else figures[name] for name in (database.name, warehouse.name)
        },
        "disk": operations.disk(services.var_dir),
        "unavailable": figures["unavailable"],
    }
