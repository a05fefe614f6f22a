"""Rules as data: ten kinds, each with its parameters and with what a missing field means to it.

`parse_rule` reads a definition as people and programs write it (JSON), strictly: an unknown field, a missing one or a
value out of range is refused with the field's name.

Words of all kinds: the user's *earlier orders* are those of the same partition with a lower offset and no later time; a
*window* is (t - seconds, t] up to the order's own time t, the order itself included.
"""

import re
from collections.abc import Callable
from decimal import Decimal
from typing import Annotated, Any, ClassVar, Final, Literal, TypeAlias, TypeVar, get_args

import msgspec
from msgspec import Meta, Struct

from app.domain.money import MAX_AMOUNT_CENTS, cents_of, decimal_from_cents, plain_amount
from app.events.topics.declaration import MAX_QUANTITY
from app.fraud.rule_errors import InvalidRuleError

MAX_WINDOW_SECONDS: Final = 86_400
#: How far back `new_customer`, `new_category` and `deviation` look.
HISTORY_DAYS: Final = 365
#: Most recent orders that `deviation` may compare with.
MAX_COMPARED_ORDERS: Final = 200

RuleId: TypeAlias = Annotated[str, Meta(pattern=r"^[a-z][a-z0-9_]{0,49}\Z")]
ListName: TypeAlias = Annotated[str, Meta(pattern=r"^[a-z][a-z0-9_]{0,49}\Z")]
Limit = Annotated[Decimal, Meta(description="an amount with up to two decimals")]
WindowSeconds = Annotated[int, Meta(ge=1, le=MAX_WINDOW_SECONDS)]
OrderCount = Annotated[int, Meta(ge=1, le=1_000_000)]
Severity = Literal["low", "medium", "high", "critical"]
State = Literal["active", "shadow", "paused"]
#: Fields whose different values can be counted, and that can be compared with a list.
Trait = Literal["country", "category", "payment_method", "product_id", "session_id", "card", "device", "ip", "email"]
ListedField = Literal["user_id", Trait]
Names = Annotated[list[Annotated[str, Meta(min_length=1, max_length=100)]], Meta(min_length=1, max_length=1_000)]

Read = TypeVar("Read")
SEVERITIES: Final[tuple[Severity, ...]] = get_args(Severity)
_CENT: Final = Decimal("0.01")
#: A message of msgspec, with the place of the value.
_AT: Final = re.compile(r"(?P<problem>.*) - at `\$?\.?(?P<field>[^`]*)`", re.DOTALL)


class Where(Struct, forbid_unknown_fields=True, frozen=True, omit_defaults=True):
    """Which orders a rule looks at; all conditions hold, limits included.

    A missing field is in no list of names: `_in` never holds, `_not_in` always does. A missing quantity is 1.
    """

    amount_from: Limit | None = None
    amount_to: Limit | None = None
    quantity_from: Annotated[int, Meta(ge=1, le=MAX_QUANTITY)] | None = None
    quantity_to: Annotated[int, Meta(ge=1, le=MAX_QUANTITY)] | None = None
    country_in: Names | None = None
    country_not_in: Names | None = None
    category_in: Names | None = None
    category_not_in: Names | None = None
    payment_method_in: Names | None = None
    payment_method_not_in: Names | None = None

    def __post_init__(self) -> None:
        _check_limits(self, "amount_from", "amount_to")
        for name in ("amount", "quantity"):
            least, most = getattr(self, f"{name}_from"), getattr(self, f"{name}_to")
            if least is not None and most is not None and least > most:
                raise ValueError(f"where.{name}_from is above where.{name}_to: no order is between them")


#: The fields whose names orders are filtered by.
FILTERED_NAMES: Final = tuple(
    name.removesuffix("_not_in") for name in Where.__struct_fields__ if name.endswith("_not_in")
)


class Rule(Struct, forbid_unknown_fields=True, frozen=True, kw_only=True, tag_field="kind"):
    """What every rule has. `weight` is its share of the risk score, 0 to 100.

    Repeats of user and rule within `cooldown_minutes` after one that counted are stored and marked as suppressed.
    """

    #: Whether the measure depends on the user's earlier orders.
    needs_history: ClassVar[bool] = False
    #: Whether the measure is an amount in cents; otherwise it is a number.
    in_currency: ClassVar[bool] = False
    #: The amounts among the parameters, and the parameter that the measure is compared with.
    amounts: ClassVar[tuple[str, ...]] = ()
    limit: ClassVar[str] = "above"
    #: What an order raised, of `measure`, `threshold`, the amounts and the other parameters (`rule`).
    text: ClassVar[str]

    id: RuleId
    name: Annotated[str, Meta(min_length=1, max_length=100)]
    severity: Severity = "medium"
    weight: Annotated[int, Meta(ge=0, le=100)] = 50
    cooldown_minutes: Annotated[int, Meta(ge=0, le=10_080)] = 0
    state: State = "shadow"
    where: Where = msgspec.field(default_factory=Where)

    def __post_init__(self) -> None:
        _check_limits(self, *self.amounts, least=1)

    @property
    def kind(self) -> str:
        """The name of its kind."""
        return str(self.__struct_config__.tag)

    @property
    def lookback_us(self) -> int:
        """How much of the user's history it needs before the order's time, in microseconds."""
        seconds = getattr(self, "seconds", HISTORY_DAYS * 86_400)
        return int(seconds) * 1_000_000 if self.needs_history else 0

    @property
    def traits(self) -> tuple[str, ...]:
        """The fields of earlier orders that it compares."""
        return ()

    @property
    def threshold(self) -> Decimal:
        """What the measure is compared with, as it is stored and shown; of `deviation` a number of deviations."""
        return Decimal(getattr(self, self.limit))

    def describe(self, measure: int, threshold: Decimal) -> str:
        """Says in plain words what an order raised; an amount is in cents."""
        amounts = {name: _plain(getattr(self, name)) for name in self.amounts}
        shown = plain_amount(measure) if self.in_currency else measure
        return self.text.format(rule=self, measure=shown, threshold=_plain(threshold), **amounts)


class Amount(Rule, tag="amount", frozen=True):
    """The order's amount is above `above`."""

    text: ClassVar[str] = "High value transaction: {measure}"
    in_currency: ClassVar[bool] = True
    amounts: ClassVar[tuple[str, ...]] = ("above",)
    above: Limit


class Quantity(Rule, tag="quantity", frozen=True):
    """The order has at least `at_least` items; a missing quantity is 1."""

    limit: ClassVar[str] = "at_least"
    text: ClassVar[str] = "Unusual quantity: {measure} items"
    at_least: Annotated[int, Meta(ge=1, le=MAX_QUANTITY)]


class Velocity(Rule, tag="velocity", frozen=True):
    """More than `more_than` orders of the user in the window."""

    limit: ClassVar[str] = "more_than"
    text: ClassVar[str] = "Rapid transactions: {measure} in {rule.seconds} seconds"
    needs_history: ClassVar[bool] = True
    more_than: OrderCount
    seconds: WindowSeconds


class Spend(Rule, tag="spend", frozen=True):
    """The sum of the user's orders in the window is above `above`."""

    text: ClassVar[str] = "Spent {measure} in {rule.seconds} seconds"
    in_currency: ClassVar[bool] = True
    needs_history: ClassVar[bool] = True
    amounts: ClassVar[tuple[str, ...]] = ("above",)
    above: Limit
    seconds: WindowSeconds


class Distinct(Rule, tag="distinct", frozen=True):
    """At least `at_least` different values of `field` among the user's orders in the window.

    A missing value counts as no value, and an order without one raises nothing.
    """

    limit: ClassVar[str] = "at_least"
    text: ClassVar[str] = "{measure} different values of {rule.field} in {rule.seconds} seconds"
    needs_history: ClassVar[bool] = True
    field: Trait
    at_least: Annotated[int, Meta(ge=2, le=1_000)]
    seconds: WindowSeconds

    @property
    def traits(self) -> tuple[str, ...]:
        """The counted field."""
        return (self.field,)


class CardTesting(Rule, tag="card_testing", frozen=True):
    """An order above `above` after at least `at_least` of the user's orders below `below`, all in the window."""

    limit: ClassVar[str] = "at_least"
    text: ClassVar[str] = "{measure} orders below {below} in {rule.seconds} seconds before this one"
    needs_history: ClassVar[bool] = True
    amounts: ClassVar[tuple[str, ...]] = ("below", "above")
    at_least: Annotated[int, Meta(ge=1, le=1_000)]
    below: Limit
    above: Limit
    seconds: WindowSeconds

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.below > self.above:
            raise ValueError("below must not exceed above: an order would be small and large at once")


class NewCustomer(Rule, tag="new_customer", frozen=True):
    """The user's first order within a year, and its amount is above `above`."""

    text: ClassVar[str] = "First order of a customer: {measure}"
    in_currency: ClassVar[bool] = True
    needs_history: ClassVar[bool] = True
    amounts: ClassVar[tuple[str, ...]] = ("above",)
    above: Limit


class Deviation(Rule, tag="deviation", frozen=True):
    """The amount is above mean + `deviations` standard deviations of the user's last `orders` earlier orders.

    The deviation is that of the whole (divided by n, not n - 1). With fewer than `at_least` earlier orders within a
    year it raises nothing.
    """

    limit: ClassVar[str] = "deviations"
    text: ClassVar[str] = "Amount {measure} where this customer's limit is {threshold}"
    in_currency: ClassVar[bool] = True
    needs_history: ClassVar[bool] = True
    deviations: Annotated[Decimal, Meta(description="0.1 to 100, up to two decimals")]
    orders: Annotated[int, Meta(ge=2, le=MAX_COMPARED_ORDERS)]
    at_least: Annotated[int, Meta(ge=2, le=MAX_COMPARED_ORDERS)]

    def __post_init__(self) -> None:
        super().__post_init__()
        value = self.deviations
        if not value.is_finite() or not Decimal("0.1") <= value <= 100 or value != value.quantize(_CENT):
            raise ValueError("deviations must be a number from 0.1 to 100 with up to two decimals")
        if self.at_least > self.orders:
            raise ValueError("at_least exceeds orders: so many are never compared")

    @property
    def hundredths(self) -> int:
        """`deviations` in hundredths, exact."""
        return int(self.deviations * 100)


class NewCategory(Rule, tag="new_category", frozen=True):
    """The user's first order of its category within a year, above `above`, after at least `at_least` earlier orders.

    An order without a category raises nothing.
    """

    text: ClassVar[str] = "First order in a new category: {measure}"
    in_currency: ClassVar[bool] = True
    needs_history: ClassVar[bool] = True
    amounts: ClassVar[tuple[str, ...]] = ("above",)
    above: Limit
    at_least: Annotated[int, Meta(ge=1, le=1_000)]

    @property
    def traits(self) -> tuple[str, ...]:
        """The category."""
        return ("category",)


class Listed(Rule, tag="list", frozen=True):
    """A field's value is on a list, and its entry has not expired at the order's time.

    A missing value is on no list. `allow` keeps all other rules of the order from counting; `block` and `watch` are
    weighed like any rule.
    """

    #: Not the value, which is personal.
    text: ClassVar[str] = "{rule.field} is on the list {rule.list}"
    field: ListedField
    list: ListName
    effect: Literal["block", "watch", "allow"] = "watch"

    @property
    def threshold(self) -> Decimal:
        """One entry."""
        return Decimal(1)


AnyRule: TypeAlias = (
    Amount | Quantity | Velocity | Spend | Distinct | CardTesting | NewCustomer | Deviation | NewCategory | Listed
)
KINDS: Final[tuple[type[Rule], ...]] = get_args(AnyRule)
KIND_NAMES: Final = tuple(str(kind.__struct_config__.tag) for kind in KINDS)


def parse_rule(definition: bytes | str) -> AnyRule:
    """Reads a rule's JSON; raises InvalidRuleError that names the field and the fix."""
    rule: AnyRule = _checked(lambda: msgspec.json.decode(definition, type=AnyRule))
    return rule


def parse_rules(definitions: bytes) -> tuple[AnyRule, ...]:
    """Reads one definition or a JSON array of them; raises InvalidRuleError that names every one that is wrong."""
    if not definitions.lstrip().startswith(b"["):
        return (parse_rule(definitions),)
    rules, problems = [], []
    for number, definition in enumerate(_checked(lambda: msgspec.json.decode(definitions, type=list[msgspec.Raw])), 1):
        try:
            rules.append(parse_rule(bytes(definition)))
        except InvalidRuleError as error:
            problems.append(f"rule {number}: {error}")
    if problems or not rules:
        raise InvalidRuleError("\n".join(problems) or "there is no rule in the array; write one at least")
    return tuple(rules)


def rule_from(values: object) -> AnyRule:
    """Reads a rule of plain values, as of a decoded JSON document; raises InvalidRuleError."""
    rule: AnyRule = _checked(lambda: msgspec.convert(values, AnyRule))
    return rule


def definition_of(rule: Rule) -> str:
    """Returns the JSON that `parse_rule` reads; amounts are texts, so that no reader rounds them."""
    return msgspec.json.encode(rule).decode()


def _checked(read: Callable[[], Read]) -> Read:
    try:
        return read()
    except msgspec.ValidationError as error:
        raise InvalidRuleError(_explained(str(error))) from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InvalidRuleError(f"the definition is no JSON: {error}") from None
    except RecursionError:
        raise InvalidRuleError("the definition is nested too deeply; a rule has one level, `where`") from None


def _explained(text: str) -> str:
    """Puts the field first, and names what is allowed where msgspec only names what was found."""
    found = _AT.fullmatch(text)
    problem, field = (text, "") if found is None else (found["problem"], found["field"])
    if field == "kind" or "required field `kind`" in problem:
        return f"kind: {problem}; the kinds are {', '.join(KIND_NAMES)}"
    if field == "id":
        return f"id: {problem}; write lower-case letters, digits and _, 50 at most"
    return f"{field}: {problem}" if field else problem


def _plain(amount: Decimal) -> str:
    return plain_amount(cents_of(amount))


def _check_limits(holder: Any, *names: str, least: int = 0) -> None:
    """Raises ValueError for an amount out of range or of more than two decimals."""
    for name in names:
        amount: Decimal | None = getattr(holder, name)
        if amount is None:
            continue
        lowest, highest = decimal_from_cents(least), decimal_from_cents(MAX_AMOUNT_CENTS)
        if not amount.is_finite() or not lowest <= amount <= highest or amount != amount.quantize(_CENT):
            raise ValueError(f"{name} must be an amount from {lowest} to {highest} with up to two decimals")
