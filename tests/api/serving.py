"""The API for tests: over its ASGI interface, or on a port of its own."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import datetime
from decimal import Decimal
from typing import Any

import httpx
from fastapi import FastAPI

from api.application import create_app, utc_now
from api.serving import ApiServer
from app.settings import Settings
from compose.embedded.ports import LOOPBACK
from tests.support.databases import Database


@asynccontextmanager
async def client_of(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    """A client of an app that is running; a bug is answered, as it is on a server."""
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://api") as client,
    ):
        yield client


@asynccontextmanager
async def api_over(database: Database, now: datetime | None = None, **api: object) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the API over a database; `api` are settings of the API."""
    settings = with_api(database.settings, **api)
    async with client_of(create_app(settings, now=lambda: now or utc_now())) as client:
        yield client


def with_api(settings: Settings, **api: object) -> Settings:
    """The same settings but for these of the API."""
    settings.api = type(settings.api).model_validate(settings.api.model_dump() | api)
    return settings


@asynccontextmanager
async def served(app: FastAPI) -> AsyncIterator[str]:
    """The address of the app on a port of its own."""
    server = ApiServer(app, LOOPBACK, 0, "warning")
    serving = asyncio.create_task(server.serve())
    while not server.started:
        assert not serving.done()
        await asyncio.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    try:
        yield f"http://{LOOPBACK}:{port}"
    finally:
        server.should_exit = True
        await serving


async def answered(client: httpx.AsyncClient, path: str, **query: Any) -> Mapping[str, Any]:
    """The JSON of a 200 answer, its numbers as Decimals."""
    response = await client.get(path, params=query)
    assert response.status_code == 200, response.text
    return exact(response)


def exact(response: httpx.Response) -> Mapping[str, Any]:
    """JSON with every number that has a point as a Decimal."""
    content: Mapping[str, Any] = json.loads(response.content, parse_float=Decimal)
    return content
