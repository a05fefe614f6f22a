"""Shared by the tests of the desk's endpoints: keys by role, and a short way to ask."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any, Final

import httpx

from api.keys import hash_of
from tests.api.serving import api_over
from tests.support.databases import Database

V1: Final = "/api/v1"
KEYS: Final = {"reader": "gm_reader", "ann": "gm_ann", "bo": "gm_bo"}
_HASHES: Final = f"{hash_of('gm_reader')}, ann:analyst:{hash_of('gm_ann')}, bo:admin:{hash_of('gm_bo')}"


class Clerk:
    """Asks the API as one person."""

    def __init__(self, client: httpx.AsyncClient, name: str) -> None:
        self._client = client
        self._headers = {"X-API-Key": KEYS[name]}

    async def ask(
        self, method: str, path: str, body: Any = None, *, if_match: str | None = None, **query: Any
    ) -> httpx.Response:
        """The answer, whatever it is."""
        headers = {**self._headers, **({} if if_match is None else {"If-Match": if_match})}
        return await self._client.request(method, f"{V1}{path}", json=body, params=query or None, headers=headers)

    async def get(self, path: str, **query: Any) -> Any:
        """The JSON of a 200."""
        answer = await self.ask("GET", path, **query)
        assert answer.status_code == 200, answer.text
        return answer.json()


@asynccontextmanager
async def clerks(database: Database, now: datetime | None = None) -> AsyncIterator[tuple[Clerk, Clerk, Clerk]]:
    """One who reads, an analyst (ann) and an administrator (bo)."""
    async with api_over(database, now, key_hashes=_HASHES, key_burst=10_000) as client:
        reader, ann, bo = (Clerk(client, name) for name in KEYS)
        yield reader, ann, bo


def problem(answer: httpx.Response, status: int) -> Mapping[str, Any]:
    """The problem of an answer with this status."""
    assert answer.status_code == status, (answer.status_code, answer.text)
    assert answer.headers["content-type"] == "application/problem+json"
    body: Mapping[str, Any] = answer.json()
    return body
