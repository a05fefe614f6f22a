"""The Docker stack as Compose itself understands it, with a fresh `.env`, and no engine."""

import json
import os
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml
from dotenv import dotenv_values

from app.cli.init import with_secrets
from tests.compose.programs import program
from tests.support.waiting import PATIENCE_SECONDS

PROJECT: Final = Path(__file__).parents[2]
COMPOSE_FILE: Final = PROJECT / "compose" / "compose.yml"
PROFILES: Final = ("traffic", "spark")

Service = dict[str, Any]


@dataclass(frozen=True, slots=True)
class DockerStack:
    """`services` as Compose resolves them, `written` as they stand in the file, `env` the `.env`."""

    services: Mapping[str, Service]
    written: Mapping[str, Service]
    env: Mapping[str, str]

    @property
    def ours(self) -> Mapping[str, Service]:
        """Services that run this project's code."""
        return {n: s for n, s in self.services.items() if s["image"].startswith("globalmart/")}


def copy_of_the_project(folder: Path) -> Path:
    """What Compose reads: the file set and an `.env` next to it, as in a clone after `globalmart init`."""
    for name in ("compose", "grafana"):
        shutil.copytree(PROJECT / name, folder / name)
    (folder / ".env").write_text(with_secrets())
    return folder


def compose(folder: Path, *arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    """Run Compose on a copy, with all profiles and no settings of this machine."""
    profiles = [word for profile in PROFILES for word in ("--profile", profile)]
    place = ["--env-file", ".env", "--file", "compose/compose.yml"]
    inherited = {"PATH": os.environ["PATH"], "HOME": str(folder)}
    return subprocess.run(
        [str(program("docker-compose")), *place, *profiles, *arguments],
        cwd=folder,
        env=inherited | environ,
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )


def resolved(folder: Path, **environ: str) -> Mapping[str, Service]:
    """Services as Compose resolves them; fails with what Compose says against the file."""
    done = compose(folder, "config", "--format", "json", **environ)
    assert done.returncode == 0, done.stderr
    services: Mapping[str, Service] = json.loads(done.stdout)["services"]
    return services


def read_stack(folder: Path) -> DockerStack:
    """The stack of a copy."""
    copy_of_the_project(folder)
    env = {k: v for k, v in dotenv_values(folder / ".env").items() if v is not None}
    written = yaml.safe_load(COMPOSE_FILE.read_text())["services"]
    return DockerStack(resolved(folder), written, env)
