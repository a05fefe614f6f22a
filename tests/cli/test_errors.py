"""What an operator reads when something is not as it should be: the setting, and no stack trace."""

import socket
from collections.abc import Iterator

import pytest

from app.cli import main
from compose.embedded.ports import LOOPBACK

_ROLES = ("OWNER", "WORKER", "READER")
_EXIT_FAILURE = 1
_EXIT_USAGE = 2


def _failure(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[object, str]:
    """Exit code and what was printed on stderr, in one line."""
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    return ended.value.code, " ".join(capsys.readouterr().err.split())


@pytest.fixture
def nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """Settings that lead to stores nobody runs."""
    monkeypatch.setenv("GLOBALMART_ENV_FILE", "")
    monkeypatch.setenv("GLOBALMART_KAFKA_BOOTSTRAP", f"{LOOPBACK}:1")
    monkeypatch.setenv("GLOBALMART_POSTGRES_HOST", LOOPBACK)
    monkeypatch.setenv("GLOBALMART_POSTGRES_PORT", "1")
    for role in _ROLES:
        monkeypatch.setenv(f"GLOBALMART_POSTGRES_{role}_PASSWORD", "not-asked-for")


@pytest.fixture
def taken() -> Iterator[int]:
    """A port somebody listens on."""
    with socket.create_server((LOOPBACK, 0)) as server:
        yield server.getsockname()[1]


@pytest.mark.usefixtures("nobody")
@pytest.mark.parametrize(
    "arguments",
    [
        ("migrate", "--no-topics"),
        ("backup", "nowhere"),
        ("maintain",),
        ("reconcile", "--date", "2025-12-01"),
        ("replay", "--from", "2025-12-01", "--to", "2025-12-02"),
        ("dead-letters", "list"),
    ],
)
def test_a_database_that_is_down_is_named(
    arguments: tuple[str, ...], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: object
) -> None:
    monkeypatch.chdir(str(tmp_path))
    code, output = _failure(capsys, *arguments)
    assert code == _EXIT_FAILURE
    assert f"PostgreSQL at {LOOPBACK}:1/globalmart does not answer" in output
    assert "GLOBALMART_POSTGRES_HOST and _PORT" in output


@pytest.mark.parametrize("server", ["api", "dashboard"])
def test_a_port_that_is_taken_is_named(
    server: str, taken: int, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GLOBALMART_ENV_FILE", "")
    variable = f"GLOBALMART_{server.upper()}_PORT"
    monkeypatch.setenv(variable, str(taken))
    code, output = _failure(capsys, server)
    assert code == _EXIT_USAGE
    assert f"{LOOPBACK}:{taken} (Address already in use)" in output
    assert variable in output


def test_a_settings_file_that_is_named_and_not_there(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GLOBALMART_ENV_FILE", "/no/such/.env")
    code, output = _failure(capsys, "settings")
    assert (code, "GLOBALMART_ENV_FILE: there is no /no/such/.env" in output) == (_EXIT_USAGE, True)


def test_a_worker_without_a_password_does_not_start_faust(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GLOBALMART_ENV_FILE", "")
    monkeypatch.delenv("GLOBALMART_POSTGRES_WORKER_PASSWORD", raising=False)
    code, output = _failure(capsys, "worker")
    assert (code, "GLOBALMART_POSTGRES_WORKER_PASSWORD is not set" in output) == (_EXIT_USAGE, True)
