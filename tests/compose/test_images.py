"""compose/Dockerfile: linted, complete, and what its steps install is enough for what the containers run."""

import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Iterator
from importlib.metadata import Distribution, distribution
from pathlib import Path
from typing import Final

import pytest
from packaging.requirements import Requirement

from tests.compose.docker_stack import PROJECT
from tests.compose.programs import program
from tests.waiting import PATIENCE_SECONDS

_DOCKERFILE: Final = PROJECT / "compose" / "Dockerfile"
_TEXT: Final = _DOCKERFILE.read_text()
_PYPROJECT: Final = tomllib.loads((PROJECT / "pyproject.toml").read_text())

#: What the processes of each image import when they run.
_IMPORTED: Final = {
    "app": (
        "app.worker", "app.postgres.migrate", "app.kafka.admin", "app.generator.run", "api.app",
        "api.dashboard.main", "app.operate.status", "app.operate.doctor", "app.reconcile",
        "compose.probe", "streamlit.web.cli",
    ),
    "batch": (
        "batch.nightly", "app.operate.status", "compose.probe", "app.upkeep.maintaining",
        "app.upkeep.erasing", "app.upkeep.replaying",
    ),
}  # fmt: skip


def test_hadolint_has_nothing_to_say() -> None:
    done = subprocess.run(
        [str(program("hadolint")), str(_DOCKERFILE)], capture_output=True, text=True, check=False
    )
    assert done.stdout + done.stderr == ""


def test_bases_are_pinned_to_a_version() -> None:
    given = dict(re.findall(r"^ARG (\w+)=(\S+)$", _TEXT, re.M))
    stages = set(re.findall(r"^FROM \S+ AS (\S+)$", _TEXT, re.M))
    bases = [
        re.sub(r"\$\{(\w+)\}", lambda m: given[m[1]], b)
        for b in re.findall(r"^FROM (\S+)", _TEXT, re.M)
    ]
    outside = {base for base in bases if base not in stages}
    assert {base.split(":")[0] for base in outside} == {"python", "golang"}
    assert all(re.fullmatch(r"\w+:\d+\.\d+\.\d+-[\w-]+", base) for base in outside)


def test_the_images_end_as_a_user_without_rights() -> None:
    assert re.findall(r"^USER (.+)$", _TEXT, re.M) == ["10001:10001"]
    assert _TEXT.index("\nUSER ") < _TEXT.index("\nFROM app AS batch")


def test_every_package_and_file_is_copied_and_let_through() -> None:
    copied = {
        s for line in re.findall(r"^COPY (?!--from)(.+) \S+$", _TEXT, re.M) for s in line.split()
    }
    packages = {
        name.rstrip("*") for name in _PYPROJECT["tool"]["setuptools"]["packages"]["find"]["include"]
    }
    assert packages | {"pyproject.toml", "requirements.lock", "README.md", "LICENSE"} == copied
    assert [name for name in copied if not (PROJECT / name).exists()] == []
    let_through = re.findall(r"^!(.+)$", (PROJECT / ".dockerignore").read_text(), re.M)
    assert set(let_through) == copied


def test_every_python_package_is_checked_against_the_lock() -> None:
    """Only the step that reads the lock sees an index; the others see its wheels alone."""
    installs = re.findall(r"pip (?:wheel|install)[^\n]*(?:\\\n[^\n]*)*", _TEXT)
    assert len(installs) == 4
    for step in installs:
        assert "--no-index" in step or "--require-hashes" in step or "--no-deps" in step


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """This project's wheel, built as the image builds it, from what is copied into it."""
    folder = tmp_path_factory.mktemp("wheel")
    for name in re.findall(r"^!(.+)$", (PROJECT / ".dockerignore").read_text(), re.M):
        source = PROJECT / name
        copy = shutil.copytree if source.is_dir() else shutil.copy2
        copy(source, folder / name)
    subprocess.run(
        [sys.executable, "-m", "pip", "wheel", "--quiet", "--disable-pip-version-check",
         "--no-deps", "--wheel-dir", "wheels", "."],
        cwd=folder, check=True, timeout=PATIENCE_SECONDS,
    )  # fmt: skip
    (built,) = (folder / "wheels").glob("*.whl")
    return built


def test_data_files_are_in_the_wheel(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        inside = set(archive.namelist())
    needed = {
        str(path.relative_to(PROJECT))
        for pattern in ("app/**/*.sql", "compose/embedded/*.json", "grafana/dashboards/*.json")
        for path in PROJECT.glob(pattern)
    }
    assert len(needed) >= 6
    assert needed - inside == set()
    assert not [name for name in inside if name.startswith("tests/")]


@pytest.mark.parametrize("image", ["app", "batch"])
def test_what_an_image_installs_is_enough(image: str, wheel: Path, tmp_path: Path) -> None:
    """The wheel and the packages its extras ask for, and nothing else, outside the source tree."""
    _install(wheel, _extras(image), tmp_path / "site")
    code = f"import sys, importlib; sys.path.append({str(tmp_path / 'site')!r})\n" + "".join(
        f"importlib.import_module({name!r})\n" for name in _IMPORTED[image]
    )
    done = _python(code, tmp_path)
    assert done.returncode == 0, done.stderr


def test_the_command_line_works_from_the_wheel(wheel: Path, tmp_path: Path) -> None:
    _install(wheel, _extras("app"), tmp_path / "site")
    start = f"import sys; sys.path.append({str(tmp_path / 'site')!r}); from app.cli import main; "
    assert "Start the Docker stack" in _python(f"{start}main(['--help'])", tmp_path).stdout
    code = "from app.postgres.migrate import known_migrations; print(len(known_migrations()))"
    migrations = len(list((PROJECT / "app/postgres/migrations").glob("*.sql")))
    assert _python(start + code, tmp_path).stdout.split() == [str(migrations)]
    up = _python(f"{start}main(['up'])", tmp_path)
    assert (up.returncode, "run it from a clone" in up.stderr) == (1, True)


def _python(code: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Without this environment's packages and without the source tree."""
    return subprocess.run(
        [sys.executable, "-S", "-P", "-c", code], cwd=folder, capture_output=True, text=True,
        timeout=PATIENCE_SECONDS, check=False,
        env={"PATH": "/usr/bin:/bin", "HOME": str(folder), "GLOBALMART_ENV_FILE": ""},
    )  # fmt: skip


def _extras(image: str) -> list[str]:
    """Requirements of the image's install steps, without the folder's own name."""
    steps = re.findall(r'"globalmart\[([\w,]+)\]"([^\n]*)', _TEXT)
    wanted = steps if image == "batch" else steps[:1]
    return [name for extras, more in wanted for name in (*extras.split(","), *more.split())]


def _install(wheel: Path, extras: list[str], site: Path) -> None:
    """Unpack the wheel and link what the extras need out of this environment."""
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)
    known = _PYPROJECT["project"]["optional-dependencies"]
    asked = list(_PYPROJECT["project"]["dependencies"])
    for name in extras:
        asked.extend(known.get(name, [name]))
    for found in _closure(asked):
        for top in {
            file.parts[0]
            for file in found.files or ()
            if file.parts[0] not in ("..", "__pycache__")
        }:
            target = site / top
            if not target.exists():
                target.symlink_to(Path(str(found.locate_file(top))))


def _closure(asked: list[str]) -> Iterator[Distribution]:
    """Every distribution the requirements lead to, once."""
    waiting = [(requirement, "") for requirement in asked]
    seen: set[tuple[str, str]] = set()
    while waiting:
        text, extra = waiting.pop()
        requirement = Requirement(text)
        if requirement.marker is not None and not requirement.marker.evaluate({"extra": extra}):
            continue
        for wanted in ("", *requirement.extras):
            key = (requirement.name.lower(), wanted)
            if key not in seen:
                seen.add(key)
                found = distribution(requirement.name)
                yield found
                waiting.extend((needed, wanted) for needed in found.requires or ())
