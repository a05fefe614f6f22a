"""`globalmart reconcile`: what it prints, writes and answers."""

import json
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from app.cli.reconcile import exit_code, print_report, reconcile_command
from app.errors import RecountError
from app.reconcile.stream.report import LostRange, ReconcileReport


def printed(report: ReconcileReport) -> str:
    console = Console(file=StringIO(), width=200)
    print_report(report, console)
    file = console.file
    assert isinstance(file, StringIO)
    return file.getvalue()


def report_with(*, wrong: int = 0, lost: bool = False) -> ReconcileReport:
    report = ReconcileReport(limit=2)
    report.topic("transactions").found["stored"] = 1234
    report.anomaly("high_value").found = 7
    for number in range(wrong):
        report.disagree("field", f"transactions[0]@{number}: [wrong]")
    if lost:
        report.lost_ranges.append(LostRange("transactions", 3, 0, 10))
    return report


@pytest.mark.parametrize(
    ("report", "code", "verdict"),
    [
        (report_with(), 0, "agree (0.0 s)"),
        (report_with(wrong=2), 1, "disagree: 2 mismatches"),
        (report_with(wrong=3), 1, "disagree: 3 mismatches, 1 of them not listed"),
        (report_with(lost=True), 3, "agree in everything that could be recounted"),
        (report_with(lost=True, wrong=1), 1, "disagree: 1 mismatches"),
    ],
)
def test_verdicts(report: ReconcileReport, code: int, verdict: str) -> None:
    assert exit_code(report) == code
    assert printed(report).splitlines()[-1] == verdict


def test_prints_figures_mismatches_and_lost_ranges() -> None:
    text = printed(report_with(wrong=1, lost=True))
    assert "1,234 (0)" in text
    assert "high_value" in text
    assert "field: transactions[0]@0: [wrong]" in text
    assert "transactions[3]: Kafka has deleted offsets 0 to 9, not recounted" in text


def test_report_as_json() -> None:
    document = json.loads(report_with(wrong=3, lost=True).to_json())
    assert document["agrees"] is False
    assert document["complete"] is False
    assert document["total_mismatches"] == 3
    assert document["kinds"] == {"field": 3}
    assert len(document["mismatches"]) == 2
    assert document["lost_ranges"] == [{"topic": "transactions", "partition": 3, "start": 0, "end": 10}]


def test_a_store_that_is_down_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GLOBALMART_ENV_FILE", "")
    monkeypatch.setenv("GLOBALMART_POSTGRES_HOST", "127.0.0.1")
    monkeypatch.setenv("GLOBALMART_POSTGRES_PORT", "1")
    monkeypatch.setenv("GLOBALMART_POSTGRES_WORKER_PASSWORD", "not-asked-for")
    with pytest.raises(RecountError, match=r"PostgreSQL: .*; check GLOBALMART_POSTGRES_"):
        reconcile_command(tmp_path / "report.json")
    assert not (tmp_path / "report.json").exists()
