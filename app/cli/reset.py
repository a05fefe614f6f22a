"""`globalmart reset`: deletes the data of the embedded servers."""

from typing import Annotated

import typer


def reset(yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False) -> None:
    """Delete the data of the embedded Kafka, PostgreSQL and MongoDB-protocol server under var.

    External servers are never changed. Refused while the embedded ones run.

    Example: globalmart reset --yes
    """
    from app.settings import load_settings
    from compose.embedded.stack import remove_stack

    var_dir = load_settings().general.var_dir
    if not yes:
        typer.confirm(f"Delete the embedded servers' data in {var_dir}?", abort=True)
    remove_stack(var_dir)
    typer.echo(f"deleted the embedded servers' data in {var_dir}")
