"""`globalmart demo` and `globalmart reset`: the whole product on this machine."""

from typing import Annotated

import typer

from app.settings import load_settings


def reset(yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False) -> None:
    """Delete the data of the embedded Kafka, PostgreSQL and MongoDB-protocol server under var.

    External servers are never changed. Refused while the embedded ones run.

    Example: globalmart reset --yes
    """
    from compose.embedded.stack import remove_stack

    var_dir = load_settings().general.var_dir
    if not yes:
        typer.confirm(f"Delete the embedded servers' data in {var_dir}?", abort=True)
    remove_stack(var_dir)
    typer.echo(f"deleted the embedded servers' data in {var_dir}")


def demo(
    duration: Annotated[
        float | None, typer.Option(min=1, help="Seconds of live traffic; default: until Ctrl-C.")
    ] = None,
    keep: Annotated[bool, typer.Option("--keep", help="Continue with the data of the previous demo.")] = False,
    rush: Annotated[
        bool, typer.Option("--rush", help="Live traffic at the generator's rates instead of the shop's own pace.")
    ] = False,
) -> None:
    """Start servers, worker, API, dashboard and traffic on this machine, publish, and finally recount everything.

    Uses only its own servers, whatever others the settings name. Writes
    var/demo-report.json. Exit code 1 if any figure disagrees with the recount, between the stores, or
    as the API and the dashboard show it.

    Example: globalmart demo --duration 60
    """
    from compose.demo.demo import run

    raise typer.Exit(run(duration_seconds=duration, fresh=not keep, rush=rush))
