"""`globalmart settings`: what is in effect, or the table of everything there is."""

from typing import Annotated, Any, Final

import typer
from pydantic import SecretStr
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from app.security import shown_address
from app.settings import Settings, documented_settings, file_variable, load_settings, secret_variables


def settings(
    markdown: Annotated[
        bool, typer.Option("--markdown", help="Print the table of app/settings/README.md instead.")
    ] = False,
) -> None:
    """Show every setting with the value in effect and where it is set; secrets are masked.

    Exit code 2 and the names of the faulty variables when a setting is wrong.

    Example: GLOBALMART_KAFKA_PARTITIONS=12 globalmart settings
    """
    if markdown:
        typer.echo(markdown_table())
    else:
        _print_effective()


#: An address that often holds a token; only its host is shown.
_ADDRESS: Final = "webhook_url"


def markdown_table() -> str:
    """Returns the table of variables of app/settings/README.md: variable, unit, default, old name, description."""
    secrets = secret_variables()
    lines = ["| variable | unit | default | old name | meaning |", "|---|---|---|---|---|"]
    for variable, field in documented_settings():
        extra: Any = field.json_schema_extra or {}
        old = f"`{extra['guide']}`" if extra.get("guide") else ""
        default = "" if field.default is None else f"`{field.default}`"
        meaning = field.description or ""
        if variable in secrets:
            meaning = f"{meaning}; or in a file: `{file_variable(variable)}`"
        cells = [f"`{variable}`", extra.get("unit", ""), default, old, meaning]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _print_effective() -> None:
    loaded = load_settings()
    table = Table("variable", "value", "unit", "set in", "meaning", box=None, header_style="bold")
    for name, group in Settings.GROUPS.items():
        values = getattr(loaded, name)
        for field_name, field in group.model_fields.items():
            value = getattr(values, field_name)
            extra: Any = field.json_schema_extra or {}
            shown = _shown(shown_address(value) if value and field_name == _ADDRESS else value)
            if value != field.default:
                shown = f"[bold]{shown}[/]"
            variable = group.variable(field_name)
            source = escape(loaded.sources.get(variable, ""))
            table.add_row(variable, shown, extra.get("unit", ""), source, field.description)
    console = Console()
    console.print(table)
    if loaded.ignored:
        names = ", ".join(loaded.ignored)
        console.print(f"not settings but links to services of the cluster: {names}", style="dim")


def _shown(value: Any) -> str:
    if value is None:
        return "[dim]not set[/]"
    return "********" if isinstance(value, SecretStr) else escape(str(value))
