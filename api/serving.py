"""Serves the API with uvicorn; on a stop the event streams end before the server waits for its clients."""

import socket

import uvicorn
from fastapi import FastAPI

from api.dependencies import Services

_STOP_SECONDS = 5


class ApiServer(uvicorn.Server):
    """A server that stops within seconds, whatever clients are still connected."""

    def __init__(self, app: FastAPI, host: str, port: int, log_level: str = "info") -> None:
        super().__init__(
            uvicorn.Config(
                app,
                host=host,
                port=port,
                log_level=log_level,
                access_log=False,
                server_header=False,
                timeout_graceful_shutdown=_STOP_SECONDS,
            )
        )
        self._app = app

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Ends the event streams, then the server."""
        services: Services = self._app.state.services
        services.notifications.close()
        await super().shutdown(sockets)
