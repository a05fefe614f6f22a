"""Secrets out of files: `<VARIABLE>_FILE` names a file that holds the value, as Docker and Kubernetes mount them."""

from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Final

from app.errors import SettingsError

FILE_SUFFIX: Final = "_FILE"
_MOST_BYTES: Final = 1_048_576


def file_variable(variable: str) -> str:
    """Name of the variable that names the file of a secret setting."""
    return f"{variable}{FILE_SUFFIX}"


def named_files(values: Mapping[str, str], secrets: Collection[str]) -> Iterator[tuple[str, str]]:
    """Each secret setting that a file is named for, with the file's path."""
    for variable in secrets:
        path = values.get(file_variable(variable), "")
        if path:
            yield variable, path


def read_secret(variable: str, path: str, values: Mapping[str, str]) -> str:
    """The one line of the file; raises SettingsError naming both variables, or the file and what is wrong with it."""
    named = file_variable(variable)
    if values.get(variable, ""):
        raise SettingsError(f"{variable} and {named} are both set; keep one of them")
    try:
        text = _content(Path(path)).rstrip("\r\n")
    except OSError as error:
        raise SettingsError(
            f"{named}: {path} cannot be read ({error.strerror}); mount the secret there, or correct the path"
        ) from error
    except ValueError as error:
        raise SettingsError(f"{named}: {path} is no text in UTF-8 ({error})") from error
    problem = _problem(text)
    if problem:
        raise SettingsError(f"{named}: {path} {problem}")
    return text


def _content(path: Path) -> str:
    with path.open("rb") as file:
        content = file.read(_MOST_BYTES + 1)
    if len(content) > _MOST_BYTES:
        raise ValueError(f"it has more than {_MOST_BYTES} bytes")
    # Some editors put a byte order mark before the text; no secret begins with one.
    return content.decode("utf-8-sig")


def _problem(text: str) -> str:
    if not text.strip():
        return "is empty; write the secret into it"
    if "\0" in text:
        return "holds a NUL character; a secret is text"
    lines = text.splitlines()
    if len(lines) > 1:
        return f"has {len(lines)} lines; a secret is one line"
    return ""
