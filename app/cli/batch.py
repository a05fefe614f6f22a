"""`globalmart batch ...`: the nightly run and its parts."""

from collections.abc import Callable
from datetime import date
from typing import TYPE_CHECKING, Annotated, Final

import typer
from rich.console import Console
from rich.markup import escape

from app.cli.dates import day_option
from app.cli.exits import EXIT_LOCKED
from app.errors import LockHeldError
from app.settings import load_settings
from app.terminal import figures_table

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


#: The commands: what each computes, and an example.
_JOBS: Final = {
    "nightly": ("Compute all marts and publish them together.", ""),
    "etl": ("Compute only the facts: sales per hour, sessions.", " --as-of 2025-12-07"),
    "rfm": ("Compute only the customer segments and their migrations.", ""),
    "trends": ("Compute only revenue per day, week and month.", ""),
    "products": ("Compute only the product performance.", ""),
}


def _add(name: str, what: str, options: str) -> None:
    @batch.command(name, help=f"{what}\n\nExample: globalmart batch {name}{options}")
    def command(as_of: AsOf = None, full: Full = False) -> None:
        _run(name, as_of, full)


for _name, _texts in _JOBS.items():
    _add(_name, *_texts)


def _run(name: str, given: date | None, full: bool) -> None:
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


def _reporter(console: Console, show: Callable[[str], None]) -> Callable[[str], None]:
    """Returns a callback that prints every step and shows the current one next to the spinner."""

    def report(step: str) -> None:
        console.print(f"  {step}", style="dim", markup=False)
        show(step)

    return report


def _print(console: Console, outcome: "Outcome") -> None:
    table = figures_table("mart", "rows", "written", "sum")
    for staged in outcome.staged:
        total = staged.entry["total"].to_decimal()
        table.add_row(staged.mart.name, f"{staged.entry['rows']:,}", f"{staged.written:,}", f"{total:,}")
    console.print(table)
    stages = ", ".join(f"{name} {took:.1f} s" for name, took in outcome.stage_seconds.items())
    read = f"{outcome.extracted_rows:,} rows of {outcome.extracted_days:,} days read"
    console.print(f"{read}; {stages}", style="dim")
    console.print(f"[green]published[/] {outcome.run_id}, snapshot {outcome.snapshot}")
