"""Prints dead letters on a terminal and as JSON."""

import base64
import json
from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any, Final

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from app.kafka.reader import Record
from app.ops.dead_letters.repository import StoredDeadLetter
from app.ops.dead_letters.service import Result

_DETAIL_CHARACTERS: Final = 60


def letters_table(letters: Sequence[StoredDeadLetter], following: int | None) -> None:
    """Prints one line per dead letter, and the option for the next page."""
    console = Console()
    table = Table("id", "from", "reason", "detail", "rejected at (UTC)", "replay", box=None)
    for letter in letters:
        detail = letter.detail[:_DETAIL_CHARACTERS]
        at = f"{letter.created_at:%Y-%m-%d %H:%M:%S}"
        table.add_row(str(letter.id), escape(letter.place), letter.reason, escape(detail), at, _state(letter))
    console.print(table)
    if following is not None:
        console.print(f"more: --before {following}", style="dim")


def print_letter(letter: StoredDeadLetter, record: Record | None) -> None:
    """Prints everything about one dead letter."""
    console = Console()
    lines = [
        f"[bold]{letter.id}[/]  {escape(letter.place)}",
        f"rejected  {letter.created_at.isoformat()}  {letter.reason} ({letter.stage})",
        f"detail    {escape(letter.detail)}",
        f"sent      {letter.kafka_time.isoformat()} (Kafka's timestamp)",
        f"key       {escape(shown(letter.key))}",
        f"value     {escape(shown(letter.value))}",
        *(f"header    {escape(f'{name}: {shown(value)}')}" for name, value in _headers(record)),
    ]
    if record is None:
        lines.append("headers   unknown: Kafka has deleted the record")
    lines.append(f"replay    {_state(letter)}")
    console.print("\n".join(lines), soft_wrap=True, highlight=False)


def print_result(result: Result) -> None:
    """Prints the outcome of each dead letter."""
    console = Console()
    for letter in result.letters:
        refused = result.replayed.refused.get(letter.id)
        text = f"[yellow]not sent:[/] {escape(refused)}" if refused else _state(letter)
        line = f"{letter.id:>8}  {escape(letter.place)}  {text}"
        console.print(line, highlight=False, soft_wrap=True)
    sent, recovered = len(result.replayed.sent), len(result.replayed.recovered)
    console.print(f"{sent} sent, {recovered} found sent before, {len(result.replayed.refused)} not")


def letters_json(letters: Sequence[StoredDeadLetter], following: int | None) -> str:
    """Returns a page, with the value of --before for the next."""
    return _dump({"dead_letters": [plain(x) for x in letters], "next_before": following})


def shown_json(letter: StoredDeadLetter, record: Record | None) -> str:
    """Returns one dead letter; `headers` is null if Kafka has deleted the record."""
    headers = None if record is None else [[n, _bytes(v)] for n, v in _headers(record)]
    return _dump(plain(letter) | {"headers": headers})


def result_json(result: Result) -> str:
    """Returns the result of a replay."""
    places = {
        name: {str(number): list(place) for number, place in found.items()}
        for name, found in (("sent", result.replayed.sent), ("found_sent", result.replayed.recovered))
    }
    refused = {str(number): why for number, why in result.replayed.refused.items()}
    return _dump(places | {"not_sent": refused, "dead_letters": [plain(x) for x in result.letters]})


def plain(letter: StoredDeadLetter) -> dict[str, Any]:
    """Returns a dead letter as plain data: bytes as text if they are UTF-8, and always as base64."""
    return asdict(letter) | {"key": _bytes(letter.key), "value": _bytes(letter.value)}


def shown(raw: bytes | None) -> str:
    """Returns bytes as text if they are UTF-8, else in Python's notation."""
    if raw is None:
        return "none"
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return repr(raw)


def _bytes(raw: bytes | None) -> dict[str, str | None] | None:
    if raw is None:
        return None
    try:
        text: str | None = raw.decode()
    except UnicodeDecodeError:
        text = None
    return {"text": text, "base64": base64.b64encode(raw).decode()}


def _headers(record: Record | None) -> Sequence[tuple[str, bytes | None]]:
    return () if record is None else record.headers


def _state(letter: StoredDeadLetter) -> str:
    replay = letter.replay
    if replay is None:
        return "no"
    if replay.sent_at is None:
        return f"claimed by {escape(replay.requested_by)}, perhaps not sent: replay it again"
    place = escape(f"{letter.topic}[{replay.sent_partition}]@{replay.sent_offset}")
    corrected = ", corrected" if replay.corrected else ""
    outcome = replay.outcome or "not consumed yet"
    detail = f" ({escape(replay.outcome_detail)})" if replay.outcome_detail else ""
    return f"{place} by {escape(replay.requested_by)}{corrected}: {outcome}{detail}"


def _dump(document: Any) -> str:
    return json.dumps(document, indent=2, ensure_ascii=False, default=_text)


def _text(value: Any) -> str:
    assert isinstance(value, datetime)
    return value.isoformat()
