"""One customer: the segment of the published run, the newest orders and what those raised."""

from datetime import date, datetime
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Path, Request, Response
from pydantic import BaseModel

from api.dependencies import Services, UsesServices
from api.marts import segments
from api.parameters import Name, no_parameters
from api.problems import ProblemError, documented
from api.queries import anomalies, sales
from api.responses import Amount, cacheable_response, example
from api.routes.anomalies import Anomaly, shown
from api.routes.transactions import Order
from api.run_reader import PublishedRun
from api.stores import StoreDownError

router = APIRouter(prefix="/customers", tags=["customers"], responses=documented(404))

_RECENT_ORDERS = 10
_EXAMPLE: Final = """
{"user_id": "user456", "country": "USA", "recency": 3, "frequency": 14, "monetary": 5120.4, "r_score": 5,
"f_score": 5, "m_score": 4, "rfm_segment": "554", "segment_name": "Champions", "previous_segment": "Loyal Customers",
"note": null, "last_purchase": "2025-12-03T18:20:11.052Z", "analysis_date": "2025-12-06T00:00:00Z",
"as_of": "2025-12-06", "recent_transactions": [], "recent_anomalies": [], "unavailable": []}"""


class Customer(BaseModel):
    """A customer as of the published run, and the newest orders with what they raised as of now.

    While PostgreSQL is down both lists are null and `unavailable` names it.
    """

    model_config = example(_EXAMPLE)
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
    note: str | None
    last_purchase: datetime
    analysis_date: datetime
    as_of: date
    recent_transactions: list[Order] | None
    recent_anomalies: list[Anomaly] | None
    unavailable: list[str]


@router.get("/{user_id:path}", response_model=Customer, dependencies=[Depends(no_parameters)])
async def customer(
    request: Request,
    services: UsesServices,
    user_id: Annotated[Name, Path(min_length=1, max_length=100, examples=["user456"])],
) -> Response:
    """One customer's segment, newest orders and what those raised."""

    async def compute(run: PublishedRun) -> dict[str, Any]:
        document = await segments.customer(run, user_id) or {}
        known = {name: document[name] for name in Customer.model_fields if name in document}
        note = await segments.note(run) if known else None
        return {**known, "note": note, "as_of": run.mart(segments.MART).as_of}

    known = await services.warehouse.ask(("customer", user_id), compute)
    if "user_id" not in known:
        raise ProblemError(404, "the published run has no customer with this id")
    return cacheable_response(request, {**known, **await _recent(services, user_id)})


async def _recent(services: Services, user_id: str) -> dict[str, Any]:
    try:
        orders = await sales.newest_orders(services.database, user_id, Order.model_fields, _RECENT_ORDERS)
        raised = await anomalies.of_transactions(services.database, [order["transaction_id"] for order in orders])
    except StoreDownError as error:
        return {"recent_transactions": None, "recent_anomalies": None, "unavailable": [error.store]}
    return {
        "recent_transactions": [dict(order) for order in orders],
        "recent_anomalies": [shown(each) for each in raised],
        "unavailable": [],
    }
