"""The commands as tests see them."""

import typer

from app.cli.commands import build_app


def options_of(command: str) -> set[str]:
    """Every option of a command and of its sub-commands."""
    group = typer.main.get_command(build_app([command]))
    with group.make_context("globalmart", [command]) as context:
        found = group.get_command(context, command)  # type: ignore[attr-defined]
    parts = [found, *getattr(found, "commands", {}).values()]
    parameters = [parameter for part in parts for parameter in part.params]
    return {name for p in parameters for name in (*p.opts, *p.secondary_opts)} | {"--help"}
