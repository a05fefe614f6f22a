"""CSV files of list values and of labels: read whole and judged line by line before anything is stored."""

import csv
import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Final, TypeVar

from app.domain.timestamps import TimestampError, parse_instant
from app.fraud.editions import ListEntry, checked_value
from app.fraud.labels import OrderLabel, checked_label
from app.fraud.rule_errors import InvalidRuleError
from app.fraud.texts import MAX_NOTE, checked_text

Read = TypeVar("Read")
#: So many bad lines are named; the others are counted.
_NAMED_LINES: Final = 20
_IMPORTED: Final = "import"
#: In the truth that the generator writes; it says more than a label does, and is left out.
_ATTACK: Final = "attack"


def read_entries(content: bytes) -> list[ListEntry]:
    """Reads `value`, and where there are such columns `expires_at` and `note`.

    Raises InvalidRuleError, which names every bad line, also for a value that is there twice with a difference.
    """
    lines: dict[str, tuple[int, ListEntry]] = {}

    def entry(line: int, cells: Mapping[str, str]) -> ListEntry:
        expires_at = cells.get("expires_at", "")
        read = ListEntry(
            checked_value(cells["value"]),
            _time("expires_at", expires_at) if expires_at else None,
            checked_text("note", cells.get("note", ""), MAX_NOTE),
        )
        first, before = lines.setdefault(read.value, (line, read))
        if before != read:
            raise InvalidRuleError(f"value: line {first} has it with another expires_at or note; leave one of them out")
        return read

    return _read(content, ("value",), ("expires_at", "note"), entry)


def read_labels(content: bytes, now: datetime) -> list[OrderLabel]:
    """Reads `transaction_id`, `label`, `event_time`, and where there is such a column `source`, by default import.

    The truth that the generator writes is such a file, too. Raises InvalidRuleError, which names every bad line.
    """

    def label(_: int, cells: Mapping[str, str]) -> OrderLabel:
        event_time = _time("event_time", cells["event_time"])
        return checked_label(cells["transaction_id"], cells["label"], cells.get("source") or _IMPORTED, event_time, now)

    return _read(content, ("transaction_id", "label", "event_time"), ("source", _ATTACK), label)


def _time(field: str, text: str) -> datetime:
    try:
        return parse_instant(text)
    except TimestampError as error:
        raise InvalidRuleError(f"{field}: {error}") from None


def _read(
    content: bytes, required: Sequence[str], optional: Sequence[str], read: Callable[[int, Mapping[str, str]], Read]
) -> list[Read]:
    rows = _rows(_text(content))
    _, header = next(rows, (1, []))
    names = [name.strip() for name in header]
    _check_header(names, required, optional)
    found: list[Read] = []
    problems: list[str] = []
    try:
        for line, cells in rows:
            try:
                found.append(read(line, _named(names, cells)))
            except InvalidRuleError as error:
                problems.append(f"line {line}: {error}")
    except csv.Error as error:  # what follows would be guessed
        problems.append(f"{error}; correct the quotes there")
    if problems:
        named, others = problems[:_NAMED_LINES], len(problems) - _NAMED_LINES
        more = [f"and {others:,} more"] if others > 0 else []
        raise InvalidRuleError("\n".join(["nothing is stored, as lines are not valid:", *named, *more]))
    if not found:
        raise InvalidRuleError("there is no line after the header; write one at least")
    return found


def _text(content: bytes) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise InvalidRuleError(f"line {line} is not UTF-8; save the file as CSV in UTF-8") from None


def _rows(text: str) -> Iterator[tuple[int, list[str]]]:
    """Yields the rows with the lines at which they begin, empty lines omitted; raises csv.Error with the line."""
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    while True:
        line = reader.line_num + 1
        try:
            cells = next(reader, None)
        except csv.Error as error:
            raise csv.Error(f"line {line}: {error}") from None
        if cells is None:
            return
        if cells:
            yield line, cells


def _check_header(names: Sequence[str], required: Sequence[str], optional: Sequence[str]) -> None:
    columns = ",".join([*required, *(f"[{name}]" for name in optional)])
    for name in required:
        if name not in names:
            raise InvalidRuleError(f"line 1: there is no column {name}; write the header {columns}")
    for name in names:
        if name not in (*required, *optional):
            raise InvalidRuleError(f"line 1: {name!r} is no column here; write the header {columns}")
        if names.count(name) > 1:
            raise InvalidRuleError(f"line 1: the column {name} is there twice; leave one of them out")


def _named(names: Sequence[str], cells: Sequence[str]) -> Mapping[str, str]:
    if len(cells) != len(names):
        raise InvalidRuleError(
            f"it has {len(cells)} fields, the header has {len(names)}; put a field with a comma in quotes"
        )
    return dict(zip(names, cells, strict=True))
