import importlib
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
import typer

from app.cli import main
from app.cli.commands import COMMANDS
from app.settings import documented_settings

_PROJECT = Path(__file__).parents[2]


def _exit_code(arguments: Sequence[str]) -> int:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert isinstance(ended.value.code, int)
    return ended.value.code


@pytest.fixture(autouse=True)
def _own_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("GLOBALMART_ENV_FILE", "")
    monkeypatch.setenv("GLOBALMART_VAR_DIR", str(tmp_path / "var"))
    monkeypatch.setenv("COLUMNS", "200")


def test_help_names_the_commands(capsys: pytest.CaptureFixture[str]) -> None:
    assert _exit_code(["--help"]) == 0
    shown = capsys.readouterr().out
    assert {"demo", "doctor", "migrate", "settings", "worker", "reset"} <= set(shown.split())


def test_help_loads_nothing_heavy() -> None:
    program = (
        "import sys; from contextlib import suppress; from app.cli.commands import build_app\n"
        "with suppress(SystemExit): build_app(['--help'])(['--help'])\n"
        "heavy = {'faust', 'asyncpg', 'confluent_kafka', 'pydantic', 'pyspark'} & set(sys.modules)\n"
        "sys.exit(','.join(sorted(heavy)) or None)"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=_PROJECT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_wrong_usage_is_exit_code_2() -> None:
    assert _exit_code(["settings", "--nonsense"]) == 2


def test_a_wrong_setting_is_exit_code_2_and_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("GLOBALMART_KAFKA_PARTITION", "3")
    assert _exit_code(["settings"]) == 2
    told = capsys.readouterr().err
    assert "GLOBALMART_KAFKA_PARTITION: no such setting" in told
    assert "Traceback" not in told


def test_settings_masks_secrets(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("GLOBALMART_POSTGRES_OWNER_PASSWORD", "hunter2")
    monkeypatch.setenv("GLOBALMART_KAFKA_PARTITIONS", "12")
    assert _exit_code(["settings"]) == 0
    shown = capsys.readouterr().out
    assert "hunter2" not in shown
    assert "********" in shown
    row = next(line for line in shown.splitlines() if "GLOBALMART_KAFKA_PARTITIONS" in line)
    assert row.split()[1] == "12"


def test_markdown_lists_every_setting(capsys: pytest.CaptureFixture[str]) -> None:
    assert _exit_code(["settings", "--markdown"]) == 0
    rows = capsys.readouterr().out.splitlines()[2:]
    assert [row.split("`")[1] for row in rows] == [name for name, _ in documented_settings()]


def test_doctor_is_content_here(capsys: pytest.CaptureFixture[str]) -> None:
    assert _exit_code(["doctor"]) == 0
    assert "all is well" in capsys.readouterr().out


def test_doctor_names_the_problem(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("GLOBALMART_VAR_DIR", str(tmp_path / "file" / "var"))
    assert _exit_code(["doctor"]) == 1
    assert "cannot be made" in capsys.readouterr().out


def test_reset_deletes_only_what_the_servers_stored(tmp_path: Path) -> None:
    kafka = tmp_path / "var" / "kafka"
    kafka.mkdir(parents=True)
    kept = tmp_path / "var" / "bench.json"
    kept.touch()
    assert _exit_code(["reset", "--yes"]) == 0
    assert (kafka.exists(), kept.exists()) == (False, True)


def _calls() -> Iterator[tuple[str, ...]]:
    """Every command there is, and those within the groups."""
    for command in COMMANDS:
        yield (command.name,)
        if command.group:
            group = getattr(importlib.import_module(command.module), command.function)
            for name in typer.main.get_command(group).commands:  # type: ignore[attr-defined]
                yield command.name, name


@pytest.mark.parametrize("call", tuple(_calls()), ids=" ".join)
def test_every_command_has_help_with_an_example_of_itself(
    call: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    assert _exit_code([*call, "--help"]) == 0
    shown = " ".join(capsys.readouterr().out.split())
    example = shown[shown.index("Example: ") :]
    assert f"globalmart {' '.join(call)}" in example
