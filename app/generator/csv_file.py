"""Opens a file of text: compression, encoding, line ends; lines come with their numbers."""

import bz2
import gzip
import lzma
import re
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from io import BufferedReader, TextIOWrapper
from pathlib import Path
from typing import IO, Any, Final, NamedTuple

from app.generator.csv_format import CsvError

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
        start = f"{self.name}, line {self.lines_read} is not {_spoken(self.encoding)}"
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


def _spoken(encoding: str) -> str:
    return "UTF-8" if encoding in ("utf-8", "utf-8-sig") else encoding
