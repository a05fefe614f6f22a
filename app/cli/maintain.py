"""`globalmart maintain`: retention and vacuum, for a timer."""

import asyncio
from typing import TYPE_CHECKING, Annotated, Final

import typer
from rich.console import Console

from app.cli.exits import exits_while_locked
from app.settings import load_settings
from app.terminal import figures_table
from app.topics import COMPRESSION

if TYPE_CHECKING:
    from app.ops.retention.maintain import MaintenanceResult

EXIT_KEPT: Final = 1


def maintain(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only print what would be deleted and set.")] = False,
    without_lake: Annotated[
        bool, typer.Option("--without-lake", help="Also delete rows that are not in the lake.")
    ] = False,
) -> None:
    """Delete rows past their retention, set the topics' retention, vacuum, and show sizes.

    Views, carts and transactions are deleted only once the batch's lake has them. Sums are kept.

    Exit codes: 0 done; 1 days past their retention were kept, because the lake does not have them, or a
    store failed; 2 wrong usage or settings; 75 another maintenance command is in progress.

    Example: globalmart maintain --dry-run
    """
    from app.ops.retention.maintain import maintain as run

    with exits_while_locked():
        done = asyncio.run(run(load_settings(), dry_run=dry_run, without_lake=without_lake, report=typer.echo))
    _print(done, dry_run)
    raise typer.Exit(EXIT_KEPT if done.deleted.kept else 0)


def _print(done: "MaintenanceResult", dry_run: bool) -> None:
    console = Console()
    for text in done.deleted.kept:
        console.print(f"kept: {text}", style="yellow", markup=False)
    for topic in done.topics:
        hours, wanted = topic.found_ms / 3_600_000, topic.wanted_ms / 3_600_000
        word = "should be" if dry_run else "now"
        change = "" if hours == wanted else f" {word} {wanted:g} h"
        change += f", {word} compressed by {COMPRESSION}" if topic.needs_compression else ""
        console.print(f"topic {topic.topic}: {hours:g} h{change}", highlight=False)
    if done.mongo:
        console.print(done.mongo, markup=False)
    table = figures_table("table", "rows, about", "rows MiB", "indexes MiB")
    for size in done.sizes:
        parts = (size.table_bytes, size.index_bytes)
        table.add_row(size.name, f"{size.rows:,}", *(f"{part / 2**20:,.1f}" for part in parts))
    console.print(table)
