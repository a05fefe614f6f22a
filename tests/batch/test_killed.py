"""A driver that is killed while it writes, and the command line around a run."""

import os
import signal
import subprocess
import sys
from datetime import date
from pathlib import Path

import pytest

from app.cli import main
from batch.adbc import batch_lock
from tests.batch.generated import make_shop
from tests.batch.nights import Nights, plain_environment
from tests.support.waiting import wait_until

_AS_OF = date(2026, 1, 2)


async def test_a_driver_killed_while_it_writes_changes_nothing(nights: Nights, tmp_path: Path) -> None:
    """One mart of the second run is written and not yet verified, the others are yet to be written."""
    await nights.insert_shop(make_shop(seed=8, visits=60))
    earlier = date(2025, 12, 31)
    nights.run(earlier)
    published, pointer = nights.everything(), nights.pointer

    command = [sys.executable, "-m", "tests.batch.halting", "batch", "nightly"]
    command += ["--as-of", str(_AS_OF)]
    halted = tmp_path / "halted"
    halt = {"HALT_AFTER": "customer_segments", "HALTED": str(halted)}
    environ = plain_environment(os.environ, {**nights.variables, **halt})
    with subprocess.Popen(command, env=environ, start_new_session=True) as process:
        try:
            wait_until(lambda: halted.exists() or process.poll() is not None)
            assert process.poll() is None, "the run ended before it could be killed"
        finally:
            os.killpg(process.pid, signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL
    staged = nights.mongo[nights.settings.mongo.database].list_collection_names()
    assert "customer_segments__2" in staged
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
