"""The form of each kind of rule: its parameters, in the words of those who fight fraud."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any, Final

import streamlit as st

_TRAITS: Final = ("country", "category", "payment_method", "product_id", "session_id", "card", "device", "ip", "email")
#: What can be compared with a list.
LISTED: Final = ("user_id", *_TRAITS)
#: Parameters that are asked for as text and have to be numbers.
_AMOUNTS: Final = ("above", "below", "deviations")
STATES: Final = {"active": "Active", "shadow": "Shadow", "paused": "Paused"}
_SEVERITIES: Final = ("low", "medium", "high", "critical")


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter of a kind, and the input that asks for it; an amount is a text, so that it stays exact."""

    name: str
    label: str
    ask: Callable[[str, str], Any]


def _amount(example: str) -> Callable[[str, str], Any]:
    return lambda label, key: st.text_input(label, example, max_chars=14, key=key)


def _is_amount(text: str) -> bool:
    try:
        return Decimal(text.strip()).is_finite()
    except InvalidOperation:
        return False


def _count(example: int, least: int, most: int) -> Callable[[str, str], Any]:
    return lambda label, key: int(st.number_input(label, least, most, example, key=key))


def _one_of(*choices: str) -> Callable[[str, str], Any]:
    return lambda label, key: st.selectbox(label, choices, key=key)


def _text(example: str) -> Callable[[str, str], Any]:
    return lambda label, key: st.text_input(label, example, max_chars=50, key=key)


_SECONDS: Final = Parameter("seconds", "within so many seconds (a day is 86400)", _count(3_600, 1, 86_400))


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of rule: when it is raised, and its parameters."""

    title: str
    about: str
    parameters: tuple[Parameter, ...]


KINDS: Final[Mapping[str, Kind]] = {
    "amount": Kind(
        "Large amount", "The order's amount is above a limit.", (Parameter("above", "Above", _amount("5000.00")),)
    ),
    "quantity": Kind(
        "Many items",
        "The order has at least so many items.",
        (Parameter("at_least", "At least", _count(10, 1, 1_000_000)),),
    ),
    "velocity": Kind(
        "Many orders",
        "The customer orders more often than so many times within a time.",
        (Parameter("more_than", "More than so many orders", _count(5, 1, 1_000_000)), _SECONDS),
    ),
    "spend": Kind(
        "Much spent",
        "The customer's orders within a time come to more than an amount.",
        (Parameter("above", "Above", _amount("8000.00")), _SECONDS),
    ),
    "distinct": Kind(
        "Many different values",
        "The customer's orders within a time have so many different countries, cards, devices …",
        (
            Parameter("field", "Different values of", _one_of(*_TRAITS)),
            Parameter("at_least", "At least", _count(3, 2, 1_000)),
            _SECONDS,
        ),
    ),
    "card_testing": Kind(
        "Card testing",
        "A large order after several small ones within a time.",
        (
            Parameter("at_least", "After at least so many small orders", _count(5, 1, 1_000)),
            Parameter("below", "Small is below", _amount("2.00")),
            Parameter("above", "Large is above", _amount("100.00")),
            _SECONDS,
        ),
    ),
    "new_customer": Kind(
        "Large first order",
        "The customer's first order within a year is above an amount.",
        (Parameter("above", "Above", _amount("1000.00")),),
    ),
    "deviation": Kind(
        "Unlike the customer",
        "The amount is far above what the customer's last orders came to.",
        (
            Parameter("deviations", "Standard deviations above the mean", _amount("4")),
            Parameter("orders", "of so many last orders", _count(50, 2, 200)),
            Parameter("at_least", "when there are at least", _count(5, 2, 200)),
        ),
    ),
    "new_category": Kind(
        "Large in a new category",
        "The customer's first order of a category within a year is above an amount.",
        (
            Parameter("above", "Above", _amount("500.00")),
            Parameter("at_least", "after at least so many orders", _count(5, 1, 1_000)),
        ),
    ),
    "list": Kind(
        "On a list",
        "A value of the order is on a list; an allow list keeps the other rules from counting.",
        (
            Parameter("field", "Value", _one_of(*LISTED)),
            Parameter("list", "List", _text("stolen")),
            Parameter("effect", "Effect", _one_of("watch", "block", "allow")),
        ),
    ),
}


def ask(kind: str, lists: Sequence[str] = ()) -> dict[str, Any]:
    """Shows the inputs of a kind within a form, `lists` to choose from; returns the definition that they give."""
    first, second = st.columns(2)
    definition: dict[str, Any] = {"kind": kind}
    with first:
        definition["id"] = st.text_input(
            "Id",
            max_chars=50,
            key=f"{kind} id",
            help="A letter, then letters, digits and _, all lower-case: large_orders",
        )
        definition["name"] = st.text_input("Name", max_chars=100, key=f"{kind} name")
        for parameter in KINDS[kind].parameters:
            key = f"{kind} {parameter.name}"
            if parameter.name == "list":
                none = "none yet: make one on the page Lists"
                definition["list"] = st.selectbox(parameter.label, lists, key=key, placeholder=none) or ""
            else:
                definition[parameter.name] = parameter.ask(parameter.label, key)
    with second:
        definition["severity"] = st.selectbox("Severity", _SEVERITIES, 1, key=f"{kind} severity")
        definition["weight"] = st.slider("Weight in the risk score", 0, 100, 50, key=f"{kind} weight")
        definition["cooldown_minutes"] = int(
            st.number_input(
                "Quiet for so many minutes after it",
                0,
                10_080,
                0,
                key=f"{kind} cooldown",
                help="A repeat for the same customer within this time is stored, but opens no case",
            )
        )
        where = _ask_where(kind)
    return definition | ({"where": where} if where else {})


def _ask_where(kind: str) -> dict[str, Any]:
    """The filters that people ask for most; the command line knows all."""
    least = st.text_input("Only amounts from", max_chars=14, key=f"{kind} amount from")
    countries = st.text_input(
        "Only these countries", key=f"{kind} countries", help="As orders spell them, separated by commas"
    )
    categories = st.text_input(
        "Only these categories", key=f"{kind} categories", help="As orders spell them, separated by commas"
    )
    where: dict[str, Any] = {"amount_from": least} if least else {}
    for field, text in (("country_in", countries), ("category_in", categories)):
        names = [name.strip() for name in text.split(",") if name.strip()]
        if names:
            where[field] = names
    return where


def faults(definition: Mapping[str, Any]) -> list[str]:
    """Returns what is wrong with an answered form by the labels of its inputs, each with the fix, as Markdown."""
    found = [
        f"**{label} is empty.** Fill it in above."
        for label, name in (("Id", "id"), ("Name", "name"))
        if not definition[name].strip()
    ]
    if definition.get("list") == "":
        found.append("**There is no list.** Make one first on the page Lists.")
    texts = [
        (parameter.label, definition[parameter.name])
        for parameter in KINDS[definition["kind"]].parameters
        if parameter.name in _AMOUNTS
    ]
    texts.append(("Only amounts from", definition.get("where", {}).get("amount_from", "0")))
    found += [
        f"**{label} is not a number.** Write digits and a point, without thousands separators: 5000.00"
        for label, text in texts
        if not _is_amount(text)
    ]
    return found


def in_words(definition: Mapping[str, Any]) -> list[str]:
    """Returns what a rule asks for, a line per parameter and filter."""
    kind = KINDS.get(definition["kind"])
    labels = {parameter.name: parameter.label for parameter in kind.parameters} if kind else {}
    lines = [f"{label[:1].upper()}{label[1:]}: {definition[name]}" for name, label in labels.items()]
    for name, value in definition.get("where", {}).items():
        shown = ", ".join(map(str, value)) if isinstance(value, list) else value
        lines.append(f"Only where {name.replace('_', ' ')}: {shown}")
    quiet = definition["cooldown_minutes"]
    lines.append(f"Weight in the risk score: {definition['weight']}; severity {definition['severity']}")
    return lines + ([f"Quiet for so many minutes after it: {quiet}"] if quiet else [])
