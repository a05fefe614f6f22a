"""`globalmart demo`: the whole product on this machine."""

from typing import Annotated

import typer


def demo(
    duration: Annotated[
        float | None, typer.Option(min=1, help="Seconds of live traffic; default: until Ctrl-C.")
    ] = None,
    keep: Annotated[bool, typer.Option("--keep", help="Continue with the data of the previous demo.")] = False,
) -> None:
    """Start servers, worker, API, dashboard and traffic on this machine, publish, and finally recount everything.

    Uses only its own servers, whatever others the settings name. Writes
    var/demo-report.json. Exit code 1 if any figure disagrees with the recount, between the stores, or
    as the API and the dashboard show it.

    Example: globalmart demo --duration 60
    """
    from compose.demo.run import run

    raise typer.Exit(run(duration_seconds=duration, fresh=not keep))
