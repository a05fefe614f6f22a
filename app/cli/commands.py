"""The table of commands; only the module of the called command is imported."""

import importlib
import importlib.util
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, requires
from typing import Annotated, Any, Final

import typer

from app import __version__

#: Modules whose distribution has another name.
_DISTRIBUTIONS: Final = {
    "bson": "pymongo",
    "faust": "faust-streaming",
    "mode": "faust-streaming",
    "py4j": "pyspark",
    "secantus": "secantusdb",
    "yaml": "pyyaml",
}
_REQUIREMENT: Final = re.compile(r"([A-Za-z0-9._-]+).*;.*extra == ['\"]([\w-]+)['\"]")


@dataclass(frozen=True, slots=True)
class Command:
    """A command and its module.

    `passes_on` marks a command that passes unknown arguments to another program, `group` one whose `function` is a
    Typer application of its own; `container` is the only one of the Docker stack with the packages it needs.
    """

    name: str
    module: str
    function: str
    summary: str
    passes_on: bool = False
    group: bool = False
    container: str = ""

    @property
    def exists(self) -> bool:
        """Whether its module is part of this installation."""
        return importlib.util.find_spec(self.module) is not None


COMMANDS: Final = (
    Command("demo", "app.cli.demo", "demo", "Run everything on this machine, with live traffic, and check it."),
    Command("up", "app.cli.docker", "up", "Start the Docker stack."),
    Command("down", "app.cli.docker", "down", "Stop the Docker stack."),
    Command("status", "app.cli.status", "status", "Show rates, lag, the last batch and the disk."),
    Command("doctor", "app.cli.doctor", "doctor", "Check settings, this machine and the stores."),
    Command("init", "app.cli.init", "init", "Write .env with random secrets."),
    Command("settings", "app.cli.settings", "settings", "Show the settings in effect."),
    Command("migrate", "app.cli.migrate", "migrate", "Update schema, roles and topics."),
    Command("worker", "app.cli.servers", "worker", "Run one stream worker.", passes_on=True),
    Command("generate", "app.cli.generate", "command", "Send traffic to Kafka."),
    Command("api", "app.cli.servers", "api", "Serve the REST API."),
    Command("api-key", "app.cli.servers", "api_key", "Make a key for the REST API."),
    Command("dashboard", "app.cli.servers", "dashboard", "Serve the executive dashboard."),
    Command("reconcile", "app.cli.reconcile", "reconcile_command", "Recount Kafka's records and compare."),
    Command(
        "replay", "app.cli.replay", "replay", "Restore rows missing in PostgreSQL.", container="globalmart-maintain"
    ),
    Command(
        "dead-letters", "app.cli.dead_letters", "dead_letters", "List, correct and replay rejected records.", group=True
    ),
    Command("rules", "app.cli.rules", "rules", "Rules of the fraud desk.", group=True, container="globalmart-api"),
    Command("lists", "app.cli.lists", "lists", "Lists of the fraud desk.", group=True, container="globalmart-api"),
    Command("labels", "app.cli.labels", "labels", "Import what is fraud.", group=True, container="globalmart-api"),
    Command("batch", "app.cli.batch", "batch", "Update the warehouse.", group=True, container="globalmart-batch"),
    Command(
        "maintain",
        "app.cli.maintain",
        "maintain",
        "Delete data past its retention, vacuum the stores.",
        container="globalmart-maintain",
    ),
    Command("schedule", "app.cli.schedule", "schedule", "Run another command every day."),
    Command("backup", "app.cli.backup", "backup", "Back up PostgreSQL and MongoDB.", container="globalmart-maintain"),
    Command("restore", "app.cli.backup", "restore", "Restore a backup and compare.", container="globalmart-maintain"),
    Command(
        "erase-user",
        "app.cli.erase_user",
        "erase_user",
        "Erase a user, keep the sums.",
        container="globalmart-maintain",
    ),
    Command("reset", "app.cli.demo", "reset", "Delete the data of the embedded servers."),
)


def build_app(arguments: Sequence[str]) -> typer.Typer:
    """Builds the application for these arguments; commands not called have only a summary."""
    app = typer.Typer(
        name="globalmart",
        help="GlobalMart: real-time e-commerce analytics, exact to the cent.",
        epilog="Example: globalmart demo --duration 60",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
    )
    app.callback()(_common_options)
    called = next((word for word in arguments if not word.startswith("-")), None)
    for command in COMMANDS:
        if command.exists:
            _register(app, command, called)
    return app


def _register(app: typer.Typer, command: Command, called: str | None) -> None:
    if command.group and command.name == called:
        app.add_typer(_loaded(command), name=command.name)
        return
    function = _loaded(command) if command.name == called else _not_called
    more = {"allow_extra_args": True, "ignore_unknown_options": True} if command.passes_on else {}
    app.command(
        command.name,
        short_help=command.summary,
        help=None if command.name == called else command.summary,
        context_settings=more,
    )(function)


def _loaded(command: Command) -> Any:
    """Imports the function of a command, or the application of a group."""
    return getattr(importlib.import_module(command.module), command.function)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"globalmart {__version__}")
        raise typer.Exit


def _common_options(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version and exit.", is_eager=True, callback=_print_version)
    ] = False,
) -> None:
    """Typer keeps sub-commands even if only one is registered when there is a callback."""


def _not_called() -> None:
    """Placeholder for a command in the list of all commands."""


def explained(error: ModuleNotFoundError, arguments: list[str]) -> str | None:
    """Returns the message, or None if no extra of this project contains the module: then it is a bug."""
    module = (error.name or "").split(".")[0]
    wanted = _normal(_DISTRIBUTIONS.get(module, module))
    extras = sorted({extra for name, extra in _optional() if name == wanted})
    if not extras:
        return None
    called = next((word for word in arguments if not word.startswith("-")), "")
    text = (
        f"`globalmart {called}` needs the package {wanted}, which is not installed here; "
        f"install globalmart[{extras[0]}]"
    )
    container = next((known.container for known in COMMANDS if known.name == called), "")
    if not container:
        return text
    return f"{text}. In the Docker stack: docker exec {container} globalmart {called} …"


def _optional() -> Iterator[tuple[str, str]]:
    """Yields distribution and extra of every optional requirement."""
    try:
        requirements = requires("globalmart") or []
    except PackageNotFoundError:
        return
    for text in requirements:
        if found := _REQUIREMENT.match(text):
            yield _normal(found[1]), found[2]


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
