"""The settings that the Helm chart passes unchanged: `python -m compose.chart` writes their names into its schema.

Settings that the chart derives from its own values, secrets, and settings that no pod reads are left out.
"""

import json
import re
from pathlib import Path
from typing import Any, Final

from app.settings import ENV_PREFIX, Settings, secret_variables

CHART: Final = Path(__file__).parent / "helm"
SCHEMA: Final = CHART / "values.schema.json"
#: Groups for Prometheus, Alertmanager and the demo, which are not in the chart.
_ELSEWHERE: Final = frozenset({"monitoring", "alert", "demo"})
#: The chart's secret for MongoDB is the whole connection string.
WITHIN_THE_URL: Final = frozenset({"GLOBALMART_MONGO_USER", "GLOBALMART_MONGO_PASSWORD"})


def own_variables() -> frozenset[str]:
    """Returns every variable that a template names."""
    templates = (path.read_text(encoding="utf-8") for path in CHART.rglob("templates/*.*"))
    return frozenset(name for text in templates for name in re.findall(r"GLOBALMART_\w+", text))


def offered_settings() -> list[str]:
    """Returns the sorted names for `settings` in the values, without the prefix."""
    variables = {
        group.variable(field)
        for name, group in Settings.GROUPS.items()
        if name not in _ELSEWHERE
        for field in group.model_fields
    }
    offered = variables - own_variables() - set(secret_variables()) - WITHIN_THE_URL
    return sorted(variable.removeprefix(ENV_PREFIX) for variable in offered)


def read_schema() -> dict[str, Any]:
    """Returns the current schema of the values."""
    schema: dict[str, Any] = json.loads(SCHEMA.read_text(encoding="utf-8"))
    return schema


def write_schema() -> None:
    """Updates the names in the schema."""
    schema = read_schema()
    names = {name: {"$ref": "#/$defs/setting"} for name in offered_settings()}
    schema["properties"]["settings"]["properties"] = names
    SCHEMA.write_text(json.dumps(schema, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    write_schema()
