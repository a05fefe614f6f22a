"""Health and metrics of the API itself; no key is required."""

import asyncio
from typing import Literal

from fastapi import APIRouter, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from pydantic import BaseModel, Field

from api.dependencies import UsesServices
from api.responses import uncached_response
from api.stores import Store, StoreDownError

router = APIRouter(tags=["system"])


class Health(BaseModel):
    """The process answers."""

    status: Literal["healthy"]
    timestamp: str = Field(examples=["2025-12-07T04:32:00Z"])


class Dependency(BaseModel):
    """A store the API reads."""

    name: str = Field(examples=["postgresql"])
    status: Literal["up", "down"]


class Readiness(BaseModel):
    """Whether every store answers."""

    status: Literal["ready", "not ready"]
    dependencies: list[Dependency]


@router.get("/health", response_model=Health)
async def health(services: UsesServices) -> Response:
    """The process is alive; the stores are not checked."""
    timestamp = services.now().strftime("%Y-%m-%dT%H:%M:%SZ")
    return uncached_response({"status": "healthy", "timestamp": timestamp})


@router.get("/ready", response_model=Readiness, responses={503: {"model": Readiness, "description": "A store is down"}})
async def ready(services: UsesServices) -> Response:
    """Every store by name; 503 when one is down."""
    states = await asyncio.gather(*map(_state, services.stores))
    up = all(state == "up" for state in states)
    dependencies = [{"name": store.name, "status": state} for store, state in zip(services.stores, states, strict=True)]
    payload = {"status": "ready" if up else "not ready", "dependencies": dependencies}
    return uncached_response(payload, 200 if up else 503)


@router.get(
    "/metrics", response_class=Response, responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}}
)
async def metrics(request: Request, services: UsesServices) -> Response:
    """Prometheus metrics of this process."""
    return Response(generate_latest(services.metrics.registry), media_type=CONTENT_TYPE_LATEST)


async def _state(store: Store) -> str:
    try:
        await store.ping()
    except StoreDownError:
        return "down"
    return "up"
