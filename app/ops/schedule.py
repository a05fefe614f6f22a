"""A command once a day at a time of UTC: when it is due, what is remembered of it, and the process that runs it.

Several missed days make one run, at the next start: whatever runs daily here goes as far as yesterday by itself. A
command that ends with a failure is not tried again before its next time; one that found a lock taken is.
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

#: A run that is killed with this process, container and all, is begun again, but not for ever.
MOST_ATTEMPTS: Final = 3

Report = Callable[[str], None]
Clock = Callable[[], datetime]


@dataclass(frozen=True, slots=True)
class Pace:
    """How often the clock is read, and how soon a command is tried again that ended with `locked_code`."""

    locked_code: int
    look_seconds: float = 30.0
    locked_seconds: float = 600.0


@dataclass(frozen=True, slots=True)
class Handled:
    """The newest due time that was taken up: how often it was begun, and whether a run of it ended."""

    due: datetime
    attempts: int
    ended: bool

    def wants(self, due: datetime) -> bool:
        """Whether a run for this due time is outstanding."""
        return due > self.due or (due == self.due and not self.ended and self.attempts < MOST_ATTEMPTS)

    def begun(self, due: datetime) -> "Handled":
        """One more attempt at this due time."""
        return Handled(due, self.attempts + 1 if due == self.due else 1, ended=False)


class Account:
    """What is remembered in a file; its age says that the timer lives."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def read(self, otherwise: datetime) -> Handled:
        """What was handled last; `otherwise` counts as handled where nothing was remembered yet."""
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
        """Remember it, whole or not at all."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        draft = self.path.with_suffix(".draft")
        content = {"due": handled.due.isoformat(), "attempts": handled.attempts, "ended": handled.ended}
        draft.write_text(json.dumps(content), encoding="utf-8")
        draft.replace(self.path)

    def touch(self) -> None:
        """Say that the timer lives."""
        self.path.touch()


def last_due(at: time, now: datetime) -> datetime:
    """The newest moment at or before `now` with this time of UTC."""
    today = datetime.combine(now.astimezone(UTC).date(), at, UTC)
    return today if today <= now else today - timedelta(days=1)


class DailyTimer:
    """Runs a command when it is due, until it is told to stop."""

    def __init__(
        self,
        command: Sequence[str],
        at: time,
        account: Account,
        report: Report,
        *,
        pace: Pace,
        now: Clock = lambda: datetime.now(UTC),
    ) -> None:
        self._command = list(command)
        self._at = at
        self._account = account
        self._report = report
        self._pace = pace
        self._now = now
        self._stop = asyncio.Event()

    async def run(self) -> None:
        """Wait and run until SIGTERM or SIGINT, which a running command is sent at once as SIGTERM."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop.set)
        handled = self._account.read(otherwise=last_due(self._at, self._now()))
        self._account.write(handled)
        self._report(self._next())
        while not self._stop.is_set():
            due = last_due(self._at, self._now())
            if handled.wants(due):
                handled = await self._take_up(handled.begun(due))
            else:
                self._account.touch()
                await self._pause(self._until_look())

    async def _take_up(self, begun: Handled) -> Handled:
        self._account.write(begun)
        code = await self._run_command()
        if code is None:
            # Stopped on the way: the next start begins it again.
            return begun
        if code == self._pace.locked_code:
            await self._pause(self._pace.locked_seconds)
            # What only waited for others is no attempt.
            return Handled(begun.due, begun.attempts - 1, ended=False)
        ended = Handled(begun.due, begun.attempts, ended=True)
        self._account.write(ended)
        self._report(self._next())
        return ended

    async def _run_command(self) -> int | None:
        """Its exit code; None if this process was told to stop before it ended."""
        started = self._now()
        process = await asyncio.create_subprocess_exec(*self._command)
        ending = asyncio.ensure_future(process.wait())
        stopping = asyncio.ensure_future(self._stop.wait())
        while not ending.done():
            await asyncio.wait({ending, stopping}, timeout=self._pace.look_seconds, return_when="FIRST_COMPLETED")
            self._account.touch()
            if self._stop.is_set() and not ending.done():
                with suppress(ProcessLookupError):
                    process.terminate()
                await ending
                self._report("stopped on the way; the next start begins it again")
                return None
        stopping.cancel()
        seconds = (self._now() - started).total_seconds()
        self._report(f"ended with exit code {process.returncode} after {seconds:.0f} s")
        return process.returncode

    def _next(self) -> str:
        due = last_due(self._at, self._now()) + timedelta(days=1)
        return f"next run at {due:%Y-%m-%d %H:%M} UTC"

    def _until_look(self) -> float:
        due = last_due(self._at, self._now()) + timedelta(days=1)
        return min(self._pace.look_seconds, max(0.0, (due - self._now()).total_seconds()))

    async def _pause(self, seconds: float) -> None:
        """Sleep, but not past being told to stop; the account stays young meanwhile."""
        deadline = asyncio.get_running_loop().time() + seconds
        while not self._stop.is_set():
            left = deadline - asyncio.get_running_loop().time()
            if left <= 0:
                return
            self._account.touch()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stop.wait(), min(left, self._pace.look_seconds))
