"""`globalmart doctor`: finds problems of settings, machine and stores, and names the fixes."""

import asyncio
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape

from app.errors import SettingsError
from app.settings import GeneralSettings, Settings, load_settings

if TYPE_CHECKING:
    from app.ops.doctor.findings import Finding


def doctor(
    machine: Annotated[bool, typer.Option(help="Check this machine for the embedded servers.")] = True,
    stores: Annotated[
        bool | None, typer.Option(help="Check Kafka, PostgreSQL and MongoDB; default: if a secret is set.")
    ] = None,
) -> None:
    """Check settings, this machine and the stores; exit code 1 if anything is wrong.

    Checks of the stores: connections and the login of every role, versions, clocks, topics and partitions, migrations,
    windows, privileges, and that the ledger belongs to this Kafka. Where the settings' thresholds differ from the rules
    in the database is noted, and nothing is wrong.

    Example: globalmart doctor --stores
    """
    console = Console()
    settings, problems = _settings()
    wanted = stores if stores is not None else settings is not None and _has_secrets(settings)
    if machine:
        problems.extend(_machine(settings))
    notes = []
    if wanted and settings is not None:
        findings = _stores(settings)
        problems.extend(str(finding) for finding in findings if not finding.is_note)
        notes = [str(finding) for finding in findings if finding.is_note]
    for note in notes:
        console.print(f"[bold yellow]note:[/] {escape(note)}", soft_wrap=True)
    for problem in problems:
        console.print(f"[bold red]problem:[/] {escape(problem)}", soft_wrap=True)
    if problems:
        raise typer.Exit(1)
    checked = ["settings", *(["this machine"] if machine else []), *(["stores"] if wanted else [])]
    console.print(f"[green]all is well[/]: {', '.join(checked)}")
    if not wanted:
        console.print("no store was checked; --stores does", style="dim")


def _settings() -> "tuple[Settings | None, list[str]]":
    try:
        return load_settings(), []
    except SettingsError as error:
        return None, str(error).splitlines()


def _has_secrets(settings: Settings) -> bool:
    """Whether stores are configured: no secret has a default."""
    postgres = settings.postgres
    roles = ("owner", "worker", "reader", "desk")
    passwords = [getattr(postgres, f"{role}_password") for role in roles]
    return any(secret is not None for secret in (*passwords, settings.mongo.url))


def _machine(settings: Settings | None) -> Iterator[str]:
    from compose.embedded.preflight import find_problems

    general = GeneralSettings.read({}) if settings is None else settings.general
    yield from find_problems(general.var_dir)


def _stores(settings: Settings) -> "list[Finding]":
    from app.ops.doctor.checks import run_checks

    return asyncio.run(run_checks(settings))
