"""The factory of the API and its composition root."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, closing, contextmanager
from datetime import UTC, datetime
from typing import Any, Final

import asyncpg
from fastapi import APIRouter, Depends, FastAPI
from fastapi.middleware.cors import CORSMiddleware
from prometheus_client import CollectorRegistry

from api import problems
from api.api_metrics import ApiMetrics, BatchCollector
from api.cache import Cache
from api.dependencies import Services
from api.desk import Desk
from api.docs import describe, serve_docs
from api.keys import KeyRing, require_key, require_key_or_ticket
from api.marts import products as product_mart
from api.marts import segments, sessions
from api.middleware import BodyLimit, HeadLikeGet, Measured
from api.mongo_reader import Mongo
from api.postgres_reader import Database
from api.routes import (
    anomalies,
    cases,
    customer_profile,
    customers,
    dimensions,
    funnel,
    labels,
    lists,
    live,
    operations,
    products,
    rule_test,
    rules,
    sales,
    system,
    transactions,
    trends,
)
from api.rule_tester import RuleTester
from api.run_follower import Prepare, Warehouse
from api.sse import Notifications
from app import __version__
from app.postgres.connections import connect_reader, reader_pool
from app.prometheus import register_process
from app.settings import Settings

logger = logging.getLogger(__name__)

_APPLICATION: Final = "globalmart-api"
#: A customer's id may contain slashes, so the other paths below /customers come first.
_RESOURCES: Final = (
    sales,
    customers,
    customer_profile,
    products,
    trends,
    funnel,
    anomalies,
    transactions,
    live,
    dimensions,
    operations,
    rules,
    lists,
    cases,
    labels,
    rule_test,
)
#: Sums over whole marts and frequent pages, prepared before a run is served.
PREPARED: Final[Mapping[str, Prepare]] = {
    segments.MART: segments.cells,
    product_mart.MART: product_mart.prepare,
    sessions.MART: sessions.days,
}


def utc_now() -> datetime:
    """Returns the current time; the production clock."""
    return datetime.now(UTC)


def create_app(
    settings: Settings, *, now: Callable[[], datetime] = utc_now, clock_seconds: Callable[[], float] = time.monotonic
) -> FastAPI:
    """Creates the API; it connects to its stores when it starts, and also starts without them."""
    api = settings.api
    metrics = ApiMetrics(CollectorRegistry())
    register_process(metrics.registry, settings.general.var_dir)
    metrics.registry.register(BatchCollector(settings.general.batch_metrics_path, time.time))
    keys = KeyRing(api.keys, api.key_rate_per_second, api.key_burst, clock_seconds)
    app = FastAPI(
        title="GlobalMart Analytics API",
        version=__version__,
        summary="Exact figures of the stream and of the nightly batch.",
        lifespan=_lifespan(settings, keys, metrics, now, clock_seconds),
        docs_url=None,
        redoc_url=None,
    )
    problems.install(app, api.retry_after_seconds)
    app.add_middleware(BodyLimit, max_bytes=api.body_max_bytes)
    if api.origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=api.origins,
            allow_methods=["GET"],
            allow_headers=["X-API-Key", "If-None-Match", "Last-Event-ID"],
            expose_headers=["ETag", "Retry-After"],
        )
    app.add_middleware(HeadLikeGet)
    app.add_middleware(Measured, metrics=metrics)
    app.include_router(system.router)
    app.include_router(_versioned())
    serve_docs(app)
    describe(app, keyed=bool(api.keys))
    return app


def _versioned() -> APIRouter:
    router = APIRouter(prefix="/api/v1", responses=problems.documented(401, 422, 429, 503))
    router.include_router(anomalies.stream_router, dependencies=[Depends(require_key_or_ticket)])
    for resource in (*(each.router for each in _RESOURCES), rules.thresholds_router):
        router.include_router(resource, dependencies=[Depends(require_key)])
    return router


def _lifespan(
    settings: Settings,
    keys: KeyRing,
    metrics: ApiMetrics,
    now: Callable[[], datetime],
    clock_seconds: Callable[[], float],
) -> Callable[[FastAPI], AbstractAsyncContextManager[None]]:
    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with _pool(settings) as pool:
            database = Database(pool, settings.postgres.connect_timeout_seconds)
            notifications = Notifications(
                lambda: connect_reader(settings.postgres, f"{_APPLICATION} events"), settings.api.retry_after_seconds
            )
            past = Cache(settings.api.history_cache_size, settings.api.history_cache_seconds, clock_seconds)
            with _warehouse(settings) as warehouse:
                app.state.services = Services(
                    settings.api,
                    database,
                    Desk(settings.postgres),
                    notifications,
                    keys,
                    metrics,
                    warehouse,
                    past,
                    settings.general.var_dir,
                    now,
                    RuleTester(settings),
                )
                async with _running(notifications.listen(), warehouse.follow()):
                    yield
                    notifications.close()

    return lifespan


@asynccontextmanager
async def _pool(settings: Settings) -> AsyncIterator[asyncpg.Pool]:
    pool = await reader_pool(
        settings.postgres,
        _APPLICATION,
        connections=settings.api.pool_connections,
        query_seconds=settings.api.query_seconds,
    )
    try:
        yield pool
    finally:
        pool.terminate()


@contextmanager
def _warehouse(settings: Settings) -> Iterator[Warehouse]:
    """Opens the warehouse; sums over whole marts use connections with a longer time-out."""
    api = settings.api
    with (
        closing(Mongo(settings.mongo, api.query_seconds)) as mongo,
        closing(Mongo(settings.mongo, api.run_prepare_seconds)) as patient,
    ):
        yield Warehouse(
            mongo,
            patient,
            PREPARED,
            answers=api.run_cache_size,
            wait_seconds=api.query_seconds,
            poll_seconds=api.run_poll_seconds,
        )


@asynccontextmanager
async def _running(*services: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Runs the services during the block; one that ends by a bug is logged at once."""
    tasks = [asyncio.create_task(service) for service in services]
    for task in tasks:
        task.add_done_callback(_log_bug)
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _log_bug(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        logger.critical("%s ended", task.get_coro(), exc_info=error)
