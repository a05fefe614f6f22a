"""`globalmart generate`: live traffic, a history, or orders from a CSV file."""

import json
import signal
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import fields
from datetime import UTC, datetime
from pathlib import Path
from threading import Event
from types import FrameType
from typing import Any, Final

import typer
from rich.console import Console

from app.cli import generate_options as options
from app.cli.exits import print_error
from app.cli.generate_progress import ProgressView
from app.generator.attacks_truth import OnInjected, TruthFile
from app.generator.csv_format import CsvError
from app.generator.job_run import RunLimits, lines, run_job, summary
from app.generator.jobs import Job, JobError
from app.generator.request import FileRequest, Request, make_job, parse_columns, parse_filters, parse_length, parse_time
from app.generator.sender import DeliveryError
from app.settings import GeneratorSettings, Settings, load_settings

#: Options that override a setting in this run.
_SETTINGS: Final = {
    "transaction_rate": "transaction_rate",
    "view_rate": "product_view_rate",
    "cart_rate": "cart_event_rate",
    "metric_rate": "system_metric_rate",
    "orders_per_day": "orders_per_day",
    "seed": "seed",
}


def command(
    context: typer.Context,
    rate: options.Rate = 1.0,
    transaction_rate: options.TransactionRate = None,
    view_rate: options.ViewRate = None,
    cart_rate: options.CartRate = None,
    metric_rate: options.MetricRate = None,
    flat_out: options.FlatOut = False,
    day_curve: options.DayCurve = False,
    start: options.Start = None,
    backfill: options.Backfill = None,
    until: options.Until = None,
    orders_per_day: options.OrdersPerDay = None,
    path: options.FromCsv = None,
    preset: options.Preset = None,
    columns: options.Columns = None,
    delimiter: options.Delimiter = None,
    date_format: options.DateFormat = None,
    encoding: options.Encoding = None,
    decimal: options.DecimalSign = None,
    timezone: options.Timezone = None,
    only: options.Only = None,
    without: options.Without = None,
    guests: options.Guests = False,
    same_id: options.SameIdOption = None,
    shift_to_now: options.ShiftToNow = False,
    speed: options.Speed = None,
    skip_bad_rows: options.SkipBadRows = False,
    refused_file: options.RefusedFile = None,
    check_only: options.Check = False,
    duration: options.Duration = None,
    count: options.Count = None,
    seed: options.Seed = None,
    record_time: options.RecordTime = None,
    attacks: options.Attacks = False,
    truth: options.TruthFile = None,
    summary_file: options.SummaryFile = None,
) -> None:
    _generate(context.params, truth, summary_file)


command.__doc__ = options.HELP


def _generate(given: Mapping[str, Any], truth: Path | None, summary_file: Path | None) -> None:
    """Sends or checks what the options ask for, by their names."""
    settings = load_settings()
    settings.generator = _overridden(settings.generator, given)
    with _usage_errors():
        request = _request(given)
    with _truth(truth) as on_injected:
        with _usage_errors():
            job = make_job(request, settings, datetime.now(UTC), _say, on_injected)
        if request.file.check_only:
            _print_check(job)
            return
        figures = _run(job, request, settings)
    _print_summary(job, figures, summary_file)


def _overridden(settings: GeneratorSettings, given: Mapping[str, Any]) -> GeneratorSettings:
    update = {name: given[option] for option, name in _SETTINGS.items() if given[option] is not None}
    return settings.model_copy(update=update)


def _request(given: Mapping[str, Any]) -> Request:
    """Return the request; raises JobError for what cannot be read or contradicts itself."""
    request = Request(
        rate=given["rate"],
        flat_out=given["flat_out"],
        day_curve=given["day_curve"],
        seconds=given["duration"],
        count=given["count"],
        start=parse_time(given["start"], "--start") if given["start"] is not None else None,
        backfill=parse_length(given["backfill"]) if given["backfill"] else None,
        until=parse_time(given["until"], "--until") if given["until"] is not None else None,
        record_now=_record_now(given["record_time"]),
        file=_file_request(given),
        attacks=given["attacks"],
        truth=given["truth"],
    )
    request.check()
    return request


def _file_request(given: Mapping[str, Any]) -> FileRequest:
    """Return what was asked about a file: each field is the option of its name."""
    parsed = {
        "columns": parse_columns(given["columns"] or []),
        "only": parse_filters("--only", given["only"] or []),
        "without": parse_filters("--without", given["without"] or []),
    }
    return FileRequest(**{field.name: given[field.name] for field in fields(FileRequest)} | parsed)


def _record_now(text: str | None) -> bool | None:
    known = {None: None, "now": True, "event": False}
    if text not in known:
        raise JobError(f"{text!r} is no record time: choose event or now")
    return known[text]


def _run(job: Job, request: Request, settings: Settings) -> dict[str, Any]:
    # A simulated run counts --duration in its own time, which ends the job itself.
    seconds = request.seconds if request.start is None else None
    limits = RunLimits(seconds, request.count)
    with ProgressView(Console(stderr=True)) as view, _stop_on_signals() as stop:
        view.begin(job.start_us, job.end_us)
        outcome = run_job(job, settings, limits, stop, view.say, view.advance, bulk=request.bulk)
    limited = seconds is not None or request.count is not None
    return summary(job, settings.generator.seed, outcome, limited=limited)


def _print_summary(job: Job, figures: dict[str, Any], summary_file: Path | None) -> None:
    """Print the summary and write it; raises DeliveryError if records were not delivered."""
    for line in lines(job, figures):
        typer.echo(line)
    if summary_file is not None:
        summary_file.write_text(json.dumps(figures, indent=2) + "\n")
    if figures["error"]:
        raise DeliveryError(figures["error"])


def _print_check(job: Job) -> None:
    """Prints the content of a checked file."""
    assert job.imported is not None, "only files are checked"
    for line in job.imported.report.text():
        typer.echo(line)
    typer.echo("checked only: nothing was sent; leave out --check to send it")


@contextmanager
def _truth(path: Path | None) -> Iterator[OnInjected]:
    """Yields what is called with each injected order: it writes to the file, if there is one."""
    if path is None:
        yield lambda *_: None
        return
    with path.open("w", newline="") as file:
        yield TruthFile(file).add


def _say(text: str) -> None:
    typer.echo(text, err=True)


@contextmanager
def _usage_errors() -> Iterator[None]:
    """Exits with code 2 for errors in options, with the usage, and in files, with their lines."""
    try:
        yield
    except JobError as error:
        raise typer.BadParameter(str(error)) from error
    except CsvError as error:
        print_error(str(error))
        raise typer.Exit(2) from error


@contextmanager
def _stop_on_signals() -> Iterator[Event]:
    """Set the event on the first SIGINT or SIGTERM; the second one ends the process as usual."""
    stop = Event()
    signals = (signal.SIGINT, signal.SIGTERM)
    before = {int(number): signal.getsignal(number) for number in signals}

    def ask_to_stop(number: int, _frame: FrameType | None) -> None:
        stop.set()
        signal.signal(number, before[number])

    for number in before:
        signal.signal(number, ask_to_stop)
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
