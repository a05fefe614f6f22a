"""`globalmart api` serves the REST API; `globalmart api-key new` makes a key for it."""

import gc
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from app.settings import Settings


class KeyAction(StrEnum):
    """The actions of `globalmart api-key`."""

    NEW = "new"


def api(log_level: Annotated[str, typer.Option(help="debug, info, warning or error.")] = "info") -> None:
    """Serve the REST API until Ctrl-C, on GLOBALMART_BIND and GLOBALMART_API_PORT.

    It also starts while the stores are unavailable and answers requests that need them with 503. Their
    addresses and passwords must be set. /docs describes every endpoint.

    Example: GLOBALMART_API_PORT=8080 globalmart api
    """
    from api.app import create_app
    from api.serving import ApiServer
    from app.cli.listening import require_free
    from app.settings import load_settings

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


def _require_credentials(settings: "Settings") -> None:
    """Raises SettingsError for a missing password or URL before the server starts."""
    from app.errors import SettingsError

    for group, name in ((settings.postgres, "reader_password"), (settings.mongo, "url")):
        if getattr(group, name) is None:
            raise SettingsError(f"{group.variable(name)} is not set; `globalmart init` writes one into .env")


def api_key(action: Annotated[KeyAction, typer.Argument(help="new: make a key and print it once.")]) -> None:
    """Make an API key; the server stores only its hash, in GLOBALMART_API_KEY_HASHES.

    Example: globalmart api-key new
    """
    from api.keys import hash_of, new_key

    key = new_key()
    typer.echo(f"key   {key}")
    typer.echo(f"hash  {hash_of(key)}")
    typer.echo(
        "clients send the key in X-API-Key; add the hash to GLOBALMART_API_KEY_HASHES "
        "(comma separated) and restart the API",
        err=True,
    )
