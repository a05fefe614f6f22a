"""Workers as their users start them: real processes with a log of their own."""

import os
import re
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from tests.support.waiting import PATIENCE_SECONDS

ROOT: Final = Path(__file__).parents[2]
_TAIL_LINES: Final = 40


class WorkerProcess:
    """One worker; signals go to it alone, by its pid."""

    def __init__(self, log_path: Path, environ: Mapping[str, str], application: str = "app.worker") -> None:
        self.log_path = log_path
        with log_path.open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "faust", "-A", application, "worker", "-l", "info"],
                cwd=ROOT,
                env={**clean_environment(), **environ},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        self.started = time.monotonic()

    @property
    def pid(self) -> int:
        """Process id."""
        return self._process.pid

    @property
    def exit_code(self) -> int | None:
        """None while it runs; negative if a signal ended it."""
        return self._process.poll()

    def log(self) -> str:
        """Everything it has logged so far."""
        return self.log_path.read_text(errors="replace")

    def tail(self) -> str:
        """The end of the log, for failure messages."""
        return "\n".join(["", f"--- {self.log_path}", *self.log().splitlines()[-_TAIL_LINES:]])

    def signal(self, number: signal.Signals) -> None:
        """Send a signal."""
        self._process.send_signal(number)

    def kill(self) -> None:
        """SIGKILL, and wait for the end."""
        self._process.kill()
        self._process.wait()

    def stop(self, seconds: float = PATIENCE_SECONDS) -> int:
        """SIGTERM, and its exit code; fails when it does not end."""
        self._process.terminate()
        return self.wait(seconds)

    def wait(self, seconds: float = PATIENCE_SECONDS) -> int:
        """Its exit code; fails when it does not end by itself."""
        try:
            return self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"still running after {seconds} s{self.tail()}") from None

    def metric(self, name: str, **labels: str) -> float:
        """Sum of a metric's samples that carry the labels, from the worker's own metrics port."""
        address = re.search(r"metrics on (http://\S+)", self.log())
        assert address, f"no metrics address{self.tail()}"
        with urllib.request.urlopen(address[1], timeout=PATIENCE_SECONDS) as answer:
            lines = answer.read().decode().splitlines()
        wanted = [f'{label}="{value}"' for label, value in labels.items()]
        return sum(
            float(line.rsplit(" ", 1)[1])
            for line in lines
            if re.match(rf"{name}[{{ ]", line) and all(part in line for part in wanted)
        )

    def is_stopped(self) -> bool:
        """Whether SIGSTOP holds it."""
        status = Path(f"/proc/{self.pid}/status").read_text()
        return re.search(r"^State:\s+T", status, re.MULTILINE) is not None


def clean_environment() -> dict[str, str]:
    """Our environment without settings."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("GLOBALMART_")}
    return kept | {"PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}
