"""What a source topic declares: its event field by field, its row, and how long and where its rows are kept."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from functools import cached_property
from typing import Annotated, Any, Final, Generic

import msgspec
from msgspec import Meta, inspect

from app.domain.money import DIGITS, PLACES
from app.domain.pseudonyms import Personal
from app.events.rows import RowT

MAX_QUANTITY: Final = 1_000_000
_PERSONAL: Final = "personal"
_ROW_NAME: Final = "row_name"

#: Types of fields. Lengths count characters.
Identifier = Annotated[str, Meta(min_length=1, max_length=100)]
UserId = Annotated[str, Meta(min_length=1, max_length=100, extra={_PERSONAL: Personal.USER})]
SessionId = Annotated[str, Meta(min_length=1, max_length=100, extra={_PERSONAL: Personal.SESSION})]
#: A fingerprint that the shop makes of a card, a device or an address; never the plain value.
Fingerprint = Annotated[str, Meta(min_length=1, max_length=64, extra={_PERSONAL: Personal.FINGERPRINT})]
Category = Annotated[str, Meta(max_length=100)]
Country = Annotated[str, Meta(max_length=50)]
Quantity = Annotated[int, Meta(ge=1, le=MAX_QUANTITY)]
#: A JSON number or a decimal string; the row has integer cents.
Amount = Annotated[msgspec.Raw, Meta(extra={_ROW_NAME: "amount_cents"})]


class Retention(StrEnum):
    """The setting that says how long rows stay in PostgreSQL."""

    ORDERS = "STREAM_RETENTION_DAYS"
    RAW = "RETENTION_RAW_DAYS"
    METRICS = "RETENTION_METRICS_DAYS"


@dataclass(frozen=True, slots=True)
class Field:
    """A field of an event; `name` is that in JSON and of the stored column.

    `type` is PostgreSQL's type of the row's value, `stored_type` that of the column. A text has `shortest` to `longest`
    characters, or is one of the `choices`.
    """

    name: str
    row_name: str
    type: str
    stored_type: str
    required: bool
    shortest: int = 0
    longest: int = 0
    choices: tuple[str, ...] = ()
    personal: Personal | None = None

    @property
    def is_text(self) -> bool:
        """Whether any text up to a length is allowed."""
        return self.type == "TEXT" and not self.choices

    @property
    def is_amount(self) -> bool:
        """Whether the row has cents."""
        return self.type == "BIGINT"

    @property
    def is_number(self) -> bool:
        """Whether fractions are allowed."""
        return self.is_amount or self.type == "DOUBLE PRECISION"

    @property
    def is_quantity(self) -> bool:
        """Whether only whole numbers are allowed."""
        return self.type == "INTEGER"


@dataclass(frozen=True)
class SourceTopic(Generic[RowT]):
    """A topic of the shop, stored in a table of its name.

    `event` is the shape in JSON, in the order of the row's fields: unknown fields are ignored, null in an optional
    field counts as absent. `to_row` makes the row of an event, its time in UTC and its offset, and returns whether an
    amount was rounded; it raises RejectedRecord. `record_key` is the field whose UTF-8 bytes are the record's key,
    `identity` the primary key of the table. Only archived topics are copied to the lake.
    """

    name: str
    purpose: str
    event: type[Any]
    row: type[RowT]
    to_row: Callable[[Any, datetime, int], tuple[RowT, bool]]
    record_key: str
    identity: tuple[str, ...]
    retention: Retention
    archived: bool

    @cached_property
    def fields(self) -> tuple[Field, ...]:
        """The fields of the event, in the order of the row, which has `source_offset` after them."""
        described = inspect.type_info(self.event)
        assert isinstance(described, inspect.StructType)
        return tuple(_field(field) for field in described.fields)

    @cached_property
    def personal(self) -> Mapping[str, Personal]:
        """The fields that an erasure replaces by a pseudonym; empty if the topic has no data of users."""
        return {field.name: field.personal for field in self.fields if field.personal is not None}


def _field(declared: inspect.Field) -> Field:
    kind, extra = declared.type, {}
    if isinstance(kind, inspect.UnionType):
        (kind,) = (each for each in kind.types if not isinstance(each, inspect.NoneType))
    if isinstance(kind, inspect.Metadata):
        extra = kind.extra or {}
        kind = kind.type
    limits: dict[str, Any] = {}
    match kind:
        case inspect.StrType(min_length=shortest, max_length=int(longest)):
            column = "TEXT", f"VARCHAR({longest})"
            limits = {"shortest": shortest or 0, "longest": longest}
        case inspect.LiteralType(values=values):
            column = "TEXT", "VARCHAR(10)"
            limits = {"choices": tuple(map(str, values))}
        case inspect.IntType():
            column = "INTEGER", "INTEGER"
        case inspect.FloatType():
            column = "DOUBLE PRECISION", "DOUBLE PRECISION"
        case inspect.DateTimeType():
            column = "TIMESTAMPTZ", "TIMESTAMPTZ"
        case inspect.RawType():
            column = "BIGINT", f"NUMERIC({DIGITS}, {PLACES})"
        case _:
            raise TypeError(f"{declared.name}: {kind} has no column type; use a type of this module or add one here")
    row_name, personal = extra.get(_ROW_NAME, declared.name), extra.get(_PERSONAL)
    return Field(declared.name, row_name, *column, declared.required, personal=personal, **limits)
