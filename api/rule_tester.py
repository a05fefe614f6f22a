"""Tests rules on history in a process of its own: the API judges no order, and a process can be ended."""

import asyncio
import json
import logging
import os
import signal
import sys
from collections.abc import Iterator, Mapping
from contextlib import suppress
from datetime import datetime
from typing import Any, Final

from pydantic import SecretStr

from api.problems import ProblemError, invalid
from api.stores import StoreDownError
from app.settings import ENV_PREFIX, BatchSettings, Settings, SettingsGroup

logger = logging.getLogger(__name__)

#: One test may take so long and read so many orders; the command line has no limit.
LIMIT_SECONDS: Final = 120.0
MAX_ORDERS: Final = 5_000_000
_INVALID: Final = 2
#: How the command's last line begins if it knows what is wrong.
_ERROR: Final = "\nerror: "
#: Of a bug, whose text is for the log alone.
_TRACEBACK: Final = "Traceback (most recent call last)"
_STORE_DOWN: Final = ("does not answer", "does not exist")


class RuleTester:
    """Runs `globalmart rules test` with the API's stores, one at a time."""

    def __init__(
        self, settings: Settings, *, limit_seconds: float = LIMIT_SECONDS, max_orders: int = MAX_ORDERS
    ) -> None:
        self._environment = _environment(settings)
        self._limit_seconds = limit_seconds
        self._max_orders = max_orders
        self._busy = asyncio.Lock()

    async def test(self, rule: Mapping[str, Any] | str, start: datetime, end: datetime) -> Any:
        """Returns the command's answer for a draft or the id of a rule.

        Raises ProblemError: 409 while another test runs, 422 for what is not valid, 503 after the time limit;
        StoreDownError.
        """
        if self._busy.locked():
            raise ProblemError(409, "another test on history is running; try again when it has ended")
        async with self._busy:
            return await self._run(rule, start, end)

    async def _run(self, rule: Mapping[str, Any] | str, start: datetime, end: datetime) -> Any:
        asked, draft = (rule, b"") if isinstance(rule, str) else ("-", json.dumps(rule).encode())
        options = ["--from", start.isoformat(), "--to", end.isoformat(), "--max-orders", str(self._max_orders)]
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "app.cli", "rules", "test", asked, *options, "--json"),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=self._environment,
            # It has processes of its own, which end with its group.
            start_new_session=True,
        )
        try:
            async with asyncio.timeout(self._limit_seconds):
                output, errors = await process.communicate(draft)
        except TimeoutError:
            detail = f"the test took longer than {self._limit_seconds:g} s; choose a shorter range"
            raise ProblemError(503, detail) from None
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            await process.wait()
        if process.returncode == 0:
            return json.loads(output)
        raise _problem(process.returncode, errors.decode(errors="replace"), frozenset(rule) if draft else frozenset())


def _problem(code: int | None, errors: str, names: frozenset[str]) -> Exception:
    """Translates the command's message, which begins with the field that is wrong, if it is one."""
    _, explained, found = f"\n{errors}".rpartition(_ERROR)
    found = found.strip()
    if not explained or _TRACEBACK in errors:
        logger.error("a test on history ended with %s: %s", code, errors)
        return ProblemError(503, "the test ended without an answer; see the server's log")
    if any(words in found for words in _STORE_DOWN):
        return StoreDownError("postgresql")
    first, _, rest = found.partition(" ")
    field = first.rstrip(":")
    if field != first or (code == _INVALID and field.split(".")[0] in names):
        return invalid(field, rest)
    return ProblemError(422 if code == _INVALID else 503, found)


def _environment(settings: Settings) -> dict[str, str]:
    """The settings of the stores that the command reads, and nothing else of ours."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(ENV_PREFIX)}
    lake = settings.batch.lake
    kept |= {BatchSettings.variable("lake"): lake} if lake else {}
    return kept | dict(_variables(settings.postgres)) | dict(_variables(settings.general))


def _variables(group: SettingsGroup) -> Iterator[tuple[str, str]]:
    for name in type(group).model_fields:
        value = getattr(group, name)
        if value is not None:
            yield group.variable(name), value.get_secret_value() if isinstance(value, SecretStr) else str(value)
