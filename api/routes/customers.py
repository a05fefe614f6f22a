"""Customers: their segments, the matrix behind them, and who moved."""

from datetime import date
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import BaseModel, Field

from api.dependencies import UsesServices
from api.marts import segments
from api.parameters import Country, no_parameters
from api.parameters import Query as Parameters
from api.problems import documented
from api.responses import Amount, cacheable_response, example
from api.run_reader import PublishedRun

router = APIRouter(prefix="/customers", tags=["customers"], responses=documented(404))

_SEGMENTS: Final = """
{"segments": [{"segment_name": "Champions", "customer_count": 8934, "avg_monetary": 1245.67, "avg_frequency": 12.31,
"total_value": 11128815.78}], "note": null, "as_of": "2025-12-06"}"""
_MATRIX: Final = """
{"cells": [{"recency_score": 5, "frequency_score": 5, "segment_name": "Champions", "customers": 412,
"revenue": 913244.1}], "note": null, "as_of": "2025-12-06"}"""
_MIGRATIONS: Final = """
{"migrations": [{"from": "Loyal Customers", "to": "Champions", "customers": 37, "revenue": 51230.99}],
"as_of": "2025-12-06"}"""
_NOTE: Any = Field(description="Where all customers have the same scores, that they tell nobody apart; else null.")


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

    model_config = example(_SEGMENTS)
    segments: list[Segment]
    note: str | None = _NOTE
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

    model_config = example(_MATRIX)
    cells: list[Cell]
    note: str | None = _NOTE
    as_of: date


class Migration(BaseModel):
    """Customers who went from one segment to another, or stayed; `(none)` are new ones."""

    from_: str = Field(alias="from")
    to: str
    customers: int
    revenue: Amount


class Migrations(BaseModel):
    """Every pair of segments with customers, since the run of an earlier day."""

    model_config = example(_MIGRATIONS)
    migrations: list[Migration]
    as_of: date


@router.get("/segments", response_model=Segments)
async def list_segments(request: Request, services: UsesServices, query: Annotated[CountryQuery, Query()]) -> Response:
    """Segments with their customers, of one country or of all."""

    async def compute(run: PublishedRun) -> dict[str, Any]:
        found = await segments.segments(run, query.country)
        return {"segments": found, "note": await segments.note(run), "as_of": run.mart(segments.MART).as_of}

    return cacheable_response(request, await services.warehouse.ask(("segments", query.country), compute))


@router.get("/rfm", response_model=Matrix)
async def matrix(request: Request, services: UsesServices, query: Annotated[CountryQuery, Query()]) -> Response:
    """Customers by recency and frequency score."""

    async def compute(run: PublishedRun) -> dict[str, Any]:
        found = await segments.matrix(run, query.country)
        return {"cells": found, "note": await segments.note(run), "as_of": run.mart(segments.MART).as_of}

    return cacheable_response(request, await services.warehouse.ask(("rfm", query.country), compute))


@router.get("/migrations", response_model=Migrations, dependencies=[Depends(no_parameters)])
async def list_migrations(request: Request, services: UsesServices) -> Response:
    """Customers by the segment they come from and the one they are in."""

    async def compute(run: PublishedRun) -> dict[str, Any]:
        found = await segments.migrations(run)
        return {"migrations": found, "as_of": run.mart(segments.MIGRATIONS).as_of}

    return cacheable_response(request, await services.warehouse.ask("migrations", compute))
