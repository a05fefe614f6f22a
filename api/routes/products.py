"""Sales by category or by product."""

from datetime import date
from enum import StrEnum
from typing import Annotated, Any, Final

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, Field

from api.dependencies import UsesServices
from api.marts import products
from api.parameters import Category, Country, LimitQuery
from api.problems import documented
from api.responses import Amount, cacheable_response, example
from api.run_reader import PublishedRun

router = APIRouter(prefix="/products", tags=["products"], responses=documented(404))

_CATEGORIES: Final = """
{"products": [{"category": "Electronics", "revenue": 3456789.12, "transaction_count": 4532,
"avg_transaction_value": 762.75}], "as_of": "2025-12-06"}"""
_PRODUCTS: Final = """
{"products": [{"product_id": "p7", "category": "Electronics", "revenue": 1525.5, "units": 3, "transaction_count": 2,
"avg_transaction_value": 762.75, "views": 80, "cart_adds": 9, "conversion": 0.025}], "as_of": "2025-12-06"}"""


class ProductGroup(StrEnum):
    """The grouping of the lines."""

    CATEGORY = "category"
    PRODUCT = "product"


class ProductQuery(LimitQuery):
    """Parameters of /products/performance."""

    category: Category = None
    country: Country = None
    group_by: ProductGroup = Field(ProductGroup.CATEGORY, description="The grouping of the lines.")


class CategoryPerformance(BaseModel):
    """Orders of all products of a category; the average is null without orders."""

    category: str
    revenue: Amount
    transaction_count: int
    avg_transaction_value: Amount | None


class ProductPerformance(CategoryPerformance):
    """One product; `conversion` is orders per view with four places, null without a view."""

    product_id: str
    units: int
    views: int
    cart_adds: int
    conversion: Amount | None


class Performance(BaseModel):
    """By revenue, greatest first; orders without a product are in no line."""

    model_config = example(_CATEGORIES, _PRODUCTS)
    products: list[ProductPerformance | CategoryPerformance]
    as_of: date


@router.get("/performance", response_model=Performance)
async def performance(request: Request, services: UsesServices, query: Annotated[ProductQuery, Query()]) -> Response:
    """Categories, or products with `group_by=product`, by revenue."""
    limit = query.page_limit(services.settings)
    parameters = (query.category, query.country, limit)

    async def compute(run: PublishedRun) -> dict[str, Any]:
        by_product = query.group_by is ProductGroup.PRODUCT
        read = products.products if by_product else products.categories
        return {"products": await read(run, *parameters), "as_of": run.mart(products.MART).as_of}

    question = ("products", query.group_by, *parameters)
    return cacheable_response(request, await services.warehouse.ask(question, compute))
