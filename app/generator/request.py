"""What a user asked the generator for, checked and turned into a job."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from app.generator.csv_orders import FIELDS, WHITESPACE, CsvFormat, read_orders, shifted_to
from app.generator.jobs import Job, JobError, backfill_job, configured_rates, csv_job, live_job, simulated_job
from app.generator.presets import PRESETS, locate
from app.settings import Settings

_UNITS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_LENGTH: Final = re.compile(r"(\d+(?:\.\d+)?)([smhdw])")
_MICROSECOND: Final = timedelta(microseconds=1)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class FileRequest:
    """A file of orders and its layout; a preset has both."""

    path: Path | None = None
    preset: str | None = None
    columns: dict[str, str] = field(default_factory=dict)
    delimiter: str | None = None
    date_format: str | None = None
    skip_bad_rows: bool = False
    shift_to_now: bool = False
    speed: float | None = None

    @property
    def wanted(self) -> bool:
        """Tell whether orders are to come from a file."""
        return self.path is not None or self.preset is not None

    def check(self) -> None:
        """Raise JobError for a delimiter or a preset that does not exist."""
        if self.delimiter not in (None, WHITESPACE) and len(self.delimiter or "") != 1:
            raise JobError(f"--delimiter is one character or {WHITESPACE!r}, not {self.delimiter!r}")
        if self.preset is not None and self.preset not in PRESETS:
            raise JobError(f"no preset {self.preset!r}; there is: {', '.join(PRESETS)}")


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

    @property
    def bulk(self) -> bool:
        """Tell whether throughput matters more than latency."""
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
        if not self.file.wanted and self.file != FileRequest():
            raise JobError(
                "--map, --delimiter, --date-format, --shift-to-now, --speed and --skip-bad-rows are "
                "for files: give --from-csv or --preset too"
            )
        self.file.check()


def make_job(request: Request, settings: Settings, now: datetime) -> tuple[Job, int]:
    """Return the job and the number of rows skipped in its file; raises JobError or CsvError."""
    rates = configured_rates(settings, request.rate)
    if request.file.wanted:
        return _file_job(request, now)
    if request.backfill is not None:
        end_us = microseconds(request.until or now)
        # Kafka deletes by a record's own timestamp: one that old would go before it is consumed.
        record_now = request.record_now is not False
        return backfill_job(settings, request.backfill, end_us, record_now=record_now), 0
    if request.start is not None:
        start_us = microseconds(request.start)
        record_now = bool(request.record_now)
        return simulated_job(settings, rates, start_us, request.seconds, record_now=record_now), 0
    flat_out, day_curve = request.flat_out, request.day_curve
    start_us = microseconds(now)
    return live_job(settings, rates, start_us, flat_out=flat_out, day_curve=day_curve), 0


def _file_job(request: Request, now: datetime) -> tuple[Job, int]:
    file = request.file
    path, layout = _layout(file)
    orders, skipped = read_orders(path, layout, skip_bad=file.skip_bad_rows)
    if file.shift_to_now:
        orders = shifted_to(orders, microseconds(now))
    record_now = request.record_now is not False
    return csv_job(orders, file.speed, record_now=record_now), skipped


def _layout(file: FileRequest) -> tuple[Path, CsvFormat]:
    """Return the file and its layout; what is said explicitly goes before the preset."""
    preset = PRESETS[file.preset] if file.preset is not None else None
    base = preset.layout if preset is not None else CsvFormat({})
    layout = CsvFormat(
        {**base.columns, **file.columns}, file.delimiter or base.delimiter, file.date_format or base.date_format
    )
    if file.path is not None:
        return file.path, layout
    assert preset is not None
    return locate(preset), layout


def microseconds(moment: datetime) -> int:
    """Return an aware time as microseconds since the epoch."""
    return (moment - _EPOCH) // _MICROSECOND


def parse_length(text: str) -> timedelta:
    """Return the length of "90d", "12h", "30m" and the like; raises JobError."""
    match = _LENGTH.fullmatch(text.strip())
    if match is None or float(match[1]) == 0:
        raise JobError(f"{text!r} is no length: write a number and s, m, h, d or w, as in 90d")
    return timedelta(seconds=float(match[1]) * _UNITS[match[2]])


def parse_time(text: str) -> datetime:
    """Return an ISO 8601 time, in UTC if it has no offset; raises JobError."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise JobError(f"{text!r} is no time: write it as 2025-06-30 or 2025-06-30T12:00:00Z") from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def parse_columns(pairs: Iterable[str]) -> dict[str, str]:
    """Return the columns of "field=column" pairs; raises JobError for anything else."""
    columns = {}
    for pair in pairs:
        name, sign, column = pair.partition("=")
        if not sign or not column:
            raise JobError(f"{pair!r} is no mapping: write --map field=column")
        if name not in FIELDS:
            raise JobError(f"{name!r} is no field; the fields are: {', '.join(FIELDS)}")
        columns[name] = column
    return columns
