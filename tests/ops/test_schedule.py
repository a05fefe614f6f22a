"""`globalmart schedule`: due times, what is remembered, and real processes that are run and stopped."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from datetime import time as time_of_day
from pathlib import Path

import pytest

from app.errors import SettingsError
from app.ops.schedule import MOST_ATTEMPTS, DailyTimer, Handled, Pace, State, last_due

_PROJECT = Path(__file__).parents[2]
_AT = time_of_day(2, 15)
_DUE = datetime(2026, 3, 4, 2, 15, tzinfo=UTC)
_LOCKED = 75
_PATIENCE_SECONDS = 120


@pytest.mark.parametrize(
    ("now", "due"),
    [
        (_DUE, _DUE),
        (_DUE - timedelta(seconds=1), _DUE - timedelta(days=1)),
        (_DUE + timedelta(hours=21), _DUE),
        (datetime.fromisoformat("2026-03-04T04:00:00+02:00"), _DUE - timedelta(days=1)),
    ],
)
def test_the_newest_moment_that_is_over(now: datetime, due: datetime) -> None:
    assert last_due(_AT, now) == due


def test_what_is_outstanding() -> None:
    handled = Handled(_DUE, 1, ended=True)
    assert not handled.wants(_DUE)
    assert not handled.wants(_DUE - timedelta(days=1)), "a clock that was set back"
    assert handled.wants(_DUE + timedelta(days=1))
    killed = handled.begun(_DUE + timedelta(days=3))
    assert (killed.attempts, killed.ended) == (1, False)
    while killed.attempts < MOST_ATTEMPTS:
        assert killed.wants(killed.due)
        killed = killed.begun(killed.due)
    assert not killed.wants(killed.due), "what takes its container down with it is given up"
    assert killed.wants(killed.due + timedelta(days=1))


def test_the_account_is_kept(tmp_path: Path) -> None:
    state = State(tmp_path / "schedule" / "batch-nightly.json")
    assert state.read(otherwise=_DUE) == Handled(_DUE, 0, ended=True)
    state.write(Handled(_DUE, 2, ended=False))
    assert state.read(otherwise=_DUE + timedelta(days=9)) == Handled(_DUE, 2, ended=False)
    state.path.write_text("{")
    with pytest.raises(SettingsError, match=r"batch-nightly\.json is damaged .* delete it"):
        state.read(otherwise=_DUE)


class _Clock:
    """The day after the time that is due."""

    def __init__(self) -> None:
        self.now = _DUE + timedelta(hours=3)

    def __call__(self) -> datetime:
        return self.now


class _Run:
    """A timer over a shell command, in a process's main thread, with the lines it has said."""

    def __init__(self, tmp_path: Path, command: str, clock: Callable[[], datetime]) -> None:
        self.state = State(tmp_path / "state.json")
        self.lines: list[str] = []
        self._timer = DailyTimer(
            ["sh", "-c", command],
            _AT,
            self.state,
            self.lines.append,
            pace=Pace(_LOCKED, poll_seconds=0.05, locked_seconds=0.1),
            now=clock,
        )

    async def until(self, holds: Callable[[], bool]) -> None:
        """Run until it holds, then send this process SIGTERM as an engine does."""
        running = asyncio.create_task(self._timer.run())
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while not holds():
            assert time.monotonic() < deadline, self.lines
            assert not running.done()
            await asyncio.sleep(0.02)
        os.kill(os.getpid(), signal.SIGTERM)
        await asyncio.wait_for(running, _PATIENCE_SECONDS)


async def test_the_first_start_waits_for_its_time(tmp_path: Path) -> None:
    clock, ran = _Clock(), tmp_path / "ran"
    run = _Run(tmp_path, f"echo once >> {ran}", clock)

    def next_day() -> bool:
        if run.lines and clock.now < _DUE + timedelta(days=1):
            assert not ran.exists()
            assert run.lines == ["next run at 2026-03-05 02:15 UTC"]
            clock.now = _DUE + timedelta(days=1)
        return "next run at 2026-03-06 02:15 UTC" in run.lines

    await run.until(next_day)
    assert ran.read_text() == "once\n"


async def test_missed_days_make_one_run_at_the_start(tmp_path: Path) -> None:
    ran = tmp_path / "ran"
    run = _Run(tmp_path, f"echo once >> {ran}; exit 1", _Clock())
    run.state.write(Handled(_DUE - timedelta(days=5), 1, ended=True))
    await run.until(lambda: any("exit code 1" in line for line in run.lines) and len(run.lines) > 2)
    assert ran.read_text() == "once\n", "a failure waits for its next time"
    assert run.state.read(otherwise=_DUE) == Handled(_DUE, 1, ended=True)


async def test_a_locked_command_is_tried_again(tmp_path: Path) -> None:
    ran = tmp_path / "ran"
    run = _Run(tmp_path, f"echo once >> {ran}; test $(wc -l < {ran}) = 5 || exit {_LOCKED}", _Clock())
    run.state.write(Handled(_DUE - timedelta(days=1), 1, ended=True))
    await run.until(lambda: run.state.read(otherwise=_DUE).ended and len(run.lines) > 5)
    assert len(ran.read_text().splitlines()) == 5, "more often than a run that is killed"


async def test_sigterm_reaches_a_running_command_which_is_begun_again(tmp_path: Path) -> None:
    begun, ended = tmp_path / "begun", tmp_path / "ended"
    command = f"trap 'echo once >> {ended}; exit 0' TERM; echo once >> {begun}; while :; do sleep 0.05; done"
    for attempt in (1, 2):
        run = _Run(tmp_path, command, _Clock())
        if attempt == 1:
            run.state.write(Handled(_DUE - timedelta(days=1), 1, ended=True))
        await run.until(lambda n=attempt: begun.exists() and len(begun.read_text()) == 5 * n)  # type: ignore[misc]
        assert len(ended.read_text().splitlines()) == attempt
        assert run.state.read(otherwise=_DUE) == Handled(_DUE, attempt, ended=False)


def test_the_command_line_runs_what_it_is_given_and_says_so(tmp_path: Path) -> None:
    folder = tmp_path / "schedule"
    folder.mkdir()
    missed = {"due": "2020-01-01T00:00:00+00:00", "attempts": 1, "ended": True}
    (folder / "settings.json").write_text(json.dumps(missed))
    environ = os.environ | {"GLOBALMART_ENV_FILE": "", "GLOBALMART_VAR_DIR": str(tmp_path)}
    process = subprocess.Popen(
        [sys.executable, "-m", "app.cli", "schedule", "--daily-at", "00:00", "settings"],
        cwd=_PROJECT,
        env=environ,
        stdout=subprocess.PIPE,
        text=True,
    )
    lines: list[str] = []
    assert process.stdout is not None
    for line in process.stdout:
        lines.append(line)
        if "ended with exit code" in line:
            break
    process.terminate()
    rest, _ = process.communicate(timeout=_PATIENCE_SECONDS)
    assert process.returncode == 0, rest
    assert "settings: ended with exit code 0" in lines[-1]
    assert any("GLOBALMART_KAFKA" in line for line in lines)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--daily-at", "2:15", "maintain"], "is not a time of day; write HH:MM in UTC"),
        (["--daily-at", "24:00", "maintain"], "is not a time of day"),
        (["--daily-at", "02:15", "schedule"], "is not a command to schedule"),
        (["--daily-at", "02:15", "nonsense"], "is not a command to schedule"),
    ],
)
def test_what_cannot_be_scheduled_is_named(arguments: list[str], said: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "app.cli", "schedule", *arguments],
        cwd=_PROJECT,
        env=os.environ | {"GLOBALMART_ENV_FILE": "", "COLUMNS": "200"},
        capture_output=True,
        text=True,
        timeout=_PATIENCE_SECONDS,
        check=False,
    )
    assert done.returncode == 2
    assert said in done.stderr
