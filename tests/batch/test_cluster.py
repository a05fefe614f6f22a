"""The same batch, submitted to a standalone cluster of two workers, and with the official connectors."""

import os
import subprocess
import sys
from datetime import date
from pathlib import Path

import pytest

from tests.batch.cluster import cluster_environment, standalone_cluster, submit
from tests.batch.generated import make_shop
from tests.batch.nights import Nights

_AS_OF = date(2026, 1, 2)
_LIMIT_SECONDS = 280.0


@pytest.mark.timeout(1200)
async def test_a_cluster_publishes_what_a_single_process_does(
    nights: Nights, tmp_path: Path
) -> None:
    await nights.insert_shop(make_shop(seed=9, visits=60))
    with standalone_cluster(tmp_path, workers=2) as master:
        submit(master, nights.variables, "rfm", "--as-of", str(_AS_OF))
        executors = [len(list(tmp_path.glob(f"worker{n}/app-*/*/stderr"))) for n in range(2)]
    assert executors == [1, 1]
    _assert_a_single_process_agrees(nights, "rfm")


@pytest.mark.timeout(1200)
async def test_the_connectors_publish_what_the_single_process_does(nights: Nights) -> None:
    await nights.insert_shop(make_shop(seed=10, visits=60))
    variables = {"GLOBALMART_BATCH_READER": "jdbc", "GLOBALMART_BATCH_WRITER": "connector"}
    done = subprocess.run(
        [sys.executable, "-m", "batch", "nightly", "--as-of", str(_AS_OF)],
        env={**cluster_environment(), **nights.variables, **variables, "PATH": os.environ["PATH"]},
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=_LIMIT_SECONDS, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-4000:]
    _assert_a_single_process_agrees(nights, "nightly")


def _assert_a_single_process_agrees(nights: Nights, job: str) -> None:
    """A second run here reads every day anew and finds nothing to change."""
    published, pointer = nights.everything(), nights.pointer
    again = nights.run(_AS_OF, job, full=True)
    assert again.snapshot == pointer["snapshot"]
    assert all(one.written == 0 for one in again.staged if one.mart.fact_time)
    assert nights.everything() == published
