"""The unprivileged user PostgreSQL runs as when we are root, which it refuses to run as."""

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
    """A system user that owns nothing else here."""

    name: str
    uid: int
    gid: int

    def can_reach(self, path: Path) -> bool:
        """Whether this user may read `path`; folders above it that shut others out are the usual
        reason.
        """
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
        """Make this user the owner of one file or folder that we created."""
        os.chown(path, self.uid, self.gid)


def find_unprivileged_user() -> UnprivilegedUser | None:
    """The user to change to, None when we are not root and need not change."""
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
