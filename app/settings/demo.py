"""Settings of the demo."""

from typing import ClassVar

from app.settings.group import SettingsGroup, setting


class DemoSettings(SettingsGroup):
    """What `globalmart demo` begins with."""

    GROUP: ClassVar[str] = "DEMO_"
    history_days: int = setting(90, "days of history sent through the stream before the live traffic", unit="d", ge=0)
    history_orders_per_day: float = setting(
        500.0, "orders of each of these days; views and carts in proportion", unit="1/d", gt=0
    )
    products: int = setting(2000, "products of its shop, in place of the generator's", ge=1)
