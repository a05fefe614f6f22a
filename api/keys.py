"""API keys: known by their hashes only, each with a budget of requests."""

import hashlib
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from math import ceil
from typing import Annotated, Final

from fastapi import Request, Security
from fastapi.security import APIKeyHeader

from api.problems import ProblemError

_PREFIX: Final = "gm_"
_HEADER: Final = APIKeyHeader(
    name="X-API-Key", auto_error=False, description="Asked for where the server has keys set."
)


def new_key() -> str:
    """Returns a key of 256 random bits."""
    return _PREFIX + secrets.token_urlsafe(32)


def hash_of(key: str) -> str:
    """Returns the SHA-256 in hexadecimal, which is enough for a random key."""
    return hashlib.sha256(key.encode()).hexdigest()


@dataclass(slots=True)
class _Budget:
    tokens: float
    at_seconds: float


class KeyRing:
    """Accepts known keys and limits the rate of each; without hashes every request is accepted."""

    def __init__(
        self, hashes: frozenset[str], rate_per_second: float, burst: int, clock_seconds: Callable[[], float]
    ) -> None:
        """`clock_seconds` is monotonic."""
        self._rate = rate_per_second
        self._burst = burst
        self._clock = clock_seconds
        self._budgets = {digest: _Budget(burst, clock_seconds()) for digest in hashes}

    def admit(self, key: str | None) -> None:
        """Counts one request; raises ProblemError 401 without a known key, 429 above its rate."""
        if not self._budgets:
            return
        budget = None if key is None else self._budgets.get(hash_of(key))
        if budget is None:
            detail = "a known API key is needed in the header X-API-Key"
            raise ProblemError(401, detail, {"WWW-Authenticate": 'ApiKey header="X-API-Key"'})
        self._take(budget)

    def _take(self, budget: _Budget) -> None:
        now = self._clock()
        tokens = min(self._burst, budget.tokens + (now - budget.at_seconds) * self._rate)
        budget.tokens, budget.at_seconds = tokens, now
        if tokens < 1:
            wait = ceil((1 - tokens) / self._rate)
            headers = {"Retry-After": str(wait)}
            raise ProblemError(429, f"too many requests with this key; wait {wait} s", headers)
        budget.tokens -= 1


async def require_key(request: Request, key: Annotated[str | None, Security(_HEADER)] = None) -> None:
    """A dependency of every route under /api/v1."""
    ring: KeyRing = request.app.state.services.keys
    ring.admit(key)
