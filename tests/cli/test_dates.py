"""Dates on the command line: one strict form on every command, exit code 2 and the option's name for anything else."""

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from app.cli import main

_PROJECT = Path(__file__).parents[2]
_DAYS = [
    ("batch", "nightly", "--as-of"),
    ("batch", "etl", "--as-of"),
    ("batch", "rfm", "--as-of"),
    ("batch", "trends", "--as-of"),
    ("batch", "products", "--as-of"),
    ("reconcile", "--date"),
    ("reconcile", "--date", "2025-12-01", "--through"),
    ("replay", "--from"),
    ("replay", "--from", "2025-12-01", "--to"),
]
_TIMES = [
    ("dead-letters", "list", "--since"),
    ("dead-letters", "list", "--until"),
    ("generate", "--count", "1", "--start"),
    ("generate", "--backfill", "1d", "--until"),
]
_NEITHER = ["1762041600", "20251102", "20251102xx", "2025-W44-7", "2025-11-2", "2025-02-30", "0000-01-01", ""]


@pytest.fixture(autouse=True)
def _own_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("GLOBALMART_ENV_FILE", "")
    monkeypatch.setenv("GLOBALMART_VAR_DIR", str(tmp_path / "var"))
    monkeypatch.setenv("COLUMNS", "400")


def _refused(arguments: Sequence[str], capsys: pytest.CaptureFixture[str]) -> str:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    printed = capsys.readouterr().err
    assert "Traceback" not in printed
    return printed


@pytest.mark.parametrize("call", _DAYS + _TIMES, ids=" ".join)
def test_what_is_no_date_is_wrong_usage(call: Sequence[str], capsys: pytest.CaptureFixture[str]) -> None:
    for text in _NEITHER:
        printed = _refused([*call, text], capsys)
        assert call[-1] in printed, text
        assert "write a date such as 2025-12-01" in printed, text


@pytest.mark.parametrize("call", _DAYS, ids=" ".join)
def test_a_time_is_no_day(call: Sequence[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert "not a date" in _refused([*call, "2025-12-01T10:00:00Z"], capsys)
    assert "last day of the calendar" in _refused([*call, "9999-12-31"], capsys)


@pytest.mark.parametrize("text", _NEITHER)
def test_the_batch_under_spark_submit_reads_days_alike(text: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "batch", "nightly", "--as-of", text],
        cwd=_PROJECT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "argument --as-of" in done.stderr
    assert "write a date such as 2025-12-01" in done.stderr
