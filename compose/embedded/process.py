"""A server as a child process: its own session, its log file, an orderly stop."""

import os
import pwd
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import psutil

from app.errors import EmbeddedStackError
from compose.embedded.guard import Guard

_CANDIDATES: Final = ("nobody", "daemon")
_POLL_SECONDS: Final = 0.05
_TAIL_LINES: Final = 25


@dataclass(frozen=True, slots=True)
class UnprivilegedUser:
    """A system user without other files on this machine."""

    name: str
    uid: int
    gid: int

    def can_reach(self, path: Path) -> bool:
        """Whether this user can read `path`; if not, usually because of a parent folder's mode."""
        probe = subprocess.run(
            ["/bin/sh", "-c", 'test -r "$1"', "sh", str(path)],
            cwd="/",
            user=self.uid,
            group=self.gid,
            extra_groups=[],
            check=False,
        )
        return probe.returncode == 0

    def give(self, path: Path) -> None:
        """Makes this user the owner of a file or folder created by this process."""
        os.chown(path, self.uid, self.gid)


def find_unprivileged_user() -> UnprivilegedUser | None:
    """Returns the user to run as, None if this process is not root."""
    if os.geteuid() != 0:
        return None
    for name in _CANDIDATES:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        if entry.pw_uid != 0:
            return UnprivilegedUser(name, entry.pw_uid, entry.pw_gid)
    raise EmbeddedStackError(
        "PostgreSQL refuses to run as root and this system has no user named "
        f"{' or '.join(_CANDIDATES)}; run as an ordinary user or add one of them"
    )


@dataclass(eq=False)
class ServerProcess:
    """Runs one command at a time and can run it again after a stop or a kill."""

    name: str
    log_path: Path
    guard: Guard
    stop_signal: signal.Signals = signal.SIGTERM
    user: UnprivilegedUser | None = None
    _child: subprocess.Popen[bytes] | None = field(default=None, init=False)

    @property
    def alive(self) -> bool:
        """Whether the process runs now."""
        return self._child is not None and self._child.poll() is None

    @property
    def exit_code(self) -> int | None:
        """Exit code of the process; None while it runs or before it was started."""
        return None if self._child is None else self._child.poll()

    @property
    def pid(self) -> int:
        """Process id of the running server; raises EmbeddedStackError if it does not run."""
        if self._child is None or not self.alive:
            raise EmbeddedStackError(f"{self.name} is not running; its log is {self.log_path}")
        return self._child.pid

    def run(self, command: Sequence[str], *, cwd: Path, environ: Mapping[str, str], purpose: str) -> None:
        """Runs a command that prepares the server; raises EmbeddedStackError, with the end of its log, if it fails."""
        with self.log_path.open("ab") as log:
            done = subprocess.run(
                command,
                cwd=cwd,
                env=dict(environ),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                check=False,
                **self._identity(),
            )
        if done.returncode:
            raise EmbeddedStackError(f"{self.name} could not {purpose} its data folder.\n{self.log_tail()}")

    def spawn(self, command: Sequence[str], *, cwd: Path, environ: Mapping[str, str] | None = None) -> None:
        """Starts the command in its own session, so that Ctrl-C reaches this process and not the server."""
        if self.alive:
            raise EmbeddedStackError(f"{self.name} is already running as process {self.pid}")
        with self.log_path.open("ab") as log:
            self._child = subprocess.Popen(
                command,
                cwd=cwd,
                env=dict(os.environ if environ is None else environ),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                **self._identity(),
            )
        self.guard.track(self._child.pid, self.stop_signal)

    def wait_until(self, answers: Callable[[], bool], seconds: float) -> None:
        """Polls until the server answers; raises EmbeddedStackError with the end of its log if it does not."""
        deadline = time.monotonic() + seconds
        while not answers():
            if not self.alive:
                raise EmbeddedStackError(f"{self.name} ended while starting.\n{self.log_tail()}")
            if time.monotonic() > deadline:
                raise EmbeddedStackError(f"{self.name} did not answer within {seconds:.0f} s.\n{self.log_tail()}")
            time.sleep(_POLL_SECONDS)

    def stop(self, seconds: float = 20.0) -> None:
        """Sends the stop signal, and kills the server if it runs after `seconds`; does nothing if it has ended."""
        if self._child is None:
            return
        if self.alive:
            self._child.send_signal(self.stop_signal)
        try:
            self._child.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()
        self._untrack()

    def kill(self) -> None:
        """Kills the server and all its child processes by SIGKILL, and waits for their end."""
        if self._child is None:
            return
        family = self._family()
        for process in family:
            process.kill()
        self._child.wait()
        psutil.wait_procs(family, timeout=10)
        self._untrack()

    def log_tail(self) -> str:
        """Returns the last lines of the log, under a heading that names the file."""
        text = self.log_path.read_text(errors="replace") if self.log_path.exists() else ""
        lines = text.splitlines()[-_TAIL_LINES:]
        return "\n".join([f"The end of {self.log_path}:", *(f"  {line}" for line in lines)])

    def _identity(self) -> dict[str, Any]:
        """Arguments of `subprocess` that drop this process's rights for those of the user, if there is one."""
        return {"user": self.user.uid, "group": self.user.gid, "extra_groups": []} if self.user else {}

    def _family(self) -> list[psutil.Process]:
        if self._child is None or not self.alive:
            return []
        parent = psutil.Process(self._child.pid)
        return [parent, *parent.children(recursive=True)]

    def _untrack(self) -> None:
        if self._child is not None:
            self.guard.untrack(self._child.pid)
            self._child = None
