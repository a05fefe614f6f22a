"""Rules to start with: one of every kind at least, tuned in the laboratory. Nobody installs them unasked."""

from importlib.resources import files
from typing import Final

import msgspec

from app.fraud.rules import AnyRule, rule_from

#: The list that a starter rule reads; it has to exist before the rule.
STARTER_LIST: Final = "fraud_devices"


def starter_rules() -> tuple[AnyRule, ...]:
    """Returns the rules of `starter_rules.json`."""
    text = (files("app.fraud") / "starter_rules.json").read_bytes()
    return tuple(rule_from(values) for values in msgspec.json.decode(text))
