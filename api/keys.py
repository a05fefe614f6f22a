"""API keys, known by their hashes, each with a role and a budget of requests; tickets replace a key for seconds."""

import hashlib
import hmac
import re
import secrets
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from ipaddress import ip_address
from math import ceil
from typing import Annotated, Final

from fastapi import Depends, Query, Request, Security
from fastapi.security import APIKeyHeader

from api.problems import ProblemError
from app.settings import ApiSettings
from app.settings.services import ROLES, ApiKey, Role

_PREFIX: Final = "gm_"
#: So much of a key's hash names it in a ticket, which has the time it is good until, the name, and a signature.
_NAMED: Final = 16
_TICKET: Final = re.compile(r"(\d{1,12})\.([0-9a-f]{16})\.([0-9a-f]{64})", re.ASCII)
_HEADER: Final = APIKeyHeader(
    name="X-API-Key", auto_error=False, description="Asked for where the server has keys set."
)


def new_key() -> str:
    """Returns a key of 256 random bits."""
    return _PREFIX + secrets.token_urlsafe(32)


def hash_of(key: str) -> str:
    """Returns the SHA-256 in hexadecimal, which is enough for a random key."""
    return hashlib.sha256(key.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks: the name stands at what is changed."""

    name: str
    role: Role


#: Without keys, as on one's own machine, everybody may do everything.
LOCAL: Final = Caller("local", "admin")


@dataclass(slots=True)
class _Budget:
    caller: Caller
    tokens: float
    at_seconds: float


class KeyRing:
    """Accepts known keys and limits the rate of each; without keys every request is accepted."""

    def __init__(
        self, keys: Iterable[ApiKey], rate_per_second: float, burst: int, clock_seconds: Callable[[], float]
    ) -> None:
        """`clock_seconds` is monotonic."""
        self._rate = rate_per_second
        self._burst = burst
        self._clock = clock_seconds
        self._budgets = {digest: _Budget(Caller(name, role), burst, clock_seconds()) for name, role, digest in keys}

    def admit(self, key: str | None) -> Caller:
        """Counts one request; raises ProblemError 401 without a known key, 429 above its rate."""
        if not self._budgets:
            return LOCAL
        budget = None if key is None else self._budgets.get(hash_of(key))
        if budget is None:
            raise _unauthorized("a known API key is needed in the header X-API-Key")
        self._take(budget)
        return budget.caller

    def ticket(self, key: str | None, expires: int) -> str:
        """A token that replaces an admitted key until Unix time `expires`, seconds.

        It names the key's hash in part and is signed with the whole, which only this server and others of the same
        settings know: none of them keeps anything.
        """
        digest = hash_of(key or "")
        return f"{expires}.{digest[:_NAMED]}.{_signature(digest, expires)}"

    def admit_ticket(self, ticket: str, now: float) -> None:
        """Count one request on the ticket's key; raises ProblemError 401 without a valid one, 429 beyond its rate."""
        if not self._budgets:
            return
        parts = _TICKET.fullmatch(ticket)
        if parts is None:
            raise _unauthorized("this is no ticket; ask /api/v1/anomalies/stream/ticket for one")
        expires = int(parts[1])
        for digest, budget in self._budgets.items():
            if digest.startswith(parts[2]) and hmac.compare_digest(_signature(digest, expires), parts[3]):
                if expires <= now:
                    raise _unauthorized("the ticket is over; ask for another")
                self._take(budget)
                return
        raise _unauthorized("this is no ticket of a known API key")

    def _take(self, budget: _Budget) -> None:
        now = self._clock()
        tokens = min(self._burst, budget.tokens + (now - budget.at_seconds) * self._rate)
        budget.tokens, budget.at_seconds = tokens, now
        if tokens < 1:
            wait = ceil((1 - tokens) / self._rate)
            headers = {"Retry-After": str(wait)}
            raise ProblemError(429, f"too many requests with this key; wait {wait} s", headers)
        budget.tokens -= 1


def _unauthorized(detail: str) -> ProblemError:
    return ProblemError(401, detail, {"WWW-Authenticate": 'ApiKey header="X-API-Key"'})


def _signature(digest: str, expires: int) -> str:
    content = f"stream {expires}".encode()
    return hmac.new(bytes.fromhex(digest), content, hashlib.sha256).hexdigest()


async def require_key(request: Request, key: Annotated[str | None, Security(_HEADER)] = None) -> Caller:
    """A dependency of every route under /api/v1; answers who asks."""
    ring: KeyRing = request.app.state.services.keys
    return ring.admit(key)


_Known = Annotated[Caller, Depends(require_key)]


async def _require_analyst(request: Request, caller: _Known) -> Caller:
    return _at_least(_not_lured(request, caller), "analyst")


async def _require_admin(request: Request, caller: _Known) -> Caller:
    return _at_least(_not_lured(request, caller), "admin")


def _not_lured(request: Request, caller: Caller) -> Caller:
    """Raises ProblemError 403 for a change without keys that is addressed to a domain.

    A web page can let its own domain resolve to this server, and its scripts would be of the same origin.
    """
    host = request.url.hostname or ""
    if caller is LOCAL and "." in host and not _is_address(host):
        hint = f"set {ApiSettings.variable('key_hashes')}, or use the address"
        detail = f"without API keys nothing is changed by the name {host}: {hint}"
        raise ProblemError(403, detail)
    return caller


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def _at_least(caller: Caller, role: Role) -> Caller:
    """Raises ProblemError 403 for a role below this one."""
    if ROLES.index(caller.role) < ROLES.index(role):
        raise ProblemError(403, f"the key {caller.name} has the role {caller.role}; this needs the role {role}")
    return caller


#: Who may work on cases, labels and lists, and who may change rules, too.
Analyst = Annotated[Caller, Depends(_require_analyst)]
Admin = Annotated[Caller, Depends(_require_admin)]


async def require_key_or_ticket(
    request: Request,
    key: Annotated[str | None, Security(_HEADER)] = None,
    ticket: Annotated[
        str | None,
        Query(
            max_length=200,
            description="In the key's place, of /api/v1/anomalies/stream/ticket: browsers' `EventSource` sends no key.",
        ),
    ] = None,
) -> None:
    """A dependency of what a browser opens without headers of its own."""
    services = request.app.state.services
    ring: KeyRing = services.keys
    if ticket is None:
        ring.admit(key)
    else:
        ring.admit_ticket(ticket, services.now().timestamp())


def ticket_of(request: Request, expires: int) -> str:
    """A ticket of the key that a request was admitted with."""
    ring: KeyRing = request.app.state.services.keys
    return ring.ticket(request.headers.get("X-API-Key"), expires)
