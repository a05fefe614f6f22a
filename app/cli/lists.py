"""`globalmart lists ...`: lists that rules of the fraud desk compare with."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, Final

import typer
from rich.console import Console
from rich.markup import escape

from app.cli.dates import time_option
from app.cli.desk import (
    Json,
    Reason,
    author,
    content_of,
    desk_connection,
    print_json,
    refusals_explained,
    shown_time,
    table_of,
)
from app.fraud import catalogue
from app.fraud.editions import EntriesSet, ListEntry, RuleDesk
from app.fraud.rule_errors import UnknownNameError
from app.fraud.rulebook import MAX_LIST_ENTRIES, Rulebook
from app.fraud.sheets import read_entries
from app.settings import load_settings

Name = Annotated[str, typer.Argument(metavar="LIST", help="A list's name, from `list`.")]
Values = Annotated[list[str], typer.Argument(metavar="VALUE...", help="Values as orders have them.")]
Create = Annotated[bool, typer.Option("--create", help="Make the list if it does not exist.")]

lists: Final = typer.Typer(
    help="Lists that rules compare with: every change is an edition, which judges the next orders.\n\n"
    "Exit codes: 0 done; 1 a store failed; 2 wrong usage, settings or values.\n\n"
    "Example: globalmart lists add stolen_cards c7f3 --create --reason chargeback",
    no_args_is_help=True,
)


@lists.command("list")
def list_command(as_json: Json = False) -> None:
    """List all lists with the number of their values.

    Example: globalmart lists list
    """
    found = asyncio.run(_listed())
    if as_json:
        print_json({"lists": found})
        return
    table = table_of("name", "values", "expired", "made by", "at (UTC)", "why", right=("values", "expired"))
    for one in found:
        figures = (f"{one['entries']:,}", f"{one['expired']:,}")
        at = shown_time(one["made_at"])
        table.add_row(escape(one["name"]), *figures, escape(one["author"]), at, escape(one["reason"]))
    Console().print(table)


@lists.command()
def show(
    name: Name,
    after: Annotated[str, typer.Option("--after", help="Page: values that follow this one.")] = "",
    limit: Annotated[int, typer.Option(min=1, max=MAX_LIST_ENTRIES, help="Page: how many.")] = 50,
    search: Annotated[str, typer.Option("--search", help="Only values that contain this, in any case.")] = "",
    as_json: Json = False,
) -> None:
    """Show the values of a list by pages, and who added each when and why.

    Example: globalmart lists show stolen_cards --limit 100
    """
    with refusals_explained():
        found = asyncio.run(_entries(name, after, limit, search))
    following = found[-1]["value"] if len(found) == limit else None
    if as_json:
        print_json({"name": name, "entries": found, "next_after": following})
        return
    table = table_of("value", "expires at (UTC)", "note", "by", "at (UTC)", "why")
    for one in found:
        texts = (escape(one[field]) for field in ("note", "author"))
        times = (shown_time(one["expires_at"]), shown_time(one["added_at"]))
        table.add_row(escape(one["value"]), times[0], *texts, times[1], escape(one["reason"]))
    console = Console()
    console.print(table)
    if following is not None:
        console.print(f"more: --after {escape(following)}", style="dim", highlight=False, soft_wrap=True)


@lists.command()
def new(name: Name, reason: Reason = "", as_json: Json = False) -> None:
    """Make an empty list, so that a rule can name it.

    Example: globalmart lists new stolen_cards --reason "a rule is to come"
    """
    with refusals_explained():
        book = asyncio.run(_make(name, reason))
    _say(EntriesSet(book, 0, 0, 0), name, as_json)


@lists.command()
def add(
    name: Name,
    values: Values,
    expires_at: Annotated[
        datetime | None, time_option("--expires-at", "Time of orders from which they no longer count; default: never.")
    ] = None,
    note: Annotated[str, typer.Option("--note", help="Stands with each value.")] = "",
    create: Create = False,
    reason: Reason = "",
    as_json: Json = False,
) -> None:
    """Add values to a list, or change when they expire and their note.

    Example: globalmart lists add stolen_cards c7f3 9a01 --expires-at 2026-03-01
    """
    entries = [ListEntry(value, expires_at, note) for value in values]
    with refusals_explained():
        done = asyncio.run(_put(name, entries, reason, create=create))
    _say(done, name, as_json)


@lists.command()
def remove(name: Name, values: Values, reason: Reason = "", as_json: Json = False) -> None:
    """Remove values from a list; those that are not on it are no error.

    Example: globalmart lists remove stolen_cards c7f3 --reason "found again"
    """
    with refusals_explained():
        done = asyncio.run(_remove(name, values, reason))
    _say(done, name, as_json)


@lists.command("import")
def import_command(
    name: Name,
    file: Annotated[str, typer.Argument(metavar="FILE|-", help="A CSV file: value[,expires_at][,note].")],
    create: Create = False,
    reason: Reason = "",
    as_json: Json = False,
) -> None:
    """Add the values of a CSV file to a list: all in one edition, or none.

    Its header is value,expires_at,note; the last two may be absent, and so may their values.

    Example: globalmart lists import stolen_cards cards.csv --create
    """
    with refusals_explained():
        entries = read_entries(content_of(file))
        done = asyncio.run(_put(name, entries, reason, create=create))
    _say(done, name, as_json)


def _say(found: EntriesSet, name: str, as_json: bool) -> None:
    book, count = found.book, len(found.book.lists[name])
    figures = {"changed": found.changed, "added": found.added, "unchanged": found.unchanged}
    if as_json:
        print_json({"edition": book.edition, "list": name, "entries": count, **figures})
    else:
        as_they_were = f"; as they were: {found.unchanged:,}" if found.unchanged else ""
        typer.echo(f"edition {book.edition}: the list {name} has {count:,} values{as_they_were}")


async def _listed() -> list[dict[str, Any]]:
    async with desk_connection(load_settings()) as connection:
        return [dict(row) for row in await catalogue.lists(connection, datetime.now(UTC))]


async def _make(name: str, reason: str) -> Rulebook:
    async with desk_connection(load_settings()) as connection:
        return await RuleDesk(connection, author()).make_list(name, reason)


async def _entries(name: str, after: str, limit: int, search: str) -> list[dict[str, Any]]:
    async with desk_connection(load_settings()) as connection:
        if not await catalogue.list_exists(connection, name):
            raise UnknownNameError(f"there is no list {name}; `globalmart lists list` lists them")
        return [dict(row) for row in await catalogue.entries(connection, name, after, limit, search)]


async def _put(name: str, entries: Sequence[ListEntry], reason: str, *, create: bool) -> EntriesSet:
    async with desk_connection(load_settings()) as connection:
        return await RuleDesk(connection, author()).put_entries(name, entries, reason, create=create)


async def _remove(name: str, values: Sequence[str], reason: str) -> EntriesSet:
    async with desk_connection(load_settings()) as connection:
        return await RuleDesk(connection, author()).remove_entries(name, values, reason)
