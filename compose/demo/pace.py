"""The pace of the demo's live traffic: that of its history."""

from typing import Final

from app.settings import DemoSettings, GeneratorSettings

_DAY_SECONDS: Final = 86_400.0
#: The demo's shop sells on both sides of an ocean: its nights are not dead, at whatever hour somebody looks.
DAY_CURVE_DEPTH: Final = 0.4


def live_options(demo: DemoSettings, generator: GeneratorSettings) -> list[str]:
    """Returns the options of `globalmart generate` for live traffic with the orders of a day of the history.

    Views and carts keep their proportion to the orders. System metrics do not come from customers: they keep their
    rate. Without a rate of orders there is no proportion to keep, and every rate is as it is set.
    """
    if generator.transaction_rate <= 0:
        return []
    orders = demo.orders_per_day / _DAY_SECONDS
    factor = orders / generator.transaction_rate
    rates = {
        "--transaction-rate": orders,
        "--view-rate": generator.product_view_rate * factor,
        "--cart-rate": generator.cart_event_rate * factor,
    }
    return ["--day-curve", *(text for option, rate in rates.items() for text in (option, repr(rate)))]
