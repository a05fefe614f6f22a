"""`globalmart reconcile`: recount the stream from Kafka and say whether PostgreSQL agrees."""

import asyncio
import json
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from app.cli.locking import exits_while_locked
from app.reconcile.stream.recount import reconcile
from app.reconcile.stream.report import COUNTERS, ReconcileReport, TableFigures
from app.settings import load_settings

if TYPE_CHECKING:
    from app.ops.repair.repair import Repair

EXIT_DISAGREE = 1
EXIT_INCOMPLETE = 3
_DATE = ["%Y-%m-%d"]


def reconcile_command(
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the whole report to this file.")] = None,
    first: Annotated[
        datetime | None, typer.Option("--date", formats=_DATE, help="Only the sums of this UTC day, from its rows.")
    ] = None,
    last: Annotated[datetime | None, typer.Option("--through", formats=_DATE, help="And of the days up to it.")] = None,
    repair: Annotated[bool, typer.Option("--repair", help="Set wrong sums of these days right.")] = False,
    warehouse: Annotated[
        bool, typer.Option("--warehouse", help="Compare the published run in MongoDB with PostgreSQL's rows.")
    ] = False,
    api_url: Annotated[
        str | None, typer.Option("--api", metavar="URL", help="Compare every answer of the API there with the stores.")
    ] = None,
) -> None:
    """Recount every record up to the ledger and compare all tables with it.

    With --warehouse or --api, compare these instead: the published run with the rows up to its day, the API's answers
    with rows and documents. The API's key is GLOBALMART_DASHBOARD_API_KEY where it asks for one.

    With --date, compare the sums of a day (or of days) with the stored rows, without Kafka, and with
    --repair set them right while workers go on.

    Exit codes: 0 all agree; 1 something disagrees or a store cannot be read; 2 wrong usage
    or settings; 3 what was compared agrees, but Kafka has deleted records, or events were stored meanwhile; 75
    another operation holds the lock.

    Example: globalmart reconcile --date 2025-12-01 --repair

    Example: globalmart reconcile --warehouse --api http://127.0.0.1:8000
    """
    if warehouse or api_url is not None:
        if first is not None or repair or last is not None:
            raise typer.BadParameter("--warehouse and --api compare everything; leave out --date, --through, --repair")
        from app.cli.reconcile_layers import compare_layers

        raise typer.Exit(compare_layers(load_settings(), warehouse, api_url, json_file))
    if first is not None:
        raise typer.Exit(_compare_days(first, last or first, repair, json_file))
    if repair or last is not None:
        raise typer.BadParameter("--repair and --through need --date")
    report = asyncio.run(reconcile(load_settings()))
    if json_file is not None:
        json_file.parent.mkdir(parents=True, exist_ok=True)
        json_file.write_text(report.to_json(), encoding="utf-8")
    print_report(report, Console())
    raise typer.Exit(exit_code(report))


def _compare_days(first: datetime, last: datetime, apply: bool, json_file: Path | None) -> int:
    from app.ops.repair.repair import repair

    if last < first:
        raise typer.BadParameter("--through is before --date")
    console = Console()
    with exits_while_locked():
        done = asyncio.run(repair(load_settings(), first.date(), last.date(), apply=apply, report=console.log))
    if json_file is not None:
        json_file.parent.mkdir(parents=True, exist_ok=True)
        json_file.write_text(json.dumps(done.to_dict(), indent=2), encoding="utf-8")
    print_repair(done, console)
    return 0 if done.agrees else EXIT_DISAGREE


def print_repair(done: "Repair", console: Console) -> None:
    """Every wrong sum with what its rows add up to, and what became of it."""
    for wrong in done.before:
        place = f"partition {wrong.partition} {wrong.category!r} {wrong.country!r}"
        found = _sum(wrong.found_orders, wrong.found_amount)
        expected = _sum(wrong.expected_orders, wrong.expected_amount)
        text = f"{wrong.table} {wrong.start.isoformat()} {place}: {found}, the rows say {expected}"
        console.print(escape(text), style="yellow" if done.agrees else "red", soft_wrap=True)
    repaired = len(done.before) - len(done.after)
    days = f"{done.first} to {done.last}" if done.first != done.last else str(done.first)
    if done.agrees:
        what = f"{repaired:,} sums set right" if repaired else "every sum is what its rows add up to"
        console.print(f"[green]{days}: {what}[/green]")
    else:
        console.print(f"[red]{days}: {len(done.after):,} sums differ from their rows[/red]")


def _sum(orders: int | None, amount: object) -> str:
    return "no sum" if orders is None else f"{orders} orders, {amount}"


def exit_code(report: ReconcileReport) -> int:
    """0 agree, 1 disagree, 3 agree as far as it could be recounted."""
    if not report.agrees:
        return EXIT_DISAGREE
    return 0 if report.complete else EXIT_INCOMPLETE


def print_report(report: ReconcileReport, console: Console) -> None:
    """Tables of figures, then lost ranges and disagreements, then the verdict."""
    console.print(_ledger_table(report))
    console.print(_figures_table("tables", report.tables))
    console.print(_figures_table("anomalies", report.anomalies))
    for stream, count in report.awaiting_publication.items():
        console.print(f"{stream}: {count} rows not yet published")
    for lost in report.lost_ranges:
        place = f"{lost.topic}[{lost.partition}]"
        text = f"{place}: offsets {lost.start} to {lost.end - 1} are gone from Kafka, not recounted"
        console.print(escape(text), style="yellow")
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
