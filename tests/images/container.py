"""A container without an engine: namespaces, a read-only root, limits, and the signals it is sent."""

import itertools
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tests.images.memory import Memory
from tests.images.services import Service

_LAUNCH: Final = Path(__file__).with_name("launch.py")
_INIT: Final = "/sbin/docker-init"
_ENTER: Final = ("--mount", "--pid", "--ipc", "--uts")
_numbers: Final = itertools.count(1)


@dataclass(frozen=True, slots=True)
class Image:
    """An image that is mounted here: its root, and what it says a process is."""

    rootfs: Path
    environment: Mapping[str, str]
    working_dir: str
    uid: int
    gid: int


@dataclass(frozen=True, slots=True)
class Place:
    """Files of one run's containers: `volumes` by name, `hosts` as their /etc/hosts, the program that is process 1."""

    folder: Path
    volumes: Mapping[str, Path]
    hosts: Path
    init: Path


class Container:
    """A service that was started; ends with `stop`, or by itself."""

    def __init__(self, service: Service, image: Image, place: Place) -> None:
        self.service = service
        self._name = f"{service.name}-{next(_numbers)}"
        self._log = place.folder / "logs" / f"{self._name}.log"
        self._spec_path = place.folder / f"{self._name}.json"
        self.memory = Memory(self._name, service.memory_bytes)
        self._spec = self._made_spec(image, place)
        self._write(self._spec_path, self._spec)
        self._log.parent.mkdir(parents=True, exist_ok=True)
        self.started = time.monotonic()
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [
                    "unshare",
                    *_ENTER,
                    "--fork",
                    "--kill-child",
                    "--",
                    sys.executable,
                    str(_LAUNCH),
                    "start",
                    str(self._spec_path),
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    @property
    def log(self) -> str:
        """Everything it and what was run in it have printed."""
        return self._log.read_text(errors="replace")

    @property
    def exit_code(self) -> int | None:
        """None while it runs."""
        return self._process.poll()

    def run(self, *command: str, seconds: float = 1800, given: str = "") -> tuple[int, str]:
        """As `docker exec`: exit code and all that it printed."""
        spec = self._spec | {"command": list(command)}
        path = self._spec_path.with_name(f"{self._name}-exec-{next(_numbers)}.json")
        self._write(path, spec)
        done = subprocess.run(
            [
                "nsenter",
                f"--target={self._first_process()}",
                *_ENTER,
                "--",
                sys.executable,
                str(_LAUNCH),
                "enter",
                str(path),
            ],
            input=given,
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
        )
        output = done.stdout + done.stderr
        with self._log.open("a") as log:
            log.write(f"$ {' '.join(command)}\n{output}")
        return done.returncode, output

    def wait_healthy(self, seconds: float = 900) -> float:
        """Seconds from the start until the service's own check holds; raises RuntimeError with its last words."""
        while True:
            code, output = self.run(*self.service.health)
            if code == 0:
                return time.monotonic() - self.started
            self._still_there(seconds, output)
            time.sleep(0.5)

    def wait_said(self, text: str, seconds: float = 3600) -> None:
        """Until its log has this text; raises RuntimeError with its end if it ends or takes too long."""
        while text not in self.log:
            self._still_there(seconds, self.log)
            time.sleep(0.1)

    def wait(self, seconds: float = 3600) -> int:
        """Its exit code, when it ends by itself."""
        try:
            return self._process.wait(seconds)
        finally:
            self.close()

    def stop(self) -> float:
        """Seconds from SIGTERM to its end; what does not end within its grace period is killed, and says so."""
        sent = time.monotonic()
        os.kill(self._first_process(), signal.SIGTERM)
        try:
            self._process.wait(self.service.grace_seconds)
        except subprocess.TimeoutExpired:
            raise RuntimeError(
                f"{self.service.name} did not end within {self.service.grace_seconds:.0f} s of SIGTERM"
            ) from None
        finally:
            took = time.monotonic() - sent
            self.close()
        return took

    def close(self) -> None:
        """Whatever still runs of it is killed: with its process 1 all others of its namespace end."""
        if self._process.poll() is None:
            # The launcher's own end would not reach a process that has changed its user.
            for pid in (*self._children(), self._process.pid):
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            self._process.wait()
        self.memory.close()

    def _still_there(self, seconds: float, output: str) -> None:
        waited = time.monotonic() - self.started
        if self.exit_code is not None or waited > seconds:
            state = "still runs" if self.exit_code is None else f"ended with {self.exit_code}"
            raise RuntimeError(f"{self.service.name} {state} after {waited:.0f} s: {output[-1500:]}")

    def _first_process(self) -> int:
        """The container's process 1, seen from outside; its launcher has it as its only child."""
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            children = self._children()
            if children and self._is_program(children[0]):
                return children[0]
            if self.exit_code is not None:
                break
            time.sleep(0.05)
        raise RuntimeError(f"{self.service.name} is not there: {self.log[-1500:]}")

    def _children(self) -> list[int]:
        """Of the launcher; none once it has ended."""
        pid = self._process.pid
        try:
            children = Path(f"/proc/{pid}/task/{pid}/children").read_text()
        except FileNotFoundError:
            return []
        return [int(child) for child in children.split()]

    def _is_program(self, pid: int) -> bool:
        """Whether it has left the launcher behind."""
        return str(_LAUNCH) not in Path(f"/proc/{pid}/cmdline").read_text()

    def _made_spec(self, image: Image, place: Place) -> dict[str, Any]:
        service = self.service
        binds = [(str(place.hosts), "/etc/hosts", True)]
        binds += [
            (str(place.volumes[m.source]) if m.is_volume else m.source, m.target, m.read_only) for m in service.mounts
        ]
        if service.init:
            binds.append((str(place.init), _INIT, True))
        for _, target, _ in binds:
            _provide(image.rootfs, target, folder=target not in ("/etc/hosts", _INIT))
        command = [_INIT, "--", *service.command] if service.init else list(service.command)
        return {
            "root": str(place.folder / "roots" / self._name),
            "rootfs": str(image.rootfs),
            "read_only": service.read_only,
            "tmpfs": dict(service.tmpfs),
            "binds": [
                {"source": source, "target": target, "read_only": read_only} for source, target, read_only in binds
            ],
            "hostname": service.name,
            "cgroup_procs": self.memory.procs,
            "working_dir": image.working_dir,
            "uid": image.uid,
            "gid": image.gid,
            "environment": {**image.environment, "HOSTNAME": service.name, **service.environment},
            "command": command,
        }

    @staticmethod
    def _write(path: Path, spec: Mapping[str, Any]) -> None:
        path.touch(mode=0o600)
        path.write_text(json.dumps(spec), encoding="utf-8")


def _provide(rootfs: Path, target: str, *, folder: bool) -> None:
    """An engine makes what it mounts upon where the image has nothing."""
    path = rootfs / target.lstrip("/")
    if path.exists():
        return
    is_folder = folder and not path.suffix
    (path if is_folder else path.parent).mkdir(parents=True, exist_ok=True)
    if not is_folder:
        path.touch()
