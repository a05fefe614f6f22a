"""Files as they come: compressed, in other encodings, with other line ends, or no CSV at all."""

import bz2
import gzip
import io
import lzma
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from app.generator.csv_format import CsvError, CsvFormat
from tests.generator.files import HEADER, PLAIN, read, read_file, write

TEXT = f"{HEADER}\nJosé,2025-01-01,5.00\nann,2025-01-02,7.50\n"


def zipped(*names: str) -> bytes:
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in names:
            archive.writestr(name, TEXT)
    return held.getvalue()


READ_AS_IT_IS = {
    "gzip": (gzip.compress(TEXT.encode()), "UTF-8 in gzip"),
    "bzip2": (bz2.compress(TEXT.encode()), "UTF-8 in bzip2"),
    "xz": (lzma.compress(TEXT.encode()), "UTF-8 in xz"),
    "zip": (zipped("export/orders.csv", "__MACOSX/._orders.csv"), "UTF-8 in zip"),
    "utf-8 with a mark": (TEXT.encode("utf-8-sig"), "UTF-8"),
    "utf-16": (TEXT.encode("utf-16"), "utf-16"),
    "utf-16, big end first": (b"\xfe\xff" + TEXT.encode("utf-16-be"), "utf-16"),
    "utf-32": (TEXT.encode("utf-32"), "utf-32"),
    "utf-16 in gzip": (gzip.compress(TEXT.encode("utf-16")), "utf-16 in gzip"),
    "CRLF": (TEXT.replace("\n", "\r\n").encode(), "UTF-8"),
    "CR": (TEXT.replace("\n", "\r").encode(), "UTF-8"),
}


@pytest.mark.parametrize("kind", READ_AS_IT_IS)
def test_what_is_read_as_it_is(tmp_path: Path, kind: str) -> None:
    content, said = READ_AS_IT_IS[kind]
    found = read(tmp_path, content)
    assert [order["user_id"] for order in found.orders] == ["José", "ann"]
    assert found.report.lines == 3
    assert found.report.read_as.startswith(f"{said}, ")


@pytest.mark.parametrize("encoding", ["windows-1252", "iso-8859-1", "utf-16-le", "mac-roman"])
def test_an_encoding_that_is_named(tmp_path: Path, encoding: str) -> None:
    found = read(tmp_path, TEXT.encode(encoding), CsvFormat({}, encoding=encoding))
    assert found.orders[0]["user_id"] == "José"


def test_another_encoding_is_said_so_with_its_line_and_the_option(tmp_path: Path) -> None:
    with pytest.raises(CsvError, match=r"line 2 is not UTF-8.*--encoding windows-1252.*'José"):
        read(tmp_path, TEXT.encode("latin-1"), skip_bad=True)
    with pytest.raises(CsvError, match="UTF-16 without a byte order mark: add --encoding utf-16-le"):
        read(tmp_path, TEXT.encode("utf-16-le"))


def test_a_windows_file_read_as_latin_1_is_noticed(tmp_path: Path) -> None:
    content = f"{HEADER}\nanna’s,2025-01-01,5\n".encode("windows-1252")
    with pytest.raises(CsvError, match=r"line 2: .*--encoding windows-1252"):
        read(tmp_path, content, CsvFormat({}, encoding="latin-1"))


NO_CSV = {
    "empty": (b"", "is empty"),
    "blank": (b"\n\n", "no header"),
    "xlsx": (zipped("[Content_Types].xml", "xl/workbook.xml"), "an Excel workbook.*CSV UTF-8"),
    "ods": (zipped("mimetype", "content.xml"), "an OpenDocument file"),
    "two files": (zipped("a.csv", "b.csv"), "zip archive of 2 files"),
    "xls": (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600), "old Excel"),
    "pdf": (b"%PDF-1.7 x", "is a PDF"),
    "parquet": (b"PAR1....", "replay --parquet"),
    "html": (b"<!DOCTYPE html><html>", "HTML"),
    "json": (b'[{"user_id": "ann"}]', "is JSON"),
    "gzip twice": (gzip.compress(gzip.compress(TEXT.encode())), "compressed twice"),
    "no line end": (b"x" * 1_100_000, "longer than 1,000,000 characters"),
    "zeros": (bytes(4096), "NUL"),
}


@pytest.mark.parametrize("kind", NO_CSV)
def test_what_is_no_csv_is_named(tmp_path: Path, kind: str) -> None:
    content, complaint = NO_CSV[kind]
    with pytest.raises(CsvError, match=complaint):
        read(tmp_path, content)


def cut(content: bytes) -> bytes:
    return content[: len(content) - 12]


def flipped(content: bytes) -> bytes:
    return content[:60] + bytes([content[60] ^ 255]) + content[61:]


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, lzma.compress])
@pytest.mark.parametrize("harm", [cut, flipped])
def test_a_damaged_archive_sends_nothing(
    tmp_path: Path, pack: Callable[[bytes], bytes], harm: Callable[[bytes], bytes]
) -> None:
    rows = "".join(f"user{n},2025-01-01,{n}\n" for n in range(1, 2000))
    with pytest.raises(CsvError, match="damaged"):
        read(tmp_path, harm(pack(f"{HEADER}\n{rows}".encode())), skip_bad=True)


def test_a_last_line_without_an_end_is_pointed_out(tmp_path: Path) -> None:
    (note,) = read(tmp_path, TEXT.removesuffix("\n")).report.notes
    assert "line 3" in note
    assert read(tmp_path, TEXT).report.notes == []


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(CsvError, match="cannot be read"):
        read_file(tmp_path / "absent.csv", PLAIN)
    assert read_file(write(tmp_path, TEXT)).report.orders == 2
