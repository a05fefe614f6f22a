"""Entity tags: the same answer again costs no bytes."""

import hashlib


def etag_of(body: bytes) -> str:
    """A strong tag: equal tags mean equal bytes."""
    return f'"{hashlib.blake2b(body, digest_size=16).hexdigest()}"'


def matches(if_none_match: str | None, etag: str) -> bool:
    """Whether a client holds the answer already (RFC 9110, 13.1.2: weak comparison, or `*`)."""
    if if_none_match is None:
        return False
    held = [tag.strip().removeprefix("W/") for tag in if_none_match.split(",")]
    return etag in held or "*" in held
