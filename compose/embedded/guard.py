"""Allows one launcher per data folder, and stops its servers however the launcher ends."""

import fcntl
import os
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import psutil

from app.errors import EmbeddedStackError
from compose.embedded.reaper import GRACE_SECONDS

_WAIT_FOR_REAPER_SECONDS: Final = GRACE_SECONDS + 30.0
#: The program that stops servers whose launcher is gone.
REAPER: Final = Path(__file__).with_name("reaper.py")


class Guard:
    """The lock of a data folder, and the reaper process that outlives this one; both end with `close`."""

    def __init__(self, var_dir: Path) -> None:
        """Takes the lock; raises EmbeddedStackError, which names the launcher that holds it."""
        self._lock_path = var_dir / "stack.lock"
        self._lock = os.open(self._lock_path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            self._take_lock()
            self._reaper = self._start_reaper()
        except BaseException:
            os.close(self._lock)
            raise

    def track(self, pid: int, stop_signal: int) -> None:
        """Registers a process that the reaper stops if this process cannot."""
        self._send(f"+{pid} {stop_signal}")

    def untrack(self, pid: int) -> None:
        """Unregisters a process that has ended: its id may be reused."""
        self._send(f"-{pid}")

    def close(self) -> None:
        """Makes the reaper stop the processes still registered, then releases the folder."""
        if self._reaper.stdin is not None:
            self._reaper.stdin.close()
        self._reaper.wait()
        os.close(self._lock)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _take_lock(self) -> None:
        deadline = time.monotonic() + _WAIT_FOR_REAPER_SECONDS
        while not self._try_lock():
            holder = self._holder()
            # The reaper of a killed launcher holds the lock until its servers have ended.
            if psutil.pid_exists(holder) or time.monotonic() > deadline:
                raise EmbeddedStackError(
                    f"another launcher (process {holder}) uses {self._lock_path.parent}; stop it, "
                    "or set another folder with GLOBALMART_VAR_DIR"
                )
            time.sleep(0.2)
        os.ftruncate(self._lock, 0)
        os.pwrite(self._lock, str(os.getpid()).encode(), 0)

    def _try_lock(self) -> bool:
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def _holder(self) -> int:
        text = os.pread(self._lock, 20, 0).decode()
        return int(text) if text else os.getpid()

    def _start_reaper(self) -> subprocess.Popen[str]:
        # The reaper inherits the lock, so the folder stays locked until the last server has ended.
        return subprocess.Popen(
            [sys.executable, str(REAPER)],
            stdin=subprocess.PIPE,
            pass_fds=[self._lock],
            start_new_session=True,
            text=True,
        )

    def _send(self, line: str) -> None:
        pipe = self._reaper.stdin
        if pipe is None or pipe.closed:
            return
        try:
            pipe.write(line + "\n")
            pipe.flush()
        except BrokenPipeError:
            raise EmbeddedStackError(
                "the process that guards the embedded servers was killed; stop and start again"
            ) from None
