"""Names for a missing country, category or segment in a mart's key.

Null in a mart's `country` means every country, so an order without a country needs a name. Null, white space and the
word `unknown` in any case are the same, as in `app.domain.names`.
"""

from typing import Final

from pyspark.sql import Column
from pyspark.sql import functions as f

from app.domain.names import UNKNOWN

#: The characters that Python's str.strip removes.
_BLANKS: Final = (
    " \t\n\v\f\r\x1c\x1d\x1e\x1f\x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008"
    "\u2009\u200a\u2028\u2029\u202f\u205f\u3000"
)


def or_unknown(column: str) -> Column:
    """Returns the column's name to count under, never null."""
    return f.coalesce(named(column), f.lit(UNKNOWN))


def named(column: str) -> Column:
    """Returns the column, null where it is blank or `unknown`."""
    name = f.col(column)
    bare = f.btrim(name, f.lit(_BLANKS))
    # Some letters beyond ASCII have ASCII letters as their lower case, but more bytes.
    is_unknown = (f.octet_length(bare) == len(UNKNOWN)) & (f.lower(bare) == UNKNOWN)
    return f.when(_is_plainly_named(name), name).when((bare != "") & ~is_unknown, name)


def _is_plainly_named(name: Column) -> Column:
    """Returns true for nearly every name: one that begins with an ASCII character other than white space and `u`.

    These comparisons cost a third of trimming every row's name.
    """
    short = f.octet_length(name) < len(UNKNOWN)
    no_u = (name < "U") | ((name >= "V") & (name < "u")) | (name >= "v")
    return (name >= "!") & (name < "\x7f") & (short | no_u)
