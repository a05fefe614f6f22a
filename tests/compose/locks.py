"""What a lock names, what of it is installed here, and programs that see only that."""

import re
import subprocess
import sys
from collections.abc import Iterable, Iterator
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.support.waiting import PATIENCE_SECONDS


def locked(text: str) -> dict[str, str]:
    """What a lock says of each package, version and hashes, without its condition."""
    entries = re.split(r"\n(?=\w)", re.sub(r"^#.*\n", "", text, flags=re.M).strip())
    found: dict[str, str] = {}
    for entry in entries:
        name = canonicalize_name(entry.split("==")[0])
        found[name] = found.get(name, "") + re.sub(r" ;[^\\]*", " ", entry)
    return found


def installed(name: str) -> bool:
    """Locked packages of other systems are not."""
    try:
        distribution(name)
    except PackageNotFoundError:
        return False
    return True


def closure(asked: Iterable[str], left_out: Iterable[str] = ()) -> Iterator[Distribution]:
    """Every distribution the requirements lead to, once."""
    waiting = [(requirement, "") for requirement in asked]
    seen: set[tuple[str, str]] = set()
    while waiting:
        text, extra = waiting.pop()
        requirement = Requirement(text)
        if requirement.marker is not None and not requirement.marker.evaluate({"extra": extra}):
            continue
        for wanted in ("", *requirement.extras):
            key = (canonicalize_name(requirement.name), wanted)
            if key not in seen and key[0] not in left_out:
                seen.add(key)
                found = distribution(requirement.name)
                yield found
                waiting.extend((needed, wanted) for needed in found.requires or ())


def link_installed(names: Iterable[str], site: Path) -> None:
    """Links these packages of this environment into a folder; those of other systems are not here."""
    for name in names:
        if not installed(name):
            continue
        found = distribution(name)
        for top in {file.parts[0] for file in found.files or () if file.parts[0] not in ("..", "__pycache__")}:
            target = site / top
            if not target.exists():
                target.symlink_to(Path(str(found.locate_file(top))))


def run_outside(code: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Without this environment's packages and without the source tree."""
    return subprocess.run(
        [sys.executable, "-S", "-P", "-c", code],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=False,
        env={"PATH": "/usr/bin:/bin", "HOME": str(folder), "GLOBALMART_ENV_FILE": ""},
    )
