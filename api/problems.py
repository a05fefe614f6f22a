"""Every error is a problem detail (RFC 9457) without internals of the program."""

import re
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import iter_route_contexts
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException
from starlette.routing import Match

from api.responses import to_json
from api.stores import StoreDownError
from app.errors import GlobalMartError
from app.fraud.rule_errors import InvalidRuleError, TakenNameError, UnknownNameError, VersionConflictError

MEDIA_TYPE: Final = "application/problem+json"
#: A message of the desk that begins with the field.
_OF_FIELD: Final = re.compile(
    r"(?P<field>[a-z][a-z_0-9.\[\]]*)(?:: | (?=must |exceeds |is above ))(?P<message>.*)", re.DOTALL
)


class FieldProblem(BaseModel):
    """What is wrong with one field of a request."""

    field: str = Field(examples=["start_date"])
    message: str = Field(examples=["give a date such as 2025-12-01"])


class Problem(BaseModel):
    """A problem detail; `errors` with 422, `store` with 503, `current_version` with 412."""

    type: str = Field("about:blank", examples=["about:blank"])
    title: str = Field(examples=["Service Unavailable"])
    status: int = Field(examples=[503])
    detail: str = Field(examples=["postgresql is not available at the moment; try again later"])
    errors: list[FieldProblem] | None = None
    store: str | None = Field(None, examples=["postgresql"])
    current_version: int | None = Field(None, examples=[3])


class ProblemError(GlobalMartError):
    """Ends a request with this status, these headers and additional members."""

    def __init__(self, status: int, detail: str, headers: Mapping[str, str] | None = None, **members: Any) -> None:
        super().__init__(detail)
        self.status = status
        self.headers = headers
        self.members = members


def invalid(field: str, message: str) -> ProblemError:
    """Returns a 422 that names the field."""
    errors = [{"field": field, "message": message}]
    return ProblemError(422, f"{field}: {message}", errors=errors)


def problem(status: int, detail: str, headers: Mapping[str, str] | None = None, **members: Any) -> Response:
    """Returns a response with the problem as its body."""
    title = HTTPStatus(status).phrase
    body = {"type": "about:blank", "title": title, "status": status, "detail": detail, **members}
    all_headers = {"Cache-Control": "no-store", **(headers or {})}
    return Response(to_json(body), status, all_headers, media_type=MEDIA_TYPE)


def documented(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The problems a route may answer with, for its OpenAPI entry."""
    schema = {"schema": {"$ref": "#/components/schemas/Problem"}}
    return {status: {"description": HTTPStatus(status).phrase, "content": {MEDIA_TYPE: schema}} for status in statuses}


def install(app: FastAPI, retry_after_seconds: int) -> None:
    """Makes the app answer every error with a problem; one of a store that is down has Retry-After."""

    async def store_down(_: Request, error: Exception) -> Response:
        assert isinstance(error, StoreDownError)
        headers = {"Retry-After": str(retry_after_seconds)}
        return problem(503, str(error), headers, store=error.store)

    app.add_exception_handler(StoreDownError, store_down)
    app.add_exception_handler(ProblemError, _known)
    app.add_exception_handler(InvalidRuleError, _invalid_change)
    app.add_exception_handler(TakenNameError, _taken)
    app.add_exception_handler(UnknownNameError, _unknown)
    app.add_exception_handler(VersionConflictError, _conflict)
    app.add_exception_handler(RequestValidationError, _invalid_request)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(Exception, _bug)


async def _known(_: Request, error: Exception) -> Response:
    assert isinstance(error, ProblemError)
    return problem(error.status, str(error), error.headers, **error.members)


async def _invalid_request(_: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    errors = [
        {"field": str(each["loc"][-1]), "message": each["msg"].removeprefix("Value error, ")} for each in error.errors()
    ]
    detail = "; ".join(f"{each['field']}: {each['message']}" for each in errors)
    return problem(422, detail, errors=errors)


async def _invalid_change(_: Request, error: Exception) -> Response:
    found = _OF_FIELD.fullmatch(str(error))
    errors = [{"field": found["field"], "message": found["message"]}] if found else []
    return problem(422, str(error), errors=errors)


async def _taken(_: Request, error: Exception) -> Response:
    return problem(409, str(error))


async def _unknown(_: Request, error: Exception) -> Response:
    return problem(404, str(error))


async def _conflict(_: Request, error: Exception) -> Response:
    assert isinstance(error, VersionConflictError)
    return problem(412, str(error), {"ETag": f'"{error.current}"'}, current_version=error.current)


async def _http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    headers = error.headers
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        headers = {**(headers or {}), "Allow": ", ".join(sorted(_methods(request)))}
    return problem(error.status_code, str(error.detail), headers)


def _methods(request: Request) -> set[str]:
    """All methods of an address; the framework names those of one route alone.

    An address with a route of its own, such as /rules/test, is not also one of a rule.
    """
    matching = [
        route
        for route in iter_route_contexts(request.app.routes)
        if route.methods and route.matches(request.scope)[0] is not Match.NONE
    ]
    literal = [route for route in matching if "{" not in (route.path or "")]
    methods: set[str] = set()
    for route in literal or matching:
        methods |= route.methods or set()
    return methods | {"HEAD"} if "GET" in methods else methods


async def _bug(_: Request, __: Exception) -> Response:
    return problem(500, "internal error; see the server's log")
