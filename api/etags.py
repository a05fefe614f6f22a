"""Entity tags: the same answer again costs no bytes."""

import hashlib
import re
from collections.abc import Iterable
from typing import Final

#: An entity tag in a list (RFC 9110, 8.8.3); its text may hold commas.
_TAG: Final = re.compile(r'(?:W/)?("[^"]*")')


def etag_of(body: bytes) -> str:
    """A strong tag: equal tags mean equal bytes."""
    return f'"{hashlib.blake2b(body, digest_size=16).hexdigest()}"'


def matches(if_none_match: Iterable[str], etag: str) -> bool:
    """Whether a client holds the answer already (RFC 9110, 13.1.2: weak comparison, or `*`).

    `if_none_match` are all lines of that name: they are one list.
    """
    return any(line.strip() == "*" or etag in _TAG.findall(line) for line in if_none_match)
