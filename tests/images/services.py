"""What compose/compose.yml says of a service, as Compose itself resolves it."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

from tests.compose.docker_stack import compose


@dataclass(frozen=True, slots=True)
class Mount:
    """A volume by its name, or a file of the project by its path."""

    source: str
    target: str
    read_only: bool
    is_volume: bool


@dataclass(frozen=True, slots=True)
class Service:
    """One service of ours: what an engine would be asked for."""

    name: str
    image: str
    command: Sequence[str]
    environment: Mapping[str, str]
    read_only: bool
    tmpfs: Mapping[str, str]
    mounts: Sequence[Mount]
    memory_bytes: int
    init: bool
    grace_seconds: float
    health: Sequence[str]

    @classmethod
    def read(cls, name: str, said: Mapping[str, Any]) -> Self:
        """Of one service of Compose's JSON; raises ValueError where it asks for what is not done here."""
        if said.get("cap_drop") != ["ALL"] or said.get("security_opt") != ["no-new-privileges:true"]:
            raise ValueError(f"{name}: only services without capabilities and new privileges run here")
        return cls(
            name=name,
            image=said["image"],
            command=said["command"],
            environment={key: value or "" for key, value in said["environment"].items()},
            read_only=said.get("read_only", False),
            tmpfs=dict(_target_and_options(entry) for entry in said.get("tmpfs", ())),
            mounts=[
                Mount(v["source"], v["target"], v.get("read_only", False), v["type"] == "volume")
                for v in said.get("volumes", ())
            ],
            memory_bytes=int(said["mem_limit"]),
            init=said.get("init", False),
            grace_seconds=_seconds(said.get("stop_grace_period", "10s")),
            health=said.get("healthcheck", {}).get("test", [])[1:],
        )

    def with_variables(self, **variables: str) -> "Service":
        """The same with other values of the environment."""
        return replace(self, environment={**self.environment, **variables})

    def running(self, *command: str) -> "Service":
        """The same with another command."""
        return replace(self, command=command)


def services(folder: Path) -> Mapping[str, Service]:
    """Every service of ours, of a copy of the project with its `.env`."""
    done = compose(folder, "config", "--format", "json")
    if done.returncode:
        raise RuntimeError(done.stderr)
    # Compose writes what is no variable any more with two dollars.
    resolved = json.loads(done.stdout.replace("$$", "$"))["services"]
    ours = {n: s for n, s in resolved.items() if s["image"].startswith("globalmart/")}
    return {name: Service.read(name, said) for name, said in ours.items()}


def _target_and_options(entry: str) -> tuple[str, str]:
    target, _, options = entry.partition(":")
    return target, options


def _seconds(duration: str) -> float:
    """Of `1m0s`, as Go writes it."""
    minutes, _, rest = duration.rpartition("m")
    return 60 * float(minutes or 0) + float(rest.rstrip("s") or 0)
