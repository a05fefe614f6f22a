"""Alert rules: valid, unit-tested by promtool, each with a runbook, a setting and a case for and against it."""

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from app.settings import Settings, documented_settings
from grafana.alerts import rule_groups
from grafana.files import write_files
from tests.grafana.panels import FOLDER
from tests.support.waiting import PATIENCE_SECONDS

_PROMETHEUS = FOLDER / "prometheus"
_RUNBOOKS = FOLDER / "runbooks"
_RULES = [rule for group in rule_groups(Settings({}).alert)["groups"] for rule in group["rules"]]
_NAMES = [rule["alert"] for rule in _RULES]
_RECEIVERS = {"runbooks", "email_to", "email_from", "smtp", "smtp_user", "smtp_password_file", "webhook_url"}


def _run(*command: str | Path) -> str:
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_SECONDS, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def _cases() -> list[dict[str, Any]]:
    content = yaml.safe_load((_PROMETHEUS / "rules_test.yml").read_text())
    return [case for test in content["tests"] for case in test.get("alert_rule_test", [])]


def test_prometheus_accepts_rules_and_configuration() -> None:
    assert f"{len(_RULES)} rules found" in _run("promtool", "check", "rules", _PROMETHEUS / "rules.yml")
    _run("promtool", "check", "config", _PROMETHEUS / "prometheus.yml")


def test_the_rules_pass_their_own_tests() -> None:
    assert "SUCCESS" in _run("promtool", "test", "rules", _PROMETHEUS / "rules_test.yml")


@pytest.mark.parametrize("name", _NAMES)
def test_every_alert_is_raised_in_one_case_and_not_in_another(name: str) -> None:
    outcomes = [bool(case["exp_alerts"]) for case in _cases() if case["alertname"] == name]
    assert set(outcomes) == {True, False}


@pytest.mark.parametrize("rule", _RULES, ids=_NAMES)
def test_every_alert_says_what_is_wrong_and_has_a_runbook(rule: dict[str, Any]) -> None:
    assert rule["labels"]["severity"] in ("critical", "warning")
    assert rule["annotations"]["summary"]
    assert rule["annotations"]["description"].endswith(".")
    runbook = _RUNBOOKS / f"{rule['alert']}.md"
    assert runbook.relative_to(FOLDER.parent) == Path(rule["annotations"]["runbook_url"])
    text = runbook.read_text(encoding="utf-8")
    headings = re.findall(r"^#+ (.+)$", text, re.M)
    assert headings == [rule["alert"], "What it means", "Look", "Do"]


def test_no_runbook_is_without_an_alert_and_all_name_only_what_exists() -> None:
    assert {path.stem for path in _RUNBOOKS.iterdir()} == set(_NAMES)
    known = {variable for variable, _ in documented_settings()}
    for path in _RUNBOOKS.iterdir():
        text = path.read_text(encoding="utf-8")
        assert set(re.findall(r"GLOBALMART_[A-Z_]*[A-Z]\b", text)) <= known, path.name
        links = re.findall(r"\]\(([^)]+)\)", text)
        assert [link for link in links if not (_RUNBOOKS / link.partition("#")[0]).exists()] == [], path.name


@pytest.mark.parametrize("field", sorted(type(Settings({}).alert).model_fields.keys() - _RECEIVERS))
def test_every_threshold_is_a_setting_that_changes_the_rules(field: str) -> None:
    settings = Settings({})
    default = getattr(settings.alert, field)
    other = default / 2 if isinstance(default, float) else default + 7
    changed = settings.alert.model_copy(update={field: other})
    assert rule_groups(changed) != rule_groups(settings.alert)


def test_alertmanager_accepts_its_configuration_with_and_without_a_password(tmp_path: Path) -> None:
    secured = {"GLOBALMART_ALERT_SMTP_USER": "mailer", "GLOBALMART_ALERT_SMTP_PASSWORD_FILE": "/run/secrets/smtp"}
    for stat_panel, values in enumerate(({}, secured)):
        write_files(Settings(values), tmp_path / str(stat_panel))
        file = tmp_path / str(stat_panel) / "alertmanager" / "alertmanager.yml"
        assert "1 receivers" in _run("amtool", "check-config", file)
        assert ("auth_password_file" in file.read_text()) == bool(values)
