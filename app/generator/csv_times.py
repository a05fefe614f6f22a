"""Reads the times of a file: ISO 8601, a format, or Unix time; local times of a zone."""

import re
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, date, datetime
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo

from app.domain.timestamps import EPOCH, MICROSECOND, TimestampError, as_utc, parse_timestamp
from app.generator.csv_format import MILLISECONDS, SECONDS, RowError

DATE: Final = "date"
GAP: Final = "gap"
FOLD: Final = "fold"
#: The one zone and the offsets that shops and databases write behind a space.
_UTC_NAMES: Final = re.compile(r" (?:UTC|GMT)\Z")
_SPACED_OFFSET: Final = re.compile(r" (?=[+-][0-9]{2}:?[0-9]{2}\Z)")
_UNIX: Final = re.compile(r"[0-9]{1,16}(\.[0-9]{1,6})?")
_EXCEL_DAY: Final = re.compile(r"[0-9]{5}([.,][0-9]+)?")
_UNIX_UNIT_US: Final = {SECONDS: 1_000_000, MILLISECONDS: 1_000}
#: Digits of a Unix time between 2001 and 2286.
_UNIX_DIGITS: Final = {SECONDS: 10, MILLISECONDS: 13}
_LATEST_US: Final = 253_402_300_799_999_999
_LEARNED_FROM: Final = 500  # rows whose dates are tried out in other formats
#: Days and the clocks behind them, separated by bars.
_DAYS: Final = (
    "%d.%m.%Y|%d.%m.%y|%m/%d/%Y|%d/%m/%Y|%m/%d/%y|%d/%m/%y|%d-%m-%Y|%m-%d-%Y|%Y/%m/%d|%Y.%m.%d|%Y-%m-%d|%b %d, %Y|"
    "%B %d, %Y|%d %b %Y|%d %B %Y|%d-%b-%Y|%d-%b-%y"
)
_CLOCKS: Final = "| %H:%M| %H:%M:%S|, %H:%M|, %H:%M:%S| %I:%M %p| %I:%M:%S %p|, %I:%M %p|, %I:%M:%S %p"
_KNOWN: Final = (
    *(day + clock for day in _DAYS.split("|") for clock in _CLOCKS.split("|")),
    *(SECONDS, MILLISECONDS, "%Y%m%d", "%Y%m%d%H%M%S", "%a, %d %b %Y %H:%M:%S %z"),
)


class TimeReader:
    """Reads times as microseconds since 1970; counts local times that were not clear."""

    def __init__(self, date_format: str | None, zone: str | None) -> None:
        self.unclear: Counter[str] = Counter()
        self._format = date_format
        self._zone = ZoneInfo(zone) if zone else None
        self._fitting: Sequence[str] | None = None
        self._failed = 0
        self._parse = lru_cache(maxsize=4096)(self._parse_text)

    def read(self, text: str) -> int:
        """Microseconds; raises RowError with the way to write or to read it."""
        try:
            at_us, unclear = self._parse(text)
        except ValueError as error:
            self._learn(text)
            raise RowError(DATE, str(error)) from None
        if unclear:
            self.unclear[unclear] += 1
        return at_us

    def is_time(self, text: str) -> bool:
        """Whether a text is a time; nothing is counted."""
        try:
            self._parse(text)
        except ValueError:
            return False
        return True

    def advice(self) -> str:
        """What to add to the command so that the dates refused so far are read; empty if unknown."""
        formats = self._fitting or []
        if not formats:
            return ""
        if len(formats) == 1:
            return f"the dates fit --date-format '{formats[0]}': add it to the command"
        choices = " or ".join(f"--date-format '{one}'" for one in formats[:2])
        return f"the dates fit {choices}: add the one in which day and month are right"

    def _learn(self, text: str) -> None:
        """Keep the formats that fit every date refused so far."""
        self._failed += 1
        if self._failed > _LEARNED_FROM:
            return
        known = _KNOWN if self._fitting is None else self._fitting
        self._fitting = [one for one in known if _fits(text, one)]

    def _parse_text(self, text: str) -> tuple[int, str]:
        if self._format in _UNIX_UNIT_US:
            return self._unix(text, _UNIX_UNIT_US[self._format or ""]), ""
        moment = self._moment(text)
        if moment.tzinfo is None and self._zone is not None:
            return self._local(moment.replace(tzinfo=self._zone))
        return (as_utc(moment) - EPOCH) // MICROSECOND, ""

    def _moment(self, text: str) -> datetime:
        if self._format is None:
            return _iso(text)
        try:
            return datetime.strptime(text, self._format)
        except ValueError:
            raise TimestampError(f"{text!r} does not fit --date-format '{self._format}'") from None

    def _unix(self, text: str, unit_us: int) -> int:
        if not _UNIX.fullmatch(text):
            raise TimestampError(f"{text!r} is no number of {self._format} since 1970")
        whole, _, fraction = text.partition(".")
        at_us = int(whole) * unit_us + int((fraction or "0").ljust(6, "0")) * unit_us // 1_000_000
        if at_us > _LATEST_US:
            raise TimestampError(f"{text!r} {self._format} lie after the year 9999")
        return at_us

    def _local(self, moment: datetime) -> tuple[int, str]:
        """A local time of the zone: one that occurs twice is the first of them, one that is left out is moved on."""
        try:
            utc = moment.astimezone(UTC)
        except OverflowError:
            raise TimestampError(f"{moment.isoformat()} lies outside the years 1 to 9999") from None
        at_us = (utc - EPOCH) // MICROSECOND
        if moment.utcoffset() == moment.replace(fold=1).utcoffset():
            return at_us, ""
        back = utc.astimezone(moment.tzinfo).replace(tzinfo=None, fold=0)
        return at_us, FOLD if back == moment.replace(tzinfo=None) else GAP


def check_format(date_format: str) -> str:
    """What is wrong with a date format, or an empty text."""
    if date_format in _UNIX_UNIT_US:
        return ""
    probe = datetime(2021, 11, 23)
    try:
        found = datetime.strptime(probe.strftime(date_format), date_format)
    except ValueError as error:
        return f"{error}; for Unix time write seconds or milliseconds"
    if found.date() != date(2021, 11, 23):
        return "it has no day, month or year; write one such as '%d.%m.%Y %H:%M'"
    return ""


def _iso(text: str) -> datetime:
    bare = _SPACED_OFFSET.sub("", _UTC_NAMES.sub("Z", text))
    try:
        found = parse_timestamp(bare)
    except TimestampError as error:
        if _EXCEL_DAY.fullmatch(text):
            raise TimestampError(
                f"{text!r} looks like a day number of Excel: format the column as a date and save again"
            ) from None
        if text.isdecimal() and len(text) in (10, 13):
            unit = SECONDS if len(text) == 10 else MILLISECONDS
            raise TimestampError(f"{text!r} is a number: Unix time? Then add --date-format {unit}") from None
        raise error
    return found if isinstance(found, datetime) else datetime(found.year, found.month, found.day)


def _fits(text: str, date_format: str) -> bool:
    if date_format in _UNIX_UNIT_US:
        return text.isdecimal() and len(text) == _UNIX_DIGITS[date_format]
    try:
        return 1970 <= datetime.strptime(text, date_format).year < 2100
    except ValueError:
        return False
