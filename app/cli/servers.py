"""`globalmart api`, `api-key`, `dashboard` and `worker`: the long-running servers."""

import gc
import os
import socket
import sys
from enum import StrEnum
from typing import Annotated

import typer

from app.errors import SettingsError
from app.settings import Settings, load_settings


def require_free(host: str, port: int, variable: str) -> None:
    """Raises SettingsError, which names the variable of the port, if a server cannot listen."""
    try:
        family, *_, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        raise SettingsError(
            f"cannot listen on {host}:{port} ({error.strerror}); stop the program that does, or set "
            f"{variable} or GLOBALMART_BIND"
        ) from error


class KeyAction(StrEnum):
    """The actions of `globalmart api-key`."""

    NEW = "new"


def api(log_level: Annotated[str, typer.Option(help="debug, info, warning or error.")] = "info") -> None:
    """Serve the REST API until Ctrl-C, on GLOBALMART_BIND and GLOBALMART_API_PORT.

    It also starts while the stores are unavailable and answers requests that need them with 503. Their
    addresses and passwords must be set. /docs describes every endpoint.

    Example: GLOBALMART_API_PORT=8080 globalmart api
    """
    from api.application import create_app
    from api.serving import ApiServer

    settings = load_settings()
    require_free(settings.general.bind, settings.api.port, settings.api.variable("port"))
    _require_credentials(settings)
    app = create_app(settings)
    # Imported objects live as long as the process; a garbage collection of them would delay all responses.
    gc.collect()
    gc.freeze()
    server = ApiServer(app, settings.general.bind, settings.api.port, log_level)
    server.run()
    if not server.started:
        raise typer.Exit(1)


def _require_credentials(settings: Settings) -> None:
    """Raises SettingsError for a missing password or URL before the server starts."""
    for group, name in ((settings.postgres, "reader_password"), (settings.mongo, "url")):
        if getattr(group, name) is None:
            raise SettingsError(f"{group.variable(name)} is not set; `globalmart init` writes one into .env")


class KeyRole(StrEnum):
    """What a key may do."""

    READ = "read"
    ANALYST = "analyst"
    ADMIN = "admin"


def api_key(
    action: Annotated[KeyAction, typer.Argument(help="new: make a key and print it once.")],
    name: Annotated[
        str | None, typer.Option(help="Who has the key; stands at every change. Letters, digits and . _ @ - only.")
    ] = None,
    role: Annotated[
        KeyRole, typer.Option(help="read; analyst: also cases, labels, lists; admin: also rules.")
    ] = KeyRole.READ,
) -> None:
    """Make an API key; the server stores only its hash, in GLOBALMART_API_KEY_HASHES, with its name and role.

    Example: globalmart api-key new --name ann --role analyst
    """
    from api.keys import hash_of, new_key
    from app.settings.services import keys_of

    key = new_key()
    digest = hash_of(key)
    entry = digest if name is None else f"{name}:{role}:{digest}"
    if name is None and role != KeyRole.READ:
        raise typer.BadParameter(f"a key of the role {role} needs a name: add --name")
    try:
        keys_of(entry)
    except ValueError as error:
        raise typer.BadParameter("--name: a name has 1 to 50 letters, digits, . _ @ or -") from error
    typer.echo(f"key   {key}")
    typer.echo(f"hash  {digest}")
    typer.echo(f"entry {entry}")
    typer.echo(
        "clients send the key in X-API-Key; add the entry to GLOBALMART_API_KEY_HASHES "
        "(comma separated) and restart the API",
        err=True,
    )


def dashboard() -> None:
    """Serve the dashboard until Ctrl-C, on GLOBALMART_BIND and GLOBALMART_DASHBOARD_PORT.

    It reads only the REST API at GLOBALMART_DASHBOARD_API_URL, and also starts without it: pages then
    show what is missing.

    Example: GLOBALMART_DASHBOARD_PORT=8600 globalmart dashboard
    """
    from api.dashboard.streamlit_command import command

    settings = load_settings()
    own = settings.dashboard
    require_free(settings.general.bind, own.port, own.variable("port"))
    arguments = command(settings)
    # Streamlit replaces this process, so signals reach it and the exit code is its own.
    os.execv(arguments[0], arguments)


def worker(
    context: typer.Context, log_level: Annotated[str, typer.Option(help="debug, info, warn or error.")] = "info"
) -> None:
    """Run one stream worker in this process; several of them share the partitions.

    The same as `faust -A app.worker worker -l info`; further arguments go to Faust.

    Example: globalmart worker --log-level warn
    """
    # Checked here, so that an error of the settings is printed before Faust starts and logs.
    postgres = load_settings().postgres
    if postgres.worker_password is None:
        variable = postgres.variable("worker_password")
        raise SettingsError(f"{variable} is not set; `globalmart init` writes one into .env")
    command = [sys.executable, "-m", "faust", "-A", "app.worker", "worker", "-l", log_level]
    os.execv(sys.executable, [*command, *context.args])
