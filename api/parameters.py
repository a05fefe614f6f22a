"""Query parameters that several routes have; an unknown one is refused, not ignored."""

from typing import Annotated, Any

from fastapi import Request
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationInfo, field_validator

from api import cursors
from api.cursors import Place
from api.dates import Period, end_of, start_of
from api.problems import invalid
from app.domain.names import name_or_unknown
from app.settings import ApiSettings


def _no_nul(text: str) -> str:
    if "\0" in text:
        raise ValueError("a NUL character cannot be stored, so nothing is called that")
    return text


Name = Annotated[str, AfterValidator(_no_nul)]


def _counted_name(text: str) -> str:
    """The name orders are counted under; nothing at all is no name."""
    if not text.strip():
        raise ValueError("is empty: leave it out for all, give unknown for what has none")
    return name_or_unknown(text)


CountedName = Annotated[Name, AfterValidator(_counted_name)]

Country = Annotated[
    CountedName | None,
    Field(max_length=50, description="One country only; `unknown` is what has none.", examples=["USA"]),
]
Category = Annotated[
    CountedName | None,
    Field(max_length=100, description="One category only; `unknown` is what has none.", examples=["Books"]),
]

_START = "First day or time that counts: a date, or a date-time (UTC unless it has an offset)."
_END = "Last day that counts, whole, or the time before which orders count."


class Query(BaseModel):
    """Parameters of a request."""

    model_config = ConfigDict(extra="forbid")


async def no_parameters(request: Request) -> None:
    """A dependency of routes without any; raises ProblemError 422 for the first there is."""
    for name in request.query_params:
        raise invalid(name, "Extra inputs are not permitted")


class PeriodQuery(Query):
    """A period; without a start or an end, everything stored."""

    start_date: str | None = Field(None, description=_START, examples=["2025-12-01"])
    end_date: str | None = Field(None, description=_END, examples=["2025-12-07"])

    @field_validator("start_date")
    @classmethod
    def _start_is_a_date(cls, text: str | None) -> str | None:
        if text is not None:
            start_of(text)
        return text

    @field_validator("end_date")
    @classmethod
    def _end_follows_start(cls, text: str | None, info: ValidationInfo) -> str | None:
        if text is None:
            return None
        start = info.data.get("start_date")
        if end_of(text) < (end_of(text) if start is None else start_of(start)):
            raise ValueError("the end lies before start_date")
        return text

    @property
    def period(self) -> Period:
        """The period that is meant."""
        return Period.parse(self.start_date, self.end_date)


class LimitQuery(Query):
    """At most so many rows."""

    limit: int | None = Field(None, ge=1, description="Rows of the page.", examples=[100])

    def page_limit(self, settings: ApiSettings) -> int:
        """Rows to read; raises ProblemError 422 beyond the largest page."""
        limit = settings.page_limit_default if self.limit is None else self.limit
        if limit > settings.page_limit_max:
            raise invalid("limit", f"a page has at most {settings.page_limit_max} rows")
        return limit


class CursorQuery(LimitQuery):
    """Something read page by page."""

    cursor: str | None = Field(None, max_length=400, description="`next_cursor` of the page before.")

    def question(self) -> list[str | None]:
        """What a cursor is good for: every parameter but those of the page."""
        parameters = self.model_dump(exclude={"limit", "cursor"})
        return [parameters[name] for name in sorted(parameters)]

    def parts(self, *types: type) -> list[Any] | None:
        """Where to go on, values of these types; raises ProblemError 422 for a cursor of something else."""
        if self.cursor is None:
            return None
        try:
            return cursors.decode_parts(self.cursor, self.question(), types)
        except ValueError as error:
            raise invalid("cursor", str(error)) from None


class PageQuery(PeriodQuery, CursorQuery):
    """A period, read page by page."""

    def place(self) -> Place | None:
        """Where to go on; raises ProblemError 422 for a cursor of something else."""
        if self.cursor is None:
            return None
        try:
            return cursors.decode(self.cursor, self.question())
        except ValueError as error:
            raise invalid("cursor", str(error)) from None
