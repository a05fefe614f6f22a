"""`globalmart api` and `globalmart api-key`."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from api.keys import hash_of
from app.cli import main
from app.settings.services import keys_of
from compose.embedded.ports import LOOPBACK, choose_port
from compose.embedded.stack import EmbeddedStack
from tests.support.databases import Database, database
from tests.support.waiting import PATIENCE_SECONDS, wait_until

__all__ = ["database"]

_PROJECT = Path(__file__).parents[2]


def test_a_new_key_is_printed_with_its_hash(capsys: pytest.CaptureFixture[str]) -> None:
    keys = []
    for _ in range(2):
        with pytest.raises(SystemExit):
            main(["api-key", "new"])
        key, digest = re.findall(r"^(?:key|hash) +(\S+)$", capsys.readouterr().out, re.M)
        assert hash_of(key) == digest
        keys.append(key)
    assert keys[0] != keys[1]


def test_a_key_of_a_role_is_printed_with_the_entry_to_set(capsys: pytest.CaptureFixture[str]) -> None:
    assert _ends(["api-key", "new", "--name", "ann", "--role", "analyst"]) == 0
    printed = dict(re.findall(r"^(\w+) +(\S+)$", capsys.readouterr().out, re.M))
    assert printed["entry"] == f"ann:analyst:{hash_of(printed['key'])}"
    assert [(key.name, key.role) for key in keys_of(printed["entry"])] == [("ann", "analyst")]
    for wrong, fix in (
        (["--role", "admin"], "add --name"),
        (["--name", "a b"], "1 to 50 letters"),
        (["--name", "ann", "--role", "boss"], "boss"),
    ):
        assert _ends(["api-key", "new", *wrong]) == 2
        shown = capsys.readouterr()
        assert fix in " ".join(shown.err.split()) and "key " not in shown.out


def _ends(arguments: list[str]) -> int:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert isinstance(ended.value.code, int)
    return ended.value.code


@pytest.mark.parametrize("missing", ["GLOBALMART_MONGO_URL", "GLOBALMART_POSTGRES_READER_PASSWORD"])
def test_what_it_cannot_start_without_is_named(
    missing: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    doors = {
        "GLOBALMART_ENV_FILE": "",
        "GLOBALMART_MONGO_URL": "mongodb://store.invalid/",
        "GLOBALMART_POSTGRES_READER_PASSWORD": "none",
        "GLOBALMART_API_PORT": str(choose_port()),
    }
    for name, value in doors.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv(missing)
    with pytest.raises(SystemExit) as ended:
        main(["api"])
    assert ended.value.code == 2
    assert f"{missing} is not set" in capsys.readouterr().err


async def test_it_serves_until_it_is_stopped(stack: EmbeddedStack, database: Database) -> None:
    port = choose_port()
    environ = (
        os.environ
        | stack.environment()
        | {"GLOBALMART_API_PORT": str(port), "GLOBALMART_POSTGRES_DATABASE": database.name}
    )
    process = subprocess.Popen(
        [sys.executable, "-m", "app.cli", "api"], cwd=_PROJECT, env=environ, stderr=subprocess.PIPE, text=True
    )
    try:
        _wait_healthy(process, f"http://{LOOPBACK}:{port}/health")
    finally:
        process.send_signal(signal.SIGTERM)
        _, printed = process.communicate(timeout=PATIENCE_SECONDS)
    assert "Application shutdown complete" in printed
    assert "Traceback" not in printed


def _wait_healthy(process: subprocess.Popen[str], address: str) -> None:
    def healthy() -> bool:
        assert process.poll() is None
        try:
            answer = httpx.get(address, timeout=PATIENCE_SECONDS)
        except httpx.ConnectError:
            return False
        return bool(answer.json()["status"] == "healthy")

    wait_until(healthy)
