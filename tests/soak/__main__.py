"""A steady load for a long time; writes `var/soak.json`, exit code 1 when anything rises or disagrees."""

import argparse
import asyncio
import json
from pathlib import Path
from typing import Any

from rich.console import Console

from compose.embedded.stack import EmbeddedStack
from tests.faults import databases, topics
from tests.faults.world import World
from tests.soak.run import Soak, failures

_FOLDER = Path("var/soak")
_REPORT = Path("var/soak.json")


def main() -> None:
    """Parse the options and run."""
    parser = argparse.ArgumentParser(prog="make soak", description=__doc__)
    parser.add_argument("--duration", type=float, default=1800, help="seconds of load")
    parser.add_argument("--rate", type=float, default=2000, help="events per second")
    parser.add_argument("--every", type=float, default=10, help="seconds between samples")
    options = parser.parse_args()
    console = Console(stderr=True)
    with EmbeddedStack(
        _FOLDER, services=("kafka", "postgres"), fresh=True, preferred_ports=False, report=console.log
    ) as stack:
        found = asyncio.run(_run(stack, options, console))
    wrong = failures(found)
    _REPORT.write_text(json.dumps({"failures": wrong, **found}, indent=2) + "\n")
    console.print_json(json.dumps({name: found[name] for name in ("trends", "handover")}))
    console.print(f"{'; '.join(wrong) or 'everything is flat'}, see {_REPORT}")
    raise SystemExit(1 if wrong else 0)


async def _run(stack: EmbeddedStack, options: argparse.Namespace, console: Console) -> dict[str, Any]:
    topics.recreate_topics(stack.kafka.bootstrap)
    database = await databases.create_database(stack)
    logs = _FOLDER.absolute() / "workers"
    logs.mkdir(parents=True, exist_ok=True)
    world = World(stack, logs, database)
    try:
        return await Soak(world, logs, console.log).run(options.duration, options.rate, options.every)
    finally:
        world.close()


if __name__ == "__main__":
    main()
