"""The forms of lists: values are added, removed, and a list is made; each says what became of every value."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date, timedelta
from typing import Any, Final, NamedTuple

import streamlit as st

from api.dashboard import components, formatting, rule_forms
from api.dashboard.api_errors import DashboardError
from api.dashboard.client import ApiClient

#: Characters of a value, a note and a reason.
MAX_VALUE: Final = 100
MAX_NOTE: Final = 2_000
MAX_REASON: Final = 500
#: Of a request: so many values, of so many bytes together.
_MOST: Final = 1_000
_MOST_BYTES: Final = 200_000
#: So many lines or values are named; the others are counted.
_NAMED: Final = 10
_SHORT: Final = 40
_WHY: Final = "Why"
_NO_RULE: Final = "none"
_EFFECTS: Final[Mapping[str, str]] = {
    "block": "Block: its orders get 100 points",
    "watch": "Watch: its orders are reviewed",
    "allow": "Allow: no other rule counts for its orders",
    _NO_RULE: "No rule yet",
}


class Lines(NamedTuple):
    """Pasted lines: the values, each once, and those that cannot be on a list with a sentence on each, as Markdown."""

    values: list[str]
    refused: list[str]
    faults: list[str]


def read_lines(text: str) -> Lines:
    """Reads a value per line, without the spaces around it; empty lines are left out."""
    values: dict[str, None] = {}
    refused, faults = [], []
    for number, line in enumerate(text.splitlines(), 1):
        value = line.strip()
        fault = f"has {len(value):,} characters, {MAX_VALUE} at most are allowed" if len(value) > MAX_VALUE else ""
        if "\0" in value:
            fault = "has a NUL character"
        if fault:
            refused.append(value)
            faults.append(f"Line {number:,}, {_short(value)}, {fault}.")
        elif value:
            values[value] = None
    return Lines(list(values), refused, faults)


def add(client: ApiClient, name: str, today: date) -> None:
    """Shows the form that adds values to a list."""
    form = f"add {name}"
    with st.form(form, border=True):
        st.markdown("**Add values**")
        st.text_area(
            "Values, one per line",
            key=f"{form} values",
            help=f"As orders have them, up to {MAX_VALUE} characters each; spaces around them are left out",
        )
        expiry, note = st.columns(2)
        expiry.date_input(
            "No longer counts from (UTC)",
            None,
            min_value=today + timedelta(days=1),
            format="YYYY-MM-DD",
            key=f"{form} expiry",
            help="By the time of the order; empty: it counts for ever",
        )
        note.text_input("Note", max_chars=MAX_NOTE, key=f"{form} note", help="Stands with each of the values")
        st.text_input(_WHY, max_chars=MAX_REASON, key=f"{form} reason", help="Stays with the change")
        st.caption("Values that are on the list already get this date and this note.")
        st.form_submit_button("Add to the list", type="primary", on_click=_added, args=(client, name, form))
    _say(form)


def _added(client: ApiClient, name: str, form: str) -> None:
    """Adds what the form holds; what was refused or not sent stays in it."""
    state = st.session_state
    lines, expiry = read_lines(state[f"{form} values"]), state[f"{form} expiry"]
    more = {"note": state[f"{form} note"], "expires_at": f"{expiry}T00:00:00Z" if expiry else None}
    sent = _sent(client, name, [{"value": value, **more} for value in lines.values], state[f"{form} reason"])
    rest = lines.values[sent.number :]
    state[f"{form} values"] = "\n".join([*lines.refused, *rest])
    if not lines.refused and not rest:
        state[f"{form} note"], state[f"{form} expiry"], state[f"{form} reason"] = "", None, ""
    said: list[_Said] = [(st.success, _what_became(sent.figures))] if sent.number else []
    if lines.faults:
        head = f"**{formatting.counted(len(lines.faults), 'line')} refused.** Correct them in the field above."
        said.append((st.warning, _named(head, lines.faults)))
    if sent.number and rest:
        left = "1 value was not added and is" if len(rest) == 1 else f"{len(rest):,} values were not added and are"
        said.append((st.warning, f"**Then it stopped.** {left} still in the field above."))
    if sent.failure is not None:
        said.append((components.show_error, sent.failure))
    if not lines.values and not lines.faults:
        said.append((st.error, "**There is no value.** Write one per line."))
    state[f"{form} said"] = said


class _Sent(NamedTuple):
    """So many entries went through, what became of them, and what stopped the others."""

    number: int
    figures: Mapping[str, int]
    failure: DashboardError | None = None


def _sent(client: ApiClient, name: str, entries: Sequence[Mapping[str, Any]], reason: str) -> _Sent:
    sent = _Sent(0, {"added": 0, "changed": 0, "unchanged": 0})
    for part in _parts(entries):
        try:
            made = client.change("POST", f"lists/{name}", {"entries": part, "reason": reason})
        except DashboardError as error:
            return sent._replace(failure=error)
        sent = _Sent(sent.number + len(part), {figure: n + made[figure] for figure, n in sent.figures.items()})
    return sent


def _parts(entries: Sequence[Mapping[str, Any]]) -> Iterator[Sequence[Mapping[str, Any]]]:
    """Yields entries by requests that the API takes."""
    longest = max((len(json.dumps(entry, ensure_ascii=False).encode()) for entry in entries), default=1)
    size = max(1, min(_MOST, _MOST_BYTES // longest))
    for start in range(0, len(entries), size):
        yield entries[start : start + size]


def _what_became(done: Mapping[str, int]) -> str:
    parts = [f"{formatting.counted(done['added'], 'value')} added"]
    if changed := done["changed"] - done["added"]:
        parts.append(f"{formatting.number(changed)} on the list before, changed")
    if done["unchanged"]:
        parts.append(f"{formatting.number(done['unchanged'])} on the list before, as given")
    return f"{'; '.join(parts)}."


def remove(client: ApiClient, name: str, shown: Sequence[str], place: str) -> None:
    """Shows the choice of values to remove, of those that are `shown` at a place, and asks before it removes them."""
    key = f"remove {name} {place}"
    chosen, pressed = st.columns([3, 1], vertical_alignment="bottom")
    values = chosen.multiselect(
        "Remove", shown, key=key, placeholder="Values of this page", disabled=not shown, filter_mode="contains"
    )
    if pressed.button("Remove …", disabled=not values, width="stretch", key=f"{key} pressed"):
        _confirm(client, name, values, key)
    _say(f"remove {name}")


@st.dialog("Remove from the list?")
def _confirm(client: ApiClient, name: str, values: Sequence[str], key: str) -> None:
    count = formatting.counted(len(values), "value")
    head = f"{count} of {formatting.plain(name)} will no longer be compared with orders:"
    st.markdown(_named(head, [_short(value) for value in values]))
    st.text_input(_WHY, max_chars=MAX_REASON, key="removal reason")
    if st.button(f"Remove {count}", type="primary", on_click=_removed, args=(client, name, values, key)):
        st.rerun()
    if st.button("Keep them"):
        st.rerun()


def _removed(client: ApiClient, name: str, values: Sequence[str], key: str) -> None:
    state = st.session_state
    try:
        change = {"values": list(values), "reason": state["removal reason"]}
        done = client.change("DELETE", f"lists/{name}", change)
    except DashboardError as error:
        state[f"remove {name} said"] = [(components.show_error, error)]
        return
    gone = done["unchanged"]
    others = f" {formatting.number(gone)} had been removed by somebody else." if gone else ""
    result = f"{formatting.counted(done['changed'], 'value')} removed.{others}"
    state[f"remove {name} said"] = [(st.success, result)]
    state[key] = []


def make(client: ApiClient, review_from: int) -> None:
    """Shows the form that makes a list, and a rule that uses it; `review_from` is the score of a watched order."""
    st.subheader("A new list", anchor=False)
    with st.form("new list", border=True):
        left, right = st.columns(2)
        left.text_input(
            "Name of the list", max_chars=50, key="new list name", help="Lower-case letters, digits and _: stolen_cards"
        )
        left.text_input(_WHY, max_chars=MAX_REASON, key="new list reason", help="Stays with the list")
        right.selectbox(
            "Kind: what its rule does",
            list(_EFFECTS),
            format_func=_EFFECTS.__getitem__,
            key="new list effect",
            help="The rule runs in shadow until it is activated on the page Rules; it needs a key of the role admin",
        )
        right.selectbox("Field of the order that is compared", rule_forms.LISTED, key="new list field")
        st.form_submit_button("Make the list", type="primary", on_click=_made, args=(client, review_from))
    _say("new list")


def _made(client: ApiClient, review_from: int) -> None:
    state = st.session_state
    name, reason, effect = (state[f"new list {part}"] for part in ("name", "reason", "effect"))
    name = name.strip()
    said: list[_Said] = []
    try:
        client.change("POST", "lists", {"name": name, "reason": reason})
        state["list"], state["new list name"], state["new list reason"] = name, "", ""
        said.append((st.success, f"The list {formatting.plain(name)} is made, and shown above."))
        if effect != _NO_RULE:
            rule = _rule(name, effect, state["new list field"], review_from)
            client.change("POST", "rules", {**rule, "reason": reason})
            result = f"The rule {formatting.plain(rule['id'])} runs in shadow. Activate it on the page Rules."
            said.append((st.success, result))
    except DashboardError as error:
        said += [(st.warning, "Its rule is not made; make it on the page Rules.")] if said else []
        said.append((components.show_error, error))
    state["new list said"] = said


def _rule(name: str, effect: str, field: str, review_from: int) -> dict[str, Any]:
    weights = {"block": ("critical", 100), "watch": ("medium", review_from), "allow": ("low", 0)}
    severity, weight = weights[effect]
    title = {"block": "Blocked", "watch": "Watched", "allow": "Allowed"}[effect]
    return {
        "kind": "list",
        "id": f"{effect}_{name}"[:50],
        "name": f"{title}: {field} on {name}",
        "field": field,
        "list": name,
        "effect": effect,
        "severity": severity,
        "weight": weight,
        "state": "shadow",
    }


_Said = tuple[Callable[[Any], object], Any]


def _say(form: str) -> None:
    """Shows once what came of pressing a form's button."""
    for show, what in st.session_state.pop(f"{form} said", ()):
        show(what)


def _short(value: str) -> str:
    return formatting.plain(value if len(value) <= _SHORT else f"{value[: _SHORT - 1]}…")


def _named(head: str, each: Sequence[str]) -> str:
    """A head and a line of each, as Markdown."""
    more = [f"and {len(each) - _NAMED:,} more"] if len(each) > _NAMED else []
    return "\n".join([head, "", *(f"- {line}" for line in [*each[:_NAMED], *more])])
