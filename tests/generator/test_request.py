"""Options of `generate`: what is accepted, and the messages of errors."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from app.generator.jobs import JobError
from app.generator.request import (
    FileRequest,
    Request,
    make_job,
    parse_columns,
    parse_delimiter,
    parse_filters,
    parse_length,
    parse_time,
)
from app.settings import Settings

NOW = datetime(2025, 7, 1, 12, tzinfo=UTC)
FEW = {
    "GLOBALMART_GENERATOR_USERS": "100",
    "GLOBALMART_GENERATOR_PRODUCTS": "100",
    "GLOBALMART_GENERATOR_TRANSACTION_RATE": "2",
    "GLOBALMART_GENERATOR_PRODUCT_VIEW_RATE": "3",
    "GLOBALMART_GENERATOR_CART_EVENT_RATE": "1",
    "GLOBALMART_GENERATOR_SEED": "1",
}
SMALL = Settings(FEW)


@pytest.mark.parametrize(
    ("text", "length"), [("90d", timedelta(days=90)), ("12h", timedelta(hours=12)), ("1.5h", timedelta(minutes=90))]
)
def test_lengths(text: str, length: timedelta) -> None:
    assert parse_length(text) == length


@pytest.mark.parametrize("text", ["", "90", "d", "-3d", "0d", "3 days"])
def test_what_is_no_length(text: str) -> None:
    with pytest.raises(JobError, match="90d"):
        parse_length(text)


def test_times_are_utc_unless_they_say_otherwise() -> None:
    assert parse_time("2025-07-01T14:00:00+02:00") == parse_time("2025-07-01T12:00:00") == NOW
    assert parse_time("2025-07-01") == NOW.replace(hour=0)


@pytest.mark.parametrize(
    "text", ["tomorrow", "1762041600", "20250701", "2025-W27-2", "1969-12-31", "9999-12-31", "0001-01-01"]
)
def test_what_is_no_time_names_its_option(text: str) -> None:
    with pytest.raises(JobError, match=f"--until: '{text}'"):
        parse_time(text, "--until")


@pytest.mark.parametrize("text", ["1762041600", "20251102", "2025-W40-1", "2025-11-02x"])
def test_numbers_and_other_forms_are_no_times(text: str) -> None:
    with pytest.raises(JobError, match="2025-12-01"):
        parse_time(text)


def test_mappings() -> None:
    assert parse_columns(["user_id=Kunde", "timestamp=a=b"]) == {"user_id": "Kunde", "timestamp": "a=b"}
    with pytest.raises(JobError, match="the fields are"):
        parse_columns(["customer=x"])
    with pytest.raises(JobError, match="no mapping"):
        parse_columns(["user_id"])
    with pytest.raises(JobError, match="twice"):
        parse_columns(["user_id=a", "user_id=b"])


def test_choices_of_rows() -> None:
    assert parse_filters("--only", ["Status=paid, sent", "Status=new", "Cancelled at="]) == {
        "Status": {"paid", "sent", "new"},
        "Cancelled at": {""},
    }
    with pytest.raises(JobError, match="write --only column=value"):
        parse_filters("--only", ["Status"])


@pytest.mark.parametrize(
    ("text", "delimiter"),
    [("\\t", "\t"), ("tab", "\t"), ("\t", "\t"), ("Semicolon", ";"), (";", ";"), ("whitespace", "whitespace")],
)
def test_delimiters(text: str, delimiter: str) -> None:
    assert parse_delimiter(text) == delimiter


@pytest.mark.parametrize(
    ("request_", "complaint"),
    [
        (Request(backfill=timedelta(days=1), start=NOW, count=1), "exclude each other"),
        (Request(until=NOW), "--backfill"),
        (Request(start=NOW), "--duration or --count"),
        (Request(file=FileRequest(speed=2.0)), "--from-csv"),
        (Request(file=FileRequest(preset="nosuch")), "cdnow"),
        (Request(file=FileRequest(path=Path("x"), delimiter="::")), "one character"),
        (Request(file=FileRequest(path=Path("x"), delimiter='"')), "one character"),
        (Request(file=FileRequest(path=Path("x"), decimal=";")), "comma or point"),
        (Request(file=FileRequest(path=Path("x"), encoding="utf-9")), "no encoding 'utf-9'"),
        (Request(file=FileRequest(path=Path("x"), encoding="base64")), "no encoding 'base64'"),
        (Request(file=FileRequest(path=Path("x"), timezone="Berlin")), "Europe/Berlin"),
        (Request(file=FileRequest(path=Path("x"), timezone="../etc")), "Europe/Berlin"),
        (Request(file=FileRequest(path=Path("x"), date_format="%d.%m.")), "has no day"),
        (Request(file=FileRequest(path=Path("x"), date_format="%s")), "seconds or milliseconds"),
        (Request(file=FileRequest(path=Path("x"), same_id="sum")), "add, once, separate"),
    ],
)
def test_contradictions_are_refused(request_: Request, complaint: str) -> None:
    with pytest.raises(JobError, match=complaint):
        request_.check()


def test_bulk_is_for_everything_but_paced_traffic() -> None:
    assert not Request().bulk
    assert not Request(file=FileRequest(preset="cdnow", speed=60.0)).bulk
    assert Request(flat_out=True).bulk
    assert Request(backfill=timedelta(days=1)).bulk


def test_a_history_ends_now_or_at_the_given_time() -> None:
    job = make_job(Request(backfill=timedelta(days=2)), SMALL, NOW)
    assert job.end_us - job.start_us == 2 * 86_400_000_000
    assert job.end_us == int(NOW.timestamp()) * 1_000_000
    earlier = make_job(Request(backfill=timedelta(days=2), until=NOW - timedelta(days=1)), SMALL, NOW)
    assert earlier.end_us == job.end_us - 86_400_000_000


def test_seeded_runs_share_ids_only_where_everything_is_the_same() -> None:
    def name(request: Request, now: datetime = NOW) -> str:
        return make_job(request, SMALL, now).run_id

    fixed = Request(start=NOW, count=10)
    assert name(fixed) == name(fixed)
    others = {name(Request()), name(Request(rate=2.0)), name(Request(), NOW + timedelta(seconds=1))}
    assert len({name(fixed), *others}) == 4


def test_runs_without_a_seed_never_share_ids() -> None:
    unseeded = Settings({name: text for name, text in FEW.items() if not name.endswith("SEED")})
    names = {make_job(Request(start=NOW, count=1), unseeded, NOW).run_id for _ in range(5)}
    assert len(names) == 5


def test_all_rates_zero_is_refused() -> None:
    with pytest.raises(JobError, match="every rate is 0"):
        make_job(Request(rate=0.0), SMALL, NOW)
