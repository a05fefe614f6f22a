"""`globalmart dead-letters ...`: list, show and replay rejected records."""

import asyncio
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from app.cli.dates import time_option
from app.cli.exits import exits_while_locked
from app.settings import Settings, load_settings

if TYPE_CHECKING:
    from app.ops.dead_letters.correction import Correction
    from app.ops.dead_letters.repository import Filter

EXIT_NOT_ALL: Final = 1

Reason = Annotated[str | None, typer.Option("--reason", help="Only this reason.")]
Topic = Annotated[str | None, typer.Option("--topic", help="Only of this source topic.")]
Since = Annotated[datetime | None, time_option("--since", "Rejected at or after (UTC).")]
Until = Annotated[datetime | None, time_option("--until", "Rejected before (UTC).")]
Assignments = Annotated[
    list[str] | None, typer.Option("--set", metavar="FIELD=VALUE", help="Correct a field; null removes it.")
]
Patch = Annotated[Path | None, typer.Option(exists=True, help="Correct by a JSON merge patch (RFC 7396).")]
Value = Annotated[Path | None, typer.Option(exists=True, help="Send this file's bytes instead.")]
Rekey = Annotated[bool, typer.Option("--rekey", help="Take the key from the event.")]
Force = Annotated[bool, typer.Option("--force", "--anyway", help="Also send records that would be rejected again.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]

dead_letters: Final = typer.Typer(
    help="List rejected records, and replay them after a fix.\n\n"
    "Exit codes: 0 done; 1 a record was not replayed, or a store failed; 2 wrong usage or "
    "settings; 75 another replay is in progress.\n\n"
    "Example: globalmart dead-letters list --reason invalid_amount",
    no_args_is_help=True,
)


@dead_letters.command("list")
def list_command(
    reason: Reason = None,
    topic: Topic = None,
    since: Since = None,
    until: Until = None,
    replayed: Annotated[bool | None, typer.Option("--replayed/--open", help="Only those replayed, or not.")] = None,
    before: Annotated[int | None, typer.Option(help="Page: ids below this one.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="Page: how many.")] = 50,
    as_json: Json = False,
) -> None:
    """List dead letters, the newest first, by pages.

    Example: globalmart dead-letters list --topic transactions --open --limit 20
    """
    from app.cli.dead_letters_output import letters_json, letters_table
    from app.ops.dead_letters import service

    wanted = _filter(reason, topic, since, until, replayed)
    letters = asyncio.run(service.page(load_settings(), wanted, before=before, limit=limit))
    following = letters[-1].id if len(letters) == limit else None
    if as_json:
        typer.echo(letters_json(letters, following))
    else:
        letters_table(letters, following)


@dead_letters.command()
def show(letter_id: Annotated[int, typer.Argument(metavar="ID", help="From `list`.")], as_json: Json = False) -> None:
    """Show a dead letter: its bytes decoded, the headers of its record while Kafka has it, its replay.

    Example: globalmart dead-letters show 17
    """
    from app.cli.dead_letters_output import print_letter, shown_json
    from app.ops.dead_letters import service

    letter, record = asyncio.run(service.one(load_settings(), letter_id))
    if as_json:
        typer.echo(shown_json(letter, record))
    else:
        print_letter(letter, record)


@dead_letters.command()
def replay(
    ids: Annotated[list[int] | None, typer.Argument(metavar="[ID]...", help="Dead letters.")] = None,
    reason: Reason = None,
    topic: Topic = None,
    since: Since = None,
    until: Until = None,
    assignments: Assignments = None,
    patch: Patch = None,
    value: Value = None,
    rekey: Rekey = False,
    force: Force = False,
    by: Annotated[str | None, typer.Option(help="Recorded as the operator; default: user@host.")] = None,
    wait: Annotated[float, typer.Option(help="Seconds to wait for the outcome.")] = 30.0,
    as_json: Json = False,
) -> None:
    """Send dead letters to their source topic again, once each: those named, or all that match a filter.

    Example: globalmart dead-letters replay 17 --set total_amount=12.50
    """
    from app.cli.dead_letters_output import print_result, result_json
    from app.ops.dead_letters import service

    settings, correction = load_settings(), _correction(assignments, patch, value, rekey)
    chosen = _chosen(settings, ids, _filter(reason, topic, since, until, False))
    with exits_while_locked():
        replaying = service.replay(
            settings, chosen, correction, by=by or service.operator(), force=force, wait_seconds=wait
        )
        result = asyncio.run(replaying)
    if as_json:
        typer.echo(result_json(result))
    else:
        print_result(result)
    raise typer.Exit(EXIT_NOT_ALL if result.replayed.refused else 0)


def _chosen(settings: Settings, ids: list[int] | None, wanted: "Filter") -> list[int]:
    """Returns the given ids, each once, or those of the dead letters that match the filter."""
    from app.ops.dead_letters import service

    filtered = any((wanted.reason, wanted.topic, wanted.since, wanted.until))
    if bool(ids) == filtered:
        raise typer.BadParameter("pass either ids or a filter, not both")
    return sorted(set(ids or ())) or asyncio.run(service.matching(settings, wanted))


def _filter(
    reason: str | None, topic: str | None, since: datetime | None, until: datetime | None, replayed: bool | None
) -> "Filter":
    from app.ops.dead_letters.repository import Filter

    return Filter(reason, topic, since, until, replayed)


def _correction(assignments: list[str] | None, patch: Path | None, value: Path | None, rekey: bool) -> "Correction":
    from app.ops.dead_letters.correction import Correction, parse_assignments, parse_patch

    changes = parse_patch(patch.read_bytes()) if patch else {}
    changes |= parse_assignments(assignments or ())
    return Correction(changes or None, value.read_bytes() if value else None, rekey)
