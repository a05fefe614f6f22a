"""Cases of the fraud desk: the queue, one case, and what is decided."""

from datetime import datetime
from typing import Annotated, Final

from fastapi import APIRouter, Depends, Path, Query, Request, Response
from pydantic import BaseModel, Field

from api import cursors
from api.dependencies import Services, UsesServices
from api.desk import CHANGE_PROBLEMS, VERSION_PROBLEMS, Body, ExpectedVersion, require_json
from api.keys import Analyst
from api.parameters import CursorQuery, Name, no_parameters
from api.problems import documented, invalid
from api.queries import cases
from api.queries.cases import Sort
from api.responses import Amount, cacheable_response, example, versioned_response
from api.routes.transactions import Order
from app.fraud.cases import CaseChange, Status, change_case
from app.fraud.rule_errors import UnknownNameError
from app.fraud.rules import Severity
from app.fraud.texts import MAX_NAME, MAX_NOTE

router = APIRouter(prefix="/cases", tags=["cases"])

_MAX_ID: Final = 2**63 - 1
_CASE: Final = """{"case_id": 17, "transaction_id": "abc123", "user_id": "user456", "status": "open",
"severity": "high", "amount": 9000.0, "event_time": "2025-12-07T04:29:59.5Z",
"opened_at": "2025-12-07T04:30:00Z", "assignee": null, "closed_at": null,
"version": 1, "risk_score": 70, "action": "review", "rules": ["high_value"]"""
_ONE: Final = f"""{_CASE}, "label": null, "reasons": [{{"rule_id": "high_value", "rule_version": 1,
"name": "High value", "severity": "high", "weight": 40, "measure": "9000.00", "threshold": "5000.00",
"description": "High value transaction: $9000.00", "suppressed": false}}], "history": [{{"at": "2025-12-07T05:00:00Z",
"author": "ann", "action": "assigned", "note": ""}}], "recent_orders": []}}"""


class Case(BaseModel):
    """An order's verdict as somebody's work; `rules` are those that raised it."""

    case_id: int
    transaction_id: str
    user_id: str | None
    status: str
    severity: str
    amount: Amount
    event_time: datetime
    opened_at: datetime
    assignee: str | None
    closed_at: datetime | None
    version: int
    risk_score: int | None
    action: str | None
    rules: list[str]


class Cases(BaseModel):
    """A page of the queue; `next_cursor` is null on the last page."""

    model_config = example(f'{{"cases": [{_CASE}}}], "next_cursor": null}}')
    cases: list[Case]
    next_cursor: str | None


class CaseReason(BaseModel):
    """What a rule saw: measure and threshold are texts in the rule's unit. An allow list has weight 0."""

    rule_id: str
    rule_version: int
    name: str
    severity: str
    weight: int
    measure: str
    threshold: str
    description: str
    suppressed: bool


class CaseLabel(BaseModel):
    """The label that counts of the order."""

    label: str
    source: str
    event_time: datetime
    arrived_at: datetime
    author: str


class CaseEvent(BaseModel):
    """Who did what: confirmed, dismissed, reopened, assigned, unassigned or noted."""

    at: datetime
    author: str
    action: str
    note: str


class RecentOrder(Order):
    """An order of the user, with its verdict's action and the label that counts; null without."""

    action: str | None
    label: str | None


class OneCase(Case):
    """A case with everything that is known of it; the user's newest orders come newest first."""

    model_config = example(_ONE)
    reasons: list[CaseReason]
    label: CaseLabel | None
    history: list[CaseEvent]
    recent_orders: list[RecentOrder]


class CasesQuery(CursorQuery):
    """Parameters of the queue."""

    status: Status | None = Field(None, description="One status only.", examples=["open"])
    severity: Severity | None = Field(None, description="One severity only.", examples=["high"])
    assignee: Name | None = Field(None, max_length=MAX_NAME, description="Cases of one person.", examples=["ann"])
    sort: Sort = Field("severity", description="The worst and dearest first, or those of the newest orders.")


class CaseUpdate(Body):
    """What is decided; a field that is left out stays, `assignee` null frees the case."""

    model_config = example('{"status": "confirmed", "note": "card reported stolen"}')
    status: Status | None = Field(None, description="`confirmed` labels the order fraud, `dismissed` legitimate.")
    assignee: str | None = Field(None, min_length=1, max_length=MAX_NAME)
    note: str = Field("", max_length=MAX_NOTE)

    @property
    def change(self) -> CaseChange:
        """The change that is meant."""
        unassign = "assignee" in self.model_fields_set and self.assignee is None
        return CaseChange(self.status, self.assignee, unassign, self.note)


CaseId = Annotated[int, Path(ge=1, le=_MAX_ID, examples=[17])]


@router.get("", response_model=Cases)
async def queue(request: Request, services: UsesServices, query: Annotated[CasesQuery, Query()]) -> Response:
    """Cases that need somebody, page by page: the worst and dearest first, or those of the newest orders."""
    limit = query.page_limit(services.settings)
    place = query.parts(*([int] * (2 if query.sort == "newest" else 3)))
    try:
        after = None if place is None else cases.arguments_of(place, query.sort)
    except OverflowError:
        raise invalid("cursor", "this is not a cursor; use next_cursor of the previous page") from None
    rows = await cases.page(
        services.database, query.status, query.severity, query.assignee, query.sort, after, limit + 1
    )
    cursor = None
    if len(rows) > limit:
        cursor = cursors.encode_parts(cases.place_of(rows[limit - 1], query.sort), query.question())
    return cacheable_response(request, {"cases": [cases.shown(row) for row in rows[:limit]], "next_cursor": cursor})


@router.get("/{case_id}", response_model=OneCase, dependencies=[Depends(no_parameters)], responses=documented(404))
async def one_case(services: UsesServices, case_id: CaseId) -> Response:
    """One case: reasons, history, label, the user's last orders. `ETag` is the version that a change names."""
    return await _answer(services, case_id)


@router.patch(
    "/{case_id}",
    response_model=OneCase,
    dependencies=[Depends(require_json), Depends(no_parameters)],
    responses={**CHANGE_PROBLEMS, **VERSION_PROBLEMS},
)
async def decide(
    services: UsesServices, caller: Analyst, case_id: CaseId, update: CaseUpdate, expected: ExpectedVersion
) -> Response:
    """Confirms, dismisses or reopens a case, assigns it, or adds a note."""
    async with services.desk.connection() as connection:
        await change_case(connection, case_id, update.change, caller.name, services.now(), expected)
    return await _answer(services, case_id)


async def _answer(services: Services, case_id: int) -> Response:
    found = await cases.case(services.database, case_id, Order.model_fields)
    if found is None:
        raise UnknownNameError(f"there is no case {case_id}")
    return versioned_response(found, found["version"])
