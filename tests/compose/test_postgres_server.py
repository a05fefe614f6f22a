import socket
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import psutil
import pytest

from app.errors import EmbeddedStackError
from compose.embedded import postgres_server
from compose.embedded.ports import LOOPBACK, choose_port
from compose.embedded.stack import EmbeddedStack, remove_stack
from tests.support.waiting import PATIENCE_SECONDS


@pytest.fixture
def var_dir(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path
    remove_stack(tmp_path)


def _stack(var_dir: Path, *, fresh: bool = False) -> EmbeddedStack:
    return EmbeddedStack(var_dir, services=("postgres",), fresh=fresh, preferred_ports=False)


async def _execute(stack: EmbeddedStack, statement: str) -> str:
    connection = await asyncpg.connect(stack.postgres.dsn())
    try:
        return str(await connection.fetchval(statement))
    finally:
        await connection.close()


async def test_data_survive_a_kill_a_restart_and_the_stack(var_dir: Path) -> None:
    with _stack(var_dir) as stack:
        port = stack.postgres.port
        assert await _execute(stack, "SHOW fsync") == await _execute(stack, "SHOW synchronous_commit") == "on"
        await _execute(stack, "CREATE TABLE kept AS SELECT 42 AS answer")
        stack.postgres.kill()
        stack.postgres.start()
        assert await _execute(stack, "SELECT answer FROM kept") == "42"
        stack.postgres.stop()
        stack.postgres.start()
        assert stack.postgres.port == port
        assert await _execute(stack, "SELECT answer FROM kept") == "42"
    with _stack(var_dir) as stack:
        assert await _execute(stack, "SELECT answer FROM kept") == "42"
    with _stack(var_dir, fresh=True) as stack:
        assert await _execute(stack, "SELECT to_regclass('kept')") == "None"


async def test_a_wrong_password_is_refused(stack: EmbeddedStack) -> None:
    with pytest.raises(asyncpg.InvalidPasswordError):
        await asyncpg.connect(host=LOOPBACK, port=stack.postgres.port, user=postgres_server.OWNER, password="guess")


async def test_a_server_that_cannot_start_shows_its_log(var_dir: Path) -> None:
    with _stack(var_dir) as stack:
        server = stack.postgres
        server.stop()
        with (
            socket.create_server((LOOPBACK, server.port)),
            pytest.raises(EmbeddedStackError, match=r"(?s)PostgreSQL.*could not bind"),
        ):
            server.start()
        server.start()
        assert await _execute(stack, "SELECT 1") == "1"


def test_nothing_is_left_after_the_stack(var_dir: Path) -> None:
    with _stack(var_dir) as stack:
        family = psutil.Process(stack.postgres.pid)
        processes = [family, *family.children(recursive=True)]
    psutil.wait_procs(processes, timeout=PATIENCE_SECONDS)
    assert [process for process in processes if process.is_running()] == []


def test_the_guides_port_is_used_only_where_it_is_free(var_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server((LOOPBACK, choose_port())) as other:
        taken = other.getsockname()[1]
        monkeypatch.setattr(postgres_server, "GUIDE_PORT", taken)
        with EmbeddedStack(var_dir, services=("postgres",)) as stack:
            assert stack.postgres.port != taken


def test_the_password_file_opens_psql(stack: EmbeddedStack) -> None:
    assert stack.postgres.psql.exists()
    host, port, _, user, password = stack.postgres.password_file.read_text().strip().split(":")
    assert (host, port, user) == (LOOPBACK, str(stack.postgres.port), postgres_server.OWNER)
    assert password in stack.postgres.dsn()
