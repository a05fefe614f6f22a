"""Parses JSON strictly by RFC 8259; numbers keep their text."""

import json
import re
from typing import Any, Final, NoReturn


class MalformedError(ValueError):
    """The bytes are not one JSON document in UTF-8."""


class Document(dict[str, Any]):
    """A JSON object; the last of equal keys wins, `overridden` has the earlier ones."""

    def __init__(self, pairs: list[tuple[str, Any]]) -> None:
        super().__init__(pairs)
        winners = {key: place for place, (key, _) in enumerate(pairs)}
        self.overridden = [pair for place, pair in enumerate(pairs) if winners[pair[0]] != place]


class Number(str):
    """The literal of a JSON number, so that no digit is lost."""

    __slots__ = ()


# In this order: an escaped backslash, a surrogate pair; the rest is an unpaired surrogate.
_UNPAIRED_SURROGATE: Final = re.compile(
    r"\\\\|\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(\\u[dD][89a-fA-F])"
)


def parse(raw: bytes) -> Any:
    """Parses one document, objects as Documents. Raises MalformedError.

    Nesting beyond the interpreter's recursion limit counts as malformed: no event is nested at all.
    """
    try:
        text = raw.decode("utf-8")
        document = json.loads(
            text, object_pairs_hook=Document, parse_int=Number, parse_float=Number, parse_constant=_refuse_constant
        )
    except (ValueError, RecursionError) as error:
        raise MalformedError(str(error)) from None
    if "\\u" in text and any(match.group(1) for match in _UNPAIRED_SURROGATE.finditer(text)):
        raise MalformedError("an unpaired surrogate")
    return document


def _refuse_constant(literal: str) -> NoReturn:
    raise MalformedError(f"{literal} is not JSON")
