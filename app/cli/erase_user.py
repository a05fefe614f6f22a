"""`globalmart erase-user`: the right to be forgotten."""

import asyncio
import sys
from typing import TYPE_CHECKING, Annotated

import orjson
import typer
from rich.console import Console

from app.cli.exits import exits_while_locked
from app.settings import load_settings

if TYPE_CHECKING:
    from app.ops.erasure.erasure import Erased


def erase_user(
    user: Annotated[str, typer.Argument(metavar="USER", help="The user's id; - reads it from standard input.")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only count what would be changed.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Replace a user by a random pseudonym, in every store and in future events.

    Amounts and counts do not change, so every sum and `globalmart reconcile` still agree. Workers keep running. Prints
    which copies remain where, and until when. Run it again to finish an interrupted run.

    Exit codes: 0 done; 1 a store failed, run it again, or the batch's lake is elsewhere; 75 a batch run, another
    maintenance command or a replay is in progress.

    Example: globalmart erase-user - < id.txt
    """
    from app.ops.erasure.erasure import erase

    user_id = sys.stdin.read().rstrip("\r\n") if user == "-" else user
    with exits_while_locked():
        done = asyncio.run(erase(load_settings(), user_id, dry_run=dry_run))
    if as_json:
        _print_json(done)
    else:
        _print(done)


def _print_json(done: "Erased") -> None:
    plain = orjson.dumps(done.to_dict(), option=orjson.OPT_INDENT_2 | orjson.OPT_UTC_Z)
    typer.echo(plain.decode())


def _print(done: "Erased") -> None:
    console = Console(soft_wrap=True, highlight=False, markup=False)
    changed = "would change" if done.dry_run else "changed"
    for table, rows in sorted(done.rows.items()):
        console.print(f"{table}: {rows:,} rows {changed}")
    console.print(f"lake: {done.lake_files:,} files {changed}")
    console.print(f"warehouse: {done.documents:,} documents {changed}")
    console.print("Copies remain:")
    for copy in done.remaining:
        latest = f", {copy.at_the_latest:%Y-%m-%d %H:%M} UTC" if copy.at_the_latest else ""
        console.print(f"  {copy.where}: {copy.until}{latest}")
    if done.unfinished:
        console.print(f"{done.unfinished} other erasures were interrupted: run them again", style="yellow")
