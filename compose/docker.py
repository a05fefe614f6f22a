"""Builds the Docker Compose commands for this project's files, and checks their prerequisites."""

import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from app.errors import DockerError

COMPOSE_FILE: Final = Path(__file__).with_name("compose.yml")
PROFILES: Final = ("traffic", "spark")
_ANSWER_SECONDS: Final = 30.0


@dataclass(frozen=True, slots=True)
class Compose:
    """Compose on this machine; `program` is `docker compose` or `docker-compose`."""

    program: tuple[str, ...]
    env_file: Path

    @classmethod
    def find(cls, env_file: Path) -> "Compose":
        """Finds Compose. Raises DockerError, which names what is missing and how to get it."""
        if not (COMPOSE_FILE.parent.parent / "requirements.lock").is_file():
            raise DockerError(
                "the images are built from the project's folder, and this globalmart is installed without it; "
                "run it from a clone"
            )
        program = _program()
        _require_engine()
        if not env_file.is_file():
            raise DockerError(f"{env_file} is missing; `globalmart init` writes it")
        return cls(program, env_file.absolute())

    def command(self, *arguments: str, profiles: Sequence[str] = ()) -> list[str]:
        """Returns the command line for the arguments of Compose."""
        place = ["--env-file", str(self.env_file), "--file", str(COMPOSE_FILE)]
        switches = [word for profile in profiles for word in ("--profile", profile)]
        return [*self.program, *place, *switches, *arguments]

    def up(self, workers: int, profiles: Sequence[str]) -> list[str]:
        """Returns the command that builds the images, starts everything and waits until it is healthy."""
        scale = f"worker={workers}"
        return self.command(
            "up", "--detach", "--build", "--wait", "--remove-orphans", "--scale", scale, profiles=profiles
        )

    def down(self, *, volumes: bool) -> list[str]:
        """Returns the command that stops and removes everything, of all profiles; with `volumes` also the data."""
        more = ["--volumes"] if volumes else []
        return self.command("down", "--remove-orphans", *more, profiles=PROFILES)


def _program() -> tuple[str, ...]:
    if shutil.which("docker") is None:
        raise DockerError(
            "Docker is not installed; install Docker Engine with its Compose plugin, or use `globalmart demo`, "
            "which needs none"
        )
    if _answers("docker", "compose", "version") is None:
        return ("docker", "compose")
    if shutil.which("docker-compose") and _answers("docker-compose", "version", "--short") is None:
        return ("docker-compose",)
    raise DockerError("Docker's Compose plugin is missing; install it (Debian: docker-compose-plugin)")


def _require_engine() -> None:
    problem = _answers("docker", "info", "--format", "{{.ServerVersion}}")
    if problem is not None:
        raise DockerError(
            f"Docker's engine does not answer: {problem}. Start it (systemctl start docker), or, if permission is "
            "denied, join the group docker"
        )


def _answers(*command: str) -> str | None:
    """Returns None if the command succeeds, else the last line of its output."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_ANSWER_SECONDS, check=False)
    except subprocess.TimeoutExpired:
        return f"no answer within {_ANSWER_SECONDS:.0f} s"
    if done.returncode == 0:
        return None
    output = (done.stderr or done.stdout).strip()
    return output.splitlines()[-1] if output else f"exit code {done.returncode}"
