"""`globalmart replay`: feed PostgreSQL what it lacks of a range of days."""

import asyncio
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from app.cli.dates import day_option
from app.cli.locking import exits_while_locked

if TYPE_CHECKING:
    from app.settings import Settings

EXIT_DISAGREE: Final = 1

First = Annotated[date | None, day_option("--from", "First UTC day.")]
Last = Annotated[date | None, day_option("--to", "Last UTC day; counts whole.")]
FromLake = Annotated[bool, typer.Option("--lake", help="Out of the batch's lake instead of Kafka.")]
Parquet = Annotated[
    list[Path] | None, typer.Option("--parquet", exists=True, help="Out of Parquet files of events instead.")
]


def replay(
    first: First = None,
    last: Last = None,
    lake: FromLake = False,
    parquet: Parquet = None,
    topic: Annotated[str, typer.Option("--topic", help="What the Parquet files hold.")] = "transactions",
    wait: Annotated[float, typer.Option(help="Seconds to wait for the workers.")] = 60.0,
) -> None:
    """Put back rows PostgreSQL has lost, or feed history it never had; nothing counts twice.

    Out of Kafka, rows return to the place they came from, and ledger and sums stay as they are. Out
    of the lake or of Parquet files, events PostgreSQL lacks go to their topic and through the workers.

    Exit codes: 0 done; 1 sums of a day do not fit its rows (repair it), or not all was consumed in
    time; 2 wrong usage or settings; 75 other upkeep is under way.

    Example: globalmart replay --from 2025-12-01 --to 2025-12-02
    """
    from app.settings import load_settings

    _require_history(topic)
    span = None if parquet else _span(first, last)
    settings = load_settings()
    with exits_while_locked():
        fine = _feed(settings, span, parquet, topic, wait) if span is None or lake else _restore(settings, *span)
    raise typer.Exit(0 if fine else EXIT_DISAGREE)


def _require_history(topic: str) -> None:
    from app.topics import USER_TOPICS

    if topic not in USER_TOPICS:
        raise typer.BadParameter(f"--topic is one of {', '.join(USER_TOPICS)}")


def _span(first: date | None, last: date | None) -> tuple[date, date]:
    if first is None or last is None or first > last:
        raise typer.BadParameter("give the first and the last day with --from and --to")
    return first, last


def _restore(settings: "Settings", first: date, last: date) -> bool:
    from app.ops.replay.replay import replay_kafka

    done, checks = asyncio.run(replay_kafka(settings, first, last))
    for topic, count in done.read.items():
        typer.echo(f"{topic}: {count:,} records read, {done.restored[topic]:,} rows put back")
    typer.echo(f"anomalies: {done.anomalies:,} raised again")
    for place in done.gone:
        typer.echo(f"gone from Kafka: {place}")
    for check in checks:
        if not check.agrees:
            typer.echo(
                f"{check.first}: {len(check.after)} sums do not fit the rows; see "
                f"`globalmart reconcile --date {check.first} --repair`"
            )
    return all(check.agrees for check in checks)


def _feed(
    settings: "Settings", span: tuple[date, date] | None, files: list[Path] | None, topic: str, wait_seconds: float
) -> bool:
    from app.ops.lake import lake_location
    from app.ops.replay.from_files import lake_batches, parquet_batches
    from app.ops.replay.replay import replay_batches

    if files or span is None:
        batches = parquet_batches(files or (), topic)
    else:
        batches = lake_batches(lake_location(settings), *span)
    done, consumed = asyncio.run(replay_batches(settings, batches, wait_seconds=wait_seconds))
    for name, count in done.read.items():
        refused = done.refused[name]
        more = f", {refused:,} would be refused and were not sent" if refused else ""
        typer.echo(f"{name}: {count:,} rows read, {done.sent[name]:,} sent{more}")
    for text in done.left_out:
        typer.echo(f"left out: {text}")
    if not consumed:
        typer.echo("not all is consumed yet: is a worker running?")
    return consumed and not done.left_out
