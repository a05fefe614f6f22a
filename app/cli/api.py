"""`globalmart api` serves the REST API; `globalmart api-key new` makes a key for it."""

import gc
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from app.settings import Settings


class KeyAction(StrEnum):
    """What can be done with keys."""

    NEW = "new"


def api(log_level: Annotated[str, typer.Option(help="debug, info, warning or error.")] = "info") -> None:
    """Serve the REST API until Ctrl-C, on GLOBALMART_BIND and GLOBALMART_API_PORT.

    It starts while the stores are away, too, and says 503 for what needs them; where they are and
    their passwords must be set. /docs describes every endpoint.

    Example: GLOBALMART_API_PORT=8080 globalmart api
    """
    from api.app import create_app
    from api.serving import ApiServer
    from app.cli.listening import require_free
    from app.settings import load_settings

    settings = load_settings()
    require_free(settings.general.bind, settings.api.port, settings.api.variable("port"))
    _require_doors(settings)
    app = create_app(settings)
    # What was imported lives as long as the process; a collector that goes through it stops all answers meanwhile.
    gc.collect()
    gc.freeze()
    server = ApiServer(app, settings.general.bind, settings.api.port, log_level)
    server.run()
    if not server.started:
        raise typer.Exit(1)


def _require_doors(settings: "Settings") -> None:
    """What the API cannot be made without is told here, not by its server's start."""
    from app.errors import SettingsError

    for group, name in ((settings.postgres, "reader_password"), (settings.mongo, "url")):
        if getattr(group, name) is None:
            raise SettingsError(f"{group.variable(name)} is not set; `globalmart init` writes one into .env")


def api_key(action: Annotated[KeyAction, typer.Argument(help="new: make a key and print it once.")]) -> None:
    """Make an API key; only its hash is kept, in GLOBALMART_API_KEY_HASHES of the server.

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
