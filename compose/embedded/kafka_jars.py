"""Fetches Apache Kafka's published jars once per user and checks each against its pinned SHA-256.

Maven if it is installed, else the Ivy of PySpark; both use the user's own mirror settings. The pins are in
`kafka_jars.json` next to this file.
"""

import functools
import hashlib
import importlib.util
import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from app.errors import EmbeddedStackError, text_of
from app.java import Java

_PINS_FILE: Final = Path(__file__).with_name("kafka_jars.json")
_MAVEN_GOAL: Final = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies"
_LIMIT_SECONDS: Final = 600.0

Report = Callable[[str], None]


@functools.cache
def pins() -> dict[str, Any]:
    """Returns `modules` (group:name:version), `version` of Kafka, `sha256` by file name."""
    content: dict[str, Any] = json.loads(_PINS_FILE.read_text())
    return content


def cache_dir(environ: Mapping[str, str] | None = None) -> Path:
    """Returns the folder of the jars for all clones of this user; follows XDG_CACHE_HOME."""
    environ = os.environ if environ is None else environ
    root = Path(environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return root / "globalmart" / f"kafka-{pins()['version']}"


def ensure_jars(java: Java, report: Report, target: Path | None = None) -> Path:
    """Returns the folder with every jar of Kafka; raises EmbeddedStackError with the output of each resolver."""
    target = cache_dir() if target is None else target
    if not differences(target):
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=f".{target.name}-") as draft:
        jars = _resolve(java, report, Path(draft))
        _publish(jars, target)
    return target


def differences(folder: Path) -> list[str]:
    """Returns the differences between the folder and the pinned set of jars."""
    expected: dict[str, str] = pins()["sha256"]
    present = {path.name: path for path in folder.glob("*.jar")}
    missing = [f"{name} is missing" for name in sorted(expected.keys() - present.keys())]
    surplus = [f"{name} is not pinned" for name in sorted(present.keys() - expected.keys())]
    changed = [
        f"{name} has another SHA-256 than pinned"
        for name in sorted(expected.keys() & present.keys())
        if hashlib.sha256(present[name].read_bytes()).hexdigest() != expected[name]
    ]
    return missing + surplus + changed


def _resolve(java: Java, report: Report, draft: Path) -> Path:
    failures: list[str] = []
    for name, resolver in _resolvers(java):
        report(f"Fetching Apache Kafka {pins()['version']} with {name} (43 MB, once per user)")
        jars = draft / f"jars-{name.lower()}"
        jars.mkdir()
        output = resolver(draft, jars)
        problems = differences(jars)
        if not problems:
            return jars
        failures.append(f"{name}: {'; '.join(problems[:3])}\n{output}")
    raise EmbeddedStackError(
        "Apache Kafka could not be fetched from the Java package registry. Check the network and "
        "Maven's mirror settings (settings.xml), or install Maven or PySpark if both are missing.\n"
        + "\n".join(failures)
    )


def _resolvers(java: Java) -> Iterator[tuple[str, Callable[[Path, Path], str]]]:
    if maven := shutil.which("mvn"):
        yield "Maven", functools.partial(_run_maven, maven, java)
    spec = importlib.util.find_spec("pyspark")
    if spec is not None and spec.origin is not None:
        for ivy in sorted((Path(spec.origin).parent / "jars").glob("ivy-*.jar")):
            yield "Ivy", functools.partial(_run_ivy, ivy, java)


def _run_maven(maven: str, java: Java, draft: Path, jars: Path) -> str:
    dependencies = "".join(
        f"<dependency><groupId>{group}</groupId><artifactId>{name}</artifactId>"
        f"<version>{version}</version></dependency>"
        for group, name, version in _modules()
    )
    pom = draft / "pom.xml"
    pom.write_text(
        "<project><modelVersion>4.0.0</modelVersion><groupId>globalmart</groupId>"
        "<artifactId>embedded-kafka</artifactId><version>1</version>"
        f"<dependencies>{dependencies}</dependencies></project>"
    )
    options = ["-DincludeScope=runtime", f"-DoutputDirectory={jars}"]
    return _run([maven, "-q", "-B", "-f", str(pom), _MAVEN_GOAL, *options], java, draft)


def _run_ivy(ivy: Path, java: Java, draft: Path, jars: Path) -> str:
    dependencies = "".join(
        f'<dependency org="{group}" name="{name}" rev="{version}" conf="default->master,runtime"/>'
        for group, name, version in _modules()
    )
    module = draft / "ivy.xml"
    module.write_text(
        '<ivy-module version="2.0"><info organisation="globalmart" module="embedded-kafka"/>'
        '<configurations><conf name="default"/></configurations>'
        f"<dependencies>{dependencies}</dependencies></ivy-module>"
    )
    pattern = f"{jars}/[artifact]-[revision](-[classifier]).[ext]"
    command = [str(java.executable), f"-Divy.default.ivy.user.dir={draft / 'ivy'}", "-jar", str(ivy)]
    options = ["-ivy", str(module), "-confs", "default", "-retrieve", pattern]
    return _run([*command, *options], java, draft)


def _run(command: list[str], java: Java, draft: Path) -> str:
    environ = {**os.environ, "JAVA_HOME": str(java.home)}
    try:
        done = subprocess.run(
            command, cwd=draft, env=environ, capture_output=True, text=True, timeout=_LIMIT_SECONDS, check=False
        )
    except (OSError, subprocess.SubprocessError) as error:
        return text_of(error)
    return "\n".join((done.stdout + done.stderr).splitlines()[-15:])


def _modules() -> Iterator[tuple[str, str, str]]:
    for module in pins()["modules"]:
        group, name, version = module.split(":")
        yield group, name, version


def _publish(jars: Path, target: Path) -> None:
    """Renames the complete folder into place, unless another launcher was first: its Kafka may run from there."""
    if not differences(target):
        return
    if target.exists():
        shutil.rmtree(target)
    try:
        jars.rename(target)
    except OSError:
        if differences(target):
            raise
