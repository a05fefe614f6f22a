"""Builds the Docker Compose commands for this project's files, and checks their prerequisites."""

import errno
import json
import os
import re
import shutil
import socket
import subprocess
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Final

from app.errors import DockerError

_ASSIGNMENT: Final = re.compile(r"\s*(?:export\s+)?(\w+)\s*=\s*(.*?)\s*$")
_LITERAL: Final = re.compile(r"'[^']*'(\s+#.*)?")
#: Compose substitutes variables at every dollar, python-dotenv only at `${`; backslashes differ, too.
_AMBIGUOUS: Final = re.compile(r"[$\\]")
#: In compose.yml: `${KAFKA_PORT:-29092}:29092`.
_CONFIGURED = re.compile(r"\$\{(\w+):-\d+\}:(\d+)")
PROJECT: Final = "globalmart"
#: The oldest version with `up --wait-timeout`, secrets of a build, and waiting for one-shot services.
OLDEST_VERSION: Final = (2, 20)
COMPOSE_FILE: Final = Path(__file__).with_name("compose.yml")
PROFILES: Final = ("traffic", "spark")
_ANSWER_SECONDS: Final = 30.0


def require_one_meaning(env_file: Path) -> None:
    """Raises DockerError that names each variable whose value the two would read differently."""
    names = list(_ambiguous(env_file.read_text(encoding="utf-8")))
    if names:
        raise DockerError(
            f"{env_file}: Docker Compose and this program would read different values of {', '.join(names)}; put "
            "values with a dollar or a backslash in single quotes: NAME='pa$word'"
        )


def _ambiguous(text: str) -> Iterator[str]:
    for line in text.splitlines():
        found = _ASSIGNMENT.match(line)
        if found is None or line.lstrip().startswith("#"):
            continue
        name, value = found.groups()
        if not _LITERAL.fullmatch(value) and _AMBIGUOUS.search(re.sub(r"\s#.*", "", value)):
            yield name


@dataclass(frozen=True, slots=True)
class Published:
    """A port of a service on an address of this machine; `target` is the port in the container."""

    service: str
    address: str
    port: int
    target: int


def published(resolved: str) -> list[Published]:
    """Returns the ports in the output of `docker compose config --format json`."""
    services: dict[str, Any] = json.loads(resolved)["services"]
    return [
        Published(name, entry.get("host_ip") or "0.0.0.0", int(entry["published"]), int(entry["target"]))
        for name, service in services.items()
        for entry in service.get("ports") or ()
        if entry.get("published")
    ]


def unprotected(resolved: str) -> list[str]:
    """Returns warnings for services in the same JSON that other machines can reach without a password."""
    services: dict[str, Any] = json.loads(resolved)["services"]
    advice = {
        "kafka": "leave KAFKA_BIND on loopback, or trust the network",
        "dashboard": "put a proxy with a password in front of it, or trust the network",
    }
    api = services.get("api", {}).get("environment", {})
    if not api.get("GLOBALMART_API_KEY_HASHES"):
        advice["api"] = "whoever reaches it reads orders and changes rules: create a key by `globalmart api-key new`"
    reached = {one.service: one for one in published(resolved) if not _is_loopback(one.address)}
    return [
        f"{name} requires no password on {reached[name].address}:{reached[name].port}; {text}"
        for name, text in sorted(advice.items())
        if name in reached
    ]


def _is_loopback(address: str) -> bool:
    return address == "localhost" or ip_address(address).is_loopback


def _problems(ports: Collection[Published]) -> Iterator[str]:
    """Yields every taken port with its service and the variable to change."""
    configured = _CONFIGURED.findall(COMPOSE_FILE.read_text(encoding="utf-8"))
    variables = {int(target): name for name, target in configured}
    for one in ports:
        error = _bind_error(one.address, one.port)
        place = f"{one.address}:{one.port}"
        if error is None:
            continue
        if error.errno == errno.EADDRNOTAVAIL:
            yield (
                f"{one.service} cannot listen on {place}: this machine does not have this address; correct "
                f"{'KAFKA_BIND' if one.service == 'kafka' else 'GLOBALMART_BIND'} in .env"
            )
        else:
            yield (
                f"{one.service} cannot listen on {place} ({error.strerror}); stop the program that does, or set "
                f"{variables[one.target]} in .env to a free port"
            )


def _bind_error(address: str, port: int) -> OSError | None:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        # Connections in TIME_WAIT of a server that has just ended do not matter.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, port))
        except OSError as error:
            return error
    return None


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
        require_one_meaning(env_file)
        return cls(program, env_file.absolute())

    def command(self, *arguments: str, profiles: Sequence[str] = ()) -> list[str]:
        """Returns the command line for the arguments of Compose."""
        place = ["--env-file", str(self.env_file), "--file", str(COMPOSE_FILE)]
        switches = [word for profile in profiles for word in ("--profile", profile)]
        return [*self.program, *place, *switches, *arguments]

    @property
    def environ(self) -> Mapping[str, str]:
        """Compose's environment; the file is read twice: by Compose for compose.yml, and by the containers."""
        return {**os.environ, "GLOBALMART_ENV_FILE": str(self.env_file)}

    def running(self) -> "Running":
        """Returns the running containers of the stack."""
        label = "com.docker.compose"
        shown = f'{{{{.Label "{label}.service"}}}} {{{{.Ports}}}}'
        output = self._output("docker", "ps", "--filter", f"label={label}.project={PROJECT}", "--format", shown)
        lines = [line.split(maxsplit=1) for line in output.splitlines() if line.strip()]
        return Running(
            Counter(words[0] for words in lines),
            frozenset(
                (words[0], int(port)) for words in lines for port in re.findall(r":(\d+)->", " ".join(words[1:]))
            ),
        )

    def resolved(self, profiles: Sequence[str]) -> str:
        """Returns Compose's resolved configuration as JSON."""
        return self._output(*self.command("config", "--format", "json", profiles=profiles))

    def require_free_ports(self, resolved: str, running: "Running") -> None:
        """Raises DockerError that names every port used by another program."""
        wanted = [one for one in published(resolved) if (one.service, one.port) not in running.ports]
        if problems := list(_problems(wanted)):
            raise DockerError("\n".join(problems))

    def build(self) -> list[str]:
        """Returns the command that builds both images; it rebuilds only what has changed."""
        return self.command("build")

    def up(self, workers: int, profiles: Sequence[str], seconds: int) -> list[str]:
        """Returns the command that starts everything and waits until it is healthy, for at most `seconds`."""
        wait = ("--wait", "--wait-timeout", str(seconds))
        workers_wanted = ("--remove-orphans", "--scale", f"worker={workers}")
        return self.command("up", "--detach", "--no-build", *wait, *workers_wanted, profiles=profiles)

    def remove(self, service: str) -> list[str]:
        """Returns the command that stops a service and removes its container."""
        return self.command("rm", "--stop", "--force", service, profiles=PROFILES)

    def down(self, *, volumes: bool) -> list[str]:
        """Returns the command that stops and removes everything, of all profiles; with `volumes` also the data."""
        more = ["--volumes"] if volumes else []
        return self.command("down", "--remove-orphans", *more, profiles=PROFILES)

    def _output(self, *command: str) -> str:
        code, output = _run(*command, environ=self.environ)
        if code:
            raise DockerError(output)
        return output


@dataclass(frozen=True, slots=True)
class Running:
    """The stack's running containers by service, and their ports on this machine."""

    containers: Mapping[str, int]
    ports: frozenset[tuple[str, int]]


def _program() -> tuple[str, ...]:
    if shutil.which("docker") is None:
        raise DockerError(
            "Docker is not installed; install Docker Engine with its Compose plugin, or use `globalmart demo`, "
            "which needs none"
        )
    found = []
    for program in (("docker", "compose"), ("docker-compose",)):
        version = _version(program)
        if version >= OLDEST_VERSION:
            return program
        if version:
            found.append(f"{' '.join(program)} is {'.'.join(map(str, version))}")
    if found:
        wanted = ".".join(map(str, OLDEST_VERSION))
        raise DockerError(
            f"Docker Compose is too old: {', '.join(found)}, {wanted} or newer is needed; install Docker's own package "
            "docker-compose-plugin"
        )
    raise DockerError("Docker's Compose plugin is missing; install it (Debian: docker-compose-plugin)")


def _version(program: Sequence[str]) -> tuple[int, ...]:
    """Returns the first two numbers of the version; nothing if the program is missing."""
    if shutil.which(program[0]) is None:
        return ()
    code, output = _run(*program, "version", "--short")
    found = re.match(r"v?(\d+)\.(\d+)", output.strip())
    return (int(found[1]), int(found[2])) if found and code == 0 else ()


def _require_engine() -> None:
    code, problem = _run("docker", "info", "--format", "{{.ServerVersion}}")
    if code:
        raise DockerError(
            f"Docker's engine does not answer: {problem}. Start it (systemctl start docker), or, if permission is "
            "denied, join the group docker"
        )


def _run(*command: str, environ: Mapping[str, str] | None = None) -> tuple[int, str]:
    """Returns a command's exit code and its output, or in one line why it failed."""
    try:
        done = subprocess.run(
            command, env=environ, capture_output=True, text=True, timeout=_ANSWER_SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        return 1, f"no answer within {_ANSWER_SECONDS:.0f} s"
    if done.returncode == 0:
        return 0, done.stdout
    output = (done.stderr or done.stdout).strip()
    return done.returncode, output.splitlines()[-1] if output else f"exit code {done.returncode}"
