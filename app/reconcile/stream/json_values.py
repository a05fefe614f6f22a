"""Values of a record's JSON, read strictly: exact amounts and times."""

import json
import re
from datetime import UTC, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from typing import Any, Final, NoReturn

CENT: Final = Decimal("0.01")
LIMIT: Final = Decimal("9999999999.995")  # the smallest amount that rounds to more than 9,999,999,999.99
_NUMBER: Final = re.compile(r"(-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?)(?:[eE]([+-]?[0-9]+))?")
_EXPONENT_CAP: Final = 10**9  # more than any record has digits, so the amount stays out of range
EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND: Final = timedelta(microseconds=1)
SECOND_US: Final = 1_000_000
FIRST_US: Final = (datetime.min.replace(tzinfo=UTC) - EPOCH) // MICROSECOND
LAST_US: Final = (datetime.max.replace(tzinfo=UTC) - EPOCH) // MICROSECOND
_RFC_3339: Final = re.compile(
    r"([0-9]{4})-([0-9]{2})-([0-9]{2})[Tt ]([0-9]{2}):([0-9]{2}):([0-9]{2})"
    r"(?:\.([0-9]+))?(?:([Zz])|([+-])([0-9]{2}):?([0-9]{2}))?"
)


class MalformedError(ValueError):
    """The bytes are not one JSON document in UTF-8."""


class Document(dict[str, Any]):
    """A JSON object; the last of equal keys wins, `overridden` has the earlier ones."""

    def __init__(self, pairs: list[tuple[str, Any]]) -> None:
        super().__init__(pairs)
        winners = {key: place for place, (key, _) in enumerate(pairs)}
        self.overridden = [pair for place, pair in enumerate(pairs) if winners[pair[0]] != place]


class Number(str):
    """The literal of a JSON number, so that no digit is lost."""

    __slots__ = ()


# In this order: an escaped backslash, a surrogate pair; the rest is an unpaired surrogate.
_UNPAIRED_SURROGATE: Final = re.compile(
    r"\\\\|\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(\\u[dD][89a-fA-F])"
)


def parse(raw: bytes) -> Any:
    """Parses one document, objects as Documents. Raises MalformedError.

    Nesting beyond the interpreter's recursion limit counts as malformed: no event is nested at all.
    """
    try:
        text = raw.decode("utf-8")
        document = json.loads(
            text, object_pairs_hook=Document, parse_int=Number, parse_float=Number, parse_constant=_refuse_constant
        )
    except (ValueError, RecursionError) as error:
        raise MalformedError(str(error)) from None
    if "\\u" in text and any(match.group(1) for match in _UNPAIRED_SURROGATE.finditer(text)):
        raise MalformedError("an unpaired surrogate")
    return document


def _refuse_constant(literal: str) -> NoReturn:
    raise MalformedError(f"{literal} is not JSON")


class BadAmountError(ValueError):
    """Not a decimal from 0 to 9,999,999,999.99."""


def parse_amount(value: Any) -> tuple[Decimal, bool]:
    """Parses an amount, rounded half up to the cent; also returns whether rounding changed it.

    Trailing zeros do not count: `1.230` has two decimals and is not rounded.
    """
    match = _NUMBER.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise BadAmountError("neither a number nor a decimal string")
    mantissa, exponent = match.groups()
    exact = _shifted(Decimal(mantissa), _capped(exponent or "0"))
    if exact < 0 or exact >= LIMIT:
        raise BadAmountError("outside 0 to 9,999,999,999.99")
    amount = exact.quantize(CENT, rounding=ROUND_HALF_UP)
    return abs(amount), amount != exact


def _capped(exponent: str) -> int:
    sign = -1 if exponent.startswith("-") else 1
    digits = exponent.lstrip("+-").lstrip("0") or "0"
    return sign * (_EXPONENT_CAP if len(digits) > 9 else int(digits))


def _shifted(mantissa: Decimal, shift: int) -> Decimal:
    """Returns mantissa times ten to the shift; unlike scaleb() never rounded to a context's precision."""
    sign, digits, exponent = mantissa.as_tuple()
    assert isinstance(exponent, int)
    return Decimal((sign, digits, exponent + shift))


def is_number(value: Any) -> bool:
    """Whether a parsed JSON value is a number (never a boolean)."""
    return isinstance(value, Number)


class BadTimestampError(ValueError):
    """The text is not a date and time."""


def parse_timestamp(text: str) -> tuple[int, bool]:
    """Returns microseconds since the epoch, and whether the offset was missing and UTC assumed.

    As in msgspec 0.22, the seventh digit of a fraction rounds half up and further digits are ignored; leap seconds,
    24:00, offsets of a day or more, and offsets without minutes are invalid. With its offset a time may be outside the
    years 1 to 9999.
    """
    match = _RFC_3339.fullmatch(text)
    if match is None:
        raise BadTimestampError(text)
    year, month, day, hour, minute, second, fraction, zulu, sign, off_hour, off_minute = match.groups()
    try:
        date = datetime(int(year), int(month), int(day), tzinfo=UTC)
        whole = date.replace(hour=int(hour), minute=int(minute), second=int(second))
    except ValueError:
        raise BadTimestampError(text) from None
    micros = (whole - EPOCH) // MICROSECOND + _fraction_us(fraction or "")
    if micros > LAST_US:
        raise BadTimestampError(text)
    micros -= _offset_us(sign, off_hour, off_minute) if sign else 0
    return micros, not (zulu or sign)


def _fraction_us(digits: str) -> int:
    padded = digits.ljust(7, "0")
    return int(padded[:6]) + (padded[6] >= "5")


def _offset_us(sign: str, hours: str, minutes: str) -> int:
    if int(hours) > 23 or int(minutes) > 59:
        raise BadTimestampError(f"{sign}{hours}:{minutes}")
    seconds = int(hours) * 3600 + int(minutes) * 60
    return (-seconds if sign == "-" else seconds) * SECOND_US


def stored_kafka_us(time_ms: int) -> int:
    """Converts a Kafka timestamp to that of a dead letter: from the second second of year 1 to the last of 9999."""
    return min(max(time_ms * 1000, FIRST_US + SECOND_US), LAST_US - LAST_US % SECOND_US)


def to_us(moment: datetime) -> int:
    """Converts an aware datetime to microseconds since the epoch."""
    return (moment - EPOCH) // MICROSECOND


def show_timestamp(micros: int) -> str:
    """Formats as ISO 8601 in UTC if a datetime can represent it, else as a number."""
    if FIRST_US <= micros <= LAST_US:
        return (EPOCH + micros * MICROSECOND).isoformat()
    return f"{micros} us"
