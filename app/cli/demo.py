"""`globalmart demo`: the whole product on this machine."""

from typing import Annotated

import typer


def demo(
    duration: Annotated[
        float | None, typer.Option(min=1, help="Seconds of live traffic; until Ctrl-C if not given.")
    ] = None,
    keep: Annotated[bool, typer.Option("--keep", help="Go on with the data of the demo before.")] = False,
) -> None:
    """Start servers, worker, API, dashboard and traffic here, publish; at the end recount everything.

    Uses its own servers only, whatever the settings say about others. Writes
    var/demo-report.json. Exit code 1 if any figure disagrees with the recount, between the stores, or
    as the API and the dashboard show it.

    Example: globalmart demo --duration 60
    """
    from compose.demo.run import run

    raise typer.Exit(run(duration_seconds=duration, fresh=not keep))
