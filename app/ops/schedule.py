"""Runs a command once a day at a UTC time: computes when it is due, stores what was run, and runs the process.

After several missed days it runs once, at the next start: the daily commands include the missed days themselves. A
failed command is not run again before its next time; one that found a lock taken is.
"""

import asyncio
import json
import signal
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from typing import Final

from app.errors import SettingsError

#: A run killed together with this process is started again, at most so often.
MOST_ATTEMPTS: Final = 3

Report = Callable[[str], None]
Clock = Callable[[], datetime]


@dataclass(frozen=True, slots=True)
class Pace:
    """The interval of checks, and the delay before a command that ended with `locked_code` runs again."""

    locked_code: int
    poll_seconds: float = 30.0
    locked_seconds: float = 600.0


@dataclass(frozen=True, slots=True)
class Handled:
    """The newest due time handled: how often its run was started, and whether one ended."""

    due: datetime
    attempts: int
    ended: bool

    def wants(self, due: datetime) -> bool:
        """Whether a run for this due time has to be started."""
        return due > self.due or (due == self.due and not self.ended and self.attempts < MOST_ATTEMPTS)

    def begun(self, due: datetime) -> "Handled":
        """One more attempt at this due time."""
        return Handled(due, self.attempts + 1 if due == self.due else 1, ended=False)


class State:
    """The state in a file; the file's age shows that the timer is alive."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def read(self, otherwise: datetime) -> Handled:
        """Returns what was handled last; `otherwise` counts as handled if nothing is stored yet."""
        try:
            found = json.loads(self.path.read_text(encoding="utf-8"))
            return Handled(datetime.fromisoformat(found["due"]), int(found["attempts"]), bool(found["ended"]))
        except FileNotFoundError:
            return Handled(otherwise, 0, ended=True)
        except (ValueError, KeyError, TypeError) as error:
            raise SettingsError(
                f"{self.path} is damaged ({error}); delete it, and the next run is at the next set time"
            ) from error

    def write(self, handled: Handled) -> None:
        """Writes the state atomically."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        draft = self.path.with_suffix(".draft")
        content = {"due": handled.due.isoformat(), "attempts": handled.attempts, "ended": handled.ended}
        draft.write_text(json.dumps(content), encoding="utf-8")
        draft.replace(self.path)

    def touch(self) -> None:
        """Updates the file's age: the timer is alive."""
        self.path.touch()


def last_due(at: time, now: datetime) -> datetime:
    """Returns the newest time at or before `now` with this time of day in UTC."""
    today = datetime.combine(now.astimezone(UTC).date(), at, UTC)
    return today if today <= now else today - timedelta(days=1)


class DailyTimer:
    """Runs a command when it is due, until SIGTERM or SIGINT."""

    def __init__(
        self,
        command: Sequence[str],
        at: time,
        state: State,
        report: Report,
        *,
        pace: Pace,
        now: Clock = lambda: datetime.now(UTC),
    ) -> None:
        self._command = list(command)
        self._at = at
        self._state = state
        self._report = report
        self._pace = pace
        self._now = now
        self._stop = asyncio.Event()

    async def run(self) -> None:
        """Waits and runs until SIGTERM or SIGINT, passed to a running command at once as SIGTERM."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop.set)
        handled = self._state.read(otherwise=last_due(self._at, self._now()))
        self._state.write(handled)
        self._report(self._next())
        while not self._stop.is_set():
            due = last_due(self._at, self._now())
            if handled.wants(due):
                handled = await self._handle(handled.begun(due))
            else:
                self._state.touch()
                await self._pause(self._until_poll())

    async def _handle(self, begun: Handled) -> Handled:
        self._state.write(begun)
        code = await self._run_command()
        if code is None:
            # Stopped during the run: the next start runs it again.
            return begun
        if code == self._pace.locked_code:
            await self._pause(self._pace.locked_seconds)
            # A run that only found a lock taken does not count.
            return Handled(begun.due, begun.attempts - 1, ended=False)
        ended = Handled(begun.due, begun.attempts, ended=True)
        self._state.write(ended)
        self._report(self._next())
        return ended

    async def _run_command(self) -> int | None:
        """Runs it; returns its exit code, or None if this process was stopped before it ended."""
        started = self._now()
        process = await asyncio.create_subprocess_exec(*self._command)
        ending = asyncio.ensure_future(process.wait())
        stopping = asyncio.ensure_future(self._stop.wait())
        while not ending.done():
            await asyncio.wait({ending, stopping}, timeout=self._pace.poll_seconds, return_when="FIRST_COMPLETED")
            self._state.touch()
            if self._stop.is_set() and not ending.done():
                with suppress(ProcessLookupError):
                    process.terminate()
                await ending
                self._report("stopped during the run; the next start runs it again")
                return None
        stopping.cancel()
        seconds = (self._now() - started).total_seconds()
        self._report(f"ended with exit code {process.returncode} after {seconds:.0f} s")
        return process.returncode

    def _next(self) -> str:
        due = last_due(self._at, self._now()) + timedelta(days=1)
        return f"next run at {due:%Y-%m-%d %H:%M} UTC"

    def _until_poll(self) -> float:
        due = last_due(self._at, self._now()) + timedelta(days=1)
        return min(self._pace.poll_seconds, max(0.0, (due - self._now()).total_seconds()))

    async def _pause(self, seconds: float) -> None:
        """Sleeps until the time is over or the timer is stopped, and updates the file's age meanwhile."""
        deadline = asyncio.get_running_loop().time() + seconds
        while not self._stop.is_set():
            left = deadline - asyncio.get_running_loop().time()
            if left <= 0:
                return
            self._state.touch()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stop.wait(), min(left, self._pace.poll_seconds))
