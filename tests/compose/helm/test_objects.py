"""What Helm renders: valid for Kubernetes, hardened, and every name in it leads to something."""

import json
import re
from functools import cache
from pathlib import Path
from typing import Any, Final

import pytest
import yaml
from jsonschema import Draft202012Validator
from referencing import Registry, Resource

from app import __version__
from compose.chart import CHART
from tests.batch.cdnow import file_of
from tests.compose.helm.chart import FULL, Object, Rendered, render, run_helm

_PROJECT: Final = Path(__file__).parents[3]
_CHART: Final = yaml.safe_load((CHART / "Chart.yaml").read_text())
#: The oldest that the chart admits, and the newest whose schemas there are.
_VERSIONS: Final = ("1.27.0", "1.37.0")
_SERVERS: Final = {"worker", "api", "dashboard"}
_JOBS: Final = {"migrate", "batch", "maintain", "doctor"}
_OPERATOR: Final = "monitoring.coreos.com/v1"


@pytest.mark.parametrize("values", [[], ["--values", str(FULL)]], ids=["usual", "full"])
def test_helm_finds_nothing_wrong(values: list[str]) -> None:
    done = run_helm("lint", "--strict", str(CHART), *values)
    assert done.returncode == 0, done.stdout
    assert "[WARNING]" not in done.stdout


@cache
def _validator(version: str, kind: str, group: str) -> Draft202012Validator:
    folder = file_of("kubernetes-validate", f"kubernetes_validate/kubernetes-json-schema/v{version}-local-strict")
    resources = [
        Resource.from_contents(json.loads((folder / name).read_text()))
        for name in (f"{kind.lower()}-{group}.json", "_definitions.json")
    ]
    return Draft202012Validator(resources[0].contents, registry=resources @ Registry())


@pytest.mark.parametrize("version", _VERSIONS)
def test_kubernetes_accepts_every_object(rendered: Rendered, version: str) -> None:
    problems = []
    for found in rendered.objects:
        if found["apiVersion"] == _OPERATOR:
            continue
        group = re.sub(r"^([^./]*)[^/]*/", r"\1-", found["apiVersion"])
        errors = _validator(version, found["kind"], group).iter_errors(found)
        problems += [(found["kind"], found["metadata"]["name"], e.message) for e in errors]
    assert problems == []


def test_the_check_would_see_a_field_that_is_misspelt(usual: Rendered) -> None:
    worker = json.loads(json.dumps(usual.of_kind("Deployment")["worker"]))
    worker["spec"]["template"]["spec"]["enableServiceLink"] = False
    errors = list(_validator(_VERSIONS[1], "Deployment", "apps-v1").iter_errors(worker))
    assert "enableServiceLink" in errors[0].message


def test_names_are_its_own_and_short_enough() -> None:
    long = render("--set", f"fullnameOverride={'x' * 90}")
    for found in long.objects:
        # A CronJob's pods have 11 letters more than it.
        assert len(found["metadata"]["name"]) <= 52, found["kind"]
    names = [(found["kind"], found["metadata"]["name"]) for found in long.objects]
    assert len(names) == len(set(names))


def test_versions_are_the_projects() -> None:
    assert _CHART["appVersion"] == __version__
    assert _CHART["kubeVersion"] == f">={_VERSIONS[0]}-0"


def test_everything_is_there(usual: Rendered, full: Rendered) -> None:
    assert set(usual.pods()) == _SERVERS | _JOBS
    assert set(full.pods()) == _SERVERS | _JOBS | {"toolbox", "generator"}
    assert set(full.of_kind("NetworkPolicy")) == set(full.pods())
    assert set(full.of_kind("Ingress")) == {"api", "dashboard"}
    assert set(usual.of_kind("PodDisruptionBudget")) == {"worker", "api"}
    optional = {"NetworkPolicy", "Ingress", "ServiceMonitor", "PrometheusRule"}
    assert optional.isdisjoint(found["kind"] for found in usual.objects)


def test_no_pod_has_more_rights_than_it_needs(rendered: Rendered) -> None:
    for name, pod in rendered.pods().items():
        context = pod["securityContext"]
        assert context["runAsNonRoot"] is True, name
        assert (context["runAsUser"], context["fsGroup"]) == (10001, 10001), name
        assert context["seccompProfile"] == {"type": "RuntimeDefault"}, name
        assert pod["enableServiceLinks"] is False, name
        assert pod["automountServiceAccountToken"] is False, name
        assert pod["shareProcessNamespace"] is True, name
        (container,) = pod["containers"]
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }, name
        assert container["resources"]["limits"]["memory"], name
        assert container["resources"]["requests"].keys() == {"cpu", "memory"}, name


def test_the_user_is_the_images() -> None:
    dockerfile = (_PROJECT / "compose" / "Dockerfile").read_text()
    assert "USER 10001:10001" in dockerfile
    assert "GLOBALMART_VAR_DIR=/var/lib/globalmart" in dockerfile


def test_what_a_pod_writes_to_is_a_volume(rendered: Rendered) -> None:
    for name, pod in rendered.pods().items():
        mounts = {mount["mountPath"]: mount for mount in pod["containers"][0]["volumeMounts"]}
        volumes = {volume["name"]: volume for volume in pod["volumes"]}
        assert set(volumes) == {mount["name"] for mount in mounts.values()}, name
        assert "sizeLimit" in volumes[mounts["/tmp"]["name"]]["emptyDir"], name
        assert mounts["/var/lib/globalmart"]["name"] == "data", name


def test_the_lake_is_one_volume_that_is_kept(usual: Rendered, full: Rendered) -> None:
    (claim,) = usual.of_kind("PersistentVolumeClaim").values()
    assert claim["metadata"]["annotations"]["helm.sh/resource-policy"] == "keep"
    assert _with_the_lake(usual) == {"batch": False, "maintain": False}
    assert _with_the_lake(full) == {"batch": False, "maintain": False, "toolbox": False, "api": True}


def _with_the_lake(rendered: Rendered) -> dict[str, bool]:
    """Who mounts the claim, and whether only to read."""
    (claim,) = rendered.of_kind("PersistentVolumeClaim").values()
    found = {}
    for name, pod in rendered.pods().items():
        data = next(volume for volume in pod["volumes"] if volume["name"] == "data")
        if volume := data.get("persistentVolumeClaim"):
            assert volume["claimName"] == claim["metadata"]["name"]
            mounts = pod["containers"][0]["volumeMounts"]
            mount = next(mount for mount in mounts if mount["name"] == "data")
            assert mount.get("readOnly", False) == volume.get("readOnly", False)
            found[name] = volume.get("readOnly", False)
    return found


def test_a_lake_elsewhere_needs_no_claim() -> None:
    own = render("--set", "lake.existingClaim=ours")
    assert own.of_kind("PersistentVolumeClaim") == {}
    data = own.pods()["batch"]["volumes"][1]
    assert data["persistentVolumeClaim"] == {"claimName": "ours"}
    elsewhere = render("--set", "lake.address=hdfs://names/lake")
    assert elsewhere.of_kind("PersistentVolumeClaim") == {}
    for name in ("batch", "maintain"):
        pod = elsewhere.pods()[name]
        assert "emptyDir" in pod["volumes"][1], name
        lake = {"name": "GLOBALMART_BATCH_LAKE", "value": "hdfs://names/lake"}
        assert lake in pod["containers"][0]["env"], name


def test_nights_are_in_utc_and_never_overlap(usual: Rendered) -> None:
    for name, job in usual.of_kind("CronJob").items():
        spec = job["spec"]
        assert (spec["timeZone"], spec["concurrencyPolicy"]) == ("Etc/UTC", "Forbid"), name
        assert spec["startingDeadlineSeconds"] > 0, name
        assert spec["jobTemplate"]["spec"]["activeDeadlineSeconds"] > 0, name
        assert {"successfulJobsHistoryLimit", "failedJobsHistoryLimit"} <= spec.keys(), name
    for name in _JOBS:
        assert usual.pods()[name]["restartPolicy"] == "Never", name


def test_a_run_that_cannot_succeed_is_not_tried_again(usual: Rendered) -> None:
    from app.cli.exits import EXIT_LOCKED

    job = usual.of_kind("CronJob")["batch"]["spec"]["jobTemplate"]["spec"]
    (codes,) = [rule["onExitCodes"] for rule in job["podFailurePolicy"]["rules"] if "onExitCodes" in rule]
    assert (codes["values"], codes["containerName"]) == ([2, EXIT_LOCKED], "batch")


def test_the_schema_comes_first(usual: Rendered) -> None:
    hook = usual.of_kind("Job")["migrate"]["metadata"]["annotations"]
    assert hook["helm.sh/hook"] == "pre-install,pre-upgrade"
    # A hook runs before the other objects exist, so it may need none of them.
    volumes = usual.pods()["migrate"]["volumes"]
    assert all("persistentVolumeClaim" not in v and "configMap" not in v for v in volumes)


def test_services_lead_to_ports_of_pods(rendered: Rendered) -> None:
    for name, service in rendered.of_kind("Service").items():
        labels = rendered.of_kind("Deployment")[name]["spec"]["template"]["metadata"]["labels"]
        assert service["spec"]["selector"].items() <= labels.items(), name
        ports = {port["name"] for port in rendered.containers()[name]["ports"]}
        assert {port["targetPort"] for port in service["spec"]["ports"]} <= ports, name
    for name, ingress in rendered.of_kind("Ingress").items():
        (path,) = ingress["spec"]["rules"][0]["http"]["paths"]
        service = rendered.of_kind("Service")[name]
        assert path["backend"]["service"]["name"] == service["metadata"]["name"]
        assert path["backend"]["service"]["port"]["name"] == service["spec"]["ports"][0]["name"]


def test_servers_are_probed_at_a_port_they_have(rendered: Rendered) -> None:
    for name in _SERVERS:
        container = rendered.containers()[name]
        ports = {port["name"] for port in container["ports"]}
        for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
            assert container[probe]["httpGet"]["port"] in ports, (name, probe)


def test_selectors_never_meet_the_pods_of_another_release(rendered: Rendered) -> None:
    kinds = ("Deployment", "PodDisruptionBudget")
    for found in (o for o in rendered.objects if o["kind"] in kinds):
        wanted = found["spec"]["selector"]["matchLabels"]
        assert {"app.kubernetes.io/instance", "app.kubernetes.io/component"} <= wanted.keys()


# --- the Prometheus Operator ---


def test_monitors_select_services_and_name_the_jobs(full: Rendered) -> None:
    monitors = full.of_kind("ServiceMonitor")
    assert set(monitors) == {"worker", "api"}
    for name, monitor in monitors.items():
        service = full.of_kind("Service")[name]
        wanted = monitor["spec"]["selector"]["matchLabels"]
        assert wanted.items() <= service["metadata"]["labels"].items()
        (endpoint,) = monitor["spec"]["endpoints"]
        assert endpoint["port"] in {port["name"] for port in service["spec"]["ports"]}
        assert endpoint["path"] == "/metrics"
        assert endpoint["relabelings"] == [
            {"action": "replace", "targetLabel": "job", "replacement": f"globalmart-{name}"}
        ]
        assert monitor["metadata"]["labels"]["release"] == "kube-prometheus-stack"
    rules = (_PROJECT / "grafana" / "prometheus" / "rules.yml").read_text()
    assert set(re.findall(r'job="(globalmart-\w+)"', rules)) <= {
        endpoint["relabelings"][0]["replacement"]
        for monitor in monitors.values()
        for endpoint in monitor["spec"]["endpoints"]
    }


def test_rules_are_the_projects_with_runbooks_elsewhere(full: Rendered) -> None:
    groups = _rules(full)
    text = (_PROJECT / "grafana" / "prometheus" / "rules.yml").read_text()
    ours = yaml.safe_load(text.replace("grafana/runbooks/", "https://wiki.example/runbooks/"))["groups"]
    assert groups == ours


def test_rules_say_nothing_of_a_batch_nobody_can_see() -> None:
    without = render("--set", "monitoring.prometheusRule.enabled=true")
    text = (_PROJECT / "grafana" / "prometheus" / "rules.yml").read_text()
    expected = [g for g in yaml.safe_load(text)["groups"] if g["name"] != "globalmart-batch"]
    assert _rules(without) == expected
    assert len(expected) > 1


def test_rules_of_other_thresholds_can_be_given(tmp_path: Path) -> None:
    text = (_PROJECT / "grafana" / "prometheus" / "rules.yml").read_text()
    own = tmp_path / "rules.yml"
    own.write_text(text.replace("> 60000", "> 70000"))
    given = render(
        "--set", "monitoring.prometheusRule.enabled=true", "--set-file", f"monitoring.prometheusRule.content={own}"
    )
    assert "> 70000" in json.dumps(_rules(given))


def _rules(rendered: Rendered) -> list[Any]:
    (rule,) = (found for found in rendered.objects if found["kind"] == "PrometheusRule")
    groups: list[Any] = rule["spec"]["groups"]
    return groups


# --- the network ---


def _ports(rules: list[Object]) -> set[Any]:
    return {port["port"] for rule in rules for port in rule.get("ports", [])}


def test_the_network_lets_each_pod_reach_its_stores_and_nothing_else(full: Rendered) -> None:
    kafka, postgres, mongo, proxy, names = {9093, 9094}, {5432}, {27018}, {443}, {53}
    stores: dict[str, set[Any]] = {
        "migrate": kafka | postgres,
        "worker": kafka | postgres,
        "api": postgres | mongo,
        "dashboard": {"http"},
        "batch": postgres | mongo,
        "maintain": kafka | postgres | mongo,
        "toolbox": kafka | postgres | mongo,
        "doctor": kafka | postgres | mongo,
        "generator": kafka,
    }
    policies = full.of_kind("NetworkPolicy")
    found = {name: _ports(policy["spec"]["egress"]) for name, policy in policies.items()}
    assert found == {name: ports | proxy | names for name, ports in stores.items()}
    for name, policy in policies.items():
        assert policy["spec"]["policyTypes"] == ["Ingress", "Egress"]
        opened = {port["name"] for port in full.containers()[name].get("ports", [])}
        assert _ports(policy["spec"]["ingress"]) == opened, name


def test_who_may_come_in(full: Rendered) -> None:
    peers = {
        name: [
            list(peer.get("namespaceSelector", peer.get("podSelector"))["matchLabels"].values())[-1]
            for rule in policy["spec"]["ingress"]
            for peer in rule["from"]
        ]
        for name, policy in full.of_kind("NetworkPolicy").items()
        if policy["spec"]["ingress"]
    }
    assert peers == {"worker": ["monitoring"], "api": ["ingress", "monitoring", "dashboard"], "dashboard": ["ingress"]}
