"""What the address of a page asks for, and what of it was not understood: the page says so, and what it shows."""

from collections.abc import Iterable, MutableMapping, Sequence
from typing import Any, Final, NamedTuple

import streamlit as st

from api.dashboard import formatting

_KEY: Final = "address"
_LONGEST: Final = 60
#: Parameters that some page knows.
KNOWN: Final = ("country", "period", "days", "by", "category", "rows", "trend", "type", "customer")


class Misread(NamedTuple):
    """A parameter of an address that cannot be used as it is; `shown` is a sentence on what the page does instead."""

    name: str
    values: Sequence[str]
    reason: str
    shown: str

    def __str__(self) -> str:
        given = " and ".join(f"`{self.name}={_short(value)}`" for value in self.values)
        return f"{given}: {self.reason}. {self.shown}"


class Address:
    """The parameters a page was opened with, and what was misread of them.

    Streamlit takes what it cannot use out of the address and shows the default without a word. So the parameters are
    kept from before the first widget is made, each until it was judged once; what was misread is kept until something
    else is chosen.
    """

    def __init__(self, asked: MutableMapping[str, list[str]], misread: MutableMapping[str, Misread]) -> None:
        self._asked = asked
        self._misread = misread

    def values(self, name: str) -> Sequence[str]:
        """What the page was opened with, until that was judged; nothing if it is absent or empty."""
        return [value for value in self._asked.get(name, ()) if value]

    def judge_choice(self, name: str, known: Iterable[object], shown: object) -> None:
        """Judge a parameter that takes one of a few values; `shown` is the one the page shows."""
        texts_known = [str(each) for each in known]
        values = self.values(name)
        instead = f"{formatting.sentence(str(shown))} is shown instead."
        wrong = [value for value in values if value not in texts_known]
        if wrong:
            self.misread(name, wrong, f"known are {_listed(texts_known)}", instead)
        elif len(values) > 1:
            self.misread(name, values, "only one can be shown", instead)
        else:
            self.understood(name, instead)

    def misread(self, name: str, values: Iterable[str], reason: str, shown: str) -> None:
        """Note what cannot be used, why, and in a sentence what the page shows."""
        self._asked.pop(name, None)
        self._misread[name] = Misread(name, list(values), reason, shown)

    def understood(self, name: str, shown: str = "") -> None:
        """The parameter is fine; what was misread of it before goes once something else is shown."""
        given = self._asked.pop(name, None)
        former = self._misread.get(name)
        if former is not None and (given or former.shown != shown):
            del self._misread[name]

    def say(self) -> None:
        """Say what was misread, if anything was."""
        lines = [f"- {each}" for each in self._misread.values()]
        if lines:
            title = "**Not all of this address was understood.**"
            st.warning("\n".join([title, "", *lines]), icon=":material/link_off:")


def read_address(view: str) -> Address:
    """The address of a page; call it before any widget is made."""
    kept: dict[str, Any] = st.session_state.setdefault(_KEY, {})
    if kept.get("view") != view:
        asked = {name: st.query_params.get_all(name) for name in st.query_params}
        strange = {name: asked.pop(name) for name in list(asked) if name not in KNOWN}
        kept.update(view=view, asked=asked, misread={})
        reason = f"pages know only {_listed(KNOWN)}"
        for name, values in strange.items():
            kept["misread"][name] = Misread(name, values, reason, "It changes nothing.")
    return Address(kept["asked"], kept["misread"])


def _listed(known: Iterable[str]) -> str:
    return ", ".join(f"`{_short(name)}`" for name in known if name)


def _short(value: str) -> str:
    """As code: without what Markdown or a reader could stumble over."""
    bare = "".join(letter if letter.isprintable() and letter != "`" else "�" for letter in value)
    return bare if len(bare) <= _LONGEST else f"{bare[: _LONGEST - 1]}…"
