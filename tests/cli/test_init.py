"""`globalmart init`: a random password per role in a file of one's own."""

import stat
from pathlib import Path

import pytest

from app.cli import main
from app.settings import load_settings


def _init(file: Path) -> int:
    with pytest.raises(SystemExit) as ended:
        main(["init", "--file", str(file)])
    assert isinstance(ended.value.code, int)
    return ended.value.code


def test_every_role_gets_its_own_password(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    assert _init(file) == 0
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    postgres = load_settings({"GLOBALMART_ENV_FILE": str(file)}).postgres
    passwords = [postgres.owner_password, postgres.worker_password, postgres.reader_password]
    secrets = {password.get_secret_value() for password in passwords if password is not None}
    assert len(secrets) == 3
    assert all(len(secret) >= 32 for secret in secrets)


def test_a_present_file_is_left_alone(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_text("GLOBALMART_BIND=127.0.0.1\n")
    assert _init(file) == 1
    assert file.read_text() == "GLOBALMART_BIND=127.0.0.1\n"
