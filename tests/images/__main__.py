"""Builds both images and runs every service of the Docker stack in them, without an engine; writes var/images.json.

    python -m tests.images [--keep]

Needs root: namespaces, mounts, and buildah where no engine runs. `make images` installs what it needs besides Python.
Exit code 1 when anything is not as it has to be, or too large.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from app import __version__
from app.java import find_java
from compose.embedded.kafka_jars import ensure_jars
from compose.embedded.stack import remove_stack
from tests.compose.docker_stack import PROJECT
from tests.compose.programs import program
from tests.images.container import Image
from tests.images.engines import Buildah, Client, find_engine, missing_programs
from tests.images.layers import Layer, added, as_data, layers
from tests.images.loopback import in_a_network_of_its_own, loopback_up
from tests.images.report import Report
from tests.images.scenes import FirstDay
from tests.images.stores import running_stores

_REPORT: Final = PROJECT / "var" / "images.json"
_CONTEXT: Final = (
    "agents",
    "api",
    "app",
    "batch",
    "compose",
    "grafana",
    "tables",
    "pyproject.toml",
    "README.md",
    "LICENSE",
    ".dockerignore",
)
_PROGRAMS: Final = ("unshare", "nsenter", "mount", "tini-static")
_BUILDAH_PROGRAMS: Final = ("buildah", "debootstrap")

#: What an image may add to its base, in millions of bytes, and what a changed line may rebuild.
LIMITS_MB: Final[Mapping[str, float]] = {"app": 600.0, "batch": 1300.0}
_MOST_REBUILT_MB: Final = 20.0
#: One line of each that people change most often, and that belongs in no layer of packages.
_CHANGES: Final[Mapping[str, str]] = {"app/topics.py": "\n# A changed line.\n", "README.md": "\nA changed line.\n"}


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """What a changed line rebuilds of one image."""

    file: str
    seconds: float
    layers: int
    mb: float


def main() -> int:
    """Build, measure, run, report."""
    options = _options()
    if os.geteuid() != 0:
        sys.exit("the images are built and run in namespaces of their own: run it as root")
    folder = (PROJECT / "var" / "images").absolute()
    if options.inside:
        return _run(folder, Path(options.inside))
    report = Report(_say)
    engine = _prepared(folder)
    built = _build(engine, folder, report)
    seen = _run_in_a_network_of_its_own(engine, folder, report)
    _write(engine, built, seen, report)
    if not options.keep:
        engine.close()
        _remove(folder)
    return 1 if report.failures else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.images", description=__doc__)
    parser.add_argument("--keep", action="store_true", help="keep logs and files in var/images")
    parser.add_argument("--inside", metavar="IMAGES", help=argparse.SUPPRESS)
    return parser.parse_args()


def _prepared(folder: Path) -> Client | Buildah:
    """An empty folder, and everything fetched that a network without a way out could not."""
    engine = find_engine(folder / "engine")
    if folder.exists():
        engine.close()
        _remove(folder)
    folder.mkdir(parents=True)
    wanted = _PROGRAMS if isinstance(engine, Client) else (*_PROGRAMS, *_BUILDAH_PROGRAMS)
    if missing := missing_programs(wanted):
        sys.exit(f"{', '.join(missing)} is missing; `make images` installs it")
    program("docker-compose")
    ensure_jars(find_java(), _say)
    return engine


def _remove(folder: Path) -> None:
    """The servers' data first: PostgreSQL's may be elsewhere."""
    remove_stack(folder / "servers")
    shutil.rmtree(folder)


def _build(engine: Client | Buildah, folder: Path, report: Report) -> dict[str, Any]:
    """Both images, their layers, and what a changed line rebuilds."""
    context = folder / "context"
    context.mkdir()
    for name in _CONTEXT:
        copy = shutil.copytree if (PROJECT / name).is_dir() else shutil.copy2
        copy(PROJECT / name, context / name)
    base = engine.base(context / "compose/Dockerfile")
    base_layers = _layers(engine, base, folder)
    built: dict[str, Any] = {"base": {"image": base, **as_data(base_layers)}}
    for target in LIMITS_MB:
        seconds = _build_seconds(engine, context, target, _tag(target), base)
        found = _layers(engine, _tag(target), folder)
        own = as_data(added(found, base_layers))
        rebuilt = [asdict(one) for one in _changed(engine, context, target, base, found, folder)]
        built[target] = {"seconds": round(seconds, 1), "above_base": own, "rebuilt": rebuilt}
        _judge(target, own["mb"], rebuilt, report)
    return built


def _changed(
    engine: Client | Buildah, context: Path, target: str, base: str, former: list[Layer], folder: Path
) -> list[Rebuilt]:
    """Change one line after the other, build, and compare; the context is left as it was."""
    found = []
    tag = f"{_tag(target)}-changed"
    for name, line in _CHANGES.items():
        file = context / name
        before = file.read_text(encoding="utf-8")
        file.write_text(before + line, encoding="utf-8")
        try:
            seconds = _build_seconds(engine, context, target, tag, base)
        finally:
            file.write_text(before, encoding="utf-8")
        new = added(_layers(engine, tag, folder), former)
        found.append(Rebuilt(name, round(seconds, 1), len(new), as_data(new)["mb"]))
        engine.remove(tag)
    return found


def _judge(target: str, mb: float, rebuilt: list[dict[str, Any]], report: Report) -> None:
    report.check(mb <= LIMITS_MB[target], f"{target}: {mb} MB above its base")
    for one in rebuilt:
        small = one["layers"] == 1 and one["mb"] <= _MOST_REBUILT_MB
        report.check(small, f"{target}: a changed line of {one['file']} rebuilds {one}")


def _layers(engine: Client | Buildah, tag: str, folder: Path) -> list[Layer]:
    archive = folder / "saved.tar"
    engine.save(tag, archive)
    try:
        return layers(archive)
    finally:
        archive.unlink()


def _run_in_a_network_of_its_own(engine: Client | Buildah, folder: Path, report: Report) -> dict[str, Any]:
    """The services listen on every address, as in the stack; here nobody else is in their network."""
    with ExitStack() as stack:
        images = {_tag(target): asdict(stack.enter_context(engine.open(_tag(target)))) for target in LIMITS_MB}
        opened = folder / "opened.json"
        opened.write_text(json.dumps(images, default=str), encoding="utf-8")
        command = [sys.executable, "-m", "tests.images", "--inside", str(opened)]
        done = subprocess.run(in_a_network_of_its_own(command), check=False)
    result = folder / "seen.json"
    if not result.exists():
        report.check(False, f"the services' part ended with exit code {done.returncode}")
        return {}
    seen: dict[str, Any] = json.loads(result.read_text(encoding="utf-8"))
    report.failures.extend(seen.pop("failures"))
    return seen


def _run(folder: Path, opened: Path) -> int:
    """The part inside: servers, services, and what was seen of them."""
    loopback_up()
    images = {
        tag: Image(**{**fields, "rootfs": Path(fields["rootfs"])})
        for tag, fields in json.loads(opened.read_text(encoding="utf-8")).items()
    }
    report = Report(_say)
    init = Path(shutil.which("tini-static") or "")
    try:
        with running_stores(folder, init) as stores:
            FirstDay(stores, images, report).run()
    except Exception as error:
        report.check(False, f"ended early: {type(error).__name__}: {error}")
        raise
    finally:
        seen = {"services": report.entries, "failures": report.failures}
        (folder / "seen.json").write_text(json.dumps(seen), encoding="utf-8")
    return 0


def _write(engine: Client | Buildah, built: Mapping[str, Any], seen: Mapping[str, Any], report: Report) -> None:
    content = {"engine": engine.name, "images": built, **seen, "failures": report.failures}
    _REPORT.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    for failure in report.failures:
        _say(f"FAILED: {failure}")
    verdict = f"{len(report.failures)} failures" if report.failures else "all as it has to be"
    _say(f"{verdict}, see {_REPORT.relative_to(PROJECT)}")


def _tag(target: str) -> str:
    return f"globalmart/{target}:{__version__}"


def _build_seconds(engine: Client | Buildah, context: Path, target: str, tag: str, base: str) -> float:
    started = time.monotonic()
    engine.build(context, target, tag, base)
    return time.monotonic() - started


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
