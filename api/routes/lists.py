"""Lists of the fraud desk: read, filled and emptied."""

from datetime import datetime
from typing import Annotated, Final

from fastapi import APIRouter, Depends, Path, Query, Request, Response
from pydantic import BaseModel, Field

from api import cursors, parameters
from api.dependencies import Services, UsesServices
from api.desk import CHANGE_PROBLEMS, Body, Moment, Reason, require_json
from api.keys import Analyst
from api.parameters import CursorQuery, Name, no_parameters
from api.problems import documented, invalid
from api.responses import cacheable_response, example, uncached_response
from app.fraud import catalogue
from app.fraud.editions import EntriesSet, ListEntry, RuleDesk
from app.fraud.rule_errors import UnknownNameError
from app.fraud.texts import MAX_NOTE, MAX_VALUE

router = APIRouter(prefix="/lists", tags=["lists"])

_MAX_VALUES: Final = 1_000
_SUMMARY: Final = """{"name": "stolen", "entries": 12, "expired": 1, "author": "ann", "reason": "cards",
"made_at": "2025-12-01T00:00:00Z"}"""
_ENTRY: Final = """{"value": "c7f3", "expires_at": "2026-03-01T00:00:00Z", "note": "reported stolen", "author": "ann",
"reason": "chargeback", "added_at": "2025-12-07T04:30:00Z"}"""


class ListSummary(BaseModel):
    """A list; `expired` of its values do not count for orders of now."""

    model_config = example(_SUMMARY)
    name: str
    entries: int
    expired: int
    author: str
    reason: str
    made_at: datetime


class Lists(BaseModel):
    """All lists by name."""

    model_config = example(f'{{"lists": [{_SUMMARY}]}}')
    lists: list[ListSummary]


class ChangedLists(Lists):
    """All lists after a change, which made no edition if no value `changed`; `edition` is the newest.

    Of those that changed, so many were `added`: the others were on the list with another expiry or note, or removed.
    """

    model_config = example(f'{{"edition": 3, "changed": 1, "added": 1, "unchanged": 0, "lists": [{_SUMMARY}]}}')
    edition: int
    changed: int
    added: int
    unchanged: int


class Entry(BaseModel):
    """A value; from the event time `expires_at` it does not count, null never expires."""

    value: str
    expires_at: datetime | None
    note: str
    author: str
    reason: str
    added_at: datetime


class Entries(BaseModel):
    """A page of a list, by the letters of its values; `next_cursor` is null on the last page."""

    model_config = example(f'{{"name": "stolen", "entries": [{_ENTRY}], "next_cursor": null}}')
    name: str
    entries: list[Entry]
    next_cursor: str | None


class EntriesQuery(CursorQuery):
    """Parameters of a list."""

    search: Name = Field(
        "", max_length=MAX_VALUE, description="Only values that contain this, in any case.", examples=["c7"]
    )


class CreateQuery(parameters.Query):
    """Parameters of an addition."""

    create: bool = Field(False, description="Make the list if it does not exist.")


class NewList(Body):
    """The name of a new list, lower-case letters, digits and _, and why it is made."""

    model_config = example('{"name": "stolen", "reason": "cards"}')
    name: str = Field(min_length=1, max_length=50, examples=["stolen"])
    reason: Reason = ""


class NewEntry(Body):
    """A value to add or to change."""

    value: str = Field(min_length=1, max_length=MAX_VALUE)
    expires_at: Moment | None = None
    note: str = Field("", max_length=MAX_NOTE)


class Addition(Body):
    """Values to add, and why."""

    model_config = example('{"entries": [{"value": "c7f3", "note": "reported stolen"}], "reason": "chargeback"}')
    entries: list[NewEntry] = Field(min_length=1, max_length=_MAX_VALUES)
    reason: Reason = ""


class Removal(Body):
    """Values to remove, and why; those that are not on the list are no error."""

    model_config = example('{"values": ["c7f3"], "reason": "found again"}')
    values: list[Annotated[str, Field(min_length=1, max_length=MAX_VALUE)]] = Field(
        min_length=1, max_length=_MAX_VALUES
    )
    reason: Reason = ""


ListName = Annotated[str, Path(min_length=1, max_length=50, examples=["stolen"])]


@router.get("", response_model=Lists, dependencies=[Depends(no_parameters)])
async def all_lists(request: Request, services: UsesServices) -> Response:
    """All lists with the number of their values."""
    return cacheable_response(request, await _summary(services))


@router.post(
    "",
    response_model=ListSummary,
    status_code=201,
    dependencies=[Depends(require_json), Depends(no_parameters)],
    responses={**CHANGE_PROBLEMS, **documented(409)},
)
async def new_list(services: UsesServices, caller: Analyst, new: NewList) -> Response:
    """Makes an empty list."""
    async with services.desk.connection() as connection:
        await RuleDesk(connection, caller.name).make_list(new.name, new.reason)
    lists = (await _summary(services))["lists"]
    return uncached_response(next(one for one in lists if one["name"] == new.name), 201)


@router.get("/{name}", response_model=Entries, responses=documented(404))
async def entries(
    request: Request, services: UsesServices, name: ListName, query: Annotated[EntriesQuery, Query()]
) -> Response:
    """The values of a list, page by page."""
    limit, question = query.page_limit(services.settings), [name, query.search]
    try:
        after = "" if query.cursor is None else cursors.decode_parts(query.cursor, question, (str,))[0]
    except ValueError as error:
        raise invalid("cursor", str(error)) from None
    if not await catalogue.list_exists(services.database, name):
        raise UnknownNameError(f"there is no list {name}; GET /api/v1/lists lists them")
    rows = await catalogue.entries(services.database, name, after, limit + 1, query.search)
    cursor = cursors.encode_parts([rows[limit - 1]["value"]], question) if len(rows) > limit else None
    shown = {"name": name, "entries": [dict(row) for row in rows[:limit]], "next_cursor": cursor}
    return cacheable_response(request, shown)


@router.post(
    "/{name}",
    response_model=ChangedLists,
    dependencies=[Depends(require_json)],
    responses={**CHANGE_PROBLEMS, **documented(404)},
)
async def add(
    services: UsesServices, caller: Analyst, name: ListName, addition: Addition, query: Annotated[CreateQuery, Query()]
) -> Response:
    """Adds values to a list, or changes their expiry and note; they count for the next orders."""
    new = [ListEntry(entry.value, entry.expires_at, entry.note) for entry in addition.entries]
    async with services.desk.connection() as connection:
        desk = RuleDesk(connection, caller.name)
        done = await desk.put_entries(name, new, addition.reason, create=query.create)
    return await _changed(services, done)


@router.delete(
    "/{name}",
    response_model=ChangedLists,
    dependencies=[Depends(require_json), Depends(no_parameters)],
    responses={**CHANGE_PROBLEMS, **documented(404)},
)
async def remove(services: UsesServices, caller: Analyst, name: ListName, removal: Removal) -> Response:
    """Removes values from a list."""
    async with services.desk.connection() as connection:
        done = await RuleDesk(connection, caller.name).remove_entries(name, removal.values, removal.reason)
    return await _changed(services, done)


async def _changed(services: Services, done: EntriesSet) -> Response:
    figures = {"edition": done.book.edition, "changed": done.changed, "added": done.added, "unchanged": done.unchanged}
    return uncached_response({**figures, **await _summary(services)})


async def _summary(services: Services) -> dict[str, list[dict[str, object]]]:
    return {"lists": [dict(row) for row in await catalogue.lists(services.database, services.now())]}
