"""Who builds the images: Docker or Podman where an engine runs, else buildah in a chroot, on debootstrap's base."""

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, Final, Protocol

from tests.images.container import Image

_BASE: Final = "localhost/globalmart-base"
#: What the official Python image has besides the system, and our Dockerfile uses.
_BASE_PACKAGES: Final = ("ca-certificates", "python3", "python3-venv")
_BASE_PATH: Final = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class Engine(Protocol):
    """Builds, saves and opens images."""

    @property
    def name(self) -> str:
        """With its version."""

    def base(self, dockerfile: Path) -> str:
        """The image that is given as PYTHON."""

    def build(self, context: Path, target: str, tag: str, base: str) -> None:
        """Build a target of compose/Dockerfile."""

    def save(self, tag: str, archive: Path) -> None:
        """Write the image with its layers, as `docker save` does."""

    def open(self, tag: str) -> AbstractContextManager[Image]:
        """Its files in a folder of their own, while it is wanted."""

    def remove(self, tag: str) -> None:
        """Forget the tag and what no other image has of it."""

    def close(self) -> None:
        """Clean up at the end."""


def find_engine(folder: Path) -> "Client | Buildah":
    """Docker, else Podman, else buildah as root."""
    for program in ("docker", "podman"):
        if shutil.which(program) and _succeeds(program, "info"):
            return Client(program, folder)
    return Buildah(folder)


class Client:
    """Docker or Podman."""

    def __init__(self, program: str, folder: Path) -> None:
        self._program = program
        self._folder = folder

    @property
    def name(self) -> str:
        return _output_of(self._program, "--version")

    def base(self, dockerfile: Path) -> str:
        """The Dockerfile's own, pulled."""
        tag = default_base(dockerfile)
        _run(self._program, "pull", "--quiet", tag)
        return tag

    def build(self, context: Path, target: str, tag: str, base: str) -> None:
        _run(
            self._program,
            "build",
            "--target",
            target,
            "--tag",
            tag,
            *_build_options(context, base),
            str(context),
            environ={"DOCKER_BUILDKIT": "1"},
        )

    def save(self, tag: str, archive: Path) -> None:
        more = ["--format", "docker-archive"] if self._program == "podman" else []
        _run(self._program, "save", *more, "--output", str(archive), tag)

    def remove(self, tag: str) -> None:
        _run(self._program, "rmi", tag)

    def close(self) -> None:
        """The images are what was asked for, and stay."""

    @contextmanager
    def open(self, tag: str) -> Iterator[Image]:
        said = json.loads(_output_of(self._program, "inspect", "--type", "image", tag))[0]["Config"]
        rootfs = self._folder / "exported" / tag.replace("/", "-").replace(":", "-")
        rootfs.mkdir(parents=True)
        container = _output_of(self._program, "create", tag)
        try:
            with subprocess.Popen([self._program, "export", container], stdout=subprocess.PIPE) as export:
                subprocess.run(
                    [
                        "tar",
                        "--extract",
                        "--numeric-owner",
                        "--same-owner",
                        "--same-permissions",
                        "--directory",
                        str(rootfs),
                    ],
                    stdin=export.stdout,
                    check=True,
                )
            yield _image(rootfs, said)
        finally:
            _run(self._program, "rm", container)
            shutil.rmtree(rootfs)


class Buildah:
    """Debian's buildah, as root: steps run in a chroot, and nothing is fetched from a registry of images.

    Its images are in `folder` and nowhere else.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._storage = folder / "storage"
        places = ("--root", str(self._storage), "--runroot", str(folder / "run"))
        self._program = ("buildah", *places)

    @property
    def name(self) -> str:
        return f"{_output_of('buildah', '--version')}, isolation chroot"

    def base(self, dockerfile: Path) -> str:
        """The same Debian as the Dockerfile's own base, with Debian's Python; made once."""
        suite = default_base(dockerfile).rsplit("-", 1)[1]
        tag = f"{_BASE}:{suite}"
        if not _succeeds(*self._program, "inspect", "--type", "image", tag):
            self._make_base(suite, tag)
        return tag

    def build(self, context: Path, target: str, tag: str, base: str) -> None:
        _run(
            *self._program,
            "bud",
            "--isolation",
            "chroot",
            "--layers",
            "--pull-never",
            "--target",
            target,
            "--tag",
            tag,
            *_build_options(context, base),
            str(context),
        )

    def save(self, tag: str, archive: Path) -> None:
        _run(*self._program, "push", "--quiet", tag, f"docker-archive:{archive}")

    def remove(self, tag: str) -> None:
        _run(*self._program, "rmi", tag)

    @contextmanager
    def open(self, tag: str) -> Iterator[Image]:
        said = json.loads(_output_of(*self._program, "inspect", "--type", "image", tag))["OCIv1"]["config"]
        container = _output_of(*self._program, "from", "--pull-never", tag)
        try:
            yield _image(Path(_output_of(*self._program, "mount", container)), said)
        finally:
            _run(*self._program, "rm", container)

    def close(self) -> None:
        """Remove all that it has built, also what a run that was cut off has left mounted."""
        if self._storage.exists():
            _run(*self._program, "rm", "--all")
            # Its driver mounts the folder upon itself.
            mounted = self._storage / "overlay"
            if mounted.is_mount():
                _run("umount", str(mounted))
            shutil.rmtree(self._storage)

    def _make_base(self, suite: str, tag: str) -> None:
        root = self._folder / "base"
        shutil.rmtree(root, ignore_errors=True)
        mirror = _mirror(suite)
        _run(
            "debootstrap",
            "--variant=minbase",
            f"--include={','.join(_BASE_PACKAGES)}",
            suite,
            str(root),
            *([mirror] if mirror else []),
        )
        # The official image's Python is in /usr/local, and its caches are empty.
        (root / "usr/local/bin/python").symlink_to("/usr/bin/python3")
        for folder in ("var/cache/apt/archives", "var/lib/apt/lists"):
            shutil.rmtree(root / folder)
        container = _output_of(*self._program, "from", "scratch")
        try:
            _run(*self._program, "copy", "--quiet", container, str(root), "/")
            _run(*self._program, "config", "--env", f"PATH={_BASE_PATH}", container)
            _run(*self._program, "commit", "--quiet", container, tag)
        finally:
            _run(*self._program, "rm", container)
            shutil.rmtree(root)


def default_base(dockerfile: Path) -> str:
    """The Dockerfile's own value of PYTHON."""
    found = re.search(r"^ARG PYTHON=(\S+)$", dockerfile.read_text(encoding="utf-8"), re.M)
    assert found is not None
    return found[1]


def _build_options(context: Path, base: str) -> list[str]:
    """The base, and this machine's own mirror and authorities as secrets, as a developer behind a proxy gives them."""
    secrets = {"pip": _pip_conf(), "authorities": _authorities()}
    given = [f"--secret=id={name},src={path}" for name, path in secrets.items() if path]
    return [f"--build-arg=PYTHON={base}", f"--file={context / 'compose/Dockerfile'}", *given]


def _pip_conf() -> str | None:
    places = (os.environ.get("PIP_CONFIG_FILE"), Path.home() / ".config/pip/pip.conf", "/etc/pip.conf")
    return next((str(place) for place in places if place and Path(place).is_file()), None)


def _authorities() -> str | None:
    names = ("PIP_CERT", "REQUESTS_CA_BUNDLE", "SSL_CERT_FILE")
    return next((os.environ[name] for name in names if os.environ.get(name)), None)


def _mirror(suite: str) -> str | None:
    """Where apt on this machine finds this Debian's packages; debootstrap has a default of its own."""
    wanted = "$(SITE) $(RELEASE) $(COMPONENT)"
    output = _output_of("apt-get", "indextargets", "--format", wanted, "Created-By: Packages")
    places = [line.split() for line in output.splitlines()]
    return next((place[0] for place in places if place[1:] == [suite, "main"]), None)


def _image(rootfs: Path, said: Mapping[str, Any]) -> Image:
    uid, gid = (int(number) for number in said["User"].split(":"))
    environment = dict(entry.split("=", 1) for entry in said["Env"])
    return Image(rootfs, environment, said["WorkingDir"], uid, gid)


def _run(*command: str, environ: Mapping[str, str] | None = None) -> None:
    subprocess.run(command, env={**os.environ, **(environ or {})}, check=True)


def _output_of(*command: str) -> str:
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return done.stdout.strip()


def _succeeds(*command: str) -> bool:
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def missing_programs(names: Sequence[str]) -> list[str]:
    """Those that are not installed."""
    return [name for name in names if shutil.which(name) is None]
