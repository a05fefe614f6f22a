"""Installs requirements.lock into a virtual environment; needs only Python: `python3 compose/environment.py --help`.

The lock is one file in three sections: the installer (uv), what runs, and what only developers need. Every package is
checked against its hash. The package index is the one that pip is configured for, in its files or its environment: uv
does the work in a fraction of pip's time and is given what `pip config` says. Where uv cannot be installed or fails,
pip does it all.
"""

import argparse
import ast
import os
import re
import subprocess
import sys
import tempfile
import threading
import time
import venv
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

PROJECT: Final = Path(__file__).resolve().parents[1]
LOCK: Final = PROJECT / "requirements.lock"
#: Data that tests read out of wheels, installed without what those packages would import.
DATASETS: Final = PROJECT / "tests" / "datasets.lock"
#: The build back end, for packages that come as source archives and for this project itself.
BUILD_LOCK: Final = PROJECT / "compose" / "images" / "build.lock"

#: The headings of the lock's sections, in their order.
INSTALLER: Final = "# The installer"
RUNS: Final = "# What runs"
DEVELOPERS: Final = "# What only developers need"
SECTIONS: Final = (INSTALLER, RUNS, DEVELOPERS)

#: How uv calls a setting of pip, and what separates several values there.
UV_NAMES: Final = {
    "index-url": ("UV_DEFAULT_INDEX", " "),
    "extra-index-url": ("UV_INDEX", " "),
    "find-links": ("UV_FIND_LINKS", ","),
    "no-index": ("UV_NO_INDEX", " "),
    "trusted-host": ("UV_INSECURE_HOST", " "),
    "cert": ("SSL_CERT_FILE", " "),
    "client-cert": ("SSL_CLIENT_CERT", " "),
    "proxy": ("ALL_PROXY", " "),
    "default-timeout": ("UV_HTTP_TIMEOUT", " "),
    "timeout": ("UV_HTTP_TIMEOUT", " "),
}
_FALSE: Final = {"0", "false", "no", "off", "n", "f"}
#: What an installer prints of downloads of 10 MB and more, and of what it builds.
_WORTH_SHOWING: Final = re.compile(r"\s*(Downloading .*\(\d{2,}[\d.]* ?[MG]i?B\)|Building .*|WARNING: .*)$")
_LAST_LINES: Final = 15


class SetupError(Exception):
    """The environment cannot be made; the text says what to do."""


@dataclass(frozen=True, slots=True)
class Environment:
    """A virtual environment with pip."""

    folder: Path

    @property
    def python(self) -> Path:
        """The environment's interpreter."""
        return self.folder / "bin" / "python"

    @property
    def uv(self) -> Path:
        """Where the environment's uv is, or would be."""
        return self.folder / "bin" / "uv"

    @property
    def pip(self) -> tuple[str, ...]:
        """The command of the environment's pip."""
        return (str(self.python), "-m", "pip", "--disable-pip-version-check", "--no-input")

    def make(self) -> None:
        """Makes the environment if it has no interpreter. Raises SetupError if Python cannot."""
        if self.python.exists():
            return
        try:
            venv.create(self.folder, with_pip=True, symlinks=True)
        except (OSError, subprocess.CalledProcessError) as error:
            raise SetupError(
                f"{sys.executable} cannot make the virtual environment {self.folder} ({error}); "
                "remove that folder and install Python's module venv (Debian: python3-venv)"
            ) from error


def sections(text: str) -> dict[str, str]:
    """Returns the lock's requirements by their section's heading. Raises SetupError if a section is missing."""
    parts = re.split(rf"^({'|'.join(map(re.escape, SECTIONS))})\n", text, flags=re.M)
    found = dict(zip(parts[1::2], parts[2::2], strict=True))
    missing = [heading for heading in SECTIONS if heading not in found]
    if missing:
        raise SetupError(f"the lock has no section {missing[0]!r}; make it again with `make lock`")
    return found


def arranged(whole: str, running: str) -> str:
    """Returns the lock `whole` in sections. Raises SetupError if it has not all of `running`, which is what runs."""
    runs = {pin for pin, _ in _entries(running)}
    chosen: dict[str, list[str]] = {heading: [] for heading in SECTIONS}
    pins = set()
    for pin, text in _entries(whole):
        pins.add(pin)
        chosen[INSTALLER if pin.startswith("uv==") else RUNS if pin in runs else DEVELOPERS].append(text)
    if runs - pins:
        raise SetupError(f"the whole lock has no {', '.join(sorted(runs - pins))}, which one of its parts has")
    return "".join(f"{heading}\n{''.join(chosen[heading])}" for heading in SECTIONS)


def _entries(text: str) -> Iterator[tuple[str, str]]:
    """Yields `name==version` and the whole text of each requirement of a lock without comments."""
    for entry in re.findall(r"^\S.*(?:\n[ \t]+.*)*\n?", text, re.M):
        yield re.split(r"[\s;\\]", entry, maxsplit=1)[0], entry


def uv_environment(pip_config: str, environ: Mapping[str, str]) -> dict[str, str]:
    """Returns uv's environment: `environ`, and what `pip config list` printed, where `environ` does not tell uv itself.

    As for pip, a variable goes before a file's section `install`, and that before `global`; and all indexes count
    alike: a package comes from whichever has the file with the locked hash.
    """
    found: dict[str, str] = {}
    for wanted in ("global", "install", ":env:"):
        for line in pip_config.splitlines():
            key, _, value = line.partition("=")
            section, _, name = key.rpartition(".")
            if section == wanted and name in UV_NAMES:
                found[name] = str(ast.literal_eval(value))
    if found.get("no-index", "").lower() in _FALSE:
        found.pop("no-index", None)
    given = {UV_NAMES[name][0]: UV_NAMES[name][1].join(value.split()) for name, value in found.items()}
    return {"UV_INDEX_STRATEGY": "unsafe-best-match", **given, **environ}


def install(
    environment: Environment,
    locks: Sequence[Path],
    sources: Sequence[Path],
    installer: Path | None,
    environ: Mapping[str, str],
) -> None:
    """Installs the locks, then the source folders as editable packages, without what these depend on.

    Uses pip alone if no installer's lock is given. Raises SetupError if pip fails, too.
    """
    steps = [["--require-hashes", *(f"-r{lock}" for lock in locks)], *([f"--editable={source}"] for source in sources)]
    if installer is None or not _install_with_uv(environment, steps, installer, environ):
        _install_with_pip(environment, steps, environ)


def _install_with_uv(
    environment: Environment, steps: Sequence[Sequence[str]], installer: Path, environ: Mapping[str, str]
) -> bool:
    """Returns whether uv did it all; what failed has been shown."""
    getting_it = ["install", "--only-binary=:all:", "--no-deps", "--require-hashes", f"-r{installer}"]
    failure = _run([*environment.pip, *getting_it], environ)
    config = subprocess.run(
        [*environment.pip, "config", "list"], env=environ, capture_output=True, text=True, check=True
    )
    uv = [str(environment.uv), "pip", "install", f"--python={environment.python}", "--no-deps"]
    uv.append(f"--build-constraints={BUILD_LOCK}")
    for step in steps:
        failure = failure or _run([*uv, *step], uv_environment(config.stdout, environ))
    if failure:
        _say(f"{failure}\nuv cannot do it, so pip does, which takes longer")
    return not failure


def _install_with_pip(environment: Environment, steps: Sequence[Sequence[str]], environ: Mapping[str, str]) -> None:
    # setuptools warns of folders that have the names of our packages: they are our packages.
    environ = {**environ, "PYTHONWARNINGS": "ignore::UserWarning"}
    for step in steps:
        failure = _run([*environment.pip, "install", "--no-deps", "--progress-bar=off", *step], environ)
        if failure:
            raise SetupError(f"{failure}\nThe packages cannot be installed; the lines above name the reason")


def _run(command: Sequence[str], environ: Mapping[str, str]) -> str:
    """Runs an installer, showing the larger pieces of its work. Returns the last lines if it failed, else nothing."""
    last: list[str] = []
    with subprocess.Popen(
        command, env=environ, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace"
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            last = [*last, line][-_LAST_LINES:]
            if shown := _WORTH_SHOWING.match(line.rstrip()):
                _say(f"  {shown[1]}")
    if not process.returncode:
        return ""
    return "".join(last).rstrip() or f"{command[0]} ended with code {process.returncode}"


@contextmanager
def _clock() -> Iterator[None]:
    """Shows on a terminal how long the work has taken, once a second."""
    done, start = threading.Event(), time.monotonic()

    def tick() -> None:
        while not done.wait(1):
            sys.stdout.write(f"\r  {time.monotonic() - start:.0f} s\r")
            sys.stdout.flush()

    shown = threading.Thread(target=tick, daemon=True)
    if sys.stdout.isatty():
        shown.start()
    try:
        yield
    finally:
        done.set()


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def _set_up(folder: Path, with_developers: bool, only_pip: bool) -> None:
    start = time.monotonic()
    parts = sections(LOCK.read_text(encoding="utf-8"))
    wanted = [RUNS, DEVELOPERS] if with_developers else [RUNS]
    count = sum(len(list(_entries(parts[heading]))) for heading in wanted)
    _say(f"Installing {count} locked packages into {folder}")
    environment = Environment(folder)
    with tempfile.TemporaryDirectory() as written, _clock():
        environment.make()
        locks = {heading: Path(written, f"{number}.lock") for number, heading in enumerate(SECTIONS)}
        for heading, path in locks.items():
            path.write_text(parts[heading], encoding="utf-8")
        # Spark comes as a source archive; compressing its wheel would only cost the time to unpack it again.
        quick = Path(written, "quick.cfg")
        quick.write_text("[bdist_wheel]\ncompression = stored\n", encoding="utf-8")
        install(
            environment,
            [*(locks[heading] for heading in wanted), *([DATASETS] if with_developers else [])],
            [PROJECT],
            None if only_pip else locks[INSTALLER],
            {"DIST_EXTRA_CONFIG": str(quick), **os.environ},
        )
    _say(f"Installed in {time.monotonic() - start:.0f} s")


def main() -> None:
    """Runs one of the two commands; exit code 1 with the reason if it fails."""
    parser = argparse.ArgumentParser(description="Installs requirements.lock into a virtual environment.")
    commands = parser.add_subparsers(dest="command", required=True)
    installing = commands.add_parser("install", help="make the environment, or bring it up to date")
    installing.add_argument("folder", type=Path)
    installing.add_argument("--developers", action="store_true", help="also what only developers need")
    installing.add_argument("--only-pip", action="store_true", help="do without uv")
    arranging = commands.add_parser(
        "arrange", help="write requirements.lock from the lock of everything and that of what runs"
    )
    arranging.add_argument("whole", type=Path)
    arranging.add_argument("running", type=Path)
    given = parser.parse_args()
    try:
        if given.command == "arrange":
            LOCK.write_text(arranged(given.whole.read_text("utf-8"), given.running.read_text("utf-8")), "utf-8")
        else:
            _set_up(given.folder, given.developers, given.only_pip)
    except SetupError as error:
        raise SystemExit(str(error)) from error


if __name__ == "__main__":
    main()
