"""Customers: their segments, the matrix behind them, who moved, and one customer."""

from datetime import date, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from api.amounts import Amount
from api.answers import answer
from api.marts import migrations, segments
from api.parameters import Country, Name, no_parameters
from api.parameters import Query as Parameters
from api.problems import ProblemError, documented
from api.queries import anomalies, transactions
from api.routes.anomalies import Anomaly, shown
from api.runs import Run
from api.services import Services, UsesServices
from api.stores import StoreDownError

router = APIRouter(prefix="/customers", tags=["customers"], responses=documented(404))

_RECENT_ORDERS = 10
_SEGMENT: dict[str, Any] = {
    "segment_name": "Champions", "customer_count": 8934, "avg_monetary": 1245.67,
    "avg_frequency": 12.31, "total_value": 11128815.78,
}  # fmt: skip
_CELL: dict[str, Any] = {
    "recency_score": 5, "frequency_score": 5, "segment_name": "Champions", "customers": 412,
    "revenue": 913244.10,
}  # fmt: skip
_MIGRATION: dict[str, Any] = {
    "from": "Loyal Customers", "to": "Champions", "customers": 37, "revenue": 51230.99,
}  # fmt: skip
_CUSTOMER: dict[str, Any] = {
    "user_id": "user456", "country": "USA", "recency": 3, "frequency": 14, "monetary": 5120.40,
    "r_score": 5, "f_score": 5, "m_score": 4, "rfm_segment": "554", "segment_name": "Champions",
    "previous_segment": "Loyal Customers", "last_purchase": "2025-12-03T18:20:11.052Z",
    "analysis_date": "2025-12-06T00:00:00Z", "as_of": "2025-12-06", "recent_transactions": [],
    "recent_anomalies": [], "unavailable": [],
}  # fmt: skip


class CountryQuery(Parameters):
    """One country or all of them."""

    country: Country = None


class Segment(BaseModel):
    """Customers of one segment; averages are rounded half up to two places."""

    segment_name: str
    customer_count: int
    avg_monetary: Amount
    avg_frequency: Amount
    total_value: Amount


class Segments(BaseModel):
    """Those of the greatest value first; customers belong to the country of their last purchase."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"segments": [_SEGMENT], "as_of": "2025-12-06"}]}
    )
    segments: list[Segment]
    as_of: date


class Cell(BaseModel):
    """Customers with these two scores, 1 worst to 5 best, and their whole revenue."""

    recency_score: int
    frequency_score: int
    segment_name: str
    customers: int
    revenue: Amount


class Matrix(BaseModel):
    """Cells that have customers, in the scores' order."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"cells": [_CELL], "as_of": "2025-12-06"}]}
    )
    cells: list[Cell]
    as_of: date


class Migration(BaseModel):
    """Customers who went from one segment to another, or stayed; `(none)` are new ones."""

    from_: str = Field(alias="from")
    to: str
    customers: int
    revenue: Amount


class Migrations(BaseModel):
    """Every pair of segments with customers, since the run of an earlier day."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"migrations": [_MIGRATION], "as_of": "2025-12-06"}]}
    )
    migrations: list[Migration]
    as_of: date


class Order(BaseModel):
    """One of the newest orders."""

    transaction_id: str
    timestamp: datetime
    total_amount: Amount
    category: str | None
    country: str | None
    payment_method: str | None
    quantity: int
    product_id: str | None


class Customer(BaseModel):
    """A customer as of the published run, and the newest orders with what they raised as of now.

    While PostgreSQL is down both lists are null and `unavailable` names it.
    """

    model_config = ConfigDict(json_schema_extra={"examples": [_CUSTOMER]})
    user_id: str
    country: str
    recency: int
    frequency: int
    monetary: Amount
    r_score: int
    f_score: int
    m_score: int
    rfm_segment: str
    segment_name: str
    previous_segment: str | None
    last_purchase: datetime
    analysis_date: datetime
    as_of: date
    recent_transactions: list[Order] | None
    recent_anomalies: list[Anomaly] | None
    unavailable: list[str]


@router.get("/segments", response_model=Segments)
async def list_segments(
    request: Request, services: UsesServices, query: Annotated[CountryQuery, Query()]
) -> Response:
    """Segments with their customers, of one country or of all."""

    async def compute(run: Run) -> dict[str, Any]:
        found = await segments.segments(run, query.country)
        return {"segments": found, "as_of": run.mart(segments.MART).as_of}

    return answer(request, await services.warehouse.ask(("segments", query.country), compute))


@router.get("/rfm", response_model=Matrix)
async def matrix(
    request: Request, services: UsesServices, query: Annotated[CountryQuery, Query()]
) -> Response:
    """Customers by recency and frequency score."""

    async def compute(run: Run) -> dict[str, Any]:
        found = await segments.matrix(run, query.country)
        return {"cells": found, "as_of": run.mart(segments.MART).as_of}

    return answer(request, await services.warehouse.ask(("rfm", query.country), compute))


@router.get("/migrations", response_model=Migrations, dependencies=[Depends(no_parameters)])
async def list_migrations(request: Request, services: UsesServices) -> Response:
    """Customers by the segment they come from and the one they are in."""

    async def compute(run: Run) -> dict[str, Any]:
        found = await migrations.migrations(run)
        return {"migrations": found, "as_of": run.mart(migrations.MART).as_of}

    return answer(request, await services.warehouse.ask("migrations", compute))


@router.get("/{user_id:path}", response_model=Customer, dependencies=[Depends(no_parameters)])
async def customer(
    request: Request,
    services: UsesServices,
    user_id: Annotated[Name, Path(min_length=1, max_length=100, examples=["user456"])],
) -> Response:
    """One customer's segment, newest orders and what those raised."""

    async def compute(run: Run) -> dict[str, Any]:
        document = await segments.customer(run, user_id) or {}
        known = {name: document[name] for name in Customer.model_fields if name in document}
        return {**known, "as_of": run.mart(segments.MART).as_of}

    known = await services.warehouse.ask(("customer", user_id), compute)
    if "user_id" not in known:
        raise ProblemError(404, "the published run has no customer with this id")
    return answer(request, {**known, **await _recent(services, user_id)})


async def _recent(services: Services, user_id: str) -> dict[str, Any]:
    try:
        orders = await transactions.newest_of(services.database, user_id, _RECENT_ORDERS)
        raised = await anomalies.of_transactions(
            services.database, [order["transaction_id"] for order in orders]
        )
    except StoreDownError as error:
        return {"recent_transactions": None, "recent_anomalies": None, "unavailable": [error.store]}
    return {
        "recent_transactions": [
            {name: order[name] for name in Order.model_fields} for order in orders
        ],
        "recent_anomalies": [shown(each) for each in raised],
        "unavailable": [],
    }
