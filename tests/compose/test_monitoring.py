"""Monitoring of the demo: a missing or broken program is reported, and the demo goes on."""

from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from app.settings import load_settings
from compose.demo.observability import start_monitoring
from compose.embedded.stack import EmbeddedStack


def _said(stack: EmbeddedStack, folder: Path) -> str:
    settings = load_settings(stack.environment())
    page = StringIO()
    with EmbeddedStack(folder / "var", services=(), preferred_ports=False) as own:
        Console(file=page, width=200).print(start_monitoring(own, settings, [9101]))
    return page.getvalue()


@pytest.mark.parametrize(
    ("program", "reason"),
    [(None, "not installed"), ("#!/bin/sh\necho no such option >&2; exit 2\n", "no such option")],
    ids=["missing", "broken"],
)
def test_the_demo_goes_on_without_prometheus(
    stack: EmbeddedStack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, program: str | None, reason: str
) -> None:
    if program is not None:
        (tmp_path / "prometheus").write_text(program)
        (tmp_path / "prometheus").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    output = _said(stack, tmp_path)
    assert "http" not in output
    assert reason in output
    assert "needs Prometheus" in output
