"""Names and days to filter by."""

from datetime import date
from typing import Final

from fastapi import APIRouter, Depends, Request, Response
from pydantic import BaseModel

from api.dependencies import UsesServices
from api.parameters import no_parameters
from api.queries import sales
from api.responses import cacheable_response, example

router = APIRouter(prefix="/dimensions", tags=["dimensions"])

_EXAMPLE: Final = """
{"countries": ["Canada", "USA", "unknown"], "categories": ["Books", "Toys"], "days": {"first": "2025-09-08",
"last": "2025-12-07"}}"""


class StoredDays(BaseModel):
    """UTC days of the first and the last order stored, null without any."""

    first: date | None
    last: date | None


class Dimensions(BaseModel):
    """Every country and category that has an order, sorted; `unknown` for orders without one."""

    model_config = example(_EXAMPLE)
    countries: list[str]
    categories: list[str]
    days: StoredDays


@router.get("", response_model=Dimensions, dependencies=[Depends(no_parameters)])
async def names(request: Request, services: UsesServices) -> Response:
    """Countries, categories and days that occur."""
    stored = await sales.extent(services.database)
    payload = {
        "countries": await sales.countries(services.database),
        "categories": await sales.categories(services.database),
        "days": stored._asdict(),
    }
    return cacheable_response(request, payload)
