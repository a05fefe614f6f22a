"""Rules: what each raised and how precise it is; a new one, tested on history before it judges."""

import json
from collections.abc import Mapping, Sequence
from datetime import timedelta
from decimal import Decimal
from typing import Any, Final

import streamlit as st

from api.dashboard import components, formatting, rule_forms
from api.dashboard.client import Answer
from api.dashboard.page import Page

#: Where the id of a rule that was just made is kept until it is shown.
_NEW: Final = "new rule"
_VERBS: Final = {"active": "Activate", "shadow": "Run in shadow", "paused": "Pause"}
_TESTED_DAYS: Final = timedelta(days=30)
_RULES: Final = (
    components.Column("name", "Rule"),
    components.Column("state", "State", lambda state: rule_forms.STATES.get(state, state)),
    components.Column("raised_24h", "Raised in 24 h", formatting.number),
    components.Column("raised_total", "Raised", formatting.number),
    components.Column("shadow_total", "In shadow", formatting.number),
    components.Column("id", "Id", shown=False),
    components.Column("kind", "Kind", lambda kind: _kind_title(kind), shown=False),
    components.Column("severity", "Severity", shown=False),
    components.Column("weight", "Weight", formatting.number, shown=False),
    components.Column("version", "Version", formatting.number, shown=False),
)
_VERSIONS: Final = (
    components.Column("version", "Version", formatting.number),
    components.Column("changed_at", "Since (UTC)", formatting.shown_time),
    components.Column("author", "Who"),
    components.Column("reason", "Why"),
)
_PERFORMANCE: Final = (
    components.Column("version", "Version", formatting.number),
    components.Column("raised", "Raised", formatting.number),
    components.Column("raised_in_shadow", "In shadow", formatting.number),
    components.Column("fraud", "Labelled fraud", formatting.number),
    components.Column("legitimate", "Labelled legitimate", formatting.number),
    components.Column("precision", "Precision", formatting.percent),
    components.Column("recall", "Recall", formatting.percent),
    components.Column("money_caught", "Caught", formatting.money),
    components.Column("money_wrongly_stopped", "Wrongly stopped", formatting.money),
)
_EXAMPLES: Final = (
    components.Column("timestamp", "Time (UTC)", formatting.shown_time),
    components.Column("user_id", "User"),
    components.Column("amount", "Amount", lambda text: formatting.money(Decimal(text))),
    components.Column("country", "Country", formatting.name),
    components.Column("description", "Why"),
    components.Column("transaction_id", "Order"),
)
_CONFUSION: Final = (
    components.Column("label", "Labelled"),
    components.Column("raised", "It would raise", formatting.number),
    components.Column("not_raised", "It would leave alone", formatting.number),
)
_DAYS: Final = (
    components.Column("day", "Day"),
    components.Column("orders", "Orders", formatting.number),
    components.Column("money", "Amount", lambda text: formatting.money(Decimal(text))),
)


def show(page: Page) -> None:
    """Shows all rules, the chosen one, and the form for a new one."""
    with components.explained(page.shown_errors), st.spinner("Asking the API …"):
        answer = page.client.get("rules")
        rules: Sequence[Mapping[str, Any]] = answer["rules"]
        _cards(answer, rules)
        if rules:
            components.table(rules, _RULES, "rules.csv", "rules", wrapped=True)
        else:
            components.empty(
                "There is no rule yet, so every order is let through.",
                "Make one below, or set the starter rules: `globalmart rules set --starter --create-lists`.",
            )
        _thresholds(page)
        if rules:
            _look_at(page, rules)
    with components.explained(page.shown_errors):
        _new(page)


def _look_at(page: Page, rules: Sequence[Mapping[str, Any]]) -> None:
    """Shows the chosen rule; one that was just made is chosen."""
    titles = {rule["id"]: f"{rule['name']} ({rule['id']})" for rule in rules}
    new = st.session_state.pop(_NEW, None)
    if new in titles:
        st.session_state["rule"] = new
    chosen = st.selectbox("Look at", list(titles), format_func=titles.__getitem__, key="rule")
    if chosen is not None:
        _rule(page, page.client.one("rules", chosen).content)


def _kind_title(kind: str) -> str:
    known = rule_forms.KINDS.get(kind)
    return kind if known is None else known.title


def _cards(answer: Answer, rules: Sequence[Mapping[str, Any]]) -> None:
    states = [rule["state"] for rule in rules]
    components.cards(
        ("Active rules", formatting.number(states.count("active"))),
        ("In shadow", formatting.number(states.count("shadow"))),
        ("Review from", f"{answer['review_from']} points"),
        ("Block from", f"{answer['block_from']} points"),
    )
    st.caption(
        f"Edition {answer['edition']}: every change makes the next one, and each order is judged by the newest. Rules "
        "in shadow raise nothing; what they would have raised is counted. The form for a new rule is "
        "[below](#a-new-rule)."
    )


def _thresholds(page: Page) -> None:
    """The form by which the scores of review and block are changed."""
    with st.expander("Change from which score an order is reviewed or blocked"), components.explained():
        now = page.client.get("thresholds").content
        with st.form("thresholds", border=False):
            st.caption(
                "The weights of the rules that an order raises add up to its score, 100 at most. From the first limit "
                "on the order becomes a case, which somebody has to look at; from the second on its verdict is "
                "to block it, too. Below both it is let through."
            )
            review, block = st.columns(2)
            scores = {
                "review_from": int(review.number_input("Review from", 1, 100, now["review_from"])),
                "block_from": int(block.number_input("Block from", 1, 100, now["block_from"])),
            }
            reason = st.text_input("Why the scores change", max_chars=500, key="thresholds reason")
            pressed = st.form_submit_button("Change the scores")
        version = components.seen_version("thresholds", now["version"], pressed=pressed)
        if pressed:
            page.client.change("PATCH", "thresholds", {**scores, "reason": reason}, version)
            st.toast("The scores are changed.", icon=":material/check:")
            st.rerun()


def _rule(page: Page, rule: Mapping[str, Any]) -> None:
    components.section(formatting.plain(rule["name"]), formatting.plain(_about(rule["kind"])))
    for line in rule_forms.in_words(rule["definition"]):
        st.markdown(f"- {formatting.plain(line)}")
    with st.expander("As JSON, for `globalmart rules set`, which changes a rule's limits"):
        st.code(json.dumps(rule["definition"], indent=2, ensure_ascii=False), language="json")
    _change_state(page, rule)
    performance = page.client.get(f"rules/{rule['id']}/performance", **page.filters.period.query)
    components.section(
        "How well it does",
        f"By the labels of {formatting.counted(performance['fraud_in_period'], 'fraudulent order')} of the chosen "
        "days, of all countries; cases that are confirmed or dismissed become labels.",
    )
    components.table(performance["versions"], _PERFORMANCE, "performance.csv", "performance")
    if not performance["fraud_in_period"] and not any(one["legitimate"] for one in performance["versions"]):
        components.empty(
            "No labels of these days.",
            "Confirm or dismiss cases, import labels with `globalmart labels import`, or choose another period.",
        )
    components.section("Its versions")
    components.table(rule["versions"], _VERSIONS, "versions.csv", "versions")
    if st.button("Test it on history", key=f"test {rule['id']}", icon=":material/history:"):
        _test(page, rule["id"])


def _about(kind: str) -> str:
    known = rule_forms.KINDS.get(kind)
    return kind if known is None else known.about


def _change_state(page: Page, rule: Mapping[str, Any]) -> None:
    form = f"state {rule['id']}"
    with st.form(form, border=True):
        reason = st.text_input("Reason", max_chars=500, help="Stays with the change")
        places = st.columns(len(rule_forms.STATES))
        pressed = [
            state
            for place, state in zip(places, rule_forms.STATES, strict=True)
            if place.form_submit_button(_VERBS[state], disabled=state == rule["state"], width="stretch")
        ]
    version = components.seen_version(form, rule["version"], pressed=bool(pressed))
    if not pressed:
        return
    with components.explained():
        change = {"state": pressed[0], "reason": reason}
        made = page.client.change("PATCH", f"rules/{rule['id']}", change, version)
        state = {"active": "is active", "shadow": "runs in shadow", "paused": "is paused"}[pressed[0]]
        st.toast(f"{formatting.plain(rule['name'])} {state}.", icon=":material/check:")
        _warn(made["warning"])
        st.rerun()


def _warn(warning: str | None) -> None:
    """Shows what the API says of a rule that was just set."""
    if warning:
        st.toast(formatting.sentence(warning), icon=":material/warning:", duration="long")


def _new(page: Page) -> None:
    st.subheader("A new rule", anchor="a-new-rule")
    st.caption("Test it on history first, run it in shadow, then activate it.")
    kind = st.selectbox("Kind", list(rule_forms.KINDS), format_func=_kind_title, key="kind")
    st.caption(rule_forms.KINDS[kind].about)
    lists = [one["name"] for one in page.client.get("lists")["lists"]] if kind == "list" else []
    with st.form(f"new {kind}", border=True):
        definition = rule_forms.ask(kind, lists)
        reason = st.text_input("Reason", max_chars=500, key=f"{kind} reason")
        test, shadow = st.columns(2)
        tested = test.form_submit_button("Test on history", width="stretch", icon=":material/history:")
        added = shadow.form_submit_button("Run in shadow", type="primary", width="stretch")
    faults = rule_forms.faults(definition) if tested or added else []
    for fault in faults:
        st.error(fault, icon=":material/edit:")
    if tested and not faults:
        _test(page, definition)
    if added and not faults:
        with components.explained():
            made = page.client.change("POST", "rules", {**definition, "state": "shadow", "reason": reason})
            st.session_state[_NEW] = made["id"]
            st.toast(f"{formatting.plain(definition['name'])} runs in shadow and is shown above.")
            _warn(made["warning"])
            st.rerun()


def _test(page: Page, rule: str | Mapping[str, Any]) -> None:
    """Asks what a rule would have raised in the days before now, and shows it."""
    end = page.client.get("rules").given_at
    asked = {"rule": rule, "from": (end - _TESTED_DAYS).isoformat(), "to": end.isoformat()}
    with components.explained(), st.spinner("Judging the stored orders …"):
        _show_test(page.client.change("POST", "rules/test", asked)["answers"][0])


def _show_test(found: Mapping[str, Any]) -> None:
    first, last = formatting.shown_time(found["from"]), formatting.shown_time(found["to"])
    components.section("What it would have raised", f"Orders of {first} to {last} UTC, judged as they came")
    labels = found["labels"]
    components.cards(
        ("Would be raised", formatting.number(found["orders"])),
        ("Their sum", formatting.money(Decimal(found["money"]))),
        ("Of all orders", _of_all(found)),
        ("Precision", _share(labels["precision"]) if labels else "no labels"),
    )
    if found["warning"]:
        st.warning(formatting.sentence(found["warning"]), icon=":material/warning:")
    if not found["orders"]:
        components.empty(
            "No order would have been raised.",
            "Loosen the limits or the filters; countries and categories are compared letter by letter.",
        )
    if labels:
        st.markdown("**Labelled orders**")
        components.table(_confusion(labels), _CONFUSION, "labelled.csv", "labelled")
    if found["overlap"]:
        others = ", ".join(f"{formatting.plain(one['rule_id'])} ({one['orders']})" for one in found["overlap"])
        st.caption(f"Orders that other rules raised, too: {others}.")
    if found["examples"]:
        st.markdown("**Examples**")
        components.table(found["examples"], _EXAMPLES, "examples.csv", "examples")
        st.markdown("**By day**")
        components.table(found["by_day"], _DAYS, "by-day.csv", "by day")


def _of_all(found: Mapping[str, Any]) -> str:
    """The share of all orders, which is never said to be nothing where there is one."""
    shown = _share(found["share"])
    return "< 0.1 %" if found["orders"] and shown == "0.0 %" else shown


def _confusion(labels: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [
        {"label": "fraud", "raised": labels["true_positives"], "not_raised": labels["false_negatives"]},
        {"label": "legitimate", "raised": labels["false_positives"], "not_raised": labels["true_negatives"]},
    ]


def _share(text: str | None) -> str:
    return formatting.percent(None if text is None else Decimal(text))
