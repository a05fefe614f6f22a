"""The values: documented, complete, and refused with their name where they are wrong."""

import re
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from app.settings import ENV_PREFIX, documented_settings, secret_variables
from compose.chart import CHART, WITHIN_THE_URL, offered_settings, own_variables, read_schema
from tests.compose.helm.chart import FULL, leaves, refusal, render, run_helm
from tests.support.documents import Document

_VALUES: Final = yaml.safe_load((CHART / "values.yaml").read_text())


def test_the_schema_offers_the_settings_that_there_are() -> None:
    offered = list(read_schema()["properties"]["settings"]["properties"])
    assert offered == offered_settings(), "`make dashboards` brings them up to date"


def test_a_template_names_only_settings_that_there_are() -> None:
    known = {variable for variable, _ in documented_settings()} | {f"{ENV_PREFIX}ENV_FILE"}
    assert own_variables() - known == set()
    assert set(secret_variables()) - WITHIN_THE_URL <= own_variables()


def _properties(schema: dict[str, Any], root: dict[str, Any], path: tuple[str, ...]) -> set[Any]:
    """Paths of the values that the schema knows, down to what it leaves open."""
    if "$ref" in schema:
        schema = root["$defs"][schema["$ref"].rsplit("/", 1)[1]]
    inner = schema.get("properties")
    if not inner or path in {("settings",)} or path[-1:] == ("resources",):
        return {path}
    found: set[Any] = set()
    for name, below in inner.items():
        found |= _properties(below, root, (*path, name))
    return found


def test_every_value_has_a_default_and_a_place_in_the_schema() -> None:
    schema = read_schema()
    known = _properties(schema, schema, ()) - {("global",)}
    written = {
        path[: next((i for i, name in enumerate(path) if name == "resources"), len(path)) + 1]
        for path in leaves(_VALUES)
    }
    opaque = {("podSecurityContext",)}
    written = {path[:1] if path[:1] in opaque else path for path in written}
    assert written == known


def test_the_schema_takes_no_name_that_it_does_not_know() -> None:
    def objects(schema: Any) -> list[Any]:
        if isinstance(schema, list):
            return [found for part in schema for found in objects(part)]
        if not isinstance(schema, dict):
            return []
        below = [found for part in schema.values() for found in objects(part)]
        return [schema, *below] if schema.get("type") == "object" else below

    schema = read_schema()
    lax = [found for found in objects(schema) if "additionalProperties" not in found]
    opaque = [found for found in lax if list(found) == ["type"]]
    assert lax == opaque


@pytest.mark.parametrize(
    ("setting", "named"),
    [
        ("worker.replica=3", "'replica'"),
        ("workers.replicas=3", "'workers'"),
        ("worker.replicas=many", "/worker/replicas"),
        ("worker.replicas=-1", "/worker/replicas"),
        ("worker.logLevel=loud", "/worker/logLevel"),
        ("image.pullPolicy=always", "/image/pullPolicy"),
        ("settings.KAFKA_GRUP=x", "'KAFKA_GRUP'"),
        ("settings.POSTGRES_WORKER_PASSWORD=x", "'POSTGRES_WORKER_PASSWORD'"),
        ("settings.POSTGRES_HOST=x", "'POSTGRES_HOST'"),
        ("settings.ALERT_LAG_RECORDS=1", "'ALERT_LAG_RECORDS'"),
        ("extraEnv[0].name=GLOBALMART_KAFKA_GROUP", "/extraEnv/0/name"),
        ("kafka.bootstrap=kafka", "/kafka/bootstrap"),
        ("kafka.bootstrap=", "/kafka/bootstrap"),
        ("kafka.security=tls", "/kafka/security"),
        ("kafka.security=sasl_ssl", "/kafka/user"),
        ("kafka.tls.ca=ca.crt", "/kafka/tls"),
        ("postgres.port=0", "/postgres/port"),
        ("postgres.sslmode=verify-full", "/postgres/tls/ca"),
        ("postgres.tls.ca=ca.crt", "/postgres/tls"),
        ("secrets.existingSecret=", "/secrets/existingSecret"),
        ("secrets.keys.postgresOwnerPasswort=x", "'postgresOwnerPasswort'"),
        ("api.port=70000", "/api/port"),
        ("api.readinessPath=/metrics", "/api/readinessPath"),
        ("api.ingress.enabled=true", "/api/ingress/host"),
        ("dashboard.ingress.path=/shop", "/dashboard/ingress/path"),
        ("batch.schedule=nightly", "/batch/schedule"),
        ("batch.heap=1Gi", "/batch/heap"),
        ("batch.deadline=1000000", "/batch/deadline"),
        ("batch.resources.limits.memory=lots", "/batch/resources/limits/memory"),
        ("batch.resources.limit.memory=1Gi", "'limit'"),
        ("lake.accessMode=ReadOnlyMany", "/lake/accessMode"),
        ("lake.address=gs://shop/lake", "/lake/address"),
        ("lake.size=big", "/lake/size"),
        ("monitoring.serviceMonitor.interval=often", "/monitoring/serviceMonitor/interval"),
        ("monitoring.prometheusRule.runbooks=https://wiki.example/", "/runbooks"),
        ("networkPolicy.mongoPort=x", "/networkPolicy/mongoPort"),
    ],
)
def test_a_wrong_value_is_named(setting: str, named: str) -> None:
    assert named in refusal(setting)


def test_two_values_that_exclude_each_other_are_named() -> None:
    assert "/lake/address" in refusal("api.lake=true", "lake.address=s3://shop/lake")
    assert "/kafka/tls" in refusal("kafka.tls.ca=ca.crt", "kafka.tls.secret=tls")


def test_numbers_stay_numbers(tmp_path: Path) -> None:
    values = tmp_path / "values.yaml"
    values.write_text("settings: {GENERATOR_USERS: 123456789, BATCH_MAX_SHRINK: 0.05}\n")
    for arguments in (
        ["--values", str(values)],
        ["--set", "settings.GENERATOR_USERS=123456789,settings.BATCH_MAX_SHRINK=0.05"],
    ):
        env = {e["name"]: e.get("value") for e in render(*arguments).containers()["worker"]["env"]}
        assert env["GLOBALMART_GENERATOR_USERS"] == "123456789"
        assert env["GLOBALMART_BATCH_MAX_SHRINK"] == "0.05"


def test_the_full_values_leave_only_switches_as_they_are() -> None:
    tried = set(leaves(yaml.safe_load(FULL.read_text())))
    prefixes = {path[:n] for path in tried for n in range(1, len(path) + 1)}
    untried = {
        ".".join(path)
        for path in leaves(_VALUES)
        if path not in prefixes and not any(path[: len(p)] == p for p in tried)
    }
    alike = re.compile(r".*\.resources\..*|secrets\.keys\..*|podSecurityContext\..*")
    assert {name for name in untried if not alike.fullmatch(name)} == _OTHERWISE_TRIED


#: Switches that are on, and what excludes a value that is tried; other tests turn them.
_OTHERWISE_TRIED: Final = {
    "migrate.enabled",
    "worker.podDisruptionBudget",
    "api.podDisruptionBudget",
    "dashboard.enabled",
    "dashboard.ingress.path",
    "batch.enabled",
    "maintain.enabled",
    "lake.existingClaim",
    "lake.address",
    "monitoring.prometheusRule.content",
    "networkPolicy.kafkaPorts",
    "nameOverride",
}


@pytest.mark.parametrize(
    ("switch", "kind", "component"),
    [
        ("migrate.enabled", "Job", "migrate"),
        ("worker.podDisruptionBudget", "PodDisruptionBudget", "worker"),
        ("api.podDisruptionBudget", "PodDisruptionBudget", "api"),
        ("dashboard.enabled", "Deployment", "dashboard"),
        ("batch.enabled", "CronJob", "batch"),
        ("maintain.enabled", "CronJob", "maintain"),
    ],
)
def test_what_is_switched_off_is_not_made(switch: str, kind: str, component: str) -> None:
    rendered = render("--set", f"{switch}=false")
    assert component not in rendered.of_kind(kind)
    assert rendered.objects


def test_the_readme_names_only_values_that_there_are() -> None:
    text = (CHART / "README.md").read_text(encoding="utf-8")
    schema = read_schema()
    known = _properties(schema, schema, ())
    parts = {path[:n] for path in known for n in range(1, len(path) + 1)}
    named = set(re.findall(r"`((?:{})(?:\.\w+)+)".format("|".join(_VALUES)), text))
    named |= set(re.findall(r"--set(?:-file)? ([\w.]+)=", text))
    assert named
    unknown = {n for n in named if tuple(n.split(".")) not in parts and not n.startswith("settings.")}
    assert unknown == set()


def test_links_of_the_readme_lead_somewhere() -> None:
    page = CHART / "README.md"
    links = re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8"))
    assert links
    for link in links:
        name, _, anchor = link.partition("#")
        target = (page.parent / name).resolve()
        assert target.exists(), link
        assert not anchor or anchor in Document(target.name, target.read_text(encoding="utf-8")).anchors, link


def test_the_notes_name_what_was_installed() -> None:
    done = run_helm(
        "install",
        "globalmart",
        str(CHART),
        "--namespace",
        "shop",
        "--dry-run=client",
        "--set",
        "api.port=8080",
        "--set",
        "dashboard.enabled=false",
    )
    assert done.returncode == 0, done.stderr
    notes = done.stdout[done.stdout.index("NOTES:") :]
    assert "port-forward service/globalmart-api 8080" in notes
    assert "dashboard 8501" not in notes
