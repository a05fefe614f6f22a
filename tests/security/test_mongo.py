"""MongoDB's TLS options travel in its connection string, as its clients define them."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from pymongo.errors import ServerSelectionTimeoutError

from app.settings import MongoSettings
from batch.warehouse_writer import open_warehouse
from compose.embedded.stack import EmbeddedStack, remove_stack
from tests.security.authority import Certificates
from tests.security.terminator import TlsTerminator, terminating


@pytest.fixture(scope="module")
def mongo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedStack]:
    """The embedded server alone."""
    folder = tmp_path_factory.mktemp("mongo")
    with EmbeddedStack(folder, services=("mongo",), preferred_ports=False) as stack:
        yield stack
    remove_stack(folder)


def _settings(mongo: EmbeddedStack, port: int, ca_file: Path) -> MongoSettings:
    url = mongo.mongo.url.replace(f":{mongo.mongo.port}", f":{port}")
    joint = "&" if "?" in url else "?"
    return MongoSettings.read(
        {
            "GLOBALMART_MONGO_URL": f"{url}{joint}directConnection=true&tls=true&tlsCAFile={ca_file}",
            "GLOBALMART_MONGO_CONNECT_TIMEOUT_SECONDS": "3",
        }
    )


def test_the_server_s_certificate_is_verified(mongo: EmbeddedStack, certificates: Certificates) -> None:
    with terminating(TlsTerminator(certificates, mongo.mongo.port)) as front:
        with open_warehouse(_settings(mongo, front.port, certificates.authority)) as database:
            database["written"].insert_one({"_id": 1})
            assert database["written"].count_documents({}) == 1
        assert front.handshakes > 0
        stranger = _settings(mongo, front.port, certificates.stranger)
        with (
            open_warehouse(stranger) as database,
            pytest.raises(ServerSelectionTimeoutError, match="certificate verify failed"),
        ):
            database["written"].count_documents({})
