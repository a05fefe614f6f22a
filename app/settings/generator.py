"""Settings of the traffic generator."""

from typing import ClassVar, Self

from pydantic import model_validator

from app.settings.group import SettingsGroup, setting


class GeneratorSettings(SettingsGroup):
    """The traffic generator."""

    GROUP: ClassVar[str] = "GENERATOR_"
    users: int = setting(100_000, "simulated users", guide="NUM_USERS", ge=1)
    products: int = setting(250_000, "products", guide="NUM_PRODUCTS", ge=1)
    categories: int = setting(100, "categories", guide="NUM_CATEGORIES", ge=1, le=10_000)
    countries: str = setting("USA,UK,Canada,Germany,France", "countries, comma separated", guide="COUNTRIES")
    transaction_rate: float = setting(200.0, "transactions", unit="1/s", guide="TRANSACTION_RATE", ge=0)
    product_view_rate: float = setting(300.0, "product views", unit="1/s", guide="PRODUCT_VIEW_RATE", ge=0)
    cart_event_rate: float = setting(100.0, "cart events", unit="1/s", guide="CART_EVENT_RATE", ge=0)
    system_metric_rate: float = setting(10.0, "system metrics", unit="1/s", ge=0)
    orders_per_day: float = setting(2000.0, "orders of a back-filled day", unit="1/d", gt=0)
    seed: int | None = setting(None, "seed of a repeatable run; unset makes every run unique")
    world_seed: int = setting(1, "seed of products, prices and users, the same for history and live traffic")
    think_seconds: float = setting(8.0, "mean pause between two steps of a session", unit="s", gt=0, le=600)
    cart_conversion: float = setting(0.5, "share of carts that are checked out", ge=0, le=1)
    day_curve_depth: float = setting(0.8, "how far the night falls below the day in history; 0 is flat", ge=0, le=1)
    high_value_share: float = setting(0.002, "share of orders above the limit", ge=0, le=1)
    unusual_quantity_share: float = setting(0.002, "share of bulk orders", ge=0, le=1)
    rapid_share: float = setting(0.0005, "share of orders that begin a burst", ge=0, le=0.05)
    attack_share: float = setting(
        0.01, "orders of attacks that `generate --attacks` adds, as a share of the orders", ge=0, le=1
    )
    lookalike_share: float = setting(
        0.03, "innocent orders that resemble attacks and are added with them, as a share of the orders", ge=0, le=1
    )
    late_share: float = setting(0.005, "share of events beyond the allowed lateness", ge=0, le=1)
    out_of_order_share: float = setting(0.02, "share of events slightly out of order", ge=0, le=1)
    duplicate_share: float = setting(0.005, "share of events sent twice", ge=0, le=1)
    conflicting_share: float = setting(
        0.0005, "share of events sent again under the same id with other content", ge=0, le=1
    )
    malformed_share: float = setting(0.002, "share of malformed events", ge=0, le=1)
    forgiven_share: float = setting(0.01, "share of events in an odd form that is accepted all the same", ge=0, le=1)
    tick_seconds: float = setting(0.015, "time between two sends of live traffic", unit="s", ge=0.001, le=1)
    catch_up_factor: float = setting(
        2.0, "greatest multiple of the set rates while catching up after a stall", gt=1, le=100
    )
    catch_up_max_seconds: float = setting(
        30.0, "longest stall that is caught up; the rest of it stays a gap", unit="s", ge=0
    )
    linger_live_ms: float = setting(
        5.0, "how long live records wait for more records of their batch", unit="ms", ge=0, le=1000
    )
    linger_bulk_ms: float = setting(50.0, "the same at full speed", unit="ms", ge=0, le=1000)
    flush_timeout_seconds: float = setting(30.0, "how long a stop waits for records under way", unit="s", gt=0)

    @model_validator(mode="after")
    def _shares_fit(self) -> Self:
        shares = (self.out_of_order_share, self.duplicate_share, self.conflicting_share)
        if sum(shares) + self.malformed_share + self.forgiven_share > 1:
            raise ValueError(
                "the shares out of order, duplicate, conflicting, malformed and forgiven "
                "exclude each other and must not exceed 1 together"
            )
        if self.high_value_share + self.unusual_quantity_share > 0.5:
            raise ValueError("HIGH_VALUE_SHARE and UNUSUAL_QUANTITY_SHARE must not exceed 0.5")
        return self

    @model_validator(mode="after")
    def _countries_are_names(self) -> Self:
        if not self.country_names or any(len(name) > 50 for name in self.country_names):
            raise ValueError("COUNTRIES must be one or more names of at most 50 characters")
        return self

    @property
    def country_names(self) -> tuple[str, ...]:
        """The countries without blanks and repetitions."""
        names = (name.strip() for name in self.countries.split(","))
        return tuple(dict.fromkeys(name for name in names if name))
