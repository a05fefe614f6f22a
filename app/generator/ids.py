"""Identifiers that are unique across runs, or equal if a run has a seed."""

import hashlib
import secrets


def run_id(seed: int | None, *circumstances: object) -> str:
    """Returns the prefix of all ids of a run: random, or a digest of seed and circumstances.

    The circumstances (mode, start, rates) distinguish a seeded history from the seeded live run after it.
    """
    if seed is None:
        return secrets.token_hex(5)
    text = repr((seed, *circumstances)).encode()
    return hashlib.blake2b(text, digest_size=5).hexdigest()


class Ids:
    """Numbers the sessions, orders and events of one run."""

    __slots__ = ("_events", "_orders", "_prefix", "_sessions")

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix
        self._sessions = self._orders = self._events = 0

    def session(self) -> str:
        """Returns a new id of a session."""
        self._sessions += 1
        return f"s-{self._prefix}-{self._sessions}"

    def order(self) -> str:
        """Returns a new id of a transaction."""
        self._orders += 1
        return f"t-{self._prefix}-{self._orders}"

    def event(self) -> str:
        """Returns a new id of a view or cart event."""
        self._events += 1
        return f"e-{self._prefix}-{self._events}"
