"""The REST API as a process that is killed and started again."""

import asyncio
import json
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from compose.embedded.ports import choose_port
from tests.faults.processes import ROOT, clean_environment

_START_SECONDS: Final = 60.0
_LOOK_SECONDS: Final = 0.1
_API_PORT: Final = "GLOBALMART_API_PORT"


class Api:
    """`globalmart api` on a free port; `answer_seconds` are the times from its start to its first good answer."""

    def __init__(self, environ: Mapping[str, str], log: Path) -> None:
        self._port = choose_port()
        self._environ = clean_environment() | dict(environ) | {_API_PORT: str(self._port)}
        self._log = log
        self.answer_seconds: list[float] = []
        self._process = self._start()

    def get(self, path: str) -> Any:
        """The JSON answer of a path; raises OSError when there is none."""
        address = f"http://127.0.0.1:{self._port}{path}"
        with urllib.request.urlopen(address, timeout=5) as answer:
            return json.load(answer)

    async def kill_and_start(self) -> None:
        """SIGKILL, start, and wait for an answer that needs nothing but the process."""
        self._process.kill()
        await asyncio.to_thread(self._process.wait)
        started = time.monotonic()
        self._process = self._start()
        await self.answers("/health")
        self.answer_seconds.append(time.monotonic() - started)

    async def answers(self, path: str) -> Any:
        """Wait for the answer of a path; raises TimeoutError when none comes."""
        async with asyncio.timeout(_START_SECONDS):
            while True:
                try:
                    return await asyncio.to_thread(self.get, path)
                except (urllib.error.URLError, OSError):
                    await asyncio.sleep(_LOOK_SECONDS)

    def close(self) -> None:
        """End it."""
        self._process.kill()
        self._process.wait()

    def _start(self) -> subprocess.Popen[bytes]:
        with self._log.open("ab") as log:
            return subprocess.Popen(
                [sys.executable, "-m", "app.cli", "api"],
                cwd=ROOT,
                env=self._environ,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
