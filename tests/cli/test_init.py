"""`globalmart init`: random secrets in a file of one's own, the same file as `.env.example` otherwise."""

import re
import stat
from pathlib import Path

import pytest
from dotenv import dotenv_values

from app.cli import main
from app.cli.init import env_example
from app.settings import load_settings

_EXAMPLE = Path(__file__).parents[2] / ".env.example"
_MADE = re.compile(r"PASSWORD$|CLUSTER_ID$|MONGO_URL$")


def _init(*arguments: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main(["init", *arguments])
    assert isinstance(ended.value.code, int)
    return ended.value.code


def _values(file: Path) -> dict[str, str]:
    return {name: value for name, value in dotenv_values(file).items() if value is not None}


def test_every_place_gets_a_secret_of_its_own(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    assert _init("--file", str(file)) == 0
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    passwords = {name: value for name, value in _values(file).items() if name.endswith("PASSWORD")}
    assert len(passwords) == len(set(passwords.values())) == 9
    assert all(len(password) >= 32 for password in passwords.values())
    mongo = load_settings({"GLOBALMART_ENV_FILE": str(file)}).mongo
    assert mongo.url is not None
    assert f":{passwords['MONGO_BATCH_PASSWORD']}@" in mongo.url.get_secret_value()


def test_two_files_share_no_secret(tmp_path: Path) -> None:
    files = [tmp_path / name for name in ("one", "two")]
    for file in files:
        assert _init("--file", str(file)) == 0
    one, two = (_values(file) for file in files)
    assert {name for name in one if one[name] != two[name]} == {n for n in one if _MADE.search(n)}


def test_the_example_is_the_same_file_without_secrets(tmp_path: Path) -> None:
    """To mend it: globalmart init --example > .env.example"""
    assert _EXAMPLE.read_text() == env_example()
    file = tmp_path / ".env"
    assert _init("--file", str(file)) == 0
    made, shown = _values(file), _values(_EXAMPLE)
    assert made.keys() == shown.keys()
    assert {name for name, value in shown.items() if not value} == {n for n in made if _MADE.search(n)}
    assert {n: v for n, v in shown.items() if v} == {n: v for n, v in made.items() if not _MADE.search(n)}


def test_the_example_is_a_set_of_settings_that_keeps_orders_for_400_days() -> None:
    settings = load_settings({"GLOBALMART_ENV_FILE": str(_EXAMPLE)})
    assert settings.stream.retention_days == 400
    assert settings.general.bind == "127.0.0.1"
    assert settings.kafka.bootstrap == "localhost:29092"


def test_the_example_can_be_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert _init("--example") == 0
    assert capsys.readouterr().out == _EXAMPLE.read_text()


def test_a_present_file_is_left_alone(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_text("GLOBALMART_BIND=127.0.0.1\n")
    assert _init("--file", str(file)) == 1
    assert file.read_text() == "GLOBALMART_BIND=127.0.0.1\n"
