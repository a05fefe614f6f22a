"""From lines to rows of cells: delimiters and quotes, strictly.

A quote may only stand around a whole cell, and is doubled within it. A cell in quotes may hold line ends, but no
line that is a row of its own: then a quote was not closed, and rows would be lost in a text.
"""

import csv
import re
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import Final, NamedTuple

from app.generator.csv_file import LONGEST_LINE, Line
from app.generator.csv_format import WHITESPACE, RowError

_CANDIDATES: Final = (",", ";", "\t", "|")
_QUOTED: Final = re.compile(r'"[^"]*"')
_SEP_LINE: Final = re.compile(r'"?sep=(.)"?', re.I)
QUOTES: Final = "quotes"
CELLS: Final = "cells"
_ROUND: Final = 'put the text in quotes, and write a quote within it twice ("")'


class Row(NamedTuple):
    """The cells of a row that begins at a line; with a `fault` they are not certain."""

    line: int
    cells: list[str]
    fault: RowError | None = None


class CellReader:
    """Splits lines into rows; a row that cannot be split costs its first line only.

    `is_row` tells whether cells are an order: asked for each further line of a cell in quotes.
    """

    def __init__(self, lines: Iterator[Line], delimiter: str) -> None:
        self.is_row: Callable[[list[str]], bool] = lambda _: False
        self._lines = lines
        self._delimiter = delimiter
        self._pending: deque[Line] = deque()
        self._valid = _valid_row(delimiter)

    def rows(self) -> Iterator[Row]:
        """Yield every row that is not empty."""
        while (line := self._next()) is not None:
            if not line.text or line.text.isspace():
                continue
            if "\0" in line.text:
                yield self._faulty(line, _NUL)
            elif self._delimiter == WHITESPACE:
                yield Row(line.number, line.text.split())
            elif '"' not in line.text:
                yield Row(line.number, line.text.split(self._delimiter))
            else:
                yield self._quoted(line)

    def _next(self) -> Line | None:
        return self._pending.popleft() if self._pending else next(self._lines, None)

    def _quoted(self, first: Line) -> Row:
        """The row that begins with a line that holds quotes; the lines after a fault are read again."""
        held = [first]
        open_quote = first.text.count('"') % 2
        size = len(first.text)
        while open_quote:
            line = self._next()
            if line is None or size > LONGEST_LINE:
                self._pending.extendleft(reversed(held[1:] + ([line] if line else [])))
                return self._faulty(first, f"a quote is opened here and never closed: close it, or {_ROUND}")
            held.append(line)
            size += len(line.text)
            open_quote ^= line.text.count('"') % 2
        text = "\n".join(line.text for line in held)
        fault = self._fault(text, held)
        if fault:
            self._pending.extendleft(reversed(held[1:]))
            return self._faulty(first, fault)
        try:
            reader = csv.reader([text], delimiter=self._delimiter, skipinitialspace=True)
            return Row(first.number, next(reader))
        except csv.Error as error:
            return self._faulty(first, str(error))

    def _faulty(self, line: Line, reason: str) -> Row:
        """A row whose cells are not certain; they may still show its id and its amount."""
        cells = [cell.strip(' "') for cell in line.text.split(self._delimiter)]
        return Row(line.number, cells, RowError("NUL" if reason == _NUL else QUOTES, reason))

    def _fault(self, text: str, held: Sequence[Line]) -> str:
        if not self._valid.fullmatch(text):
            over = f" (or a quote of this line is closed in line {held[-1].number})" if held[1:] else ""
            return f"a quote stands within a cell{over}: {_ROUND}"
        if "\0" in text:
            return _NUL
        for line in held[1:]:
            if self.is_row(line.text.split(self._delimiter)) or self.is_row(self._lenient(line.text)):
                return (
                    f"a quote is opened here and not closed, so that line {line.number} would be part of a "
                    f"text: close it, or {_ROUND}"
                )
        return ""

    def _lenient(self, text: str) -> list[str]:
        try:
            return next(csv.reader([text], delimiter=self._delimiter), [])
        except csv.Error:
            return []


_NUL: Final = "a NUL byte: the file is damaged, or is UTF-16 (then add --encoding utf-16); export it once more"


def _valid_row(delimiter: str) -> re.Pattern[str]:
    sign = re.escape(delimiter if delimiter != WHITESPACE else " ")
    space = "" if delimiter == " " else " *"
    cell = rf'(?:{space}"(?:[^"]|"")*+"{space}(?={sign}|\Z)|[^"\n{sign}]*+)'
    return re.compile(rf"{cell}(?:{sign}{cell})*+")


def find_delimiter(header: str, names: Sequence[str]) -> str:
    """The delimiter of a header: the one that yields most of these names, else the most frequent."""
    bare = _QUOTED.sub("", header)
    wanted = {name.strip().casefold() for name in names}

    def worth(sign: str) -> tuple[int, int]:
        cells = {cell.strip().strip('"').casefold() for cell in header.split(sign)}
        return len(wanted & cells), bare.count(sign)

    best = max(_CANDIDATES, key=worth)
    return best if bare.count(best) else _CANDIDATES[0]


def separator_line(text: str) -> str | None:
    """The delimiter a first line `sep=;` asks for, as Excel writes and obeys it."""
    found = _SEP_LINE.fullmatch(text.strip(" "))
    return found[1] if found else None
