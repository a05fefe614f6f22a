"""Settings: every problem at once, each with its variable and a fix."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from pymongo.uri_parser import parse_uri

from app.errors import SettingsError
from app.ops.retention.topic_retention import wanted_hours
from app.settings import ENV_FILE_VARIABLE, ENV_PREFIX, Settings, documented_settings, load_settings
from app.settings.loading import FORMER_NAMES


def _problems(values: dict[str, str]) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        Settings(values)
    return str(caught.value).splitlines()


def test_nothing_is_required_to_read_the_settings() -> None:
    settings = Settings({})
    assert (settings.stream.window_seconds, settings.stream.window_step_seconds) == (60, 30)
    assert settings.general.bind == "127.0.0.1"
    assert settings.stream.retention_days is None


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("2020-01-01", datetime(2020, 1, 1, tzinfo=UTC)),
        ("2020-01-01T12:30:00+01:00", datetime(2020, 1, 1, 11, 30, tzinfo=UTC)),
        ("2020-01-01 12:30", datetime(2020, 1, 1, 12, 30, tzinfo=UTC)),
        ("0001-01-01", datetime(1, 1, 1, tzinfo=UTC)),
    ],
)
def test_the_earliest_time_is_a_date_or_a_time(written: str, read: datetime) -> None:
    variable = "GLOBALMART_STREAM_EARLIEST_TIMESTAMP"
    assert Settings({variable: written}).stream.earliest_timestamp == read
    default = Settings({}).stream.earliest_timestamp
    assert Settings({variable: str(default)}).stream.earliest_timestamp == default


@pytest.mark.parametrize("wrong", ["1762041600", "20251102", "yesterday", "2025-02-30", "0"])
def test_an_earliest_time_that_is_none_is_named(wrong: str) -> None:
    (problem,) = _problems({"GLOBALMART_STREAM_EARLIEST_TIMESTAMP": wrong})
    assert problem.startswith("GLOBALMART_STREAM_EARLIEST_TIMESTAMP: ")
    assert "write a date such as 2025-12-01" in problem


def test_hours_of_topics_are_read_and_checked() -> None:
    variable = "GLOBALMART_RETENTION_TOPIC_HOURS"
    read = Settings({variable: "dead_letters=168, anomalies=1.5"}).retention.hours_by_topic
    assert read == {"dead_letters": 168.0, "anomalies": 1.5}
    for wrong in ("dead_letters", "anomalies=0", "anomalies=long"):
        assert "TOPIC_HOURS" in _problems({variable: wrong})[0]
    with pytest.raises(SettingsError, match="no such topic: orders"):
        wanted_hours(Settings({variable: "orders=1"}))


def test_no_secret_has_a_default() -> None:
    postgres = Settings({}).postgres
    passwords = [getattr(postgres, f"{role}_password") for role in ("owner", "worker", "reader", "desk")]
    assert passwords == [None] * 4


def test_every_problem_is_named_at_once() -> None:
    problems = _problems(
        {
            "GLOBALMART_KAFKA_PARTITIONS": "many",
            "GLOBALMART_KAFKA_REPLICATION": "0",
            "GLOBALMART_POSTGRES_PORT": "65536",
            "GLOBALMART_STREAM_WINDOW_SECONDS": "50",
            "GLOBALMART_ANOMALY_HIGH_VALUE": "1.234",
            "GLOBALMART_NONSENSE": "1",
        }
    )
    named = [problem.split(":")[0] for problem in problems]
    assert sorted(named) == sorted(
        [
            "GLOBALMART_NONSENSE",
            "GLOBALMART_KAFKA_PARTITIONS",
            "GLOBALMART_KAFKA_REPLICATION",
            "GLOBALMART_POSTGRES_PORT",
            "GLOBALMART_STREAM_*",
            "GLOBALMART_ANOMALY_HIGH_VALUE",
        ]
    )


@pytest.mark.parametrize(
    ("variable", "advice"),
    [
        ("GLOBALMART_KAFKA_BOOTSTRP", "did you mean GLOBALMART_KAFKA_BOOTSTRAP?"),
        ("GLOBALMART_POSTGRES_HOSTNAME", "did you mean GLOBALMART_POSTGRES_HOST?"),
        ("GLOBALMART_QQQQQQQQQQQQQQQQ", "see `globalmart settings`"),
    ],
)
def test_an_unknown_variable_is_refused_with_advice(variable: str, advice: str) -> None:
    assert _problems({variable: "1"}) == [f"{variable}: no such setting; {advice}"]


@pytest.mark.parametrize(
    ("values", "part"),
    [
        (
            {"GLOBALMART_KAFKA_HEARTBEAT_SECONDS": "3"},
            "HEARTBEAT_SECONDS must be at most a third of SESSION_TIMEOUT_SECONDS",
        ),
        ({"GLOBALMART_STREAM_WINDOW_STEP_SECONDS": "45"}, "WINDOW_SECONDS must be a multiple of WINDOW_STEP_SECONDS"),
        ({"GLOBALMART_GENERATOR_COUNTRIES": " , "}, "one or more names"),
    ],
)
def test_settings_that_exclude_each_other(values: dict[str, str], part: str) -> None:
    (problem,) = _problems(values)
    assert part in problem


def test_a_secret_is_never_repeated() -> None:
    settings = Settings({"GLOBALMART_POSTGRES_OWNER_PASSWORD": "hunter2"})
    assert "hunter2" not in repr(settings.postgres)
    problems = _problems({"GLOBALMART_POSTGRES_OWNER_PASSWORD": "hunter2", "GLOBALMART_POSTGRES_PORT": "hunter3"})
    assert "hunter" not in "".join(problems)


def test_an_empty_variable_means_the_default() -> None:
    assert Settings({"GLOBALMART_KAFKA_PARTITIONS": ""}).kafka.partitions == 6


def test_groups_are_frozen() -> None:
    with pytest.raises(ValueError, match="frozen"):
        setattr(Settings({}).kafka, "partitions", 7)  # noqa: B010 - the point


def _env_file(folder: Path, text: str) -> str:
    file = folder / "settings.env"
    file.write_text(text)
    return str(file)


def test_the_environment_goes_before_the_file(tmp_path: Path) -> None:
    file = _env_file(tmp_path, "GLOBALMART_KAFKA_PARTITIONS=3\nGLOBALMART_KAFKA_GROUP=from-file\nOTHER=1\n")
    environ = {"GLOBALMART_ENV_FILE": file, "GLOBALMART_KAFKA_PARTITIONS": "4", "HOME": "/"}
    kafka = load_settings(environ).kafka
    assert (kafka.partitions, kafka.group) == (4, "from-file")


def test_a_file_is_checked_like_the_environment(tmp_path: Path) -> None:
    file = _env_file(tmp_path, "GLOBALMART_KAFKA_PARTITION=3\n")
    with pytest.raises(SettingsError, match="did you mean GLOBALMART_KAFKA_PARTITIONS"):
        load_settings({"GLOBALMART_ENV_FILE": file})


def test_the_file_of_the_working_folder_is_read_unless_switched_off(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".env").write_text("GLOBALMART_KAFKA_PARTITIONS=3\n")
    assert load_settings({}).kafka.partitions == 3
    assert load_settings({"GLOBALMART_ENV_FILE": ""}).kafka.partitions == 6


def test_every_setting_is_described_under_a_name_of_its_own() -> None:
    documented = list(documented_settings())
    names = [name for name, _ in documented]
    assert len(names) == len(set(names))
    assert all(name.startswith(ENV_PREFIX) and name == name.upper() for name in names)
    assert all(field.description for _, field in documented)


def test_a_password_of_mongodb_with_any_sign_is_put_into_the_address() -> None:
    given = {
        "GLOBALMART_MONGO_URL": "mongodb://one:27017,two:27018/?authSource=admin",
        "GLOBALMART_MONGO_USER": "shop@home",
        "GLOBALMART_MONGO_PASSWORD": "p@ss:/w$rd%41 #",
    }
    url = Settings(given).mongo.url
    assert url is not None
    parsed = parse_uri(url.get_secret_value())
    assert (parsed["username"], parsed["password"]) == ("shop@home", "p@ss:/w$rd%41 #")
    assert parsed["nodelist"] == [("one", 27017), ("two", 27018)]


@pytest.mark.parametrize(
    "given",
    [
        {"USER": "shop"},
        {"USER": "shop", "URL": "mongodb://one/"},
        {"PASSWORD": "hush-4711", "URL": "mongodb://one/"},  # example-only
        {"USER": "shop", "PASSWORD": "hush-4711", "URL": "mongodb://a:b@one/"},  # example-only
        {"USER": "shop", "PASSWORD": "hush-4711", "URL": "one:27017"},  # example-only
    ],
)
def test_half_a_login_of_mongodb_is_named(given: dict[str, str]) -> None:
    (problem,) = _problems({f"GLOBALMART_MONGO_{name}": value for name, value in given.items()})
    assert problem.startswith("GLOBALMART_MONGO_*: ")
    assert "USER and PASSWORD" in problem
    assert "hush-4711" not in problem


@pytest.mark.parametrize(("former", "present"), FORMER_NAMES.items())
def test_a_former_name_works_with_a_warning(former: str, present: str, caplog: pytest.LogCaptureFixture) -> None:
    assert present in {variable for variable, _ in documented_settings()}
    settings = load_settings({ENV_FILE_VARIABLE: "", former: "7"})
    group, _, field = present.removeprefix("GLOBALMART_").lower().partition("_")
    assert getattr(getattr(settings, group), field) == 7
    assert f"{former} was renamed: set {present} instead" in caplog.text


def test_a_setting_under_both_names_is_refused() -> None:
    former, present = next(iter(FORMER_NAMES.items()))
    with pytest.raises(SettingsError, match=f"^{former}: {present} is set, too"):
        load_settings({ENV_FILE_VARIABLE: "", former: "7", present: "8"})


def test_the_environment_goes_before_the_file_under_any_name(tmp_path: Path) -> None:
    file = tmp_path / "settings.env"
    file.write_text("GLOBALMART_API_HISTORY_CACHE_SIZE=7\n")
    settings = load_settings({ENV_FILE_VARIABLE: str(file), "GLOBALMART_API_PAST_ANSWERS": "9"})
    assert settings.api.history_cache_size == 9
