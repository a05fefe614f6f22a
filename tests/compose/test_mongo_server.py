from pathlib import Path
from typing import Any

import pytest
from pymongo import MongoClient
from pymongo.errors import OperationFailure

from compose.embedded.ports import LOOPBACK
from compose.embedded.stack import EmbeddedStack


def _client(url: str) -> MongoClient[dict[str, Any]]:
    return MongoClient(url)


def test_mongo_wants_a_password_and_keeps_what_it_acknowledged(tmp_path: Path) -> None:
    with EmbeddedStack(tmp_path, services=("mongo",), preferred_ports=False) as stack:
        with _client(f"mongodb://{LOOPBACK}:{stack.mongo.port}/") as stranger, pytest.raises(OperationFailure):
            stranger.shop.orders.find_one()
        with _client(stack.mongo.url) as client:
            client.shop.orders.insert_one({"_id": 1})
        stack.mongo.kill()
        stack.mongo.start()
        with _client(stack.mongo.url) as client:
            assert client.shop.orders.find_one() == {"_id": 1}
    with (
        EmbeddedStack(tmp_path, services=("mongo",), preferred_ports=False) as stack,
        _client(stack.mongo.url) as client,
    ):
        assert client.shop.orders.find_one() == {"_id": 1}
