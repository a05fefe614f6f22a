"""Labels: what orders turned out to be."""

from typing import Annotated, Final

from fastapi import APIRouter, Depends, Response
from pydantic import BaseModel, Field

from api.dependencies import UsesServices
from api.desk import CHANGE_PROBLEMS, Body, Moment, require_json
from api.keys import Analyst
from api.parameters import no_parameters
from api.responses import example, uncached_response
from app.fraud.labels import MAX_TRANSACTION_ID, Label, Source, checked_label, store_labels

router = APIRouter(prefix="/labels", tags=["labels"])

#: So many fit into the largest request.
_MAX_LABELS: Final = 500


class NewLabel(Body):
    """A label of an order. `event_time` is when it was known, now unless given; the newest counts."""

    model_config = example(
        '{"transaction_id": "abc123", "label": "fraud", "source": "chargeback", "event_time": "2025-12-09T10:00:00Z"}'
    )
    transaction_id: str = Field(min_length=1, max_length=MAX_TRANSACTION_ID)
    label: Label
    source: Source = "analyst"
    event_time: Moment | None = None


class LabelsStored(BaseModel):
    """`repeated` were known already; of `without_order` no order is stored, their labels are kept."""

    model_config = example('{"stored": 1, "repeated": 0, "without_order": 0}')
    stored: int
    repeated: int
    without_order: int


@router.post(
    "",
    response_model=LabelsStored,
    status_code=201,
    dependencies=[Depends(require_json), Depends(no_parameters)],
    responses=CHANGE_PROBLEMS,
)
async def label(
    services: UsesServices,
    caller: Analyst,
    labels: NewLabel | Annotated[list[NewLabel], Field(min_length=1, max_length=_MAX_LABELS)],
) -> Response:
    """Stores one label or an array of them: all or, if one is wrong, none. Sending one again changes nothing."""
    now = services.now()
    given = [
        checked_label(one.transaction_id, one.label, one.source, one.event_time or now, now)
        for one in (labels if isinstance(labels, list) else [labels])
    ]
    async with services.desk.connection() as connection:
        counts = await store_labels(connection, given, caller.name)
    return uncached_response(counts._asdict(), 201)
