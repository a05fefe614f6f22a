"""The `.env` of the Docker stack: what is in it, said once for `globalmart init` and `.env.example`."""

import base64
import secrets
import uuid
from collections.abc import Callable, Mapping
from typing import Final

#: Names that are no setting of ours belong to the images and to compose/compose.yml.
_TEMPLATE: Final = """\
# Settings of this machine and of the Docker stack. Made by `globalmart init`; keep it to yourself.
# Every variable of app/settings/README.md may be added. The stack takes changes at the next `globalmart up`;
# the few it does not take then are in compose/README.md.

# Address the stack's ports are opened on; loopback unless you say otherwise.
GLOBALMART_BIND=127.0.0.1

# Where the commands on this machine find the stack's servers; inside the stack they have other names.
GLOBALMART_KAFKA_BOOTSTRAP=localhost:29092
GLOBALMART_POSTGRES_HOST=localhost
GLOBALMART_POSTGRES_PORT=5432
GLOBALMART_MONGO_URL={mongo_url}

# Host name under which machines elsewhere reach Kafka on port 29092.
KAFKA_ADVERTISED_HOST=localhost
# Tells this Kafka from every other one.
KAFKA_CLUSTER_ID={kafka_cluster_id}

# How long things are kept.
GLOBALMART_STREAM_RETENTION_DAYS=400
GLOBALMART_KAFKA_RETENTION_HOURS=24
PROMETHEUS_RETENTION_DAYS=15
PROMETHEUS_RETENTION_GB=2

# Heap of the nightly batch; its container may use 2 GB.
GLOBALMART_BATCH_MEMORY=1g

# PostgreSQL: owner (migrates), worker (writes), reader (API, batch, Grafana), and the administrator nobody uses.
GLOBALMART_POSTGRES_OWNER_PASSWORD={postgres_owner}
GLOBALMART_POSTGRES_WORKER_PASSWORD={postgres_worker}
GLOBALMART_POSTGRES_READER_PASSWORD={postgres_reader}
POSTGRES_PASSWORD={postgres_admin}

# MongoDB: administrator, batch (writes), reader (API). GLOBALMART_MONGO_URL above carries the batch's.
MONGO_ROOT_PASSWORD={mongo_root}
MONGO_BATCH_PASSWORD={mongo_batch}
MONGO_READER_PASSWORD={mongo_reader}

# Grafana: user admin.
GRAFANA_ADMIN_PASSWORD={grafana_admin}
"""


def _password() -> str:
    return secrets.token_urlsafe(24)


def _cluster_id() -> str:
    # An id that begins with a dash would be read as an option by Kafka's own tools.
    while True:
        made = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
        if not made.startswith("-"):
            return made


_MADE: Final[Mapping[str, Callable[[], str]]] = {
    "kafka_cluster_id": _cluster_id,
    "postgres_owner": _password,
    "postgres_worker": _password,
    "postgres_reader": _password,
    "postgres_admin": _password,
    "mongo_root": _password,
    "mongo_batch": _password,
    "mongo_reader": _password,
    "grafana_admin": _password,
}


def with_secrets() -> str:
    """The file's text with a new random secret in every place."""
    made = {name: make() for name, make in _MADE.items()}
    url = f"mongodb://globalmart_batch:{made['mongo_batch']}@localhost:27017/?authSource=admin"
    return _TEMPLATE.format(mongo_url=url, **made)


def example() -> str:
    """The file's text without a secret: `.env.example`."""
    return _TEMPLATE.format(mongo_url="", **dict.fromkeys(_MADE, ""))
