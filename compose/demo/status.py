"""The demo's addresses and status line."""

import sys
from pathlib import Path
from shlex import quote

from rich.table import Table
from rich.text import Text

from compose.demo.figures import Figures
from compose.demo.latency import Latency
from compose.demo.processes import Processes
from compose.embedded import mongo
from compose.embedded.ports import LOOPBACK
from compose.embedded.postgres import DATABASE, OWNER
from compose.embedded.stack import EmbeddedStack


def addresses(stack: EmbeddedStack, processes: Processes) -> Table:
    """Returns a table with the addresses of all servers."""
    table = Table.grid(padding=(0, 2))
    table.add_row("dashboard", processes.dashboard_url, "")
    table.add_row("REST API", processes.api_url, f"{processes.api_url}/docs")
    table.add_row("Kafka", stack.kafka.bootstrap, stack.kafka.description)
    table.add_row("PostgreSQL", f"{LOOPBACK}:{stack.postgres.port}", f"database {DATABASE}")
    table.add_row("MongoDB", f"{LOOPBACK}:{stack.mongo.port}", f"database {mongo.DATABASE}")
    table.add_row("worker metrics", f"http://{LOOPBACK}:{processes.metrics_port}/metrics", "")
    table.add_row("logs", str(stack.var_dir / "logs"), "")
    return table


def psql_line(stack: EmbeddedStack) -> str:
    """Returns a command that opens psql; the password is in a file that only its owner can read."""
    server = stack.postgres
    return (
        f"PGPASSFILE={quote(str(server.password_file))} {quote(str(server.psql))} "
        f"-h {LOOPBACK} -p {server.port} -U {OWNER} {DATABASE}"
    )


def import_line(stack: EmbeddedStack) -> str:
    """Returns a command for a second terminal that imports a CSV into these servers, whatever `.env` contains."""
    settings = {"GLOBALMART_ENV_FILE": "", "GLOBALMART_KAFKA_BOOTSTRAP": stack.kafka.bootstrap}
    variables = " ".join(f"{name}={quote(value) if value else ''}" for name, value in settings.items())
    program = Path(sys.executable).with_name("globalmart")
    return f"{variables} {quote(str(program))} generate --from-csv shop.csv"


def status_line(before: Figures, now: Figures, latency: Latency) -> Text:
    """Returns totals, rate since `before`, lag, anomalies, dead letters and latency in one line."""
    seconds = max(now.at_seconds - before.at_seconds, 1e-9)
    rate = (now.total("stored") - before.total("stored")) / seconds
    anomalies = ", ".join(f"{kind} {count:,}" for kind, count in now.anomalies.items()) or "none"
    parts = [
        f"produced {now.total('produced'):,}",
        f"stored {now.total('stored'):,} ({rate:,.0f}/s)",
        f"lag {now.total('lag'):,}",
        f"anomalies {anomalies}",
        f"dead letters {now.total('dead_lettered'):,}",
        f"p50 {_milliseconds(latency.p50)}, p99 {_milliseconds(latency.p99)}",
    ]
    return Text(" | ".join(parts))


def _milliseconds(seconds: float | None) -> str:
    return "-" if seconds is None else f"{seconds * 1000:.0f} ms"
