"""Erased users: recognised by a keyed hash of their id, replaced by a random pseudonym."""

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

PREFIX: Final = "erased-"
_KEYED_DIGITS: Final = 32


class Personal(StrEnum):
    """Personal data in a field of an event."""

    USER = "user"
    SESSION = "session"
    FINGERPRINT = "fingerprint"


@dataclass(frozen=True, slots=True)
class Pseudonym:
    """The pseudonym of an erased user, and the secret key for those of the user's sessions and fingerprints."""

    user_id: str
    session_key: bytes

    def keyed(self, value: str) -> str:
        """Returns the pseudonym of one of the user's sessions or fingerprints: equal ones stay equal."""
        digest = hashlib.sha256(self.session_key + value.encode("utf-8", "surrogatepass"))
        return PREFIX + digest.hexdigest()[:_KEYED_DIGITS]

    def of(self, personal: Personal, value: str | None) -> str | None:
        """Returns what replaces a value; None stays None."""
        if value is None:
            return None
        return self.user_id if personal is Personal.USER else self.keyed(value)


@dataclass(frozen=True, slots=True)
class ErasedUsers:
    """Pseudonyms by the HMAC-SHA-256 of the user's id under `key`; false while no user is erased."""

    key: bytes = b""
    users: Mapping[bytes, Pseudonym] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.users)

    def find(self, user_id: str) -> Pseudonym | None:
        """Returns the pseudonym of an erased user, None for all others."""
        return self.users.get(user_hash(self.key, user_id))


def user_hash(key: bytes, user_id: str) -> bytes:
    """Returns the keyed hash of an id; any text has one, an unpaired surrogate included."""
    return hmac.digest(key, user_id.encode("utf-8", "surrogatepass"), "sha256")


NO_ERASED_USERS: Final = ErasedUsers()
