"""The peers' own environments under `var/peers`: two virtual environments and a folder of jars, all checked by hash."""

import hashlib
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from app.errors import GlobalMartError

Report = Callable[[str], None]

_HERE: Final = Path(__file__).parent
_MAVEN_GOAL: Final = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies"
_INSTALL_SECONDS: Final = 1_800


class PeersError(GlobalMartError):
    """A peer cannot be installed; the message says what is missing and how to get it."""


@dataclass(frozen=True, slots=True)
class Environments:
    """The Python of each peer, and the jars of Spark's connector to Kafka and of PostgreSQL's driver."""

    structured_streaming: Path
    quix: Path
    jars: Path


def ensure_environments(folder: Path, report: Report) -> Environments:
    """Install what is not there yet; raises PeersError."""
    folder = folder.absolute()
    jars = _ensure_jars(folder / "jars", report)
    return Environments(
        _ensure_python(folder, "structured_streaming", report), _ensure_python(folder, "quix", report), jars
    )


def pinned_versions() -> dict[str, str]:
    """The versions of what is compared, out of the lock files and the list of jars."""
    locks = "".join(path.read_text() for path in sorted(_HERE.glob("*.lock")))
    packages = dict(_name_and_version(line) for line in locks.splitlines() if "==" in line)
    jars = {line.split()[1] for line in (_HERE / "jars.sha256").read_text().splitlines()}
    chosen = ("pyspark", "quixstreams", "confluent-kafka", "psycopg2-binary")
    return {name: packages[name] for name in chosen} | {
        name: jar_version(jars, name) for name in ("spark-sql-kafka-0-10_2.12", "kafka-clients", "postgresql")
    }


def jar_version(jars: set[str], artifact: str) -> str:
    """The version in the name of a jar, `artifact-version.jar`; raises PeersError if there is none."""
    for jar in jars:
        version = jar.removeprefix(f"{artifact}-").removesuffix(".jar")
        if version != jar.removesuffix(".jar") and version[0].isdigit():
            return version
    raise PeersError(f"no jar of {artifact} is pinned in tests/bench/peers/jars.sha256")


def differences(folder: Path, pins: str) -> list[str]:
    """What differs between the jars of a folder and the pins, lines as `sha256sum` writes them."""
    expected = {name: digest for digest, name in (line.split() for line in pins.splitlines())}
    present = {jar.name: hashlib.sha256(jar.read_bytes()).hexdigest() for jar in folder.glob("*.jar")}
    return [
        f"{name}: pinned {expected.get(name, 'not at all')}, found {present.get(name, 'none')}"
        for name in sorted(expected.keys() | present.keys())
        if expected.get(name) != present.get(name)
    ]


def _name_and_version(line: str) -> tuple[str, str]:
    name, _, version = line.split()[0].partition("==")
    return name.partition("[")[0], version


def _ensure_jars(folder: Path, report: Report) -> Path:
    pins = (_HERE / "jars.sha256").read_text()
    if not differences(folder, pins):
        return folder
    maven = shutil.which("mvn")
    if maven is None:
        raise PeersError(
            "Maven is missing: it fetches Spark's connector to Kafka. Install it (Debian: apt-get install maven)"
        )
    report("Fetching Spark's connector to Kafka and PostgreSQL's driver with Maven")
    shutil.rmtree(folder, ignore_errors=True)
    options = ["-DincludeScope=runtime", f"-DoutputDirectory={folder}"]
    _run([maven, "-q", "-B", "-f", str(_HERE / "pom.xml"), _MAVEN_GOAL, *options])
    if found := differences(folder, pins):
        raise PeersError(f"Maven fetched other jars than pinned in tests/bench/peers/jars.sha256: {'; '.join(found)}")
    return folder


def _ensure_python(folder: Path, name: str, report: Report) -> Path:
    lock = _HERE / f"{name}.lock"
    digest = hashlib.sha256(lock.read_bytes()).hexdigest()[:12]
    environment = folder / f"{name}-{digest}"
    python, stamp = environment / "bin" / "python", environment / ".installed"
    if not stamp.exists():
        report(f"Installing {name} into {environment}")
        shutil.rmtree(environment, ignore_errors=True)
        _run([sys.executable, "-m", "venv", str(environment)])
        pip = [str(python), "-m", "pip", "install", "--disable-pip-version-check", "--quiet"]
        _run([*pip, "--require-hashes", "-r", str(lock)])
        stamp.touch()
    return python


def _run(command: Sequence[str]) -> None:
    try:
        subprocess.run(command, check=True, capture_output=True, text=True, timeout=_INSTALL_SECONDS)
    except subprocess.CalledProcessError as error:
        tail = "\n".join((error.stdout + error.stderr).splitlines()[-15:])
        raise PeersError(f"{Path(command[0]).name} failed, check network and mirrors:\n{tail}") from error
    except subprocess.TimeoutExpired as error:
        raise PeersError(f"{Path(command[0]).name} did not end within {_INSTALL_SECONDS} s") from error
