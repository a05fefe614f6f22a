"""Cases: the queue of orders that somebody has to look at, and one of them with its reasons and its decision."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import streamlit as st

from api.dashboard import components, formatting
from api.dashboard.page import Page

_SHOWN: Final = 200
_STATUSES: Final = {"open": "Open", "confirmed": "Confirmed", "dismissed": "Dismissed"}
_SEVERITIES: Final = {"critical": "Critical", "high": "High", "medium": "Medium", "low": "Low"}
_QUEUE: Final = (
    components.Column("case_id", "Case", formatting.number),
    components.Column("severity", "Severity", lambda name: _SEVERITIES.get(name, name)),
    components.Column("amount", "Amount", formatting.money),
    components.Column("risk_score", "Risk score", formatting.number),
    components.Column("action", "Verdict"),
    components.Column("user_id", "User"),
    components.Column("rules", "Rules", ", ".join),
    components.Column("event_time", "Ordered (UTC)", formatting.shown_time),
    components.Column("assignee", "Assigned to", formatting.word),
    components.Column("transaction_id", "Order"),
)
_ORDERS: Final = (
    components.Column("timestamp", "Time (UTC)", formatting.shown_time),
    components.Column("total_amount", "Amount", formatting.money),
    components.Column("category", "Category", formatting.name),
    components.Column("country", "Country", formatting.name),
    components.Column("quantity", "Items", formatting.number),
    components.Column("action", "Verdict", formatting.word),
    components.Column("label", "Label", formatting.word),
    components.Column("transaction_id", "Order"),
)
_HISTORY: Final = (
    components.Column("at", "At (UTC)", formatting.shown_time),
    components.Column("author", "Who"),
    components.Column("action", "Did"),
    components.Column("note", "Note"),
)


def show(page: Page) -> None:
    """Shows the queue by severity and money, and the chosen case."""
    with components.explained(page.shown_errors), st.spinner("Asking the API …"):
        status = components.choice("Status", _STATUSES, "status", default="open", label_visibility="collapsed")
        cases: Sequence[Mapping[str, Any]] = page.client.get("cases", status=status, limit=_SHOWN)["cases"]
        _cards(cases)
        if not cases:
            components.empty(
                "No cases.",
                "A case is opened for an order whose rules ask for review (page Rules); choose another status above.",
            )
            return
        st.caption("The gravest first, then the dearest; the days and the country on the left do not apply to cases.")
        components.table(cases, _QUEUE, "cases.csv", "cases")
        _chosen(page, cases)


def _cards(cases: Sequence[Mapping[str, Any]]) -> None:
    components.cards(
        ("Cases", f"{_SHOWN} or more" if len(cases) == _SHOWN else formatting.number(len(cases))),
        ("Their amount", formatting.money(sum(case["amount"] for case in cases))),
        ("High or critical", formatting.number(sum(case["severity"] in ("critical", "high") for case in cases))),
    )


def _chosen(page: Page, cases: Sequence[Mapping[str, Any]]) -> None:
    titles = {case["case_id"]: _title(case) for case in cases}
    case_id = st.selectbox("Look at", list(titles), format_func=titles.__getitem__, key="case")
    if case_id is not None:
        _case(page, page.client.get(f"cases/{case_id}").content)


def _title(case: Mapping[str, Any]) -> str:
    severity = _SEVERITIES.get(case["severity"], case["severity"])
    return f"{case['case_id']}: {severity}, {formatting.money(case['amount'])}, {case['user_id']}"


def _case(page: Page, case: Mapping[str, Any]) -> None:
    ordered = formatting.shown_time(case["event_time"])
    components.section(f"Case {case['case_id']}", f"Order {formatting.plain(case['transaction_id'])} of {ordered} UTC")
    components.cards(
        ("Status", _STATUSES.get(case["status"], case["status"])),
        ("Order amount", formatting.money(case["amount"])),
        ("Risk score", formatting.number(case["risk_score"])),
        ("Verdict", formatting.word(case["action"])),
    )
    st.markdown("**Why**")
    for reason in case["reasons"]:
        st.markdown(_reason(reason))
    _decide(page, case)
    components.section("The customer's last orders", formatting.plain(formatting.word(case["user_id"])))
    components.table(case["recent_orders"], _ORDERS, "recent-orders.csv", "recent orders")
    if case["history"]:
        components.section("What was done")
        components.table(case["history"], _HISTORY, "case-history.csv", "history")


def _reason(reason: Mapping[str, Any]) -> str:
    """A reason in plain words, as Markdown."""
    repeated = "; a repeat within the rule's cool-down" if reason["suppressed"] else ""
    return (
        f"- {formatting.plain(reason['description'])}: measured {formatting.plain(reason['measure'])}, "
        f"limit {formatting.plain(reason['threshold'])} ({formatting.plain(reason['name'])}, "
        f"{formatting.counted(reason['weight'], 'point')}{repeated})"
    )


def _decide(page: Page, case: Mapping[str, Any]) -> None:
    """The form by which a case is confirmed, dismissed or handed to somebody."""
    form = f"decide {case['case_id']}"
    with st.form(form, border=True):
        assignee = st.text_input("Assigned to", case["assignee"] or "", max_chars=100, help="Who works on it")
        note = st.text_area("Note", max_chars=2_000, height=80)
        confirm, dismiss, keep = st.columns(3)
        confirmed = confirm.form_submit_button(
            "Confirm fraud", type="primary", width="stretch", help="Closes the case; the order is labelled fraud"
        )
        dismissed = dismiss.form_submit_button(
            "Dismiss", width="stretch", help="Closes the case; the order is labelled legitimate"
        )
        kept = keep.form_submit_button("Save", width="stretch", help="Keeps the person and the note; decides nothing")
    pressed = confirmed or dismissed or kept
    version = components.seen_version(form, case["version"], pressed=pressed)
    if not pressed:
        return
    change: dict[str, Any] = {"note": note, "assignee": assignee or None}
    if confirmed or dismissed:
        change["status"] = "confirmed" if confirmed else "dismissed"
    with components.explained():
        page.client.change("PATCH", f"cases/{case['case_id']}", change, version)
        done = "confirmed as fraud" if confirmed else "dismissed as legitimate" if dismissed else "saved"
        st.toast(f"Case {case['case_id']} is {done}.", icon=":material/check:")
        st.rerun()
