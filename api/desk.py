"""Changes of the fraud desk: a login of its own, and what a request for a change has to say."""

import asyncio
import logging
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Annotated, Any, Final

import asyncpg
from fastapi import Depends, Header, Request
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema

from api.postgres_reader import is_down
from api.problems import ProblemError, documented, invalid
from api.stores import StoreDownError
from app.domain.timestamps import TimestampError, as_utc, parse_timestamp
from app.errors import SettingsError
from app.fraud.texts import MAX_REASON
from app.postgres.connections import connect_desk
from app.settings import PostgresSettings

logger = logging.getLogger(__name__)

_CHANGES_AT_ONCE: Final = 4
_TAG: Final = re.compile(r'(?:W/)?"(\d{1,9})"', re.ASCII)
_ANY: Final = "*"
#: Problems of every change.
CHANGE_PROBLEMS: Final = documented(400, 403, 413, 415)
#: Problems of a change of something that has a version.
VERSION_PROBLEMS: Final = documented(404, 412, 428)


class Desk:
    """Connections as the desk's role, one for each change, few at once."""

    name: Final = "postgresql"

    def __init__(self, settings: PostgresSettings) -> None:
        self._settings = settings
        self._places = asyncio.Semaphore(_CHANGES_AT_ONCE)

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[asyncpg.Connection]:
        """A connection for a change; raises ProblemError 503 without the login, StoreDownError."""
        if self._settings.desk_password is None:
            variable = self._settings.variable("desk_password")
            detail = f"this server only reads: {variable} is not set; set it, run `globalmart migrate`, restart the API"
            raise ProblemError(503, detail)
        async with self._places:
            try:
                connection = await connect_desk(self._settings, "globalmart-api desk")
                try:
                    yield connection
                finally:
                    await connection.close(timeout=self._settings.connect_timeout_seconds)
            except SettingsError as error:
                logger.error("%s", error)
                raise ProblemError(503, "the login for changes is refused; see the server's log") from error
            except Exception as error:
                if not is_down(error):
                    raise
                logger.warning("postgresql is not available for a change: %r", error)
                raise StoreDownError(self.name) from error


async def require_json(request: Request) -> None:
    """A dependency of every change; raises ProblemError 415.

    A page of another origin can send any other body without asking first, and one without a type, too.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise ProblemError(415, "send the body as application/json, and say so in the header Content-Type")


async def _expected(
    if_match: Annotated[
        str | None,
        Header(description='Version that is changed, as in `ETag`: `"3"`; `*` for whichever it is.', examples=['"3"']),
    ] = None,
) -> int | None:
    """The version of If-Match, None for any; raises ProblemError 428 without the header, 422 for what is no version."""
    if if_match is None:
        raise ProblemError(428, 'say which version is changed: send its ETag in If-Match, such as "3"')
    if if_match.strip() == _ANY:
        return None
    found = _TAG.fullmatch(if_match.strip())
    if found is None:
        raise invalid("if-match", 'send one version, such as "3", or *')
    return int(found[1])


#: A dependency of what changes a version.
ExpectedVersion = Annotated[int | None, Depends(_expected)]


def _moment(value: Any) -> datetime:
    if not isinstance(value, str):
        raise ValueError("write a time such as 2025-12-01T12:00:00Z")
    try:
        parsed = parse_timestamp(value)
    except TimestampError as error:
        raise ValueError(str(error)) from None
    if not isinstance(parsed, datetime):
        raise ValueError("write a time such as 2025-12-01T12:00:00Z, not a day")
    return as_utc(parsed)


#: A time in a body, UTC unless it has an offset; read as strictly as in an address.
Moment = Annotated[datetime, BeforeValidator(_moment), WithJsonSchema({"type": "string"})]
Reason = Annotated[str, Field(max_length=MAX_REASON, description="Why; stands with the change.")]


class Body(BaseModel):
    """A body: unknown fields are refused."""

    model_config = ConfigDict(extra="forbid")
