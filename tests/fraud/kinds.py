"""A rule of every kind, with limits low enough for small tests; all are in shadow but one."""

from decimal import Decimal
from typing import Final

from app.fraud.rules import (
    Amount,
    AnyRule,
    CardTesting,
    Deviation,
    Distinct,
    Listed,
    NewCategory,
    NewCustomer,
    Quantity,
    Spend,
    Velocity,
    Where,
)

EVERY_KIND: Final[tuple[AnyRule, ...]] = (
    Amount(id="large", name="Large abroad", above=Decimal("50.00"), where=Where(country_not_in=["UK"])),
    Quantity(id="bulk", name="Bulk", at_least=5, where=Where(amount_from=Decimal("1.00"), amount_to=Decimal("90.00"))),
    Velocity(id="hourly", name="Hourly", more_than=2, seconds=3_600, state="active", cooldown_minutes=10),
    Spend(id="spree", name="Spree", above=Decimal("120.00"), seconds=1_800),
    Distinct(id="travel", name="Travel", field="country", at_least=3, seconds=7_200),
    Distinct(id="cards", name="Cards", field="card", at_least=2, seconds=86_400),
    CardTesting(id="testing", name="Testing", at_least=2, below=Decimal("2.00"), above=Decimal("40.00"), seconds=3_600),
    NewCustomer(id="newcomer", name="Newcomer", above=Decimal("30.00")),
    Deviation(id="unlike", name="Unlike", deviations=Decimal("1.5"), orders=10, at_least=3),
    NewCategory(id="novel", name="Novel", above=Decimal("20.00"), at_least=2),
    Listed(id="stolen_card", name="Stolen card", field="card", list="stolen"),
)
