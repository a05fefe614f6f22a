"""The options of `globalmart generate`, by the panel of the help they stand in."""

from pathlib import Path
from typing import Annotated, Any, Final

import typer

#: Help of the command: typer keeps paragraphs and joins the lines within one.
HELP: Final = """Send traffic to Kafka: live, a history, or orders from a file.

Ctrl-C stops cleanly: what is under way is delivered and the summary printed.

The shares of anomalies, late, repeated and malformed events are settings
(GLOBALMART_GENERATOR_...).

Example: globalmart generate --rate 5 --duration 60

Example: globalmart generate --max --count 1000000

Example: globalmart generate --backfill 90d --seed 7

Example: globalmart generate --start 2025-06-01 --seed 7 --count 50000

Example: globalmart generate --backfill 14d --attacks --truth truth.csv

Example: globalmart generate --preset cdnow --shift-to-now

Example: globalmart generate --from-csv shop.csv --check
--map user_id=Customer --map timestamp=Date --map total_amount=Total
"""


def _option(panel: str, help_text: str, *names: str, **more: Any) -> Any:
    return typer.Option(*names, help=help_text, rich_help_panel=panel, **more)


_LIVE: Final = "Live traffic"
Rate = Annotated[float, _option(_LIVE, "Multiple of the set rates.", min=0)]
TransactionRate = Annotated[float | None, _option(_LIVE, "Transactions per second.", min=0)]
ViewRate = Annotated[float | None, _option(_LIVE, "Product views per second.", min=0)]
CartRate = Annotated[float | None, _option(_LIVE, "Cart events per second.", min=0)]
MetricRate = Annotated[float | None, _option(_LIVE, "System metrics per second.", min=0)]
FlatOut = Annotated[bool, _option(_LIVE, "As fast as it goes.", "--max")]
DayCurve = Annotated[bool, _option(_LIVE, "Busier by day than by night.", "--day-curve")]
Start = Annotated[
    str | None,
    _option(
        _LIVE,
        "Play from this time on, flat out and in its own time: with --seed the same bytes always.",
        metavar="TIME",
    ),
]

_PAST: Final = "History"
Backfill = Annotated[str | None, _option(_PAST, "A history of this length: 90d, 12h, 30m.", metavar="LENGTH")]
Until = Annotated[str | None, _option(_PAST, "End of the history; now if absent.", metavar="TIME")]
OrdersPerDay = Annotated[float | None, _option(_PAST, "Orders per day; views and carts in proportion.", min=0.001)]

_FILE: Final = "Orders from a file"
FromCsv = Annotated[
    Path | None,
    _option(
        _FILE,
        "CSV file with a header; .gz, .bz2, .xz and .zip are unpacked.",
        "--from-csv",
        exists=True,
        dir_okay=False,
    ),
]
Preset = Annotated[str | None, _option(_FILE, "A known data set: cdnow.")]
Columns = Annotated[
    list[str] | None,
    _option(
        _FILE,
        "Column of a field; user_id, timestamp and total_amount are needed. total_amount may be made of "
        "several, as in price*quantity+shipping. Without transaction_id, ids are made of the content of "
        "the columns that are read.",
        "--map",
        metavar="FIELD=COLUMN",
    ),
]
Delimiter = Annotated[str | None, _option(_FILE, 'One character, "tab", "semicolon" or "whitespace"; found if absent.')]
DateFormat = Annotated[
    str | None,
    _option(_FILE, "As in strptime (%d.%m.%Y %H:%M), or seconds or milliseconds since 1970; ISO 8601 if absent."),
]
Encoding = Annotated[str | None, _option(_FILE, "Encoding of the file, as windows-1252; UTF-8 if absent.")]
DecimalSign = Annotated[
    str | None,
    _option(
        _FILE,
        "Decimal sign: , reads 1.234,50 and . reads 1,234.50; if absent, plain numbers only.",
        "--decimal",
        metavar=",|.",
    ),
]
Timezone = Annotated[str | None, _option(_FILE, "Zone of times without an offset, as Europe/Berlin; UTC if absent.")]
Only = Annotated[
    list[str] | None, _option(_FILE, "Take only rows with these values.", "--only", metavar="COLUMN=VALUE,VALUE")
]
Without = Annotated[
    list[str] | None, _option(_FILE, "Leave out rows with these values.", "--without", metavar="COLUMN=VALUE,VALUE")
]
Guests = Annotated[bool, _option(_FILE, "Count an order without a user_id as one of a new customer.", "--guests")]
SameIdOption = Annotated[
    str | None,
    _option(
        _FILE,
        "What rows of one id are: lines of one order (add), one order written several times (once), or "
        "orders of their own (separate). The import stops and asks if absent.",
        "--same-id",
        metavar="add|once|separate",
    ),
]
ShiftToNow = Annotated[bool, _option(_FILE, "Move all dates by whole days to end today.", "--shift-to-now")]
Speed = Annotated[float | None, _option(_FILE, "The file's seconds per second; flat out if absent.", min=0.001)]
SkipBadRows = Annotated[bool, _option(_FILE, "Leave out, count and list rows that cannot be used.", "--skip-bad-rows")]
RefusedFile = Annotated[
    Path | None,
    _option(
        _FILE, "Where lines and reasons of refused rows are written; a file in var/refused if absent.", dir_okay=False
    ),
]
Check = Annotated[bool, _option(_FILE, "Read and check the file, report its content, send nothing.", "--check")]

_RUN: Final = "Run"
Duration = Annotated[float | None, _option(_RUN, "Seconds to run.", min=0.001)]
Count = Annotated[int | None, _option(_RUN, "Records to send.", min=1)]
Seed = Annotated[int | None, _option(_RUN, "Seed of a repeatable run.")]
RecordTime = Annotated[
    str | None,
    _option(
        _RUN,
        "Kafka timestamp of old events: now (default: Kafka deletes by it) or their own time.",
        metavar="event|now",
    ),
]
Attacks = Annotated[
    bool, _option(_RUN, "Add attacks and innocent orders that resemble them, by the settings' shares.", "--attacks")
]
TruthFile = Annotated[
    Path | None,
    _option(_RUN, "Write what the injected orders are in truth, as CSV.", "--truth", dir_okay=False, writable=True),
]
SummaryFile = Annotated[Path | None, _option(_RUN, "Write the summary as JSON.", dir_okay=False, writable=True)]
