"""Times as people and shops write them."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from app.domain.timestamps import EPOCH, MICROSECOND
from app.generator.csv_format import CsvError, CsvFormat, RowError
from app.generator.csv_times import FOLD, GAP, TimeReader
from tests.generator.files import HEADER, read


def utc(*parts: int) -> int:
    return (datetime(*parts, tzinfo=UTC) - EPOCH) // MICROSECOND  # type: ignore[misc, arg-type]


@pytest.mark.parametrize(
    ("date_format", "zone", "text", "at_us"),
    [
        (None, None, "2025-03-15", utc(2025, 3, 15)),
        (None, None, "2025-03-15 14:22", utc(2025, 3, 15, 14, 22)),
        (None, None, "2025-03-15T14:22:35.5Z", utc(2025, 3, 15, 14, 22, 35, 500_000)),
        (None, None, "2019-10-01 00:00:00 UTC", utc(2019, 10, 1)),
        (None, None, "2023-03-15 14:22:35 -0400", utc(2023, 3, 15, 18, 22, 35)),
        (None, "Europe/Berlin", "2023-03-15T14:22:35+00:00", utc(2023, 3, 15, 14, 22, 35)),
        (None, "Europe/Berlin", "2023-03-15 14:22", utc(2023, 3, 15, 13, 22)),
        (None, "Europe/Berlin", "2023-07-15", utc(2023, 7, 14, 22)),
        ("%d.%m.%Y %H:%M", None, "15.3.2025 9:05", utc(2025, 3, 15, 9, 5)),
        ("%d.%m.%Y %H:%M", "Europe/Berlin", "15.07.2025 14:22", utc(2025, 7, 15, 12, 22)),
        ("%b %d, %Y %I:%M:%S %p", None, "Mar 15, 2023 2:22:35\u202fPM", utc(2023, 3, 15, 14, 22, 35)),
        ("%d/%b/%Y:%H:%M:%S %z", None, "15/Mar/2023:14:22:35 +0100", utc(2023, 3, 15, 13, 22, 35)),
        ("seconds", None, "1612101231", utc(2021, 1, 31, 13, 53, 51)),
        ("seconds", None, "1612101231.25", utc(2021, 1, 31, 13, 53, 51, 250_000)),
        ("milliseconds", None, "1612101231530", utc(2021, 1, 31, 13, 53, 51, 530_000)),
    ],
)
def test_times(date_format: str | None, zone: str | None, text: str, at_us: int) -> None:
    assert TimeReader(date_format, zone).read(text) == at_us


@pytest.mark.parametrize(
    ("date_format", "text"),
    [
        (None, "1612101231"),
        (None, "20250315"),
        (None, "2025-W11-6"),
        (None, "15.03.2025"),
        (None, "2025-02-30"),
        (None, "0001-01-01T00:00:00+01:00"),
        (None, "2025-03-15 PST"),
        ("%d.%m.%Y", "2025-03-15"),
        ("%d.%m.%Y", "15.03.2025 10:00"),
        ("seconds", "2025-03-15"),
        ("seconds", "-5"),
        ("seconds", "1612101231530"),
        ("milliseconds", "9" * 17),
    ],
)
def test_what_is_no_time(date_format: str | None, text: str) -> None:
    with pytest.raises(RowError):
        TimeReader(date_format, None).read(text)


def test_local_times_that_occur_twice_or_never() -> None:
    """Berlin: on 26 March 2023 at 2:00 clocks went to 3:00, on 29 October at 3:00 to 2:00."""
    reader = TimeReader(None, "Europe/Berlin")
    assert reader.read("2023-03-26 02:30") == utc(2023, 3, 26, 1, 30)
    assert reader.read("2023-03-26 03:30") == utc(2023, 3, 26, 1, 30)
    assert reader.read("2023-10-29 02:30") == utc(2023, 10, 29, 0, 30)
    assert reader.read("2023-10-29 02:30") == utc(2023, 10, 29, 0, 30)
    assert reader.unclear == {GAP: 1, FOLD: 2}


@pytest.mark.parametrize(
    ("dates", "advice"),
    [
        (["15.03.2025 14:22", "01.02.2025 00:00"], r"--date-format '%d\.%m\.%Y %H:%M'"),
        (["12/1/2010 8:26", "12/13/2010 8:34"], "fit --date-format '%m/%d/%Y %H:%M':"),
        (["01/02/2025"], "'%m/%d/%Y' or --date-format '%d/%m/%Y'"),
        (["Mar 15, 2023 2:22:35 PM"], "'%b %d, %Y %I:%M:%S %p'"),
        (["15 March 2023"], "'%d %B %Y'"),
        (["2025/03/15 10:00:00"], "'%Y/%m/%d %H:%M:%S'"),
        (["20250315"], "'%Y%m%d'"),
        (["1612101231530", "1612101231531"], "'milliseconds'"),
    ],
)
def test_the_format_is_suggested(tmp_path: Path, dates: list[str], advice: str) -> None:
    text = "\n".join([HEADER, *(f'ann,"{date}",1' for date in dates), ""])
    with pytest.raises(CsvError, match=f"(?i)the dates fit.*{advice}|{advice}"):
        read(tmp_path, text)


def test_what_a_zone_did_is_reported(tmp_path: Path) -> None:
    text = f"{HEADER}\nann,2023-03-26 02:30,1\nann,2023-10-29 02:30,2\n"
    notes = read(tmp_path, text, CsvFormat({}, timezone="Europe/Berlin")).report.notes
    assert [note.split(":")[0] for note in notes] == [
        "times that occur twice in Europe/Berlin, because clocks went back",
        "times that do not exist in Europe/Berlin, because clocks went forward",
    ]
