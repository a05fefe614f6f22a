"""The chart as Helm renders it, and questions to what came out."""

import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

from compose.chart import CHART
from tests.compose.helm.program import helm

FULL: Final = Path(__file__).parent / "full.yaml"
RELEASE: Final = "globalmart"
_LIMIT_SECONDS: Final = 120

Object = dict[str, Any]


def run_helm(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Helm with no cluster and no settings of its user."""
    return subprocess.run(
        [helm(), *arguments],
        env={"PATH": "", "HOME": "/nonexistent"},
        text=True,
        capture_output=True,
        timeout=_LIMIT_SECONDS,
        check=False,
    )


@dataclass(frozen=True, slots=True)
class Rendered:
    """All objects of a release."""

    objects: Sequence[Object]

    def of_kind(self, kind: str) -> dict[str, Object]:
        """Objects of a kind by the component they belong to."""
        return {
            found["metadata"]["labels"]["app.kubernetes.io/component"]: found
            for found in self.objects
            if found["kind"] == kind
        }

    def pods(self) -> dict[str, Object]:
        """Specifications of all pods by component."""
        return dict(_pod(found) for found in self.objects if _template(found) is not None)

    def containers(self) -> dict[str, Object]:
        """The one container of each pod."""
        return {name: pod["containers"][0] for name, pod in self.pods().items()}


def render(*arguments: str, release: str = RELEASE) -> Rendered:
    """What `helm template` makes of the chart with these arguments; fails with Helm's own words."""
    done = run_helm("template", release, str(CHART), "--namespace", "shop", *arguments)
    assert done.returncode == 0, done.stderr
    return Rendered([found for found in yaml.safe_load_all(done.stdout) if found])


def refusal(*settings: str) -> str:
    """What Helm says against values, one line for each problem."""
    sets = [word for setting in settings for word in ("--set", setting)]
    done = run_helm("template", RELEASE, str(CHART), *sets)
    assert done.returncode != 0, f"accepted: {settings}"
    return "\n".join(line for line in done.stderr.splitlines() if line.lstrip().startswith("- at"))


def environment(container: Object) -> dict[str, str]:
    """Variables with a value of their own."""
    return {entry["name"]: entry["value"] for entry in container["env"] if "value" in entry}


def _pod(found: Object) -> tuple[str, Object]:
    spec = _template(found)
    assert spec is not None
    return found["metadata"]["labels"]["app.kubernetes.io/component"], spec


def _template(found: Object) -> Object | None:
    kind, spec = found["kind"], found.get("spec", {})
    if kind == "Pod":
        return dict(spec)
    if kind == "CronJob":
        spec = spec["jobTemplate"]["spec"]
    elif kind not in {"Deployment", "StatefulSet", "Job"}:
        return None
    return dict(spec["template"]["spec"])


def leaves(values: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Paths of all values that are no map, and of empty maps."""
    if isinstance(values, dict) and values:
        for name, value in values.items():
            yield from leaves(value, (*path, name))
    else:
        yield path
