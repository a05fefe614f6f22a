"""`globalmart init`: a `.env` with random secrets."""

import base64
import secrets
import uuid
from pathlib import Path
from typing import Annotated, Final

import typer

#: Names without GLOBALMART_ belong to the images and to compose/compose.yml.
_TEMPLATE: Final = """\
# Settings of this machine and of the Docker stack. Made by `globalmart init`; keep it to yourself.
# Every variable of app/settings/README.md may be added. The stack takes changes at the next `globalmart up`;
# the few it does not take then are in compose/README.md.
# Put a value with a `$`, a `#`, a quote or a space in single quotes.

# Address of the ports that require a password or a key, and of the dashboard; by default loopback. Prometheus,
# Alertmanager and Spark's page require none and stay on loopback.
GLOBALMART_BIND=127.0.0.1
# Kafka requires none either: open it separately, and only in a network you trust. The host is the name under which
# other machines reach it.
KAFKA_BIND=127.0.0.1
KAFKA_ADVERTISED_HOST=localhost

# Ports on this machine.
KAFKA_PORT=29092
GLOBALMART_POSTGRES_PORT=5432
MONGO_PORT=27017
GLOBALMART_API_PORT=8000
GLOBALMART_DASHBOARD_PORT=8501
PROMETHEUS_PORT=9090
ALERTMANAGER_PORT=9093
GRAFANA_PORT=3000
SPARK_UI_PORT=8080

# Where the commands on this machine find the stack's servers; inside the stack they have other names.
GLOBALMART_KAFKA_BOOTSTRAP=localhost:29092
GLOBALMART_POSTGRES_HOST=localhost
GLOBALMART_MONGO_URL={mongo_url}

# Tells this Kafka from every other one.
KAFKA_CLUSTER_ID={kafka_cluster_id}

# How long things are kept.
GLOBALMART_STREAM_RETENTION_DAYS=400
GLOBALMART_KAFKA_RETENTION_HOURS=24
PROMETHEUS_RETENTION_DAYS=15
PROMETHEUS_RETENTION_GB=2

# Traffic of `globalmart up --traffic`, records a second: 0.7 GB a day, and 0.3 GB once views and carts go after their
# seven days. The guide's own rates are twenty times these (200, 300, 100, 10) and fill 20 GB within a day.
GLOBALMART_GENERATOR_TRANSACTION_RATE=10
GLOBALMART_GENERATOR_PRODUCT_VIEW_RATE=15
GLOBALMART_GENERATOR_CART_EVENT_RATE=5
GLOBALMART_GENERATOR_SYSTEM_METRIC_RATE=0.5

# Heap of the nightly batch; what its container may use is in compose/compose.yml.
GLOBALMART_BATCH_MEMORY=1g

# To build the images behind a mirror or a private authority: a pip.conf, and a PEM file of all authorities to trust.
# BUILD_PIP_CONF=/etc/pip.conf
# BUILD_AUTHORITIES=/etc/ssl/certs/ca-certificates.crt

# PostgreSQL: owner (migrates), worker (writes), reader (API, batch, Grafana), desk (changes of rules and cases), and
# an unused administrator.
GLOBALMART_POSTGRES_OWNER_PASSWORD={postgres_owner}
GLOBALMART_POSTGRES_WORKER_PASSWORD={postgres_worker}
GLOBALMART_POSTGRES_READER_PASSWORD={postgres_reader}
GLOBALMART_POSTGRES_DESK_PASSWORD={postgres_desk}
POSTGRES_PASSWORD={postgres_admin}

# MongoDB: administrator, batch (writes), reader (API). GLOBALMART_MONGO_URL above carries the batch's; there, and only
# there, `@`, `:`, `/` and `%` of a password of your own are written as %40, %3A, %2F and %25.
MONGO_ROOT_PASSWORD={mongo_root}
MONGO_BATCH_PASSWORD={mongo_batch}
MONGO_READER_PASSWORD={mongo_reader}

# Grafana: user admin.
GRAFANA_ADMIN_PASSWORD={grafana_admin}
"""


def _cluster_id() -> str:
    # Kafka's own tools would read an id that begins with a dash as an option.
    while True:
        made = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
        if not made.startswith("-"):
            return made


_PASSWORDS: Final = (
    *("postgres_owner", "postgres_worker", "postgres_reader", "postgres_desk", "postgres_admin"),
    *("mongo_root", "mongo_batch", "mongo_reader", "grafana_admin"),
)


def with_secrets() -> str:
    """Returns the file's text with new random secrets."""
    made = {name: secrets.token_urlsafe(24) for name in _PASSWORDS}
    url = f"mongodb://globalmart_batch:{made['mongo_batch']}@localhost:27017/?authSource=admin"
    return _TEMPLATE.format(mongo_url=url, kafka_cluster_id=_cluster_id(), **made)


def env_example() -> str:
    """Returns the file's text without secrets: `.env.example`."""
    return _TEMPLATE.format(mongo_url="", kafka_cluster_id="", **dict.fromkeys(_PASSWORDS, ""))


def init(
    file: Annotated[Path, typer.Option(help="File to write.", dir_okay=False)] = Path(".env"),
    example: Annotated[
        bool, typer.Option("--example", help="Print .env.example, which has no secrets, instead.")
    ] = False,
) -> None:
    """Write a settings file with a random secret for every role and server, readable by its owner only.

    Never changes an existing file. The Docker stack reads everything from it; with your own servers, correct their
    addresses and remove the variables of the others. The embedded demo needs no file.

    Example: globalmart init
    """
    if example:
        typer.echo(env_example(), nl=False)
        return
    try:
        file.touch(mode=0o600, exist_ok=False)
    except FileExistsError:
        typer.echo(f"{file} exists and was not changed; move it to get a new one", err=True)
        raise typer.Exit(1) from None
    file.write_text(with_secrets(), encoding="utf-8")
    typer.echo(f"wrote {file}; next: `globalmart up`, or `globalmart migrate` for your own servers")
