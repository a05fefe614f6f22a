"""`globalmart reconcile --warehouse --api URL`: compares what readers see with the stores."""

import asyncio
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.markup import escape

from app.reconcile.serving.api_answers import Api
from app.reconcile.serving.check import check_api
from app.reconcile.warehouse.check import check_warehouse
from app.reconcile.warehouse.verdict import segments_line, warehouse_table
from app.settings import Settings

_LISTED: Final = 20
#: The API's cache of past days expires, and it finds and prepares a new run.
_SETTLE_SECONDS: Final = 60.0
_DISAGREE, _INCOMPLETE = 1, 3


@dataclass(slots=True)
class _Findings:
    """What was compared; `incomplete` says why some differences prove nothing."""

    sections: dict[str, Any] = field(default_factory=dict)
    differences: list[str] = field(default_factory=list)
    incomplete: list[str] = field(default_factory=list)

    def exit_code(self) -> int:
        if self.differences:
            return _DISAGREE
        return _INCOMPLETE if self.incomplete else 0


def compare_layers(settings: Settings, warehouse: bool, api_url: str | None, json_file: Path | None) -> int:
    """Compare the warehouse, the API or both, print what was found; returns the exit code."""
    findings, console = _Findings(), Console()
    if warehouse:
        _compare_warehouse(settings, findings, console)
    if api_url is not None:
        _compare_api(settings, api_url, findings, console)
    if json_file is not None:
        json_file.parent.mkdir(parents=True, exist_ok=True)
        content = {**findings.sections, "differences": findings.differences, "incomplete": findings.incomplete}
        json_file.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    _print(findings, console)
    return findings.exit_code()


def _compare_warehouse(settings: Settings, findings: _Findings, console: Console) -> None:
    report = asyncio.run(check_warehouse(settings))
    findings.sections["warehouse"] = report.as_data()
    console.print(warehouse_table(report.as_data()), segments_line(report.as_data()), sep="\n", soft_wrap=True)
    if report.stored_since and report.differences:
        findings.incomplete.append(
            f"{report.stored_since:,} orders of days up to {report.as_of} were stored after the run began; "
            f"run `globalmart batch nightly --as-of {report.as_of}`, then compare again"
        )
    else:
        findings.differences += (f"warehouse: {text}" for text in report.differences)


def _compare_api(settings: Settings, url: str, findings: _Findings, console: Console) -> None:
    key = settings.dashboard.api_key
    api = Api(url, None if key is None else key.get_secret_value())
    comparison = asyncio.run(check_api(settings, api, _SETTLE_SECONDS))
    findings.sections[comparison.what] = comparison.as_data()
    console.print(f"API: {comparison.compared:,} figures compared, {len(comparison.differences):,} differ")
    if comparison.moving:
        findings.incomplete.append("events were stored while the API was compared; compare again when it is quiet")
    else:
        findings.differences += (f"{comparison.what}: {text}" for text in comparison.differences)


def _print(findings: _Findings, console: Console) -> None:
    for text in findings.differences[:_LISTED]:
        console.print(escape(text), style="red", soft_wrap=True)
    for text in findings.incomplete:
        console.print(escape(text), style="yellow", soft_wrap=True)
    if findings.differences:
        console.print(f"[red]disagree: {len(findings.differences):,} differences[/red]")
    elif findings.incomplete:
        console.print("[yellow]agree in everything that stood still[/yellow]")
    else:
        console.print("[green]agree[/green]")
