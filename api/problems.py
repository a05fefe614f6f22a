"""Every error is a problem detail (RFC 9457) without internals of the program."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

from api.responses import to_json
from api.stores import StoreDownError
from app.errors import GlobalMartError

MEDIA_TYPE: Final = "application/problem+json"


class FieldProblem(BaseModel):
    """What is wrong with one field of a request."""

    field: str = Field(examples=["start_date"])
    message: str = Field(examples=["give a date such as 2025-12-01"])


class Problem(BaseModel):
    """A problem detail; `errors` with 422, `store` with 503."""

    type: str = Field("about:blank", examples=["about:blank"])
    title: str = Field(examples=["Service Unavailable"])
    status: int = Field(examples=[503])
    detail: str = Field(examples=["postgresql is not available at the moment; try again later"])
    errors: list[FieldProblem] | None = None
    store: str | None = Field(None, examples=["postgresql"])


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


async def _http(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    headers = error.headers
    if headers and headers.get("Allow") == "GET":
        headers = {**headers, "Allow": "GET, HEAD"}
    return problem(error.status_code, str(error.detail), headers)


async def _bug(_: Request, __: Exception) -> Response:
    return problem(500, "internal error; see the server's log")
