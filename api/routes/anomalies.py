"""Anomalies, as pages and as a stream of events."""

from datetime import datetime
from typing import Annotated, Any, Final

import asyncpg
from fastapi import APIRouter, Header, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from api import cursors
from api.amounts import Amount
from api.dependencies import UsesServices
from api.parameters import Country, Name, PageQuery
from api.problems import ProblemError, documented
from api.queries import anomalies
from api.responses import cacheable_response
from api.sse import AnomalyEvents, EventResponse
from app.domain.anomalies import ANOMALY_TYPES

router = APIRouter(prefix="/anomalies", tags=["anomalies"])

_MAX_POSITION: Final = 2**63 - 1
_EXAMPLE: dict[str, Any] = {
    "transaction_id": "abc123",
    "user_id": "user456",
    "anomaly_type": "high_value",
    "anomaly_score": 1.8,
    "amount": 9000.00,
    "detected_at": "2025-12-07T04:30:00Z",
    "description": "High value transaction: $9000.00",
}


class Anomaly(BaseModel):
    """What an order raised."""

    model_config = ConfigDict(json_schema_extra={"examples": [_EXAMPLE]})
    transaction_id: str
    user_id: str
    anomaly_type: str
    anomaly_score: Amount
    amount: Amount
    detected_at: datetime
    description: str


class AnomalyPage(BaseModel):
    """Newest first, by the time of the order; `next_cursor` is null on the last page."""

    anomalies: list[Anomaly]
    next_cursor: str | None


class AnomalyQuery(PageQuery):
    """Parameters of /anomalies; the dates are those of the order."""

    anomaly_type: Name | None = Field(
        None, max_length=50, description=f"One of {', '.join(ANOMALY_TYPES)}.", examples=["high_value"]
    )
    country: Country = None


def shown(row: asyncpg.Record) -> dict[str, Any]:
    """An anomaly with the guide's fields."""
    return {name: row[name] for name in Anomaly.model_fields}


@router.get("", response_model=AnomalyPage)
async def page(request: Request, services: UsesServices, query: Annotated[AnomalyQuery, Query()]) -> Response:
    """Anomalies of a period, newest first, page by page."""
    limit = query.page_limit(services.settings)
    rows = await anomalies.page(
        services.database, query.period, query.anomaly_type, query.place(), limit + 1, country=query.country
    )
    more = len(rows) > limit
    cursor = cursors.encode(anomalies.place_of(rows[limit - 1]), query.question()) if more else None
    return cacheable_response(request, {"anomalies": [shown(r) for r in rows[:limit]], "next_cursor": cursor})


@router.get(
    "/stream",
    response_class=Response,
    responses={
        200: {
            "description": "Events `anomaly`, each with its position as id",
            "content": {"text/event-stream": {"schema": {"type": "string"}}},
        },
        **documented(429),
    },
)
async def stream(
    services: UsesServices,
    last_event_id: Annotated[
        int | None, Header(ge=0, le=_MAX_POSITION, description="Resume behind this event; else from now on.")
    ] = None,
) -> Response:
    """Anomalies as they happen: server-sent events, nothing skipped or repeated over a reconnect."""
    if services.notifications.closed:
        raise ProblemError(503, "the API is stopping", {"Retry-After": "1"})
    settings = services.settings
    if services.metrics.open_streams >= settings.stream_clients_max:
        detail = f"{settings.stream_clients_max} event streams are open, the most that may be"
        raise ProblemError(429, detail, {"Retry-After": str(settings.retry_after_seconds)})
    newest = await anomalies.newest_position(services.database)
    position = newest if last_event_id is None else min(last_event_id, newest)
    events = AnomalyEvents(
        services.database, services.notifications, settings.stream_poll_seconds, settings.stream_heartbeat_seconds
    )
    return EventResponse(events.after(position), services.metrics)
