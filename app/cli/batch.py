"""`globalmart batch ...`: the nightly run and its parts."""

from collections.abc import Callable
from datetime import date
from typing import TYPE_CHECKING, Annotated, Final

import typer

from app.cli.dates import day_option
from app.cli.exits import EXIT_LOCKED

if TYPE_CHECKING:
    from batch.nightly import Outcome

AsOf = Annotated[date | None, day_option("--as-of", "Last UTC day to include; default: yesterday.")]
Full = Annotated[bool, typer.Option("--full", help="Read every day in PostgreSQL, changed or not.")]

batch: Final = typer.Typer(
    help="Extract, compute, check and publish the warehouse.\n\n"
    "Exit codes: 0 published; 1 a check or a store failed, the previous run stays published; 2 wrong "
    "usage or settings; 75 another run is in progress.\n\n"
    "Example: globalmart batch nightly --as-of 2025-12-07",
    no_args_is_help=True,
)


@batch.command()
def nightly(as_of: AsOf = None, full: Full = False) -> None:
    """Compute all marts and publish them together.

    Example: globalmart batch nightly
    """
    _run("nightly", as_of, full)


@batch.command()
def etl(as_of: AsOf = None, full: Full = False) -> None:
    """Compute only the facts: sales per hour, sessions.

    Example: globalmart batch etl --as-of 2025-12-07
    """
    _run("etl", as_of, full)


@batch.command()
def rfm(as_of: AsOf = None, full: Full = False) -> None:
    """Compute only the customer segments and their migrations.

    Example: globalmart batch rfm
    """
    _run("rfm", as_of, full)


@batch.command()
def trends(as_of: AsOf = None, full: Full = False) -> None:
    """Compute only revenue per day, week and month.

    Example: globalmart batch trends
    """
    _run("trends", as_of, full)


@batch.command()
def products(as_of: AsOf = None, full: Full = False) -> None:
    """Compute only the product performance.

    Example: globalmart batch products
    """
    _run("products", as_of, full)


def _run(name: str, given: date | None, full: bool) -> None:
    from rich.console import Console
    from rich.markup import escape

    from app.errors import LockHeldError
    from app.settings import load_settings
    from batch.nightly import Job, run_batch, yesterday

    settings, console = load_settings(), Console()
    as_of = given or yesterday()
    console.print(f"{name} as of {as_of} (UTC, the whole day)")
    try:
        with console.status("Starting") as status:
            outcome = run_batch(settings, Job(name, as_of, full), _reporter(console, status.update))
    except LockHeldError as error:
        Console(stderr=True).print(f"[yellow]{escape(str(error))}[/]", soft_wrap=True)
        raise typer.Exit(EXIT_LOCKED) from error
    _print(console, outcome)


def _reporter(console: object, show: Callable[[str], None]) -> Callable[[str], None]:
    """Returns a callback that prints every step and shows the current one next to the spinner."""
    from rich.console import Console

    assert isinstance(console, Console)

    def report(step: str) -> None:
        console.print(f"  {step}", style="dim", markup=False)
        show(step)

    return report


def _print(console: object, outcome: "Outcome") -> None:
    from rich.console import Console

    from app.terminal import figures_table

    assert isinstance(console, Console)
    table = figures_table("mart", "rows", "written", "sum")
    for staged in outcome.staged:
        total = staged.entry["total"].to_decimal()
        table.add_row(staged.mart.name, f"{staged.entry['rows']:,}", f"{staged.written:,}", f"{total:,}")
    console.print(table)
    stages = ", ".join(f"{name} {took:.1f} s" for name, took in outcome.stage_seconds.items())
    read = f"{outcome.extracted_rows:,} rows of {outcome.extracted_days:,} days read"
    console.print(f"{read}; {stages}", style="dim")
    console.print(f"[green]published[/] {outcome.run_id}, snapshot {outcome.snapshot}")
