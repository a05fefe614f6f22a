import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from app.errors import EmbeddedStackError
from compose.embedded.guard import Guard
from compose.embedded.process import ServerProcess
from tests.support.waiting import PATIENCE_SECONDS

_FAMILY = """
import subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
print(child.pid, flush=True)
time.sleep(600)
"""


@pytest.fixture
def guard(tmp_path: Path) -> Iterator[Guard]:
    with Guard(tmp_path) as guard:
        yield guard


def _process(guard: Guard, folder: Path) -> ServerProcess:
    return ServerProcess("the server", folder / "server.log", guard, signal.SIGTERM)


def _spawn(process: ServerProcess, folder: Path, program: str) -> None:
    process.spawn([sys.executable, "-c", program], cwd=folder)


def test_a_failed_start_shows_the_end_of_the_log(guard: Guard, tmp_path: Path) -> None:
    process = _process(guard, tmp_path)
    _spawn(process, tmp_path, "raise SystemExit('no such cable')")
    with pytest.raises(EmbeddedStackError, match=r"(?s)ended while starting.*no such cable"):
        process.wait_until(lambda: False, PATIENCE_SECONDS)


def test_a_silent_server_is_given_up_with_its_log(guard: Guard, tmp_path: Path) -> None:
    process = _process(guard, tmp_path)
    _spawn(process, tmp_path, "import time; print('thinking', flush=True); time.sleep(600)")
    process.wait_until(lambda: "thinking" in process.log_tail(), PATIENCE_SECONDS)
    with pytest.raises(EmbeddedStackError, match=r"(?s)did not answer within 0 s.*thinking"):
        process.wait_until(lambda: False, 0.1)
    process.stop()


def test_a_stop_ends_it_and_it_can_start_again(guard: Guard, tmp_path: Path) -> None:
    process = _process(guard, tmp_path)
    _spawn(process, tmp_path, "import time; time.sleep(600)")
    first = process.pid
    process.stop()
    assert not psutil.pid_exists(first)
    _spawn(process, tmp_path, "import time; time.sleep(600)")
    assert process.alive
    process.stop()
    assert not process.alive


def test_one_that_ignores_the_signal_is_killed(guard: Guard, tmp_path: Path) -> None:
    process = _process(guard, tmp_path)
    ignore = "import signal, time; signal.signal(15, signal.SIG_IGN); print('deaf', flush=True)"
    _spawn(process, tmp_path, f"{ignore}; time.sleep(600)")
    process.wait_until(lambda: "deaf" in process.log_tail(), PATIENCE_SECONDS)
    pid = process.pid
    process.stop(0.2)
    assert not psutil.pid_exists(pid)


def test_a_kill_ends_what_it_started_too(guard: Guard, tmp_path: Path) -> None:
    process = _process(guard, tmp_path)
    _spawn(process, tmp_path, _FAMILY)
    process.wait_until(lambda: process.log_path.read_text().endswith("\n"), PATIENCE_SECONDS)
    grandchild = int(process.log_path.read_text())
    assert psutil.pid_exists(grandchild)
    process.kill()
    assert not psutil.pid_exists(grandchild)
    with pytest.raises(EmbeddedStackError, match="the server is not running"):
        _ = process.pid


def test_a_second_start_is_refused(guard: Guard, tmp_path: Path) -> None:
    process = _process(guard, tmp_path)
    _spawn(process, tmp_path, "import time; time.sleep(600)")
    with pytest.raises(EmbeddedStackError, match="already running"):
        _spawn(process, tmp_path, "")
    process.stop()
