"""What a user asked the generator for, checked and turned into a job."""

import codecs
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from app.domain.timestamps import EPOCH, MICROSECOND, TimestampError, parse_instant
from app.events.decoding import TimeLimits
from app.generator.attacks_truth import OnInjected
from app.generator.csv_amounts import COMMA, POINT
from app.generator.csv_format import (
    MAPPABLE,
    PRESETS,
    WHITESPACE,
    CsvFormat,
    ImportLimits,
    ImportRequest,
    SameId,
    Say,
    locate,
)
from app.generator.csv_orders import read_orders
from app.generator.csv_spool import CsvSource
from app.generator.csv_times import check_format
from app.generator.jobs import Imported, Job, JobError, backfill_job, configured_rates, csv_job, live_job, simulated_job
from app.settings import Settings

_UNITS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_LENGTH: Final = re.compile(r"(\d+(?:\.\d+)?)([smhdw])")
_TOO_LATE: Final = datetime(9999, 1, 1, tzinfo=UTC)


_DELIMITERS: Final = {"\\t": "\t", "tab": "\t", "comma": ",", "semicolon": ";", "pipe": "|", "space": " "}
_DECIMALS: Final = {"comma": COMMA, "point": POINT, "dot": POINT, COMMA: COMMA, POINT: POINT}


@dataclass(frozen=True, slots=True)
class FileRequest:
    """A file of orders and its layout; a preset has both.

    `check_only` reads and reports without sending.
    """

    path: Path | None = None
    preset: str | None = None
    columns: dict[str, str] = field(default_factory=dict)
    delimiter: str | None = None
    date_format: str | None = None
    encoding: str | None = None
    decimal: str | None = None
    timezone: str | None = None
    only: dict[str, frozenset[str]] = field(default_factory=dict)
    without: dict[str, frozenset[str]] = field(default_factory=dict)
    guests: bool = False
    same_id: str | None = None
    skip_bad_rows: bool = False
    refused_file: Path | None = None
    check_only: bool = False
    shift_to_now: bool = False
    speed: float | None = None

    @property
    def wanted(self) -> bool:
        """Whether orders come from a file."""
        return self.path is not None or self.preset is not None

    def check(self) -> None:
        """Raise JobError for an option that names nothing there is."""
        if self.delimiter is not None:
            parse_delimiter(self.delimiter)
        if self.preset is not None and self.preset not in PRESETS:
            raise JobError(f"no preset {self.preset!r}; there is: {', '.join(PRESETS)}")
        if self.decimal is not None and self.decimal not in _DECIMALS:
            raise JobError(f"--decimal is , or . (comma or point), not {self.decimal!r}")
        if self.same_id is not None and self.same_id not in list(SameId):
            raise JobError(f"--same-id is add, once, separate or stop, not {self.same_id!r}")
        if self.date_format is not None and (fault := check_format(self.date_format)):
            raise JobError(f"--date-format {self.date_format!r} cannot be used: {fault}")
        _check_encoding(self.encoding)
        _check_zone(self.timezone)


def parse_delimiter(text: str) -> str:
    """Return the character of "tab", "\\t", "semicolon" and the like; raises JobError."""
    delimiter = _DELIMITERS.get(text.lower(), text)
    if delimiter != WHITESPACE and (len(delimiter) != 1 or delimiter in '"\r\n'):
        raise JobError(f"--delimiter is one character, {', '.join(_DELIMITERS)} or {WHITESPACE}, not {text!r}")
    return delimiter


def _check_encoding(name: str | None) -> None:
    if name is None:
        return
    try:
        "".encode(name)
        codecs.lookup(name)
    except (LookupError, UnicodeError):
        raise JobError(
            f"no encoding {name!r}; common ones are utf-8, windows-1252, iso-8859-1, utf-16, windows-1251, shift_jis"
        ) from None


def _check_zone(name: str | None) -> None:
    if name is None:
        return
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise JobError(
            f"no time zone {name!r}; write one as Europe/Berlin or America/New_York (where none is known, install "
            f"the package tzdata)"
        ) from None


@dataclass(frozen=True, slots=True)
class Request:
    """Live traffic unless `backfill`, `start` or a file is given; `seconds` limits the run."""

    rate: float = 1.0
    flat_out: bool = False
    day_curve: bool = False
    seconds: float | None = None
    count: int | None = None
    start: datetime | None = None
    backfill: timedelta | None = None
    until: datetime | None = None
    record_now: bool | None = None
    file: FileRequest = FileRequest()
    attacks: bool = False
    truth: Path | None = None

    @property
    def bulk(self) -> bool:
        """Whether throughput matters more than latency."""
        live = not (self.file.wanted or self.backfill or self.start or self.flat_out)
        return not live and self.file.speed is None

    def check(self) -> None:
        """Raise JobError if options contradict each other."""
        kinds = {
            "--backfill": self.backfill is not None,
            "--start": self.start is not None,
            "--from-csv or --preset": self.file.wanted,
        }
        chosen = [name for name, given in kinds.items() if given]
        if len(chosen) > 1:
            raise JobError(f"{' and '.join(chosen)} exclude each other: choose one")
        if self.until is not None and self.backfill is None:
            raise JobError("--until is the end of a history: it needs --backfill")
        if self.start is not None and self.seconds is None and self.count is None:
            raise JobError("--start plays flat out: limit it with --duration or --count")
        if self.attacks and self.file.wanted:
            raise JobError("--attacks are injected into traffic: leave out --from-csv and --preset")
        if self.truth is not None and not self.attacks:
            raise JobError("--truth says what the injected orders are: it needs --attacks")
        if not self.file.wanted and self.file != FileRequest():
            raise JobError(
                "--map, --delimiter, --date-format, --speed and the other options of files need a file: give "
                "--from-csv or --preset too"
            )
        self.file.check()


def make_job(
    request: Request,
    settings: Settings,
    now: datetime,
    say: Say = lambda _: None,
    on_injected: OnInjected = lambda *_: None,
) -> Job:
    """Returns the job, its file read and checked; raises JobError or CsvError.

    `on_injected` is called with injected orders.
    """
    rates = configured_rates(settings, request.rate)
    attacks = on_injected if request.attacks else None
    if request.file.wanted:
        return _file_job(request, settings, now, say)
    if request.backfill is not None:
        end_us = microseconds(request.until or now)
        # Kafka deletes by a record's own timestamp: one that old would go before it is consumed.
        record_now = request.record_now is not False
        return backfill_job(settings, request.backfill, end_us, record_now=record_now, on_injected=attacks)
    if request.start is not None:
        start_us = microseconds(request.start)
        record_now = bool(request.record_now)
        return simulated_job(settings, rates, start_us, request.seconds, record_now=record_now, on_injected=attacks)
    flat_out, day_curve = request.flat_out, request.day_curve
    start_us = microseconds(now)
    return live_job(settings, rates, start_us, flat_out=flat_out, day_curve=day_curve, on_injected=attacks)


def _file_job(request: Request, settings: Settings, now: datetime, say: Say) -> Job:
    file = request.file
    path, layout = _layout(file)
    record_now = request.record_now is not False
    now_us = microseconds(now)
    stream = settings.stream
    limits = ImportLimits(
        now_us if record_now else None,
        TimeLimits.of(stream.future_tolerance_seconds, stream.retention_days, stream.earliest_timestamp),
    )
    refused_file = file.refused_file or settings.general.var_dir / "refused" / f"{path.name}.csv"
    shift_end_us = now_us if file.shift_to_now else None
    spool, report = read_orders(
        path, layout, ImportRequest(limits, file.skip_bad_rows, shift_end_us, refused_file, say)
    )
    imported = Imported(report, CsvSource(spool, limits.time.retention_us))
    return csv_job(imported, file.speed, record_now=record_now)


def _layout(file: FileRequest) -> tuple[Path, CsvFormat]:
    """Return the file and its layout; what is said explicitly goes before the preset."""
    preset = PRESETS[file.preset] if file.preset is not None else None
    base = preset.layout if preset is not None else CsvFormat({})
    layout = CsvFormat(
        {**base.columns, **file.columns},
        parse_delimiter(file.delimiter) if file.delimiter else base.delimiter,
        file.date_format or base.date_format,
        file.encoding or base.encoding,
        _DECIMALS[file.decimal] if file.decimal else base.decimal,
        file.timezone or base.timezone,
        file.only or base.only,
        file.without or base.without,
        file.guests or base.guests,
        SameId(file.same_id) if file.same_id else base.same_id,
    )
    if file.path is not None:
        return file.path, layout
    assert preset is not None
    return locate(preset), layout


def microseconds(moment: datetime) -> int:
    """Return an aware time as microseconds since the epoch."""
    return (moment - EPOCH) // MICROSECOND


def parse_length(text: str) -> timedelta:
    """Return the length of "90d", "12h", "30m" and the like; raises JobError."""
    match = _LENGTH.fullmatch(text.strip())
    if match is None or float(match[1]) == 0:
        raise JobError(f"{text!r} is no length: write a number and s, m, h, d or w, as in 90d")
    return timedelta(seconds=float(match[1]) * _UNITS[match[2]])


def parse_time(text: str, option: str = "") -> datetime:
    """Return an ISO 8601 time (a day is its midnight) in UTC; raises JobError, which names the option."""
    named = f"{option}: " if option else ""
    try:
        moment = parse_instant(text)
    except TimestampError as error:
        raise JobError(f"{named}{error}") from None
    if not EPOCH <= moment < _TOO_LATE:
        raise JobError(f"{named}{text!r} lies outside the years 1970 to 9998, which traffic can have")
    return moment


def parse_columns(pairs: Iterable[str]) -> dict[str, str]:
    """Return the columns of "field=column" pairs; raises JobError for anything else."""
    columns = {}
    for pair in pairs:
        name, sign, column = pair.partition("=")
        if not sign or not column:
            raise JobError(f"{pair!r} is no mapping: write --map field=column")
        if name not in MAPPABLE:
            raise JobError(f"{name!r} is no field; the fields are: {', '.join(MAPPABLE)}")
        if name in columns:
            raise JobError(f"--map {name} is there twice: choose one column")
        columns[name] = column
    return columns


def parse_filters(option: str, pairs: Iterable[str]) -> dict[str, frozenset[str]]:
    """Return the values by column of "column=value,value" pairs; raises JobError for anything else."""
    filters: dict[str, frozenset[str]] = {}
    for pair in pairs:
        column, sign, values = pair.partition("=")
        if not sign or not column.strip():
            raise JobError(f"{pair!r} is no choice of rows: write {option} column=value")
        chosen = frozenset(value.strip() for value in values.split(","))
        filters[column.strip()] = filters.get(column.strip(), frozenset()) | chosen
    return filters
