"""Names to filter by."""

from typing import Any

from fastapi import APIRouter, Depends, Request, Response
from pydantic import BaseModel, ConfigDict

from api.dependencies import UsesServices
from api.parameters import no_parameters
from api.queries import dimensions
from api.responses import cacheable_response

router = APIRouter(prefix="/dimensions", tags=["dimensions"])

_EXAMPLE: dict[str, Any] = {"countries": ["Canada", "USA"], "categories": ["Books", "Toys"]}


class Dimensions(BaseModel):
    """Every country and category that has an order, sorted."""

    model_config = ConfigDict(json_schema_extra={"examples": [_EXAMPLE]})
    countries: list[str]
    categories: list[str]


@router.get("", response_model=Dimensions, dependencies=[Depends(no_parameters)])
async def names(request: Request, services: UsesServices) -> Response:
    """Countries and categories that occur."""
    payload = {
        "countries": await dimensions.countries(services.database),
        "categories": await dimensions.categories(services.database),
    }
    return cacheable_response(request, payload)
