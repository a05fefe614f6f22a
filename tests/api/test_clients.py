"""Clients of a live server: the first guide's Python example, and schemathesis with the server's own OpenAPI file."""

import asyncio
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from api.application import create_app
from api.keys import hash_of, new_key
from tests.api.serving import served, with_api
from tests.api.shop import Shop, revenue
from tests.support.waiting import PATIENCE_SECONDS

_EXAMPLE = """
import requests
from datetime import datetime, timedelta

# Base URL
BASE_URL = "http://localhost:8000/api/v1"

# Get sales metrics for last 7 days
end_date = datetime(2026, 3, 1, 10, 30, 0, 123456)
start_date = end_date - timedelta(days=7)

response = requests.get(
    f"{BASE_URL}/sales/metrics",
    params={
        "start_date": start_date.isoformat(),
        "end_date": end_date.isoformat(),
        "country": "USA"
    }
)

if response.status_code == 200:
    data = response.json()
    print(f"Total Revenue: ${data['total_revenue']:,.2f}")
    print(f"Total Transactions: {data['total_transactions']:,}")
else:
    print(f"Error: {response.status_code}")
"""


async def _run(folder: Path, *command: str) -> subprocess.CompletedProcess[str]:
    """Runs a program next to the server, which runs in this loop."""
    return await asyncio.to_thread(
        subprocess.run, command, cwd=folder, capture_output=True, text=True, check=False, timeout=PATIENCE_SECONDS
    )


async def test_the_guides_python_client(shop: Shop, tmp_path: Path) -> None:
    """As printed in the guide, but for the address and the moment it is run."""
    meant = [
        order
        for order in shop.where(country="USA")
        if "2026-02-22T10:30:00.123456" <= order.timestamp.isoformat() < "2026-03-01T10:30:00.123456"
    ]
    async with served(create_app(shop.database.settings)) as address:
        program = _EXAMPLE.replace("http://localhost:8000", address)
        done = await _run(tmp_path, sys.executable, "-c", program)
    assert done.stderr == ""
    assert done.stdout.splitlines() == [
        f"Total Revenue: ${float(revenue(meant)):,.2f}",
        f"Total Transactions: {len(meant):,}",
    ]


@pytest.mark.parametrize("keyed", [False, True])
async def test_schemathesis_finds_nothing(shop: Shop, night: object, keyed: bool, tmp_path: Path) -> None:
    """No server error, no undocumented answer, nothing wrong accepted.

    Streams never end, so they are left out. That valid data are accepted is not checked: no
    schema says what is a date or one of our cursors.
    """
    key = new_key()
    limits: dict[str, Any] = {"key_hashes": f"tester:admin:{hash_of(key)}", "key_burst": 100_000} if keyed else {}
    settings = with_api(shop.database.settings, **limits)
    async with served(create_app(settings)) as address:
        done = await _run(
            tmp_path,
            sys.executable,
            "-m",
            "schemathesis.cli",
            "run",
            f"{address}/openapi.json",
            "--exclude-path",
            "/api/v1/anomalies/stream",
            "--phases",
            "examples,coverage,fuzzing",
            "--max-examples",
            "12",
            "--seed",
            "1",
            "--no-color",
            "-H",
            f"X-API-Key: {key}",
            "--generation-database",
            "none",
            "--exclude-checks",
            "positive_data_acceptance",
        )
    assert done.returncode == 0, done.stdout
