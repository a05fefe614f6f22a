"""Erased users: recognised by a keyed hash of their id, named by a pseudonym nobody can work out."""

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

PREFIX: Final = "erased-"
_SESSION_DIGITS: Final = 32


@dataclass(frozen=True, slots=True)
class Pseudonym:
    """What stands for an erased user, and the secret that names the user's sessions."""

    user_id: str
    session_key: bytes

    def session(self, session_id: str) -> str:
        """What stands for one of the user's sessions: equal sessions stay equal."""
        digest = hashlib.sha256(self.session_key + session_id.encode("utf-8", "surrogatepass"))
        return PREFIX + digest.hexdigest()[:_SESSION_DIGITS]


@dataclass(frozen=True, slots=True)
class ErasedUsers:
    """Pseudonyms by the HMAC-SHA-256 of the user's id under `key`; false while nobody is erased."""

    key: bytes = b""
    users: Mapping[bytes, Pseudonym] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.users)

    def find(self, user_id: str) -> Pseudonym | None:
        """The pseudonym of an erased user, None for everybody else."""
        return self.users.get(user_hash(self.key, user_id))


def user_hash(key: bytes, user_id: str) -> bytes:
    """How an erased user is recognised; any text has a hash, half a surrogate pair included."""
    return hmac.digest(key, user_id.encode("utf-8", "surrogatepass"), "sha256")


NOBODY: Final = ErasedUsers()
