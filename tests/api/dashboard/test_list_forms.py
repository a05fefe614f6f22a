"""Lists over a real API: who may, what does not fit, and what of many values was added."""

from datetime import UTC, datetime

import pytest
from streamlit.testing.v1 import AppTest

from api.dashboard import list_forms
from api.keys import hash_of
from app.fraud.texts import MAX_NOTE, MAX_REASON, MAX_VALUE
from compose.embedded.ports import LOOPBACK, choose_port
from tests.api.dashboard.running import Dashboard, again, cards, leading_to, messages, served_in_thread
from tests.api.serving import with_api
from tests.support.databases import Database

_KEYS = f"{hash_of('gm_reader')}, ann:analyst:{hash_of('gm_ann')}"
_FILL = """
INSERT INTO fraud_list_entries (list, value, edition, present, note)
SELECT 'many', 'v' || n, 2, true, '' FROM generate_series(1, $1::INT) n"""


def _press(page: AppTest, label: str) -> None:
    next(button for button in page.button if button.label == label).click()
    again(page)


def _said(page: AppTest) -> str:
    return messages(page) + "\n".join(each.value for each in page.success)


def _made(dashboard: Dashboard, name: str, effect: str = "none") -> AppTest:
    page = dashboard.opened("lists")
    page.text_input(key="new list name").set_value(name)
    page.selectbox(key="new list effect").set_value(effect)
    _press(page, "Make the list")
    return page


def _add(page: AppTest, name: str, text: str, note: str = "") -> None:
    page.text_area(key=f"add {name} values").set_value(text)
    page.text_input(key=f"add {name} note").set_value(note)
    _press(page, "Add to the list")


def test_the_forms_limits_are_those_of_the_api() -> None:
    assert (list_forms.MAX_VALUE, list_forms.MAX_NOTE, list_forms.MAX_REASON) == (MAX_VALUE, MAX_NOTE, MAX_REASON)


def test_lines_are_values_without_what_is_around_them() -> None:
    longest = "é" * MAX_VALUE
    read = list_forms.read_lines(f"\n a b \r\n\tc\n{longest}\na b\n{longest}x\nn\0l\n*{'y' * 200}")
    assert read.values == ["a b", "c", longest]
    assert read.refused == [f"{longest}x", "n\0l", f"*{'y' * 200}"]
    assert [fault.split(",")[0] for fault in read.faults] == ["Line 6", "Line 7", "Line 8"]
    assert "has 101 characters, 100 at most" in read.faults[0]
    assert "has a NUL character" in read.faults[1]
    assert f"\\*{'y' * 38}…" in read.faults[2]


def test_a_list_is_made_with_its_rule_filled_and_searched(dashboard: Dashboard) -> None:
    page = _made(dashboard, "watched", "watch")
    assert "The list watched is made, and shown above." in _said(page)
    (rule,) = [each for each in dashboard.answer("rules")["rules"] if each["id"] == "watch_watched"]
    assert (rule["state"], rule["weight"], rule["definition"]["effect"]) == ("shadow", 30, "watch")
    assert "orders whose user id is on it get 30 points" in messages(page)
    assert "Nothing is on this list." in messages(page)
    _add(page, "watched", "u1\nU2\nu1\n", "seen")
    assert "2 values added." in _said(page)
    assert page.text_area(key="add watched values").value == ""
    _add(page, "watched", "u1\nu3", "seen")
    assert "1 value added; 1 on the list before, as given." in _said(page)
    _add(page, "watched", "u1", "again")
    assert "0 values added; 1 on the list before, changed." in _said(page)
    _add(page, "watched", " \n")
    assert "There is no value." in _said(page)
    page.text_input(key="search watched").set_value("u2")
    again(page)
    assert page.multiselect[0].options == ["U2"]
    page.text_input(key="search watched").set_value("nobody")
    again(page)
    assert "No value contains nobody." in messages(page)
    assert "There is no value." not in messages(page), "it was said once"


def test_a_name_that_is_taken_or_no_name_is_refused(dashboard: Dashboard) -> None:
    _made(dashboard, "taken")
    page = _made(dashboard, "taken")
    assert "there is a list taken already" in _said(page)
    assert page.text_input(key="new list name").value == "taken"
    assert "lower-case letters, digits and _" in _said(_made(dashboard, "Stolen Cards"))


def test_a_value_that_expires_says_so(dashboard: Dashboard) -> None:
    page = _made(dashboard, "expiring")
    page.date_input(key="add expiring expiry").set_value(datetime(2031, 3, 1, tzinfo=UTC).date())
    _add(page, "expiring", "c1")
    table = page.table[-1].value
    assert [table[name][0] for name in ("Value", "Counts")] == ["c1", "until 2031\\-03\\-01"]
    (entry,) = dashboard.answer("lists/expiring")["entries"]
    assert entry["expires_at"] == "2031-03-01T00:00:00Z"


async def test_a_key_without_the_right_names_the_role(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    with served_in_thread(with_api(database.settings, key_hashes=_KEYS, key_burst=1_000)) as url:
        with leading_to(url, monkeypatch, api_key="gm_ann") as dashboard:
            said = _said(_made(dashboard, "stolen", "block"))
            assert "The list stolen is made" in said
            assert "Its rule is not made" in said
            assert "admin" in said
        with leading_to(url, monkeypatch, api_key="gm_reader") as dashboard:  # example-only
            page = dashboard.opened("lists")
            _add(page, "stolen", "c1\nc2")
            assert "analyst" in messages(page)
            assert page.text_area(key="add stolen values").value == "c1\nc2"


async def test_of_too_many_values_the_rest_stays(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    with served_in_thread(database.settings) as url, leading_to(url, monkeypatch) as dashboard:
        page = _made(dashboard, "many")
        async with database.owner() as owner:
            await owner.execute(_FILL, 99_900)
        _add(page, "many", "\n".join(f"w{number}" for number in range(250)), "n" * MAX_NOTE)
        said = _said(page)
        sent = database.settings.api.body_max_bytes // (MAX_NOTE + 200)
        assert "the list many would have" in said
        rest = str(page.text_area(key="add many values").value).splitlines()
        assert rest[-1] == "w249"
        assert 250 - len(rest) <= sent
        assert f"{250 - len(rest)} values added." in said
        assert f"{len(rest)} values were not added and are still in the field above." in said
        assert cards(again(page))["Values that count"] == f"{99_900 + 250 - len(rest):,}"
        _press(page, "Next")
        assert f"Values 51 to 100 of {99_900 + 250 - len(rest):,}" in messages(page)
        _press(page, "Back")
        assert "Values 1 to 50 of" in messages(page)


async def test_an_api_that_fails_keeps_what_was_pasted(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    settings, port = database.settings, choose_port()
    with leading_to(f"http://{LOOPBACK}:{port}", monkeypatch) as dashboard:
        with served_in_thread(settings, port):
            page = _made(dashboard, "stolen")
        _add(page, "stolen", "c1\nc2")
        assert "The REST API does not answer" in messages(page)
        with served_in_thread(settings, port):
            again(page)
            assert "The REST API does not answer" in messages(page), "of the addition"
            assert page.text_area(key="add stolen values").value == "c1\nc2"
            _press(page, "Add to the list")
            assert "2 values added." in _said(page)
