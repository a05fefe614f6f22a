import pytest

from app.settings import DemoSettings, GeneratorSettings
from compose.demo.pace import live_options
from tests.support.command_line import options_of


def _rates(options: list[str]) -> dict[str, float]:
    assert options[0] == "--day-curve"
    return {name: float(value) for name, value in zip(options[1::2], options[2::2], strict=True)}


def test_live_traffic_has_the_orders_of_a_day_of_history_and_the_mix_of_the_settings() -> None:
    shop = GeneratorSettings(transaction_rate=200, product_view_rate=300, cart_event_rate=100)
    rates = _rates(live_options(DemoSettings(orders_per_day=8640), shop))
    assert set(rates) <= options_of("generate")
    assert rates == pytest.approx({"--transaction-rate": 0.1, "--view-rate": 0.15, "--cart-rate": 0.05})


def test_a_mix_without_orders_keeps_its_rates() -> None:
    assert live_options(DemoSettings(), GeneratorSettings(transaction_rate=0)) == []
