"""One order with its anomalies."""

from datetime import datetime
from typing import Annotated, Final

from fastapi import APIRouter, Depends, Path, Request, Response
from pydantic import BaseModel

from api.dependencies import UsesServices
from api.parameters import Name, no_parameters
from api.problems import ProblemError, documented
from api.queries import anomalies, sales
from api.responses import Amount, cacheable_response, example
from api.routes.anomalies import Anomaly, shown

router = APIRouter(prefix="/transactions", tags=["transactions"])

_EXAMPLE: Final = """
{"transaction_id": "abc123", "user_id": "user456", "timestamp": "2025-12-07T04:29:59.5Z", "total_amount": 9000.0,
"category": "Electronics", "country": "USA", "payment_method": "card", "quantity": 1, "product_id": "p7",
"session_id": null, "anomalies": []}"""


class Order(BaseModel):
    """An order of a known user."""

    transaction_id: str
    timestamp: datetime
    total_amount: Amount
    category: str | None
    country: str | None
    payment_method: str | None
    quantity: int
    product_id: str | None


class Transaction(Order):
    """An order as it was stored."""

    model_config = example(_EXAMPLE)
    user_id: str
    session_id: str | None
    anomalies: list[Anomaly]


_COLUMNS: Final = tuple(name for name in Transaction.model_fields if name != "anomalies")


@router.get(
    "/{transaction_id:path}",
    response_model=Transaction,
    responses=documented(404),
    dependencies=[Depends(no_parameters)],
)
async def transaction(
    request: Request,
    services: UsesServices,
    transaction_id: Annotated[Name, Path(min_length=1, max_length=100, examples=["abc123"])],
) -> Response:
    """One order with its anomalies."""
    row = await sales.order(services.database, transaction_id, _COLUMNS)
    if row is None:
        raise ProblemError(404, "no transaction with this id is stored")
    raised = await anomalies.of_transaction(services.database, transaction_id)
    return cacheable_response(request, {**row, "anomalies": [shown(each) for each in raised]})
