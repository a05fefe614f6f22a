"""The unprivileged user that PostgreSQL runs as if this process is root, which PostgreSQL refuses."""

import os
import pwd
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from app.errors import EmbeddedStackError

_CANDIDATES: Final = ("nobody", "daemon")


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
