"""Applies erasures to the expected rows: pseudonyms, and blank dead letters."""

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from app.kafka.reader import Record
from app.reconcile.stream.json_values import MalformedError, parse
from app.reconcile.stream.record_validation import COLUMNS, Event

#: Fields whose pseudonyms follow from the erased user's key.
_KEYED: Final = ("session_id", "card", "device", "ip", "email")
_KEYED_DIGITS: Final = 32


class Deletion(NamedTuple):
    """Rows of a partition that retention has deleted: their number, and an upper bound of their event time."""

    before_us: int
    rows: int


NO_DELETION: Final = Deletion(-(2**63), 0)


class Pseudonym(NamedTuple):
    """The pseudonym of an erased user, and the key of those of sessions and fingerprints."""

    user: str
    session_key: bytes


@dataclass(frozen=True, slots=True)
class Erasures:
    """Erased users by the HMAC-SHA-256 of their ids under `key`."""

    key: bytes = b""
    users: Mapping[bytes, Pseudonym] = field(default_factory=dict)

    def apply(self, topic: str, event: Event) -> Event:
        """Returns the event as it is stored: with pseudonyms, if its user was erased."""
        columns = COLUMNS[topic]
        if not self.users or "user_id" not in columns:
            return event
        fields = dict(zip(columns, event.values, strict=True))
        pseudonym = self._find(fields["user_id"])
        if pseudonym is None:
            return event
        fields["user_id"] = pseudonym.user
        for name in _KEYED:
            if fields.get(name) is not None:
                digest = hashlib.sha256(pseudonym.session_key + fields[name].encode()).hexdigest()
                fields[name] = f"erased-{digest[:_KEYED_DIGITS]}"
        return Event(tuple(fields.values()), event.time_us, event.rounded, event.assumed_utc, event.sent)

    @property
    def pseudonyms(self) -> frozenset[str]:
        """The pseudonyms of all erased users."""
        return frozenset(pseudonym.user for pseudonym in self.users.values())

    def name(self, user: Any) -> Any:
        """Returns a user's id as it is stored."""
        pseudonym = self._find(user)
        return user if pseudonym is None else pseudonym.user

    def concern(self, record: Record) -> bool:
        """Whether the record's key or its `user_id` is that of an erased user."""
        if not self.users:
            return False
        names: list[Any] = [(record.key or b"").decode("utf-8", "replace")]
        try:
            document = parse(record.value or b"null")
        except MalformedError:
            document = None
        if isinstance(document, dict):
            names.append(document.get("user_id"))
        return any(self._find(name) is not None for name in names)

    def _find(self, user: Any) -> Pseudonym | None:
        if not self.users or not isinstance(user, str):
            return None
        try:
            return self.users.get(hmac.digest(self.key, user.encode(), "sha256"))
        except UnicodeEncodeError:
            return None
