"""Reads the numbers of a file: decimal signs, groups of thousands, currency signs, refunds."""

import re
import unicodedata
from decimal import Context, Decimal, DivisionByZero, Inexact, InvalidOperation, Overflow
from typing import Final, NamedTuple

from app.domain.money import MAX_AMOUNT_CENTS
from app.generator.csv_format import RowError

#: Exact or an error: no digit of an amount is lost on the way.
EXACT: Final = Context(prec=400, traps=[Inexact, InvalidOperation, DivisionByZero, Overflow], Emax=9999, Emin=-9999)
POINT: Final = "."
COMMA: Final = ","
_NAMES: Final = {COMMA: "comma", POINT: "point"}
AMOUNT: Final = "amount"
NEGATIVE: Final = "negative amount"
_LONGEST: Final = 60
_PLAIN: Final = re.compile(r"[0-9]{1,12}(?:\.[0-9]{1,2})?")
_MINUS: Final = str.maketrans("−–﹣-", "----")
_SPACES: Final = " \u00a0\u2009\u202f"
_GROUP_BY: Final = "'’" + _SPACES
_BODY: Final = re.compile(rf"[0-9.,{_GROUP_BY}]*+(?<=[0-9.,])")
_PARTS: Final = re.compile(
    r"(?P<sign1>[-+]?)\s*(?P<before>[^\d\s.,'’+\-()]*)\s*(?P<sign2>[-+]?)\s*"
    r"(?P<body>[0-9.,][0-9.,'’\s]*)\s*(?P<after>[^\d\s.,'’+\-()]*)\s*(?P<sign3>-?)"
)
_CODES: Final = re.compile(r"[A-Z]{3}|Fr|kr|Kr|zł|Kč|Ft|lei|Lei|лв|R|Rs|RM|S/|руб")
_SCIENTIFIC: Final = re.compile(r"[-+]?[0-9]*[.,]?[0-9]+[eE][-+]?[0-9]+")
_ZERO: Final = re.compile(r"[-+]?0*[.,]?0*[eE][-+]?[0-9]+")
_THREE_DECIMALS: Final = re.compile(r"[1-9][0-9]{0,2}\.[0-9]{3}")
_INDIAN: Final = re.compile(r"[0-9]{1,2}(?:,[0-9]{2})+,[0-9]{3}")
_MAX: Final = Decimal(MAX_AMOUNT_CENTS).scaleb(-2)


class Money(NamedTuple):
    """An amount, and the currency its cell names, or an empty text."""

    amount: Decimal
    currency: str = ""


class NumberReader:
    """Reads numbers; without a `decimal` sign only those that can be read in one way.

    `1.234` is 1234 or 1.234: alone it decides nothing. `doubtful` is the first such text as long as no other
    number of the file shows what the point is.
    """

    def __init__(self, decimal: str | None) -> None:
        self._decimal = decimal
        self._settled = decimal is not None
        self._doubtful = ""

    @property
    def doubtful(self) -> str:
        """A number that could be read in two ways, where nothing has shown which is right."""
        return "" if self._settled else self._doubtful

    def read(self, text: str) -> Money:
        """The number of a cell that is not empty; raises RowError with the way to write it."""
        if self._decimal != COMMA and _PLAIN.fullmatch(text):
            self._settled = self._settled or POINT in text
            return Money(Decimal(text))
        if len(text) > _LONGEST:
            raise RowError(AMOUNT, f"{text[:20]!r}… is no number")
        if _SCIENTIFIC.fullmatch(text):
            return Money(_scientific(text))
        return self._taken_apart(text)

    def _taken_apart(self, text: str) -> Money:
        bare = text.translate(_MINUS).strip()
        in_brackets = bare.startswith("(") and bare.endswith(")")
        found = _PARTS.fullmatch(bare[1:-1].strip() if in_brackets else bare)
        if found is None or not _BODY.fullmatch(found["body"].strip()):
            raise RowError(AMOUNT, f"{text!r} is no number: write one such as 1234.50")
        currency = found["before"] or found["after"]
        if (found["before"] and found["after"]) or not _is_currency(currency):
            raise RowError(AMOUNT, f"{text!r} is no number: write one such as 1234.50")
        signs = found["sign1"] + found["sign2"] + found["sign3"]
        if len(signs) > 1:
            raise RowError(AMOUNT, f"{text!r} is no number: it has two signs")
        amount = self._number(text, found["body"].strip())
        negative = in_brackets or signs == "-"
        return Money(EXACT.minus(amount) if negative and amount else amount, currency)

    def _number(self, text: str, body: str) -> Decimal:
        decimal = self._decimal or POINT
        other = COMMA if decimal == POINT else POINT
        if self._decimal is None and COMMA in body:
            raise RowError(AMOUNT, f"{text!r} {_comma_hint(body)}")
        digits = _ungrouped(body, decimal, other)
        if digits is None:
            raise RowError(AMOUNT, f"{text!r} {_misfit(body, decimal, self._decimal)}")
        if self._decimal is None:
            self._weigh(body)
        return Decimal(digits)

    def _weigh(self, body: str) -> None:
        if _THREE_DECIMALS.fullmatch(body):
            self._doubtful = self._doubtful or body
        elif POINT in body:
            self._settled = True


def refuse_out_of_range(amount: Decimal) -> None:
    """Raise RowError for an amount no order can have."""
    if amount < 0:
        raise RowError(
            NEGATIVE,
            f"the amount {amount:f} is negative, a refund or a cancelled order: the ledger takes sales from 0 "
            f"up. Take such rows out of the file, or leave them out with --without or --skip-bad-rows",
        )
    if amount > _MAX:
        raise RowError(AMOUNT, f"the amount {amount:f} is above 9,999,999,999.99")


def _ungrouped(body: str, decimal: str, other: str) -> str | None:
    """The digits with a point, or None if signs and groups are not where they belong."""
    whole, sign, fraction = body.partition(decimal)
    if sign and not re.fullmatch(r"[0-9]+", fraction):
        return None
    for group in (other, *_GROUP_BY):
        if group in whole:
            sound = re.fullmatch(rf"[0-9]{{1,3}}(?:{re.escape(group)}[0-9]{{3}})+", whole) or (
                group == COMMA and _INDIAN.fullmatch(whole)
            )
            if not sound:
                return None
            whole = whole.replace(group, "")
    if not re.fullmatch(r"[0-9]*", whole):
        return None
    return f"{whole or '0'}.{fraction}" if sign else whole


def _comma_hint(body: str) -> str:
    comma, point = body.rfind(COMMA), body.rfind(POINT)
    if point > comma:
        return "has commas between the thousands: add --decimal . (a point is the decimal sign)"
    if point >= 0 or not re.fullmatch(rf"[1-9][0-9]{{0,2}}(?:{COMMA}[0-9]{{3}})+", body):
        return "has a decimal comma: add --decimal , (a comma is the decimal sign)"
    return (
        f"can be read in two ways: add --decimal , if the comma is the decimal sign, or --decimal . if it "
        f"stands between thousands ({body.replace(COMMA, '')})"
    )


def _misfit(body: str, decimal: str, asked: str | None) -> str:
    if asked is None:
        return "is no number: write one such as 1234.50"
    other = COMMA if decimal == POINT else POINT
    if other in body:
        return f"does not fit --decimal {decimal}: its decimal sign seems to be the {_NAMES[other]}"
    return f"is no number with --decimal {decimal}"


def _scientific(text: str) -> Decimal:
    """Zero, which has no digits to lose; raises RowError for everything else."""
    if _ZERO.fullmatch(text):
        return Decimal(0)
    raise RowError(
        AMOUNT,
        f"{text!r} is in scientific notation, from which digits may be missing: format the column as a number "
        f"with two decimals and save the file again",
    )


def _is_currency(text: str) -> bool:
    if not text or _CODES.fullmatch(text):
        return True
    signs = sum(unicodedata.category(character) == "Sc" for character in text)
    return signs == 1 and len(text) <= 4
