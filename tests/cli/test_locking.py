"""A command that finds its lock held says so and exits with 75; any other error is not its business."""

import pytest
import typer

from app.cli.exits import exits_while_locked
from app.errors import BackupError, LockHeldError


def test_a_held_lock_is_exit_code_75(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(typer.Exit) as ended, exits_while_locked():
        raise LockHeldError("another run is in progress")
    assert ended.value.exit_code == 75
    assert capsys.readouterr().err == "another run is in progress\n"


def test_other_errors_pass() -> None:
    with pytest.raises(BackupError), exits_while_locked():
        raise BackupError("damaged")
