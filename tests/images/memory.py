"""A memory cgroup with a limit, and the most that was used in it; of either version, or none where none can be made."""

import contextlib
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_V1: Final = Path("/sys/fs/cgroup/memory")
_V2: Final = Path("/sys/fs/cgroup")
_SAMPLE_SECONDS: Final = 0.2


@dataclass(frozen=True, slots=True)
class _Files:
    limit: str
    used: str
    inactive: str


_FILES_V1: Final = _Files("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
_FILES_V2: Final = _Files("memory.max", "memory.current", "inactive_file")


class Memory:
    """The cgroup of one container: limited to `limit` bytes, watched from its making to `close`."""

    def __init__(self, name: str, limit: int | None) -> None:
        self._files, parent = _parent()
        self._folder = None if parent is None else parent / f"globalmart-{name}"
        self.limited = False
        self.peak = 0
        self._ended = threading.Event()
        self._watcher = threading.Thread(target=self._watch, daemon=True)
        if self._folder is not None:
            self._make(limit)
            self._watcher.start()

    @property
    def procs(self) -> str | None:
        """The file a process writes itself into to be in it."""
        return None if self._folder is None else str(self._folder / "cgroup.procs")

    @property
    def killed(self) -> int:
        """How often the kernel ended a process for want of memory."""
        if self._folder is None:
            return 0
        for name in ("memory.oom_control", "memory.events"):
            path = self._folder / name
            if path.exists():
                counts = dict(line.split() for line in path.read_text().splitlines())
                return int(counts.get("oom_kill", 0))
        return 0

    def close(self) -> None:
        """Stop watching, and remove the cgroup, whose processes have ended."""
        self._ended.set()
        if self._folder is not None:
            self._watcher.join()
            with contextlib.suppress(OSError):
                self._folder.rmdir()

    def _make(self, limit: int | None) -> None:
        assert self._folder is not None
        self._folder.mkdir(exist_ok=True)
        if limit is not None:
            (self._folder / self._files.limit).write_text(str(limit), encoding="ascii")
            self.limited = True

    def _watch(self) -> None:
        while not self._ended.wait(_SAMPLE_SECONDS):
            self.peak = max(self.peak, self._used())

    def _used(self) -> int:
        """As `docker stats` counts: without what the kernel only keeps of files."""
        assert self._folder is not None
        used = int((self._folder / self._files.used).read_text())
        stat = dict(line.split() for line in (self._folder / "memory.stat").read_text().splitlines())
        return used - int(stat[self._files.inactive])


def _parent() -> tuple[_Files, Path | None]:
    """Our own cgroup, where a child with a limit can be made in it."""
    own = dict(line.split(":", 2)[1:] for line in Path("/proc/self/cgroup").read_text().splitlines())
    if "memory" in own and _V1.is_dir():
        return _FILES_V1, _V1 / own["memory"].lstrip("/")
    for folder in (_V2 / own.get("", "/").lstrip("/"), _V2):
        controllers = folder / "cgroup.subtree_control"
        if controllers.is_file() and "memory" in controllers.read_text().split():
            return _FILES_V2, folder
    return _FILES_V2, None
