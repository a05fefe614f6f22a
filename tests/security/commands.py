"""Commands of the product as processes of their own."""

import subprocess
import sys

from tests.faults.processes import ROOT, clean_environment
from tests.support.waiting import PATIENCE_SECONDS


def globalmart(environ: dict[str, str], *arguments: str) -> str:
    """Run a command with these variables alone; it must succeed. What it printed."""
    done = subprocess.run(
        [sys.executable, "-m", "app.cli", *arguments],
        cwd=ROOT,
        env=clean_environment() | environ,
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr
