"""Around every request: what it took is measured, HEAD is answered like GET, a body that is too large is refused."""

import time
from typing import Final

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.api_metrics import ApiMetrics
from api.problems import problem
from app.settings import ApiSettings

_UNMATCHED: Final = "unmatched"
#: Set in a scope whose answer is not to have a body, for those that would never end one.
HEAD_ONLY: Final = "globalmart.head_only"
#: What the router says of a request in its scope.
_ROUTED: Final = ("route", "path_params")
_KNOWN_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


class Measured:
    """Counts requests by route, method and status; event streams have no time."""

    def __init__(self, app: ASGIApp, metrics: ApiMetrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on and note how it ended."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began = time.perf_counter()
        seen = {"status": 500, "stream": False}

        async def noting(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = dict(message["headers"])
                seen["status"] = message["status"]
                seen["stream"] = headers.get(b"content-type", b"").startswith(b"text/event-stream")
            await send(message)

        try:
            await self._app(scope, receive, noting)
        finally:
            self._note(scope, seen["status"], None if seen["stream"] else began)

    def _note(self, scope: Scope, status: int, began: float | None) -> None:
        route = _template(scope)
        method = scope["method"] if scope["method"] in _KNOWN_METHODS else "other"
        self._metrics.requests.labels(route, method, str(status)).inc()
        if began is not None:
            self._metrics.request_seconds.labels(route).observe(time.perf_counter() - began)


class HeadLikeGet:
    """Answers HEAD wherever GET is answered: GET's status and headers, no body."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Have the app answer GET, and keep the body back."""
        if scope["type"] != "http" or scope["method"] != "HEAD":
            await self._app(scope, receive, send)
            return

        async def send_without_body(message: Message) -> None:
            if message["type"] != "http.response.body":
                await send(message)
            elif not message.get("more_body", False):
                await send({"type": "http.response.body", "body": b"", "more_body": False})

        # A copy: the server must know that it answers HEAD, or it would wait for the body the headers announce.
        asked = {**scope, "method": "GET", HEAD_ONLY: True}
        try:
            await self._app(asked, receive, send_without_body)
        finally:
            scope.update({name: asked[name] for name in _ROUTED if name in asked})


class BodyLimit:
    """Refuses a large body: at once if it is announced, else as soon as more than the limit has come."""

    def __init__(self, app: ASGIApp, max_bytes: int) -> None:
        self._app = app
        self._max_bytes = max_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or answer 413."""
        if scope["type"] == "http" and _announced_bytes(scope) > self._max_bytes:
            await problem(413, self._refusal)(scope, receive, send)
            return
        await self._app(scope, self._limited(receive), send)

    @property
    def _refusal(self) -> str:
        setting = ApiSettings.variable("body_max_bytes")
        return f"a request body may have at most {self._max_bytes} bytes: send it in parts, or raise {setting}"

    def _limited(self, receive: Receive) -> Receive:
        seen = 0

        async def limited() -> Message:
            nonlocal seen
            message = await receive()
            seen += len(message.get("body", b""))
            if seen > self._max_bytes:
                raise HTTPException(413, self._refusal)
            return message

        return limited


def _template(scope: Scope) -> str:
    """The address with names for what differs from request to request."""
    if scope.get("route") is None:
        return _UNMATCHED
    path: str = scope["path"]
    parameters = scope.get("path_params", {})
    own: str | None = getattr(scope["route"], "path_format", None)
    if own is not None and path.endswith(asked := own.format_map(parameters)):
        return path.removesuffix(asked) + own
    for name, value in parameters.items():
        head, _, tail = path.rpartition(str(value))
        path = f"{head}{{{name}}}{tail}"
    return path


def _announced_bytes(scope: Scope) -> int:
    length = dict(scope["headers"]).get(b"content-length", b"0")
    return int(length) if length.isdigit() else 0
