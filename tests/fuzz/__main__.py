"""A flood of bad input; writes `var/fuzz.json`, exit code 1 on any disagreement, crash, stall or memory growth."""

import argparse
import asyncio
import json
import random
from pathlib import Path
from typing import Any

from rich.console import Console

from compose.embedded.stack import EmbeddedStack
from tests.faults import databases, topics
from tests.faults.world import World
from tests.fuzz.run import failures, fuzz

_FOLDER = Path("var/fuzz")
_REPORT = Path("var/fuzz.json")
_GROWTH_MB = 50.0


def main() -> None:
    """Parse the options and run."""
    parser = argparse.ArgumentParser(prog="make fuzz", description=__doc__)
    parser.add_argument("--records", type=int, default=1_000_000, help="records to send")
    parser.add_argument("--seed", type=int, help="random if absent")
    options = parser.parse_args()
    seed = random.randrange(1_000_000) if options.seed is None else options.seed
    console = Console(stderr=True)
    console.log(f"SEED={seed} RECORDS={options.records}")
    with EmbeddedStack(
        _FOLDER, services=("kafka", "postgres"), fresh=True, preferred_ports=False, report=console.log
    ) as stack:
        found = asyncio.run(_run(stack, seed, options.records))
    wrong = failures(found)
    if found["memory_mb"]["growth"] > _GROWTH_MB:
        wrong.append(f"memory grew by {found['memory_mb']['growth']} MB")
    report = {"failures": wrong, **found}
    _REPORT.write_text(json.dumps(report, indent=2) + "\n")
    console.print_json(json.dumps(report))
    console.print(f"{'; '.join(wrong) or 'every verdict agrees'}, see {_REPORT}")
    raise SystemExit(1 if wrong else 0)


async def _run(stack: EmbeddedStack, seed: int, records: int) -> dict[str, Any]:
    topics.recreate_topics(stack.kafka.bootstrap)
    database = await databases.create_database(stack)
    logs = _FOLDER.absolute() / "workers"
    logs.mkdir(parents=True, exist_ok=True)
    world = World(stack, logs, database, seed)
    try:
        return await fuzz(world, seed, records)
    finally:
        world.close()


if __name__ == "__main__":
    main()
