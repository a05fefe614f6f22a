"""Turns this process into one of a container: what an engine does between a compose file and the program.

    unshare --mount --pid --ipc --uts --fork python launch.py start SPEC
    nsenter --target PID --mount --pid --ipc --uts python launch.py enter SPEC

Runs on the system's Python with nothing but its standard library, as root, and ends as an unprivileged user in the
image's root. The network is the caller's.
"""

import ctypes
import json
import os
import socket
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

_PR_CAPBSET_DROP = 24
_PR_SET_NO_NEW_PRIVS = 38
_HIGHEST_CAPABILITY = 63
_DEVICES = ("null", "zero", "full", "random", "urandom", "tty")
#: An engine's own options of a tmpfs; what a compose file says comes after them and wins.
_TMPFS_DEFAULTS = "noexec,nosuid,nodev,mode=1777"

_libc = ctypes.CDLL(None, use_errno=True)


def start(spec: Mapping[str, Any]) -> None:
    """Build the file system in a mount namespace of its own, then enter it."""
    _mount("--make-rprivate", "/")
    root = Path(spec["root"])
    root.mkdir(parents=True, exist_ok=True)
    _mount("--bind", spec["rootfs"], str(root))
    if spec["read_only"]:
        _mount("-o", "remount,bind,ro", str(root))
    _mount("-t", "proc", "-o", "nosuid,nodev,noexec", "proc", str(root / "proc"))
    _devices(root / "dev")
    for target, options in spec["tmpfs"].items():
        merged = f"{_TMPFS_DEFAULTS},{options}" if options else _TMPFS_DEFAULTS
        _mount("-t", "tmpfs", "-o", merged, "tmpfs", f"{root}{target}")
    for bind in spec["binds"]:
        target = f"{root}{bind['target']}"
        _mount("--bind", bind["source"], target)
        if bind["read_only"]:
            _mount("-o", "remount,bind,ro", target)
    socket.sethostname(spec["hostname"])
    enter(spec)


def enter(spec: Mapping[str, Any]) -> None:
    """Give every right up, and become the program."""
    _join(spec["cgroup_procs"])
    os.chroot(spec["root"])
    os.chdir(spec["working_dir"])
    for capability in range(_HIGHEST_CAPABILITY + 1):
        # Those above the kernel's own are refused.
        _libc.prctl(_PR_CAPBSET_DROP, capability, 0, 0, 0)
    os.setgroups([])
    os.setresgid(spec["gid"], spec["gid"], spec["gid"])
    os.setresuid(spec["uid"], spec["uid"], spec["uid"])
    if _libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "no_new_privs")
    os.umask(0o022)
    os.execvpe(spec["command"][0], spec["command"], spec["environment"])


def _devices(folder: Path) -> None:
    _mount("-t", "tmpfs", "-o", "nosuid,mode=755", "tmpfs", str(folder))
    for name in _DEVICES:
        (folder / name).touch()
        _mount("--bind", f"/dev/{name}", str(folder / name))
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        (folder / name).symlink_to(f"/proc/self/fd/{number}")
    (folder / "fd").symlink_to("/proc/self/fd")
    (folder / "shm").mkdir()
    _mount("-t", "tmpfs", "-o", "noexec,nosuid,nodev,mode=1777,size=64m", "shm", str(folder / "shm"))


def _join(cgroup_procs: str | None) -> None:
    if cgroup_procs is not None:
        Path(cgroup_procs).write_text("0", encoding="ascii")


def _mount(*arguments: str) -> None:
    subprocess.run(["mount", *arguments], check=True)


if __name__ == "__main__":
    _mode, _spec = sys.argv[1:3]
    {"start": start, "enter": enter}[_mode](json.loads(Path(_spec).read_text(encoding="utf-8")))
