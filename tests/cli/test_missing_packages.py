"""A command whose packages are not installed says which, and where they are."""

import subprocess
import sys
from pathlib import Path

import pytest

from app.cli.commands import COMMANDS, explained
from tests.compose.docker_stack import DockerStack, read_stack

_PROJECT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("module", "arguments", "said"),
    [
        ("psutil", ["demo"], "`globalmart demo` needs the package psutil, .* globalmart[embedded]"),
        (
            "adbc_driver_postgresql",
            ["backup", "var"],
            "globalmart[batch]. In the Docker stack: docker exec globalmart-maintain globalmart backup",
        ),
        ("faust.app", ["worker"], "package faust-streaming"),
        ("yaml", ["up"], "package pyyaml"),
    ],
)
def test_the_extra_and_the_container_are_named(module: str, arguments: list[str], said: str) -> None:
    text = explained(ModuleNotFoundError(name=module), arguments)
    assert text is not None
    assert all(part in text for part in said.split(" .* "))


def test_what_no_extra_brings_is_a_bug() -> None:
    assert explained(ModuleNotFoundError(name="app.nonsense"), ["demo"]) is None
    assert explained(ModuleNotFoundError(name="nonsense"), ["demo"]) is None


def test_the_command_line_says_it_without_a_trace(tmp_path: Path) -> None:
    """As in an image: a package that is not there."""
    blocked = "import sys; sys.modules['adbc_driver_postgresql'] = None; from app.cli import main; "
    done = subprocess.run(
        [sys.executable, "-c", f"{blocked}main(['backup', {str(tmp_path)!r}])"],
        cwd=_PROJECT,
        env={"GLOBALMART_ENV_FILE": "", "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 1
    assert "install globalmart[batch]" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_containers_named_are_the_stacks(tmp_path: Path) -> None:
    stack: DockerStack = read_stack(tmp_path)
    names = {service.get("container_name") for service in stack.services.values()}
    assert {command.container for command in COMMANDS if command.container} <= names
