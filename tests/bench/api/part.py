"""The part `api` of the benchmark."""

import asyncio
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import Any, Final

import psutil
from rich.console import Console

from app.postgres.migrate import migrate
from app.settings import ENV_PREFIX, load_settings
from compose.embedded.ports import LOOPBACK, choose_port
from compose.embedded.stack import EmbeddedStack
from tests.bench.api.load import drive, until_answered
from tests.bench.api.published import fill_warehouse
from tests.bench.api.questions import questions
from tests.bench.api.stored import fill_orders

_RATE: Final = 200.0
_PREPARE_SECONDS: Final = 1800.0


def run_api(console: Console, orders: int, seconds: float, var_dir: Path) -> dict[str, Any]:
    """Fill the stores, serve the API as a process of its own and ask it 200 times a second."""
    with EmbeddedStack(var_dir, services=("postgres", "mongo"), preferred_ports=False, report=console.log) as stack:
        environment = _environment(stack)
        settings = load_settings(environment)
        asyncio.run(migrate(settings.postgres))
        console.log(f"Storing {orders:,} orders and a warehouse, unless they are there")
        asyncio.run(fill_orders(settings, orders))
        fill_warehouse(settings)
        with _served(environment, var_dir / "api.log") as (address, process):
            return asyncio.run(_measured(console, address, process, orders, seconds))


async def _measured(
    console: Console, address: str, process: psutil.Process, orders: int, seconds: float
) -> dict[str, Any]:
    makers = questions(Random(7), orders)
    console.log("Waiting until every endpoint answers")
    await until_answered(address, makers, _PREPARE_SECONDS)
    await drive(address, makers, _RATE, 5)
    load_before, cpu_before = os.getloadavg()[0], process.cpu_times()
    console.log(f"{_RATE:.0f} requests/s for {seconds:.0f} s")
    report = await drive(address, makers, _RATE, seconds)
    used = sum(process.cpu_times()[:2]) - sum(cpu_before[:2])
    return {
        "orders": orders,
        "rate_per_second": _RATE,
        "load_average": [round(load_before, 1), round(os.getloadavg()[0], 1)],
        "api_cpu_ms_per_request": round(used * 1000 / (_RATE * seconds), 2),
        **report,
    }


@contextmanager
def _served(environment: dict[str, str], log: Path) -> Iterator[tuple[str, psutil.Process]]:
    port = choose_port()
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "app.cli", "api", "--log-level", "warning"],
            env={**environment, "GLOBALMART_API_PORT": str(port)},
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        yield f"http://{LOOPBACK}:{port}", psutil.Process(process.pid)
    finally:
        process.terminate()
        process.wait(timeout=30)


def _environment(stack: EmbeddedStack) -> dict[str, str]:
    """The embedded servers and nothing of the user's own settings."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(ENV_PREFIX)}
    # On a busy machine the demo's server takes minutes for a sum over a mart.
    return {**inherited, **stack.environment(), "GLOBALMART_API_RUN_PREPARE_SECONDS": "900"}
