"""`globalmart labels import`: what orders turned out to be."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated, Final

import typer

from app.cli.desk import Json, author, content_of, desk_connection, print_json, refusals_explained
from app.fraud.labels import LabelCounts, OrderLabel, import_labels
from app.fraud.sheets import read_labels
from app.settings import load_settings

labels: Final = typer.Typer(
    help="Labels: what orders turned out to be. All are kept, the one with the newest event time counts.\n\n"
    "Example: globalmart labels import chargebacks.csv",
    no_args_is_help=True,
)
# With a callback even a single command stays one of a group.
labels.callback()(lambda: None)


@labels.command("import")
def import_command(
    file: Annotated[
        str, typer.Argument(metavar="FILE|-", help="A CSV file: transaction_id,label,event_time[,source].")
    ],
    as_json: Json = False,
) -> None:
    """Store the labels of a CSV file: all, or none if a line is wrong. Importing them again changes nothing.

    `label` is fraud or legitimate, `event_time` is when it was known, `source` is analyst, chargeback or import.
    Labels of orders that are not stored are kept and counted.

    Exit codes: 0 stored; 1 a store failed; 2 wrong usage, settings or lines.

    Example: globalmart labels import chargebacks.csv
    """
    with refusals_explained():
        counts = asyncio.run(_store(read_labels(content_of(file), datetime.now(UTC))))
    if as_json:
        print_json(counts._asdict())
        return
    typer.echo(
        f"{counts.stored:,} labels stored, {counts.repeated:,} known already; "
        f"{counts.without_order:,} orders among them are not stored"
    )


async def _store(found: Sequence[OrderLabel]) -> LabelCounts:
    async with desk_connection(load_settings()) as connection:
        return await import_labels(connection, found, author())
