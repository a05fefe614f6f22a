"""Names for a missing country, category or segment in a mart's key.

Null in a mart's `country` means every country, so an order without a country needs a name of its own. Null, blanks and
the word `unknown` in any case are one: the same rule as `app.domain.names` has in Python.
"""

from typing import Final

from pyspark.sql import Column
from pyspark.sql import functions as f

from app.domain.names import UNKNOWN

#: A customer no published run has seen before comes from here in `segment_migrations`.
NO_SEGMENT: Final = "(none)"

#: What Python's str.strip takes away.
_BLANKS: Final = (
    " \t\n\v\f\r\x1c\x1d\x1e\x1f\x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008"
    "\u2009\u200a\u2028\u2029\u202f\u205f\u3000"
)


def or_unknown(column: str) -> Column:
    """The name to count under, never null."""
    return f.coalesce(named(column), f.lit(UNKNOWN))


def named(column: str) -> Column:
    """The column, null where it names nothing."""
    name = f.col(column)
    bare = f.btrim(name, f.lit(_BLANKS))
    # Letters beyond ASCII have these as their small ones, but take more bytes.
    is_unknown = (f.octet_length(bare) == len(UNKNOWN)) & (f.lower(bare) == UNKNOWN)
    return f.when(_is_surely_named(name), name).when((bare != "") & ~is_unknown, name)


def _is_surely_named(name: Column) -> Column:
    """True for nearly every name: it begins with a character of ASCII that is no blank, and not as `unknown` does.

    Comparisons of bytes cost a third of trimming every row's name.
    """
    short = f.octet_length(name) < len(UNKNOWN)
    no_u = (name < "U") | ((name >= "V") & (name < "u")) | (name >= "v")
    return (name >= "!") & (name < "\x7f") & (short | no_u)
