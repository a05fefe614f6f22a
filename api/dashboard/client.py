"""The only client of the REST API; numbers with a decimal point become Decimals, never floats."""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from email.utils import parsedate_to_datetime
from typing import Any, Final, Self
from urllib.parse import quote

import httpx

from api.dashboard.api_errors import (
    ApiUnavailableError,
    BusyError,
    ConflictError,
    DashboardError,
    ForbiddenError,
    KeyRefusedError,
    NotFoundError,
    NotPublishedError,
    RefusedError,
    RejectedError,
    StoreDownError,
    UnexpectedAnswerError,
)
from app.settings import DashboardSettings

_BASE: Final = "/api/v1"
_NOT_PUBLISHED: Final = "urn:globalmart:not-published"


@dataclass(frozen=True, slots=True)
class Answer:
    """The content of a 200, and the time of the response by the API's clock."""

    content: Mapping[str, Any]
    given_at: datetime

    def __getitem__(self, name: str) -> Any:
        return self.content[name]


class ApiClient:
    """Reads the API; every method raises DashboardError with a fix. May be shared by threads."""

    def __init__(self, settings: DashboardSettings) -> None:
        key = settings.api_key
        self.url = settings.api_url.rstrip("/")
        self._http = httpx.Client(
            base_url=self.url,
            timeout=settings.api_timeout_seconds,
            headers={"X-API-Key": key.get_secret_value()} if key else {},
            # A proxy of the environment must not be used between two servers of one machine.
            trust_env=False,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Closes the connections."""
        self._http.close()

    def get(self, path: str, **query: object) -> Answer:
        """Returns the response to GET /api/v1/{path}; parameters that are None are omitted."""
        given = {name: str(value) for name, value in query.items() if value is not None}
        return self._answer(_fault, "GET", path, params=given)

    def one(self, path: str, identity: str) -> Answer:
        """Returns the response to GET /api/v1/{path}/{identity}; raises NotFoundError when there is none."""
        return self._answer(_fault, "GET", f"{path}/{quote(identity, safe='')}")

    def change(self, method: str, path: str, content: Mapping[str, Any], version: int | None = None) -> Answer:
        """Returns the response to a POST, PATCH or DELETE of JSON; `version` is that of what is changed.

        Raises ConflictError when it has another version now, RefusedError for what is not valid.
        """
        headers = {} if version is None else {"If-Match": f'"{version}"'}
        return self._answer(_refusal, method, path, json=content, headers=headers)

    def pages(self, path: str, items: str, most: int, **query: object) -> Iterator[Answer]:
        """Yields the pages of a resource in order, up to `most` items."""
        read, cursor = 0, None
        while read < most:
            answer = self.get(path, cursor=cursor, limit=min(most - read, 1000), **query)
            yield answer
            read += len(answer[items])
            cursor = answer.content.get("next_cursor")
            if cursor is None:
                return

    def _answer(
        self, fault: Callable[[httpx.Response], DashboardError], method: str, path: str, **request: Any
    ) -> Answer:
        try:
            response = self._http.request(method, f"{_BASE}/{path}", **request)
        except httpx.TransportError as error:
            raise ApiUnavailableError(self.url) from error
        if not response.is_success:
            raise fault(response)
        return Answer(_exact(response), _given_at(response))


def _refusal(response: httpx.Response) -> DashboardError:
    """What is wrong with a change; the rest is as for reading."""
    fault, detail = _fault(response), _problem(response).get("detail", "")
    match response.status_code:
        case httpx.codes.PRECONDITION_FAILED:
            return ConflictError(str(detail))
        case httpx.codes.CONFLICT | httpx.codes.REQUEST_ENTITY_TOO_LARGE | httpx.codes.UNPROCESSABLE_ENTITY:
            return RefusedError(str(detail))
        case httpx.codes.FORBIDDEN:
            return ForbiddenError(str(detail))
        case httpx.codes.SERVICE_UNAVAILABLE if detail and not isinstance(fault, StoreDownError):
            return RefusedError(str(detail))
    return fault


def _exact(response: httpx.Response) -> Mapping[str, Any]:
    try:
        content: Mapping[str, Any] = json.loads(response.content, parse_float=Decimal)
    except ValueError as error:
        raise UnexpectedAnswerError(response.status_code, "the body is not JSON") from error
    return content


def _given_at(response: httpx.Response) -> datetime:
    date = response.headers.get("Date")
    return parsedate_to_datetime(date).astimezone(UTC) if date else datetime.now(UTC)


def _problem(response: httpx.Response) -> Mapping[str, Any]:
    try:
        problem = json.loads(response.content)
    except ValueError:
        return {}
    return problem if isinstance(problem, dict) else {}


def _fault(response: httpx.Response) -> DashboardError:
    problem = _problem(response)
    detail = str(problem.get("detail", response.reason_phrase))
    match response.status_code:
        case httpx.codes.UNAUTHORIZED:
            return KeyRefusedError()
        case httpx.codes.NOT_FOUND if problem.get("type") == _NOT_PUBLISHED:
            return NotPublishedError()
        case httpx.codes.NOT_FOUND if "detail" in problem:
            return NotFoundError(detail)
        case httpx.codes.UNPROCESSABLE_ENTITY:
            return RejectedError(detail)
        case httpx.codes.TOO_MANY_REQUESTS:
            return BusyError(response.headers.get("Retry-After", "a few"))
        case httpx.codes.SERVICE_UNAVAILABLE if "store" in problem:
            return StoreDownError(str(problem["store"]))
        case status:
            return UnexpectedAnswerError(status, detail)
