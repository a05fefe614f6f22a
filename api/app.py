"""The factory of the API and its composition root."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from datetime import UTC, datetime
from typing import Final

import asyncpg
from fastapi import APIRouter, Depends, FastAPI
from fastapi.middleware.cors import CORSMiddleware
from prometheus_client import CollectorRegistry

from api import problems
from api.batch_metrics import BatchCollector
from api.doorbell import Doorbell
from api.keys import KeyRing, require_key
from api.metrics import ApiMetrics
from api.middleware import BodyLimit, Measured
from api.openapi import describe
from api.postgres import Database
from api.routes import anomalies, dimensions, live, sales, system, transactions
from api.services import Services
from api.stores import Store, Warehouse
from app.postgres.connecting import connect_reader, reader_pool
from app.process_metrics import register_process
from app.settings import Settings

_APPLICATION: Final = "globalmart-api"


def utc_now() -> datetime:
    """The clock of a real process."""
    return datetime.now(UTC)


def create_app(
    settings: Settings,
    *,
    warehouse: Warehouse | None = None,
    now: Callable[[], datetime] = utc_now,
    clock_seconds: Callable[[], float] = time.monotonic,
) -> FastAPI:
    """The API over these settings; it opens its stores when it is started, and starts without them too."""
    api = settings.api
    metrics = ApiMetrics(CollectorRegistry())
    register_process(metrics.registry, settings.general.var_dir)
    metrics.registry.register(BatchCollector(settings.general.batch_metrics_path, time.time))
    keys = KeyRing(api.hashes, api.key_rate_per_second, api.key_burst, clock_seconds)
    app = FastAPI(
        title="GlobalMart Analytics API",
        version="1",
        summary="Exact figures of the stream: sales, anomalies, live revenue.",
        lifespan=_lifespan(settings, warehouse, keys, metrics, now),
    )
    problems.install(app, api.retry_after_seconds)
    app.add_middleware(BodyLimit, max_bytes=api.body_max_bytes)
    if api.origins:
        app.add_middleware(
            CORSMiddleware, allow_origins=api.origins, allow_methods=["GET"],
            allow_headers=["X-API-Key", "If-None-Match", "Last-Event-ID"],
            expose_headers=["ETag", "Retry-After"],
        )  # fmt: skip
    app.add_middleware(Measured, metrics=metrics)
    app.include_router(system.router)
    app.include_router(_versioned())
    describe(app, keyed=bool(api.hashes))
    return app


def _versioned() -> APIRouter:
    router = APIRouter(
        prefix="/api/v1",
        dependencies=[Depends(require_key)],
        responses=problems.documented(401, 422, 429, 503),
    )
    for resource in (sales, anomalies, transactions, live, dimensions):
        router.include_router(resource.router)
    return router


def _lifespan(
    settings: Settings,
    warehouse: Warehouse | None,
    keys: KeyRing,
    metrics: ApiMetrics,
    now: Callable[[], datetime],
) -> Callable[[FastAPI], AbstractAsyncContextManager[None]]:
    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with _pool(settings) as pool:
            database = Database(pool, settings.postgres.connect_timeout_seconds)
            doorbell = Doorbell(
                lambda: connect_reader(settings.postgres, f"{_APPLICATION} events"),
                settings.api.retry_after_seconds,
            )
            stores: list[Store] = [database, *([warehouse] if warehouse else [])]
            app.state.services = Services(
                settings.api, database, doorbell, keys, metrics, stores, now
            )
            async with _running(doorbell):
                yield

    return lifespan


@asynccontextmanager
async def _pool(settings: Settings) -> AsyncIterator[asyncpg.Pool]:
    pool = await reader_pool(
        settings.postgres, _APPLICATION, connections=settings.api.pool_connections,
        query_seconds=settings.api.query_seconds,
    )  # fmt: skip
    try:
        yield pool
    finally:
        pool.terminate()


@asynccontextmanager
async def _running(doorbell: Doorbell) -> AsyncIterator[None]:
    listening = asyncio.create_task(doorbell.listen())
    try:
        yield
    finally:
        doorbell.close()
        listening.cancel()
        with suppress(asyncio.CancelledError):
            await listening
