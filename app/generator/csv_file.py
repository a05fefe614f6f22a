"""Opens a file of text and splits it into rows of cells, strictly.

A quote may only stand around a whole cell, and is doubled within it. A cell in quotes may hold line ends, but no
line that is a row of its own: then a quote was not closed, and rows would be lost in a text.
"""

import bz2
import csv
import gzip
import lzma
import re
import zipfile
import zlib
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from io import BufferedReader, TextIOWrapper
from pathlib import Path
from typing import IO, Any, Final, NamedTuple

from app.generator.csv_format import WHITESPACE, CsvError, RowError

#: Characters a line may have: a file that is no text may have no line end at all.
LONGEST_LINE: Final = 1_000_000
_HEAD_BYTES: Final = 4096
_SAVE_AS: Final = "open it and save it as CSV (in Excel: File, Save As, CSV UTF-8)"
_COMPRESSED: Final = ((b"\x1f\x8b", "gzip"), (b"BZh", "bzip2"), (b"\xfd7zXZ\x00", "xz"), (b"PK\x03\x04", "zip"))
_STREAMS: Final[Mapping[str, Callable[[IO[bytes]], Any]]] = {
    "gzip": lambda raw: gzip.GzipFile(fileobj=raw),
    "bzip2": bz2.BZ2File,
    "xz": lzma.LZMAFile,
}
_OTHER_KINDS: Final = (
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", f"is an old Excel or Office file: {_SAVE_AS}"),
    (b"%PDF", "is a PDF: export the orders as CSV instead"),
    (b"\x28\xb5\x2f\xfd", "is compressed with zstd: unpack it first (`unzstd`)"),
    (b"7z\xbc\xaf\x27\x1c", "is a 7z archive: unpack it first"),
    (b"Rar!", "is a RAR archive: unpack it first"),
    (b"SQLite format 3\x00", "is an SQLite database: export the orders as CSV"),
    (b"PAR1", "is a Parquet file: bring it in with `globalmart replay --parquet`, or save it as CSV"),
    (b"PK\x05\x06", "is an empty zip archive"),
)
_MARKUP: Final = (
    (re.compile(rb"\s*<(!doctype|html|\?xml|table)", re.I), "is HTML or XML, not CSV: export it again as CSV"),
    (re.compile(rb'\s*[\[{]\s*["{\[]'), "is JSON, not CSV: export it again as CSV"),
)
_MARKS: Final = (
    (b"\xef\xbb\xbf", "utf-8-sig"),
    (b"\xff\xfe\x00\x00", "utf-32"),
    (b"\x00\x00\xfe\xff", "utf-32"),
    (b"\xff\xfe", "utf-16"),
    (b"\xfe\xff", "utf-16"),
)
_OFFICE: Final = (
    ("xl/", "an Excel workbook"),
    ("content.xml", "an OpenDocument file"),
    ("word/", "a Word document"),
    ("Index/", "an Apple Numbers file"),
)
_UNDECODED: Final = re.compile("[\udc80-\udcff]")
_DAMAGED: Final = (EOFError, gzip.BadGzipFile, zlib.error, lzma.LZMAError, zipfile.BadZipFile, NotImplementedError)
_CANDIDATES: Final = (",", ";", "\t", "|")
_QUOTED: Final = re.compile(r'"[^"]*"')
_SEP_LINE: Final = re.compile(r'"?sep=(.)"?', re.I)
QUOTES: Final = "quotes"
CELLS: Final = "cells"
_ROUND: Final = 'put the text in quotes, and write a quote within it twice ("")'


class Line(NamedTuple):
    """A line without its end; the first of the file is 1."""

    number: int
    text: str


class TextFile:
    """Lines of an opened file, and what was found out about it."""

    def __init__(self, name: str, text: TextIOWrapper, encoding: str, compression: str) -> None:
        self.name = name
        self.encoding = encoding
        self.compression = compression
        self.lines_read = 0
        self.ends_with_line_end = True
        self._text = text

    def lines(self) -> Iterator[Line]:
        """Yield the lines; raises CsvError where a line cannot be read or the file is cut off."""
        try:
            while text := self._text.readline(LONGEST_LINE):
                self.lines_read += 1
                self.ends_with_line_end = text.endswith("\n")
                if not self.ends_with_line_end and len(text) >= LONGEST_LINE:
                    raise CsvError(
                        f"{self.name}, line {self.lines_read} is longer than {LONGEST_LINE:,} characters: "
                        f"is it a CSV file?"
                    )
                if not text.isascii() and (bad := _UNDECODED.search(text)):
                    raise CsvError(self._undecoded(text, bad))
                yield Line(self.lines_read, text.rstrip("\n"))
        except UnicodeError as error:
            raise CsvError(
                f"{self.name}, near line {self.lines_read + 1} is not {self.encoding} ({error}): name its "
                f"encoding with --encoding"
            ) from error
        except (*_DAMAGED, OSError) as error:
            raise _unreadable(self.name, error, self.lines_read) from error

    def _undecoded(self, text: str, bad: re.Match[str]) -> str:
        start = f"{self.name}, line {self.lines_read} is not {encoding_name(self.encoding)}"
        if not self.encoding.startswith("utf"):
            return f"{start}: try another --encoding, for example utf-8"
        words = text[max(0, bad.start() - 12) : bad.end() + 12].strip()
        read = words.encode("utf-8", "surrogateescape").decode("cp1252", "replace")
        return (
            f"{start}. Files from Windows and older shops are often Windows-1252: add --encoding "
            f"windows-1252, with which the line reads {read!r}. If that looks wrong, ask where the file "
            f"comes from for its encoding, or save it as UTF-8"
        )


@contextmanager
def open_text(path: Path, encoding: str | None) -> Iterator[TextFile]:
    """Open a file, unpacked if it is compressed; raises CsvError for what is no text."""
    with ExitStack() as held:
        try:
            raw, compression = _unpacked(path, held)
            head = raw.peek(_HEAD_BYTES)[:_HEAD_BYTES]
        except (*_DAMAGED, OSError) as error:
            raise _unreadable(path.name, error, 0) from error
        _refuse_other_kinds(path.name, head)
        found = _encoding(path.name, head, encoding)
        text = TextIOWrapper(raw, found, errors="surrogateescape", newline=None)
        held.callback(text.detach)
        yield TextFile(path.name, text, found, compression)


def _unreadable(name: str, error: Exception, line: int) -> CsvError:
    if isinstance(error, OSError) and error.errno is not None:
        return CsvError(f"{name} cannot be read: {error}")
    return CsvError(
        f"{name} is cut off or damaged after line {line} ({error or 'no end'}): nothing was sent; copy or "
        f"download it once more"
    )


def _unpacked(path: Path, held: ExitStack) -> tuple[BufferedReader, str]:
    raw = held.enter_context(path.open("rb"))
    head = raw.peek(_HEAD_BYTES)
    kind = next((name for magic, name in _COMPRESSED if head.startswith(magic)), "")
    if not kind:
        return raw, ""
    stream: Any
    stream = _only_member(path, held) if kind == "zip" else held.enter_context(_STREAMS[kind](raw))
    return BufferedReader(stream, 1 << 16), kind


def _only_member(path: Path, held: ExitStack) -> IO[bytes]:
    """The one file of a zip archive."""
    archive = held.enter_context(zipfile.ZipFile(path))
    names = [name for name in archive.namelist() if not name.endswith("/")]
    for part, kind in _OFFICE:
        if any(name.startswith(part) for name in names):
            raise CsvError(f"{path.name} is {kind}, not CSV: {_SAVE_AS}")
    wanted = [name for name in names if not name.startswith("__MACOSX/")]
    if len(wanted) != 1:
        raise CsvError(
            f"{path.name} is a zip archive of {len(wanted)} files ({', '.join(wanted[:5])}): unpack it and "
            f"give one of them"
        )
    if archive.getinfo(wanted[0]).flag_bits & 1:
        raise CsvError(f"{path.name} is a zip archive with a password: unpack it first")
    return held.enter_context(archive.open(wanted[0]))


def _refuse_other_kinds(name: str, head: bytes) -> None:
    if not head:
        raise CsvError(f"{name} is empty")
    for magic, kind in (*_OTHER_KINDS, *_COMPRESSED):
        if head.startswith(magic):
            said = kind if " " in kind else f"is compressed twice ({kind}): unpack it first"
            raise CsvError(f"{name} {said}")
    for pattern, kind in _MARKUP:
        if pattern.match(head):
            raise CsvError(f"{name} {kind}")


def _encoding(name: str, head: bytes, asked: str | None) -> str:
    """A byte order mark decides, then what was asked for; else it is UTF-8."""
    for mark, encoding in _MARKS:
        if head.startswith(mark):
            return encoding
    if asked is not None:
        return asked
    even, odd = head[::2].count(0), head[1::2].count(0)
    if max(even, odd) > max(len(head) // 5, 4 * min(even, odd)):
        order = "be" if even > odd else "le"
        raise CsvError(f"{name} is UTF-16 without a byte order mark: add --encoding utf-16-{order}")
    return "utf-8"


def encoding_name(encoding: str) -> str:
    """Returns what people call an encoding."""
    return "UTF-8" if encoding in ("utf-8", "utf-8-sig") else encoding


class Row(NamedTuple):
    """The cells of a row that begins at a line; with a `fault` they are not certain."""

    line: int
    cells: list[str]
    fault: RowError | None = None


class CellReader:
    """Splits lines into rows; a row that cannot be split costs its first line only.

    `is_row` returns whether cells are an order; it is called for each further line of a cell in quotes.
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
