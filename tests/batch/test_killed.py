"""A driver that is killed while it writes, and the command line around a run."""

import os
import signal
import subprocess
import sys
import time
from datetime import date

import pytest

from app.cli import main
from batch.postgres import batch_lock
from tests.batch.generated import make_shop
from tests.batch.nights import Nights, plain_environment

_AS_OF = date(2026, 1, 2)
_LIMIT_SECONDS = 240.0


def _wait_until_staging(nights: Nights, process: subprocess.Popen[bytes]) -> None:
    """Until a collection of the second run exists; its other marts are yet to be written."""
    database = nights.mongo[nights.settings.mongo.database]
    deadline = time.monotonic() + _LIMIT_SECONDS
    while "customer_segments__2" not in database.list_collection_names():
        assert process.poll() is None, "the run ended before it could be killed"
        assert time.monotonic() < deadline, "the run never began to write"
        time.sleep(0.005)


async def test_a_driver_killed_while_it_writes_changes_nothing(nights: Nights) -> None:
    await nights.insert_shop(make_shop(seed=8, visits=60))
    earlier = date(2025, 12, 31)
    nights.run(earlier)
    published, pointer = nights.everything(), nights.pointer

    command = [sys.executable, "-m", "app.cli", "batch", "nightly", "--as-of", str(_AS_OF)]
    environ = plain_environment(os.environ, nights.variables)
    with subprocess.Popen(command, env=environ, start_new_session=True) as process:
        try:
            _wait_until_staging(nights, process)
        finally:
            os.killpg(process.pid, signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL
    assert (nights.everything(), nights.pointer) == (published, pointer)

    nights.run(earlier)
    assert nights.everything() == published
    assert [run["status"] for run in nights.log] == ["published", "killed", "published"]
    nights.run(_AS_OF)
    names = nights.mongo[nights.settings.mongo.database].list_collection_names()
    assert sorted(name for name in names if name.startswith("customer_segments")) == [
        "customer_segments",
        "customer_segments__2",
        "customer_segments__3",
    ]


def _call(nights: Nights, monkeypatch: pytest.MonkeyPatch, *arguments: str) -> object:
    for name, value in {**nights.variables, "GLOBALMART_ENV_FILE": ""}.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SystemExit) as ended:
        main(["batch", *arguments])
    return ended.value.code


async def test_the_command_says_that_another_run_is_under_way(
    nights: Nights, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with batch_lock(nights.settings.postgres):
        assert _call(nights, monkeypatch, "nightly", "--as-of", "2026-01-02") == 75
    output = capsys.readouterr()
    assert "nightly as of 2026-01-02 (UTC, the whole day)" in output.out
    assert "another batch run holds the lock" in output.err


async def test_the_command_names_a_failed_check(
    nights: Nights, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _call(nights, monkeypatch, "trends") == 1
    assert "there is no transaction up to" in capsys.readouterr().err
    metrics = (nights.settings.general.var_dir / "batch.prom").read_text()
    assert 'globalmart_batch_last_run_success{command="trends"} 0.0' in metrics
