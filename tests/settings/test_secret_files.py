"""Secrets out of files: every secret setting, and every mistake with its variable and the fix."""

from pathlib import Path

import pytest
from pydantic import SecretStr

from app.errors import SettingsError
from app.settings import Settings, documented_settings, file_variable, load_settings, secret_variables

_VARIABLE = "GLOBALMART_POSTGRES_WORKER_PASSWORD"
_FILE = f"{_VARIABLE}_FILE"


def _secret(folder: Path, content: bytes) -> str:
    file = folder / "secret"
    file.write_bytes(content)
    return str(file)


def _worker_password(environ: dict[str, str]) -> str | None:
    password = load_settings({"GLOBALMART_ENV_FILE": "", **environ}).postgres.worker_password
    return password.get_secret_value() if password else None


def _problem(environ: dict[str, str]) -> str:
    with pytest.raises(SettingsError) as caught:
        load_settings({"GLOBALMART_ENV_FILE": "", **environ})
    return str(caught.value)


def test_every_secret_setting_may_come_from_a_file(tmp_path: Path) -> None:
    digest = "0" * 64
    file = _secret(tmp_path, f"{digest}\n".encode())
    mongo_url = tmp_path / "mongo_url"
    mongo_url.write_text("mongodb://one/\n")
    files = {file_variable(variable): file for variable in secret_variables()}
    login = {"GLOBALMART_MONGO_URL_FILE": str(mongo_url), "GLOBALMART_MONGO_USER": "shop"}
    settings = Settings({**files, **login})
    found = [
        value.get_secret_value()
        for name in Settings.GROUPS
        for value in getattr(settings, name).__dict__.values()
        if isinstance(value, SecretStr)
    ]
    url = settings.mongo.url
    assert url is not None and url.get_secret_value() == f"mongodb://shop:{digest}@one/"
    assert [value for value in found if value != url.get_secret_value()] == [digest] * (len(secret_variables()) - 1)
    assert set(secret_variables()) == {
        "GLOBALMART_KAFKA_PASSWORD",
        "GLOBALMART_POSTGRES_OWNER_PASSWORD",
        _VARIABLE,
        "GLOBALMART_POSTGRES_READER_PASSWORD",
        "GLOBALMART_FRAUD_WEBHOOK_SECRET",
        "GLOBALMART_POSTGRES_DESK_PASSWORD",
        "GLOBALMART_MONGO_URL",
        "GLOBALMART_MONGO_PASSWORD",
        "GLOBALMART_API_KEY_HASHES",
        "GLOBALMART_DASHBOARD_API_KEY",
    }


def test_no_setting_has_the_name_of_another_ones_file() -> None:
    settings = {variable for variable, _ in documented_settings()}
    assert settings.isdisjoint(map(file_variable, secret_variables()))


@pytest.mark.parametrize(
    ("content", "read"),
    [
        (b"hunter2", "hunter2"),
        (b"hunter2\n", "hunter2"),
        (b"hunter2\r\n", "hunter2"),
        (b"hunter2\n\n", "hunter2"),
        (b" with blanks \n", " with blanks "),
        (b"\xef\xbb\xbfhunter2\r\n", "hunter2"),
        ("p\u00e4ss=$w'ord#\"\n".encode(), "p\u00e4ss=$w'ord#\""),
    ],
)
def test_all_but_the_end_of_the_line_is_the_secret(content: bytes, read: str, tmp_path: Path) -> None:
    assert _worker_password({_FILE: _secret(tmp_path, content)}) == read


@pytest.mark.parametrize(
    ("content", "part"),
    [
        (b"", "is empty"),
        (b"\n", "is empty"),
        (b"  \n", "is empty"),
        (b"hunter2\nhunter3\n", "has 2 lines"),
        (b"hunter\x002", "NUL"),
        (b"hunter\xff", "no text in UTF-8"),
        (b"hunter2" * 200_000, "more than"),
    ],
)
def test_a_file_that_holds_no_secret_is_named(content: bytes, part: str, tmp_path: Path) -> None:
    file = _secret(tmp_path, content)
    problem = _problem({_FILE: file})
    assert problem.startswith(f"{_FILE}: {file} ")
    assert part in problem
    assert "hunter" not in problem.replace(file, "")


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    for path in (tmp_path / "absent", tmp_path):
        problem = _problem({_FILE: str(path)})
        assert problem.startswith(f"{_FILE}: {path} cannot be read (")
        assert "correct the path" in problem


def test_a_secret_is_given_in_one_way_only(tmp_path: Path) -> None:
    environ = {_VARIABLE: "hunter2", _FILE: _secret(tmp_path, b"hunter3")}
    assert _problem(environ) == f"{_VARIABLE} and {_FILE} are both set; keep one of them"


def test_an_empty_variable_is_not_set(tmp_path: Path) -> None:
    assert _worker_password({_VARIABLE: "", _FILE: _secret(tmp_path, b"hunter2")}) == "hunter2"
    assert _worker_password({_VARIABLE: "hunter2", _FILE: ""}) == "hunter2"
    assert _worker_password({_FILE: ""}) is None


def test_all_problems_are_named_at_once(tmp_path: Path) -> None:
    other = "GLOBALMART_MONGO_URL_FILE"
    problems = _problem({_FILE: str(tmp_path / "a"), other: str(tmp_path / "b")}).splitlines()
    assert sorted(problem.split(":")[0] for problem in problems) == sorted([_FILE, other])


@pytest.mark.parametrize(
    ("variable", "advice"),
    [
        (f"{_VARIABLE}_FIL", f"did you mean {_FILE}?"),
        ("GLOBALMART_POSTGRES_PORT_FILE", "only secrets are read from files, so set GLOBALMART_POSTGRES_PORT itself"),
    ],
)
def test_a_file_for_no_secret_is_refused(variable: str, advice: str) -> None:
    assert _problem({variable: "/run/secrets/x"}) == f"{variable}: no such setting; {advice}"


@pytest.mark.parametrize("in_environment", ["value", "file"])
def test_the_environment_goes_before_env_however_it_gives_the_secret(in_environment: str, tmp_path: Path) -> None:
    file = _secret(tmp_path, b"from the file")
    ways = {"value": f"{_VARIABLE}=as a value", "file": f"{_FILE}={file}"}
    env_file = tmp_path / ".env"
    (other,) = ways.keys() - {in_environment}
    env_file.write_text(f"{ways[other]}\n")
    name, value = ways[in_environment].split("=")
    settings = load_settings({"GLOBALMART_ENV_FILE": str(env_file), name: value})
    assert settings.postgres.worker_password is not None
    expected = {"value": "as a value", "file": "from the file"}[in_environment]
    assert settings.postgres.worker_password.get_secret_value() == expected


def test_both_ways_in_env_are_refused(tmp_path: Path) -> None:
    env_file = tmp_path / ".env"
    env_file.write_text(f"{_VARIABLE}=a\n{_FILE}={_secret(tmp_path, b'b')}\n")
    with pytest.raises(SettingsError, match="both set"):
        load_settings({"GLOBALMART_ENV_FILE": str(env_file)})
