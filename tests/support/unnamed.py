"""Categories and countries that name nothing, in every way there is, and names that only look so."""

import sys
from typing import Final

#: White space, by Python.
BLANKS: Final = "".join(filter(str.isspace, map(chr, range(sys.maxunicode + 1))))

UNNAMED: Final = (
    None,
    "",
    " ",
    "\t\r\n",
    BLANKS,
    *BLANKS,
    "unknown",
    "Unknown",
    "UNKNOWN",
    "uNkNoWn",
    " unknown",
    "unknown\n",
    f"{BLANKS}Unknown",
    f"unknown{BLANKS}",
    "\u00a0unknown\u3000",
)
NAMED: Final = (
    "USA",
    "usa",
    " USA ",
    "U",
    "u",
    "Un",
    "UK",
    "United States",
    "Uganda",
    "unknowns",
    "un known",
    "unknow",
    "Ünknown",
    "un\u212anown",
    "unkno\uff57n",
    "n/a",
    "null",
    "None",
    "0",
    "-",
    "'unknown'",
    "\u200b",
    "Côte d'Ivoire",
    "日本",
    "~",
    "!",
)
