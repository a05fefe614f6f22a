"""Checks that Compose and this program read the same values from `.env`."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from app.errors import DockerError

_ASSIGNMENT: Final = re.compile(r"\s*(?:export\s+)?(\w+)\s*=\s*(.*?)\s*$")
_LITERAL: Final = re.compile(r"'[^']*'(\s+#.*)?")
#: Compose substitutes variables at every dollar, python-dotenv only at `${`; backslashes differ, too.
_AMBIGUOUS: Final = re.compile(r"[$\\]")


def require_one_meaning(env_file: Path) -> None:
    """Raises DockerError that names each variable whose value the two would read differently."""
    names = list(_ambiguous(env_file.read_text(encoding="utf-8")))
    if names:
        raise DockerError(
            f"{env_file}: Docker Compose and this program would read different values of {', '.join(names)}; put "
            "values with a dollar or a backslash in single quotes: NAME='pa$word'"
        )


def _ambiguous(text: str) -> Iterator[str]:
    for line in text.splitlines():
        found = _ASSIGNMENT.match(line)
        if found is None or line.lstrip().startswith("#"):
            continue
        name, value = found.groups()
        if not _LITERAL.fullmatch(value) and _AMBIGUOUS.search(re.sub(r"\s#.*", "", value)):
            yield name
