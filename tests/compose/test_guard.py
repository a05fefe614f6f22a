import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from app.errors import EmbeddedStackError
from compose.embedded.guard import Guard
from compose.embedded.stack import EmbeddedStack, remove_stack
from tests.support.waiting import wait_until

_PROJECT = Path(__file__).parents[2]
_LAUNCHER = """
import sys, time
from pathlib import Path
from compose.embedded.stack import EmbeddedStack
with EmbeddedStack(Path(sys.argv[1]), services=("postgres",), preferred_ports=False) as stack:
    print(stack.postgres.pid, stack.postgres.port, flush=True)
    time.sleep(600)
"""


def _launch(var_dir: Path) -> tuple[subprocess.Popen[str], int]:
    launcher = subprocess.Popen(
        [sys.executable, "-c", _LAUNCHER, str(var_dir)], cwd=_PROJECT, stdout=subprocess.PIPE, text=True
    )
    assert launcher.stdout is not None
    return launcher, int(launcher.stdout.readline().split()[0])


def _wait_gone(pid: int) -> None:
    wait_until(lambda: not psutil.pid_exists(pid), lambda: f"process {pid} still runs")


def test_a_second_launcher_is_refused(tmp_path: Path) -> None:
    with Guard(tmp_path), pytest.raises(EmbeddedStackError, match="another launcher") as raised:
        Guard(tmp_path)
    assert "GLOBALMART_VAR_DIR" in str(raised.value)
    with Guard(tmp_path):
        pass


@pytest.mark.parametrize("signal_name", ["kill", "terminate"])
def test_a_launcher_that_dies_leaves_no_server(tmp_path: Path, signal_name: str) -> None:
    launcher, server = _launch(tmp_path)
    assert psutil.pid_exists(server)
    with launcher:
        getattr(launcher, signal_name)()
    _wait_gone(server)
    # The folder is free again and its cluster was shut down in order.
    with EmbeddedStack(tmp_path, services=("postgres",), preferred_ports=False) as stack:
        assert "database system was shut down" in stack.postgres.log_path.read_text()
    remove_stack(tmp_path)
