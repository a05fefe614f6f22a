"""The batch's process as the demo runs it: shown while it works, its end judged."""

import sys
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest
from rich.console import Console

from app.errors import EmbeddedStackError
from compose.demo.batch_process import NightlyRun, run_nightly
from compose.embedded.guard import Guard
from compose.embedded.process import ServerProcess

_DAY = date(2025, 12, 7)


class _Script:
    """A batch that prints given lines and ends with a given code."""

    def __init__(self, folder: Path, guard: Guard) -> None:
        self.batch = ServerProcess("batch", folder / "batch.log", guard)
        self.code = 0
        self._folder = folder

    def start_batch(self, as_of: date) -> None:
        program = f"print('  extract', '[markup]'); print('published {as_of}-1'); exit({self.code})"
        self.batch.spawn([sys.executable, "-c", program], cwd=self._folder)


@pytest.fixture
def script(tmp_path: Path) -> Iterator[_Script]:
    with Guard(tmp_path) as guard:
        yield _Script(tmp_path, guard)


def test_what_a_run_says_is_shown_and_a_second_run_shows_its_own(script: _Script) -> None:
    console = Console(width=80)
    for _ in range(2):
        with console.capture() as shown:
            assert run_nightly(script, _DAY, console) > 0
        assert shown.get().splitlines() == [
            "Running globalmart batch nightly --as-of 2025-12-07",
            "  extract [markup]",
            "published 2025-12-07-1",
        ]


def test_a_run_that_fails_is_reported_with_the_end_of_its_log(script: _Script) -> None:
    script.code = 75
    with pytest.raises(EmbeddedStackError, match=r"exit code 75(.|\n)*published 2025-12-07-1"):
        run_nightly(script, _DAY, Console(quiet=True))


def test_a_run_during_the_traffic_says_how_far_it_is_until_it_ends(script: _Script) -> None:
    console = Console(width=80)
    with console.capture() as shown:
        run = NightlyRun(script, _DAY, console)
        assert run.poll().startswith("batch of 2025-12-07 running for ")
        seconds = run.finish()
        assert run.poll() == ""
        assert run.finish() == seconds
    assert shown.get().splitlines()[-1] == "published 2025-12-07-1"
