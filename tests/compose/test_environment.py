"""compose/environment.py: sections of the lock that hold together; installers that use pip's index and check hashes."""

import hashlib
import os
import sys
import threading
import tomllib
import zipfile
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Final

import pytest
from packaging.utils import canonicalize_name

from compose.environment import (
    DEVELOPERS,
    INSTALLER,
    LOCK,
    RUNS,
    SECTIONS,
    Environment,
    SetupError,
    arranged,
    install,
    sections,
    uv_environment,
)
from tests.compose.docker_stack import PROJECT
from tests.compose.locks import closure, installed, link_installed, locked, run_outside

_PYPROJECT: Final = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]
_EXTRAS: Final = _PYPROJECT["optional-dependencies"]
#: What the demo and every command of `globalmart` run with.
_RUNNING: Final = ("worker", "batch", "api", "dashboard", "generator", "operate", "samples", "embedded", "dashboards")
_ONLY_DEVELOPERS: Final = {"dev"}
#: What only the package with the sample file wants, and nothing of ours imports.
_LEFT_OUT: Final = ("scipy", "autograd", "dill")

#: What the demo starts, each in a process of its own.
_DEMO: Final = (
    "compose.demo.demo",
    "app.cli",
    "app.worker",
    "app.generator.job_run",
    "app.ops.doctor.checks",
    "app.ops.retention.maintain",
    "app.reconcile",
    "api.application",
    "api.dashboard.main",
    "batch.nightly",
    "streamlit.web.cli",
)

_BIG = "a==1.0 \\\n    --hash=sha256:aa \\\n    --hash=sha256:ab\n"
_CONDITIONAL = "b==2.0 ; python_full_version < '3.12' \\\n    --hash=sha256:bb\n"
_UV = "uv==0.9 \\\n    --hash=sha256:cc\n"


def test_a_lock_is_cut_where_its_headings_say() -> None:
    text = arranged(_BIG + _CONDITIONAL + _UV, "b==2.0 \\\n    --hash=sha256:bb\n")
    assert sections(text) == {INSTALLER: _UV, RUNS: _CONDITIONAL, DEVELOPERS: _BIG}


def test_a_part_with_another_version_than_the_whole_is_refused() -> None:
    with pytest.raises(SetupError, match=r"has no b==2\.1"):
        arranged(_BIG + _CONDITIONAL, "b==2.1 \\\n    --hash=sha256:bb\n")


def test_a_lock_without_a_section_is_refused() -> None:
    with pytest.raises(SetupError, match="make lock"):
        sections(f"{RUNS}\n{_BIG}")


def test_the_lock_has_every_package_once_and_with_hashes() -> None:
    parts = {heading: locked(text) for heading, text in sections(LOCK.read_text()).items()}
    assert tuple(parts) == SECTIONS
    assert set(parts[INSTALLER]) == {"uv"}
    assert sum(len(part) for part in parts.values()) == len(locked(LOCK.read_text()))
    for part in parts.values():
        assert [name for name, said in part.items() if "--hash=sha256:" not in said] == []


def test_the_sections_hold_what_their_extras_ask_for_and_no_more() -> None:
    """They are installed without what they depend on, so all of that has to be in them."""
    assert set(_RUNNING) | _ONLY_DEVELOPERS == set(_EXTRAS)
    running = [*_PYPROJECT["dependencies"], *(asked for extra in _RUNNING for asked in _EXTRAS[extra])]
    every = [*running, *(asked for extra in _ONLY_DEVELOPERS for asked in _EXTRAS[extra])]
    needed = {heading: _names(asked) for heading, asked in ((RUNS, running), (DEVELOPERS, every))}
    parts = sections(LOCK.read_text())
    here = {heading: {name for name in locked(text) if installed(name)} for heading, text in parts.items()}
    assert here[RUNS] == needed[RUNS]
    assert here[DEVELOPERS] == needed[DEVELOPERS] - needed[RUNS] - {"uv"}


def _names(asked: list[str]) -> set[str]:
    return {canonicalize_name(one.metadata["Name"]) for one in closure(asked, _LEFT_OUT)}


def test_the_demo_needs_nothing_of_the_developers(tmp_path: Path) -> None:
    site = tmp_path / "site"
    site.mkdir()
    link_installed(locked(sections(LOCK.read_text())[RUNS]), site)
    code = f"import importlib, sys; sys.path += [{str(site)!r}, {str(PROJECT)!r}]\n"
    done = run_outside(code + "".join(f"importlib.import_module({name!r})\n" for name in _DEMO), tmp_path)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("config", "environ", "expected"),
    [
        ("global.index-url='https://mirror/simple'", {}, {"UV_DEFAULT_INDEX": "https://mirror/simple"}),
        (
            "global.index-url='https://old/simple'\n:env:.index-url='https://new/simple'\ninstall.index-url='https://mid'",
            {},
            {"UV_DEFAULT_INDEX": "https://new/simple"},
        ),
        (":env:.extra-index-url='https://a\\nhttps://b'", {}, {"UV_INDEX": "https://a https://b"}),
        (":env:.find-links='/wheels /more'", {}, {"UV_FIND_LINKS": "/wheels,/more"}),
        ("global.cert='/ca.pem'", {}, {"SSL_CERT_FILE": "/ca.pem"}),
        ("global.cert='/ca.pem'", {"SSL_CERT_FILE": "/other.pem"}, {"SSL_CERT_FILE": "/other.pem"}),
        ("global.trusted-host='mirror'", {}, {"UV_INSECURE_HOST": "mirror"}),
        ("global.proxy='http://proxy:3128'", {}, {"ALL_PROXY": "http://proxy:3128"}),
        ("global.default-timeout='60'\nglobal.no-index='true'", {}, {"UV_HTTP_TIMEOUT": "60", "UV_NO_INDEX": "true"}),
        ("global.no-index='false'\nfreeze.timeout='10'\nglobal.progress-bar='off'", {}, {}),
        ("", {"UV_DEFAULT_INDEX": "https://own"}, {"UV_DEFAULT_INDEX": "https://own"}),
    ],
)
def test_uv_gets_what_pip_is_configured_for(config: str, environ: dict[str, str], expected: dict[str, str]) -> None:
    assert uv_environment(config, environ) == {"UV_INDEX_STRATEGY": "unsafe-best-match", **expected}


class _Index:
    """A package index on loopback with one package, `tiny`, as a lock pins it."""

    def __init__(self, folder: Path, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}/simple"
        self._wheel = folder / "simple" / "tiny" / "tiny-1.0-py3-none-any.whl"
        self._wheel.parent.mkdir(parents=True)
        with zipfile.ZipFile(self._wheel, "w") as archive:
            archive.writestr("tiny.py", "")
            archive.writestr("tiny-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: tiny\nVersion: 1.0\n")
            archive.writestr(
                "tiny-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
            )
            archive.writestr("tiny-1.0.dist-info/RECORD", "tiny.py,,\n")

    def lock(self, file: Path, hash_of: bytes | None = None) -> Path:
        """Writes a lock with the hash of the wheel, or of other bytes."""
        digest = hashlib.sha256(self._wheel.read_bytes() if hash_of is None else hash_of).hexdigest()
        file.write_text(f"tiny==1.0 \\\n    --hash=sha256:{digest}\n")
        return file


@pytest.fixture
def index(tmp_path: Path) -> Iterator[_Index]:
    root = tmp_path / "index"
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(root))) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        yield _Index(root, server.server_address[1])
        server.shutdown()
        thread.join()


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        """The test's output is no place for requests."""


@pytest.fixture
def environment(tmp_path: Path) -> Environment:
    """An environment that has the uv of this one."""
    made = Environment(tmp_path / "environment")
    made.make()
    made.uv.symlink_to(Path(sys.executable).with_name("uv"))
    return made


@pytest.fixture
def environ(index: _Index, tmp_path: Path) -> dict[str, str]:
    """An environment that names the index to pip alone."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PIP_", "UV_"))}
    caches = {
        "PIP_CACHE_DIR": str(tmp_path / "pip"),
        "UV_CACHE_DIR": str(tmp_path / "uv"),
        "PIP_CONFIG_FILE": os.devnull,
    }
    return {**kept, **caches, "PIP_INDEX_URL": index.url, "NO_PROXY": "127.0.0.1"}


def _has_tiny(environment: Environment) -> bool:
    return len(list(environment.folder.glob("lib/python*/site-packages/tiny.py"))) == 1


def test_uv_installs_from_an_index_that_only_pips_environment_names(
    environment: Environment, index: _Index, environ: dict[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lock = index.lock(tmp_path / "lock")
    install(environment, [lock], [], lock, environ)
    assert _has_tiny(environment)
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("only_pip", [True, False])
def test_a_file_with_another_hash_is_refused(
    environment: Environment, index: _Index, environ: dict[str, str], tmp_path: Path, only_pip: bool
) -> None:
    lock = index.lock(tmp_path / "lock", hash_of=b"another file")
    with pytest.raises(SetupError, match=r"(?i)hash"):
        install(environment, [lock], [], None if only_pip else lock, environ)
    assert not _has_tiny(environment)


def test_pip_does_it_where_uv_cannot_be_had(
    environment: Environment, index: _Index, environ: dict[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    environment.uv.unlink()
    absent = tmp_path / "absent"
    absent.write_text("no-such-installer==1.0 --hash=sha256:" + 64 * "0" + "\n")
    install(environment, [index.lock(tmp_path / "lock")], [], absent, environ)
    assert _has_tiny(environment)
    assert "uv cannot do it, so pip does" in capsys.readouterr().out
