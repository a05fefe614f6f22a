"""SecantusDB: MongoDB's protocol over WiredTiger, for the demo and the tests; real deployments run MongoDB.

Slow (about 5,000 inserts/s) but exact. It creates its first user only while it runs without authentication, so the
first start is a short one without, on a random port.
"""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from pymongo import MongoClient
from pymongo.errors import PyMongoError

from app.patience import LOOK_SECONDS
from compose.embedded.ports import LOOPBACK, choose_port, is_listening
from compose.embedded.server import EmbeddedServer, Workspace

GUIDE_PORT: Final = 27017
USER: Final = "globalmart"
DATABASE: Final = "globalmart_dw"


class MongoServer(EmbeddedServer):
    """A server with authentication; `url` contains the user's password."""

    name = "SecantusDB"
    place = "mongo"

    def __init__(self, workspace: Workspace, port: int, passwords: Mapping[str, str]) -> None:
        super().__init__(workspace, port)
        self._password = passwords["mongo_admin"]

    @property
    def url(self) -> str:
        """Connection string for clients."""
        return f"mongodb://{USER}:{self._password}@{LOOPBACK}:{self.port}/?authSource=admin"

    def launch(self) -> None:
        """Creates the user on the first start, then starts the server with authentication."""
        if not self._provisioned.exists():
            self._provision()
        self._spawn(self.port, "--auth")

    def _answers(self) -> bool:
        return is_listening(self.port) and _pings(self.url)

    @property
    def _provisioned(self) -> Path:
        return self._folder / "provisioned"

    def _provision(self) -> None:
        port = choose_port()
        plain_url = f"mongodb://{LOOPBACK}:{port}/"
        self._spawn(port)
        self._process.wait_until(lambda: is_listening(port) and _pings(plain_url), self.ready_seconds)
        with _client(plain_url) as client:
            users = client.admin.command("usersInfo", USER)["users"]
            command = "updateUser" if users else "createUser"
            client.admin.command(command, USER, pwd=self._password, roles=["root"])
        self._process.stop()
        self._provisioned.touch()

    def _spawn(self, port: int, *options: str) -> None:
        configuration = self._folder / "secantusd.toml"
        configuration.touch()  # an explicit empty file, so that no other one is found
        command = [sys.executable, "-m", "secantus", "--config", str(configuration)]
        place = ["--host", LOOPBACK, "--port", str(port)]
        storage = ["--storage-path", str(self._folder / "data"), "--cache-size", "256M"]
        self._process.spawn([*command, *place, *storage, "--sync-on-commit", *options], cwd=self._folder)


def _client(url: str) -> MongoClient[dict[str, Any]]:
    return MongoClient(url, serverSelectionTimeoutMS=int(LOOK_SECONDS * 1000), directConnection=True)


def _pings(url: str) -> bool:
    try:
        with _client(url) as client:
            client.admin.command("ping")
            client.list_database_names()
    except PyMongoError:
        return False
    return True
