"""`globalmart reconcile`: recounts the stream from Kafka and compares PostgreSQL with it."""

import asyncio
import json
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from app.cli.dates import day_option
from app.cli.exits import exits_while_locked
from app.reconcile.serving.api_check import Api, check_api
from app.reconcile.stream.recount import reconcile
from app.reconcile.stream.report import COUNTERS, ReconcileReport, TableFigures
from app.reconcile.warehouse.warehouse_check import check_warehouse, segments_line, warehouse_table
from app.settings import Settings, load_settings

if TYPE_CHECKING:
    from app.ops.repair.repair import Repair

EXIT_DISAGREE = 1
EXIT_INCOMPLETE = 3
_LISTED: Final = 20
#: The API's cache of past days expires, and it finds and prepares a new run.
_SETTLE_SECONDS: Final = 60.0


@dataclass(slots=True)
class _Findings:
    """The results; `incomplete` gives the reasons why some differences prove nothing."""

    sections: dict[str, Any] = field(default_factory=dict)
    differences: list[str] = field(default_factory=list)
    incomplete: list[str] = field(default_factory=list)

    def exit_code(self) -> int:
        if self.differences:
            return EXIT_DISAGREE
        return EXIT_INCOMPLETE if self.incomplete else 0


def compare_layers(settings: Settings, warehouse: bool, api_url: str | None, json_file: Path | None) -> int:
    """Compares the warehouse, the API or both and prints the result; returns the exit code."""
    findings, console = _Findings(), Console()
    if warehouse:
        _compare_warehouse(settings, findings, console)
    if api_url is not None:
        _compare_api(settings, api_url, findings, console)
    if json_file is not None:
        content = {**findings.sections, "differences": findings.differences, "incomplete": findings.incomplete}
        _write(json_file, json.dumps(content, indent=2) + "\n")
    _print(findings, console)
    return findings.exit_code()


def _compare_warehouse(settings: Settings, findings: _Findings, console: Console) -> None:
    report = asyncio.run(check_warehouse(settings))
    findings.sections["warehouse"] = report.as_data()
    console.print(warehouse_table(report.as_data()), segments_line(report.as_data()), sep="\n", soft_wrap=True)
    if report.stored_since and report.differences:
        findings.incomplete.append(
            f"{report.stored_since:,} orders of days up to {report.as_of} were stored after the run began; "
            f"run `globalmart batch nightly --as-of {report.as_of}`, then compare again"
        )
    else:
        findings.differences += (f"warehouse: {text}" for text in report.differences)


def _compare_api(settings: Settings, url: str, findings: _Findings, console: Console) -> None:
    key = settings.dashboard.api_key
    api = Api(url, None if key is None else key.get_secret_value())
    comparison = asyncio.run(check_api(settings, api, _SETTLE_SECONDS))
    findings.sections[comparison.what] = comparison.as_data()
    console.print(f"API: {comparison.compared:,} figures compared, {len(comparison.differences):,} differ")
    if comparison.moving:
        findings.incomplete.append("events were stored while the API was compared; compare again when it is quiet")
    else:
        findings.differences += (f"{comparison.what}: {text}" for text in comparison.differences)


def _print(findings: _Findings, console: Console) -> None:
    for text in findings.differences[:_LISTED]:
        console.print(escape(text), style="red", soft_wrap=True)
    for text in findings.incomplete:
        console.print(escape(text), style="yellow", soft_wrap=True)
    if findings.differences:
        console.print(f"[red]disagree: {len(findings.differences):,} differences[/red]")
    elif findings.incomplete:
        console.print("[yellow]agree, except where data changed during the comparison[/yellow]")
    else:
        console.print("[green]agree[/green]")


def reconcile_command(
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the whole report to this file.")] = None,
    first: Annotated[date | None, day_option("--date", "Only compare the sums of this UTC day with its rows.")] = None,
    last: Annotated[date | None, day_option("--through", "Also the days up to and including this one.")] = None,
    repair: Annotated[bool, typer.Option("--repair", help="Correct wrong sums of these days.")] = False,
    warehouse: Annotated[
        bool, typer.Option("--warehouse", help="Compare the published run in MongoDB with PostgreSQL's rows.")
    ] = False,
    api_url: Annotated[
        str | None, typer.Option("--api", metavar="URL", help="Compare every response of the API with the stores.")
    ] = None,
) -> None:
    """Recount every record up to the ledger and compare all tables with it.

    With --warehouse or --api, compare these instead: the published run with the rows up to its day, the API's responses
    with rows and documents. If the API needs a key, GLOBALMART_DASHBOARD_API_KEY is used.

    With --date, compare the sums of a day (or of days) with the stored rows, without Kafka, and with
    --repair correct them while workers run.

    Exit codes: 0 all agree; 1 something disagrees or a store cannot be read; 2 wrong usage
    or settings; 3 everything compared agrees, but Kafka has deleted records, or events were stored meanwhile; 75
    another maintenance command is in progress.

    Example: globalmart reconcile --date 2025-12-01 --repair

    Example: globalmart reconcile --warehouse --api http://127.0.0.1:8000
    """
    if warehouse or api_url is not None:
        if first is not None or repair or last is not None:
            raise typer.BadParameter("--warehouse and --api exclude --date, --through and --repair")
        raise typer.Exit(compare_layers(load_settings(), warehouse, api_url, json_file))
    if first is not None:
        raise typer.Exit(_compare_days(first, last or first, repair, json_file))
    if repair or last is not None:
        raise typer.BadParameter("--repair and --through need --date")
    raise typer.Exit(_compare_stream(json_file))


def _compare_stream(json_file: Path | None) -> int:
    report = asyncio.run(reconcile(load_settings()))
    if json_file is not None:
        _write(json_file, report.to_json())
    print_report(report, Console())
    return exit_code(report)


def _compare_days(first: date, last: date, apply: bool, json_file: Path | None) -> int:
    from app.ops.repair.repair import repair

    if last < first:
        raise typer.BadParameter("--through is before --date")
    console = Console()
    with exits_while_locked():
        done = asyncio.run(repair(load_settings(), first, last, apply=apply, report=console.log))
    if json_file is not None:
        _write(json_file, json.dumps(done.to_dict(), indent=2))
    print_repair(done, console)
    return 0 if done.agrees else EXIT_DISAGREE


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def print_repair(done: "Repair", console: Console) -> None:
    """Prints every wrong sum with that of its rows, and whether it was corrected."""
    for wrong in done.before:
        place = f"partition {wrong.partition} {wrong.category!r} {wrong.country!r}"
        found = _sum(wrong.found_orders, wrong.found_amount)
        expected = _sum(wrong.expected_orders, wrong.expected_amount)
        text = f"{wrong.table} {wrong.start.isoformat()} {place}: {found}, its rows: {expected}"
        console.print(escape(text), style="yellow" if done.agrees else "red", soft_wrap=True)
    repaired = len(done.before) - len(done.after)
    days = f"{done.first} to {done.last}" if done.first != done.last else str(done.first)
    if done.agrees:
        what = f"{repaired:,} sums corrected" if repaired else "every sum equals that of its rows"
        console.print(f"[green]{days}: {what}[/green]")
    else:
        console.print(f"[red]{days}: {len(done.after):,} sums differ from their rows[/red]")


def _sum(orders: int | None, amount: object) -> str:
    return "no sum" if orders is None else f"{orders} orders, {amount}"


def exit_code(report: ReconcileReport) -> int:
    """Returns 0 if all agree, 1 if not, 3 if they agree as far as they could be recounted."""
    if not report.agrees:
        return EXIT_DISAGREE
    return 0 if report.complete else EXIT_INCOMPLETE


def print_report(report: ReconcileReport, console: Console) -> None:
    """Prints tables of figures, then lost ranges and mismatches, then the verdict."""
    console.print(_ledger_table(report))
    console.print(_figures_table("tables", report.tables))
    console.print(_figures_table("anomalies", report.anomalies))
    for stream, count in report.awaiting_publication.items():
        console.print(f"{stream}: {count} rows not yet published")
    for stream, count in report.reduced_copies.items():
        text = f"{stream}: {count} copies without their value, which Kafka rejected as too large"
        console.print(text, style="yellow")
    for lost in report.lost_ranges:
        place = f"{lost.topic}[{lost.partition}]"
        text = f"{place}: Kafka has deleted offsets {lost.start} to {lost.end - 1}, not recounted"
        console.print(escape(text), style="yellow")
    for topic in report.compacting:
        text = f"{topic} is compacted: Kafka deletes its records; set cleanup.policy=delete on it"
        console.print(text, style="yellow", soft_wrap=True)
    for mismatch in report.mismatches:
        console.print(escape(f"{mismatch.kind}: {mismatch.message}"), style="red", soft_wrap=True)
    console.print(_verdict(report))


def _ledger_table(report: ReconcileReport) -> Table:
    table = Table(title="ledger (expected, where it differs)", title_justify="left")
    table.add_column("")
    for topic in report.topics:
        table.add_column(topic, justify="right")
    figures = report.topics.values()
    table.add_row("rows", *(_cell(topic.expected["stored"], topic.rows) for topic in figures))
    for name in COUNTERS:
        cells = (_cell(topic.expected[name], topic.found[name]) for topic in figures)
        table.add_row(name.replace("_", " "), *cells)
    rejected = (f"{topic.rejected_by_database:,}" for topic in figures)
    table.add_row("rejected by database", *rejected)
    return table


def _figures_table(title: str, tables: dict[str, TableFigures]) -> Table:
    table = Table("name", title=title, title_justify="left")
    for name in ("expected", "found", "mismatches"):
        table.add_column(name, justify="right")
    for name, figures in tables.items():
        counts = (figures.expected, figures.found, figures.mismatches)
        table.add_row(name, *(f"{count:,}" for count in counts))
    return table


def _cell(expected: int, found: int) -> str:
    return f"{found:,}" if expected == found else f"[red]{found:,} ({expected:,})[/red]"


def _verdict(report: ReconcileReport) -> str:
    if not report.agrees:
        hidden = report.total_mismatches - len(report.mismatches)
        more = f", {hidden:,} of them not listed" if hidden else ""
        return f"[red]disagree: {report.total_mismatches:,} mismatches{more}[/red]"
    if not report.complete:
        return "[yellow]agree in everything that could be recounted[/yellow]"
    return f"[green]agree[/green] ({report.seconds:.1f} s)"
