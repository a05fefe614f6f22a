"""`globalmart up` and `down`: what they run, and what they say when something is missing."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from app.cli.env_file import with_secrets
from compose.docker import COMPOSE_FILE

#: A stand-in for Docker: answers as `broken` says, and repeats what it was called with.
_STAND_IN = """#!/bin/sh
case "$1 $2" in
"compose version") test "$BROKEN" != plugin; exit ;;
"info --format") test "$BROKEN" != engine && exit; echo "Cannot connect to the Docker daemon" >&2; exit 1 ;;
esac
for word; do echo "$word"; done
echo "into containers: $GLOBALMART_ENV_FILE"
exit 3
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A working folder with a `.env` and a `bin` with the stand-in."""
    (tmp_path / "bin").mkdir()
    docker = tmp_path / "bin" / "docker"
    docker.write_text(_STAND_IN)
    docker.chmod(0o755)
    (tmp_path / ".env").write_text(with_secrets())
    return tmp_path


def _call(folder: Path, *arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    own = {name: value for name, value in os.environ.items() if not name.startswith("GLOBALMART_")}
    return subprocess.run(
        [sys.executable, "-m", "app.cli", *arguments],
        cwd=folder,
        env=own | {"PATH": f"{folder}/bin:/usr/bin:/bin"} | environ,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_up_starts_what_is_asked_for(folder: Path) -> None:
    done = _call(folder, "up", "--workers", "3", "--traffic")
    words = done.stdout.split("\n")
    place = ["--env-file", f"{folder}/.env", "--file", str(COMPOSE_FILE)]
    assert words[:5] == ["compose", *place]
    assert words[5:7] == ["--profile", "traffic"]
    assert {"up", "--detach", "--build", "--wait", "worker=3"} <= set(words)
    assert "spark" not in words
    assert f"into containers: {folder}/.env" in words
    assert done.returncode == 3, "Docker's own exit code"


def test_down_keeps_the_data_by_default(folder: Path) -> None:
    words = _call(folder, "down").stdout.split("\n")
    assert "down" in words
    assert {"traffic", "spark"} <= set(words)
    assert "--volumes" not in words
    assert "--volumes" in _call(folder, "down", "--volumes", "--yes").stdout.split("\n")
    refused = _call(folder, "down", "--volumes")
    assert (refused.returncode, "--volumes" in refused.stdout) == (1, False)


@pytest.mark.parametrize(
    ("broken", "said"),
    [
        ("plugin", "Docker's Compose plugin is missing; install it"),
        ("engine", "engine does not answer: Cannot connect to the Docker daemon. Start it"),
    ],
)
def test_what_is_missing_is_named_with_the_fix(folder: Path, broken: str, said: str) -> None:
    done = _call(folder, "up", BROKEN=broken)
    assert done.returncode == 1
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_no_docker_at_all(folder: Path) -> None:
    (folder / "bin" / "docker").unlink()
    done = _call(folder, "up")
    assert (done.returncode, "Docker is not installed" in done.stderr) == (1, True)


def test_no_settings_file(folder: Path) -> None:
    (folder / ".env").unlink()
    done = _call(folder, "up")
    assert (done.returncode, ".env is missing; `globalmart init` writes it" in done.stderr) == (1, True)
