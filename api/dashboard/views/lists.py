"""Lists: what is on each, who put it there and why, which rules compare orders with it; add, remove, make one."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import streamlit as st

from api.dashboard import components, formatting, list_forms, rule_forms
from api.dashboard.client import Answer
from api.dashboard.page import Page
from app.domain.pseudonyms import PREFIX

#: Values of a page.
_PAGE: Final = 50
_LISTS: Final = (
    components.Column("name", "List"),
    components.Column("counting", "Values that count", formatting.number),
    components.Column("expired", "Expired", formatting.number),
    components.Column("rules", "Rules that use it", lambda ids: ", ".join(ids) or "none"),
    components.Column("author", "Made by", shown=False),
    components.Column("made_at", "Made at (UTC)", formatting.shown_time, shown=False),
    components.Column("reason", "Why", shown=False),
)
_ENTRIES: Final = (
    components.Column("value", "Value", lambda value: _value(value)),
    components.Column("counts", "Counts"),
    components.Column("about", "Note and reason"),
    components.Column("added", "Added"),
    components.Column("note", "Note", shown=False),
    components.Column("expires_at", "Expires at (UTC)", formatting.shown_time, shown=False),
    components.Column("author", "By", shown=False),
    components.Column("added_at", "At (UTC)", formatting.shown_time, shown=False),
    components.Column("reason", "Why", shown=False),
)


def show(page: Page) -> None:
    """Shows all lists, the chosen one, and the forms by which it is filled and another one is made."""
    with components.explained(page.shown_errors), st.spinner("Asking the API …"):
        lists: Sequence[Mapping[str, Any]] = page.client.get("lists")["lists"]
        book = page.client.get("rules")
        users = {one["name"]: _users(one["name"], book["rules"]) for one in lists}
        _all(lists, users)
        names = [one["name"] for one in lists]
        chosen = st.selectbox("Look at", names, key="list") if names else None
        if chosen is not None:
            _list(page, next(one for one in lists if one["name"] == chosen), users[chosen])
        list_forms.make(page.client, book["review_from"])


def _users(name: str, rules: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The rules that compare a field with a list."""
    return [rule for rule in rules if rule["kind"] == "list" and rule["definition"]["list"] == name]


def _all(lists: Sequence[Mapping[str, Any]], users: Mapping[str, Sequence[Mapping[str, Any]]]) -> None:
    rows = [
        {**one, "counting": one["entries"] - one["expired"], "rules": [rule["id"] for rule in users[one["name"]]]}
        for one in lists
    ]
    components.cards(
        ("Lists", formatting.number(len(rows))),
        ("Values that count", formatting.number(sum(row["counting"] for row in rows))),
        ("Expired", formatting.number(sum(row["expired"] for row in rows))),
    )
    st.caption(
        "Rules of the kind On a list compare a value of every order with a list, such as its card with stolen cards. A "
        "change judges the next orders. Country and days on the left do not apply."
    )
    if rows:
        components.table(rows, _LISTS, "lists.csv", "lists", wrapped=True)
    else:
        components.empty("There is no list yet.", "Make the first one below, such as stolen_cards.")


def _list(page: Page, one: Mapping[str, Any], rules: Sequence[Mapping[str, Any]]) -> None:
    name = one["name"]
    why = f": {one['reason']}" if one["reason"] else ""
    made = f"Made by {one['author']} at {formatting.shown_time(one['made_at'])} UTC{why}"
    components.section(formatting.plain(name), formatting.plain(made))
    for rule in rules:
        st.markdown(_in_words(rule))
    if not rules:
        components.empty("No rule uses this list.", "Make one of the kind On a list on the page Rules.")
    search = st.text_input(
        "Search", max_chars=list_forms.MAX_VALUE, key=f"search {name}", placeholder="A part of a value"
    )
    places = st.session_state.setdefault(f"places {name} {search}", [None])
    answer = page.client.get(f"lists/{name}", search=search or None, limit=_PAGE, cursor=places[-1])
    _entries(answer, one, search, places)
    shown = [entry["value"] for entry in answer["entries"]]
    list_forms.remove(page.client, name, shown, f"{search} {len(places)}")
    list_forms.add(page.client, name, answer.given_at.date())


def _in_words(rule: Mapping[str, Any]) -> str:
    """What a rule does with its list, as Markdown."""
    definition = rule["definition"]
    field = definition["field"].replace("_", " ")
    if definition["effect"] == "allow":
        does = f"for orders whose {field} is on it, no other rule counts"
    else:
        does = f"orders whose {field} is on it get {formatting.counted(rule['weight'], 'point')}"
    state = rule_forms.STATES.get(rule["state"], rule["state"]).lower()
    return f"- **{formatting.plain(rule['name'])}** ({formatting.plain(rule['id'])}, {state}): {does}"


def _entries(answer: Answer, one: Mapping[str, Any], search: str, places: list[str | None]) -> None:
    entries: Sequence[Mapping[str, Any]] = answer["entries"]
    if not entries and search:
        components.empty(f"No value contains {formatting.plain(search)}.", "Search for another part, or for nothing.")
    elif not entries:
        components.empty("Nothing is on this list.", "Add values below.")
    else:
        rows = [{**entry, "counts": _counts(entry, answer), **_origin(entry)} for entry in entries]
        components.table(rows, _ENTRIES, f"{one['name']}.csv", "entries", wrapped=True)
    before = _PAGE * (len(places) - 1)
    of_all = "" if search else f" of {formatting.number(one['entries'])}"
    following = answer["next_cursor"]
    with st.container(horizontal=True, vertical_alignment="center"):
        st.button("Back", on_click=_back, args=(places,), disabled=len(places) == 1)
        st.button("Next", on_click=places.append, args=(following,), disabled=following is None)
        if entries:
            st.caption(f"Values {before + 1:,} to {before + len(entries):,}{of_all}", width="content")


def _back(places: list[str | None]) -> None:
    places.pop()


def _value(value: str) -> str:
    """The value; that of an erased user says that it is one."""
    return f"{value} (an erased user)" if value.startswith(PREFIX) else value


def _counts(entry: Mapping[str, Any], answer: Answer) -> str:
    if entry["expires_at"] is None:
        return "for ever"
    expired = formatting.parsed(entry["expires_at"]) <= answer.given_at
    return f"{'no more, since' if expired else 'until'} {_day(entry['expires_at'])}"


def _origin(entry: Mapping[str, Any]) -> dict[str, str]:
    about = "; ".join(text for text in (entry["note"], entry["reason"]) if text)
    return {"about": about, "added": f"{_day(entry['added_at'])[:10]} by {entry['author']}"}


def _day(time: str) -> str:
    """A time, and the day alone where it begins one."""
    return formatting.shown_time(time).removesuffix(" 00:00:00")
