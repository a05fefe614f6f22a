"""`globalmart demo`: the whole product on this machine."""

from typing import Annotated

import typer


def demo(
    duration: Annotated[
        float | None,
        typer.Option(min=1, help="Seconds of live traffic; until Ctrl-C if not given."),
    ] = None,
    keep: Annotated[
        bool, typer.Option("--keep", help="Go on with the data of the demo before.")
    ] = False,
) -> None:
    """Start all servers, worker and traffic here, publish the warehouse; at the end recount everything.

    Uses its own servers only, whatever the settings say about others. Writes
    var/demo-report.json. Exit code 1 if any figure disagrees with the recount or between the stores.

    Example: globalmart demo --duration 60
    """
    from compose.demo.run import run

    raise typer.Exit(run(duration_seconds=duration, fresh=not keep))
