"""`globalmart replay`: restores rows of a range of days that are missing in PostgreSQL."""

import asyncio
from datetime import date
from pathlib import Path
from typing import Annotated, Final

import typer

from app.cli.dates import day_option
from app.cli.exits import exits_while_locked
from app.settings import Settings, load_settings
from app.topics import ARCHIVED_TOPICS

EXIT_DISAGREE: Final = 1

First = Annotated[date | None, day_option("--from", "First UTC day.")]
Last = Annotated[date | None, day_option("--to", "Last UTC day, inclusive.")]
FromLake = Annotated[bool, typer.Option("--lake", help="From the batch's lake instead of Kafka.")]
Parquet = Annotated[
    list[Path] | None, typer.Option("--parquet", exists=True, help="From Parquet files of events instead.")
]


def replay(
    first: First = None,
    last: Last = None,
    lake: FromLake = False,
    parquet: Parquet = None,
    topic: Annotated[str, typer.Option("--topic", help="Topic of the Parquet files.")] = "transactions",
    wait: Annotated[float, typer.Option(help="Seconds to wait for the workers.")] = 60.0,
) -> None:
    """Restore rows that PostgreSQL has lost, or import history it never had; nothing counts twice.

    From Kafka, rows are restored with their partition and offset; ledger and sums do not change. From
    the lake or Parquet files, missing events are sent to their topic and pass through the workers.

    Exit codes: 0 done; 1 sums of a day differ from its rows (repair it), or not all was consumed in
    time; 2 wrong usage or settings; 75 another maintenance command is in progress.

    Example: globalmart replay --from 2025-12-01 --to 2025-12-02
    """
    if topic not in ARCHIVED_TOPICS:
        raise typer.BadParameter(f"--topic must be one of {', '.join(ARCHIVED_TOPICS)}")
    days = None if parquet else _days(first, last)
    settings = load_settings()
    with exits_while_locked():
        complete = _import(settings, days, parquet, topic, wait) if days is None or lake else _restore(settings, *days)
    raise typer.Exit(0 if complete else EXIT_DISAGREE)


def _days(first: date | None, last: date | None) -> tuple[date, date]:
    if first is None or last is None or first > last:
        raise typer.BadParameter("pass the first and the last day with --from and --to")
    return first, last


def _restore(settings: Settings, first: date, last: date) -> bool:
    from app.ops.replay.replay import replay_kafka

    done, checks = asyncio.run(replay_kafka(settings, first, last))
    for topic, count in done.read.items():
        typer.echo(f"{topic}: {count:,} records read, {done.restored[topic]:,} rows restored")
    typer.echo(f"anomalies: {done.anomalies:,} restored")
    for place in done.gone:
        typer.echo(f"deleted in Kafka: {place}")
    for check in checks:
        if not check.agrees:
            typer.echo(
                f"{check.first}: {len(check.after)} sums differ from the rows; see "
                f"`globalmart reconcile --date {check.first} --repair`"
            )
    return all(check.agrees for check in checks)


def _import(
    settings: Settings, days: tuple[date, date] | None, files: list[Path] | None, topic: str, wait_seconds: float
) -> bool:
    from app.ops.lake_access import lake_location
    from app.ops.replay.from_files import lake_batches, parquet_batches
    from app.ops.replay.replay import replay_batches

    if files or days is None:
        batches = parquet_batches(files or (), topic)
    else:
        batches = lake_batches(lake_location(settings), *days)
    done, consumed = asyncio.run(replay_batches(settings, batches, wait_seconds=wait_seconds))
    for name, count in done.read.items():
        refused = done.refused[name]
        more = f", {refused:,} would be rejected and were not sent" if refused else ""
        typer.echo(f"{name}: {count:,} rows read, {done.sent[name]:,} sent{more}")
    for text in done.left_out:
        typer.echo(f"skipped: {text}")
    if not consumed:
        typer.echo("not all was consumed in time: is a worker running?")
    return consumed and not done.left_out
