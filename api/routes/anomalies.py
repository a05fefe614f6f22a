"""Anomalies, as pages and as a stream of events."""

from datetime import datetime, timedelta
from typing import Annotated, Any, Final

import asyncpg
from fastapi import APIRouter, Depends, Header, Query, Request, Response
from pydantic import BaseModel, Field

from api import cursors, parameters
from api.dependencies import UsesServices
from api.keys import ticket_of
from api.parameters import Country, Name, PageQuery, no_parameters
from api.problems import ProblemError, documented
from api.queries import anomalies
from api.responses import Amount, cacheable_response, example, uncached_response
from api.sse import AnomalyEvents, EventResponse
from app.domain.anomalies import ANOMALY_TYPES

router = APIRouter(prefix="/anomalies", tags=["anomalies"])
#: What a browser opens without headers of its own: a ticket may replace the key.
stream_router = APIRouter(prefix="/anomalies", tags=["anomalies"])

_MAX_POSITION: Final = 2**63 - 1
_EXAMPLE: Final = """
{"transaction_id": "abc123", "user_id": "user456", "anomaly_type": "high_value", "anomaly_score": 1.8,
"amount": 9000.0, "detected_at": "2025-12-07T04:30:00Z", "description": "High value transaction: $9000.00"}"""


class Anomaly(BaseModel):
    """What an order raised."""

    model_config = example(_EXAMPLE)
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


class StreamTicket(BaseModel):
    """Opens an event stream in the key's place, `?ticket=...`, until it is over; the stream goes on after that."""

    model_config = example('{"ticket": "1765081980.0123456789abcdef.89ab", "expires_at": "2025-12-07T04:33:00Z"}')
    ticket: str
    expires_at: datetime


@router.get("/stream/ticket", response_model=StreamTicket, dependencies=[Depends(no_parameters)])
async def stream_ticket(request: Request, services: UsesServices) -> Response:
    """A ticket for `EventSource`, which cannot send a key: good for a minute, for the event stream alone."""
    seconds = timedelta(seconds=services.settings.stream_ticket_seconds)
    expires = (services.now() + seconds).replace(microsecond=0)
    ticket = ticket_of(request, int(expires.timestamp()))
    return uncached_response({"ticket": ticket, "expires_at": expires})


class StreamQuery(parameters.Query):
    """Parameters of the event stream."""

    ticket: str | None = None
    last_event_id: int | None = Field(
        None,
        ge=0,
        le=_MAX_POSITION,
        description="As the header, for clients that cannot set it; the header counts first.",
    )


@stream_router.get(
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
    query: Annotated[StreamQuery, Query()],
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
    behind = query.last_event_id if last_event_id is None else last_event_id
    position = newest if behind is None else min(behind, newest)
    events = AnomalyEvents(
        services.database, services.notifications, settings.stream_poll_seconds, settings.stream_heartbeat_seconds
    )
    return EventResponse(events.after(position), services.metrics)
