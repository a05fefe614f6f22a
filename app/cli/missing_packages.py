"""The error of a command whose package is not installed: the extra to install, and the container that has it."""

import re
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, requires
from typing import Final

from app.cli.commands import COMMANDS

#: Modules whose distribution has another name.
_DISTRIBUTIONS: Final = {
    "bson": "pymongo",
    "faust": "faust-streaming",
    "mode": "faust-streaming",
    "py4j": "pyspark",
    "secantus": "secantusdb",
    "yaml": "pyyaml",
}
_REQUIREMENT: Final = re.compile(r"([A-Za-z0-9._-]+).*;.*extra == ['\"]([\w-]+)['\"]")


def explained(error: ModuleNotFoundError, arguments: list[str]) -> str | None:
    """Returns the message, or None if no extra of this project contains the module: then it is a bug."""
    module = (error.name or "").split(".")[0]
    wanted = _normal(_DISTRIBUTIONS.get(module, module))
    extras = sorted({extra for name, extra in _optional() if name == wanted})
    if not extras:
        return None
    called = next((word for word in arguments if not word.startswith("-")), "")
    text = (
        f"`globalmart {called}` needs the package {wanted}, which is not installed here; "
        f"install globalmart[{extras[0]}]"
    )
    container = next((known.container for known in COMMANDS if known.name == called), "")
    if not container:
        return text
    return f"{text}. In the Docker stack: docker exec {container} globalmart {called} …"


def _optional() -> Iterator[tuple[str, str]]:
    """Yields distribution and extra of every optional requirement."""
    try:
        requirements = requires("globalmart") or []
    except PackageNotFoundError:
        return
    for text in requirements:
        if found := _REQUIREMENT.match(text):
            yield _normal(found[1]), found[2]


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
