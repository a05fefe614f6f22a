"""`globalmart doctor`: what is missing here, each with its cure."""

from collections.abc import Iterator

import typer


def doctor() -> None:
    """Check the settings and what the embedded servers need; exit code 1 if anything is missing.

    Example: globalmart doctor
    """
    from rich.console import Console
    from rich.markup import escape

    console = Console()
    problems = list(_problems())
    for problem in problems:
        console.print(f"[bold red]problem:[/] {escape(problem)}", soft_wrap=True)
    if problems:
        raise typer.Exit(1)
    console.print("[green]all is well[/]: settings, Java, programs, disk")


def _problems() -> Iterator[str]:
    from app.errors import SettingsError
    from app.settings import GeneralSettings, load_settings
    from compose.embedded.preflight import find_problems

    general = GeneralSettings.read({})
    try:
        general = load_settings().general
    except SettingsError as error:
        yield from str(error).splitlines()
    yield from find_problems(general.var_dir)
